# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.service_report by itself; `tests/unit/playbooks/test_service.py` has it in real runs."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.service_report import ActionModule, make, office_of, period_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.answers import Answers
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.gather import Office
from unit.plugins.plugin_utils.notices.world import PLAN
from unit.plugins.plugin_utils.service import sample_month as sample
from unit.plugins.plugin_utils.service.sample_month import BEGIN, END, NOW, at
from unit.plugins.plugin_utils.service.site import Site

Data = dict[str, t.Any]


def office(folder: Path, now: float = NOW) -> Office:
    options = {name: spec.get("default") for name, spec in ActionModule.SPEC.items()}
    plan = {**PLAN, "site": "portal.example.com"}
    return office_of({**options, "plan": plan, "opened": "2026-11-29", "journal": str(folder / "move.jsonl")}, now)


def test_a_month_is_one_of_the_plans_zone_and_by_itself_the_last_one(tmp_path: Path) -> None:
    for wanted in ("", "2026-12"):
        period = period_of(office(tmp_path), wanted)
        assert (period.name, period.begin, period.end) == ("December 2026", BEGIN, END)
    # In Berlin it is January already.
    assert period_of(office(tmp_path, END + 60), "").name == "December 2026"
    assert period_of(office(tmp_path, END - 60), "").name == "November 2026"
    with pytest.raises(BoxliftError, match="service_report_month: December is no month"):
        period_of(office(tmp_path), "December")


def test_it_writes_a_page_and_the_same_as_json_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.lived(Site(tmp_path, monkeypatch))
    where = office(tmp_path)
    period, found = period_of(where, ""), Answers(sample.prometheus(), sample.copies(), sample.ENTITLEMENTS)
    dest = str(tmp_path / "out")
    assert make(where, period, found, dest, True)["changed"] is True
    assert not (tmp_path / "out").exists()
    made = make(where, period, found, dest, False)
    assert make(where, period, found, dest, False)["changed"] is False
    assert Path(made["html"]).name == "service-2026-12.html"
    content = json.loads(Path(made["json"]).read_text("utf-8"))
    assert content["result"] == made["result"] and content["notices"]["late"] == 0
    assert made["unknown"] == []


def test_a_month_that_goes_on_says_so_far_and_one_to_come_is_refused(tmp_path: Path) -> None:
    where = office(tmp_path, at(10, 12))
    asked = Answers(sample.prometheus(now=at(10, 12)))
    made = make(where, period_of(where, "2026-12"), asked, str(tmp_path / "out"), False)
    assert made["result"]["text"].startswith("The portal could be reached 100 % of the time in December 2026 so far.")
    with pytest.raises(BoxliftError, match="January 2027 has not begun"):
        make(where, period_of(where, "2027-01"), asked, str(tmp_path / "out"), False)
