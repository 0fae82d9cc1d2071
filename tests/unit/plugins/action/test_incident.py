# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.incident by itself; `tests/unit/playbooks/test_service.py` has it in real runs."""

from __future__ import annotations

import fcntl
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.incident import ActionModule, take
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import desk
from unit.plugins.plugin_utils.notices.world import PLAN
from unit.plugins.plugin_utils.service.site import BEGIN

Data = dict[str, t.Any]


def taken(
    folder: Path, check: bool = False, mask: t.Callable[[t.Any], t.Any] = lambda value: value, **more: t.Any
) -> Data:
    """With what the action's options are if nobody sets them."""
    options = {name: spec.get("default") for name, spec in ActionModule.SPEC.items()}
    return take(str(folder / "service.records"), {**options, "plan": PLAN, "operator": "anna", **more}, mask, check)


def test_it_writes_once_and_says_how_all_stand(tmp_path: Path) -> None:
    assert taken(tmp_path)["text"] == ["No incident is open."]
    assert not (tmp_path / "service.records").exists()
    first = taken(tmp_path, action="open", title="Slow", owner="executor", began="2026-11-28 12:55")
    assert (first["changed"], first["number"], first["text"][0].endswith("Ravi Kumar: Slow")) == (True, 1, True)
    assert taken(tmp_path, action="open", title="Slow")["changed"] is False
    (told,) = taken(tmp_path)["incidents"]
    assert told["late"] == 0 and told["next"] == told["opened"] + 300
    assert stat.S_IMODE((tmp_path / "service.records").stat().st_mode) == 0o600


def test_nobody_else_takes_a_number_between_reading_and_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, looks = desk.lines_for, []

    def lines_for(*given: t.Any) -> t.Any:
        with open(tmp_path / "service.records.lock", "wb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        looks.append(given)
        return of(*given)

    monkeypatch.setattr(desk, "lines_for", lines_for)
    numbers = [taken(tmp_path, action="open", title=title)["number"] for title in ("Slow", "Mail")]
    assert numbers == [1, 2] and len(looks) == 2


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    assert (
        taken(tmp_path, check=True, action="open", title="Slow", command=str(tmp_path / "incident"))["changed"] is True
    )
    assert list(tmp_path.iterdir()) == []


def test_an_important_customers_account_manager_hears_too(tmp_path: Path) -> None:
    for number, kind in enumerate(("regular", "vip"), start=1):
        taken(tmp_path, action="open", title=kind, customer_class=kind)
        line = (tmp_path / "service.records").read_text("utf-8").splitlines()[number - 1]
        assert ("commercial_owner" in line) == (kind == "vip")


def test_secrets_are_masked_and_lines_of_a_text_are_one(tmp_path: Path) -> None:
    taken(
        tmp_path, action="open", title="The password canary-1\nis refused", mask=lambda v: v.replace("canary-1", "***")
    )
    text = (tmp_path / "service.records").read_text("utf-8")
    assert '"title":"The password *** is refused"' in text and "canary" not in text


@pytest.mark.parametrize(("began", "moment"), [("2026-11-28 13:00", BEGIN), ("2026-11-28T12:00:00Z", BEGIN)])
def test_a_beginning_is_of_the_plans_zone_unless_it_has_its_own(tmp_path: Path, began: str, moment: float) -> None:
    taken(tmp_path, action="open", title="Slow", began=began)
    assert f'"began":{moment}' in (tmp_path / "service.records").read_text("utf-8")


def test_a_time_that_is_none_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BoxliftError, match="incident_began: noon is no time"):
        taken(tmp_path, action="open", title="Slow", began="noon")
    with pytest.raises(OSError, match="absent.json"):
        taken(tmp_path, alerts=str(tmp_path / "absent.json"))


def test_the_command_is_written_where_it_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "desk" / "incident"
    assert taken(tmp_path, command=str(path))["changed"] is True
    assert taken(tmp_path, command=str(path))["changed"] is False
    path.write_text("#!/bin/sh\n")
    assert taken(tmp_path, command=str(path))["changed"] is True
    assert path.read_text("utf-8").startswith("#!/usr/bin/env python3")
