# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.visits by itself; `tests/unit/playbooks/test_service.py` has it in real runs."""

from __future__ import annotations

import typing as t
from pathlib import Path

import icalendar
import pytest
from ansible_collections.boxlift.portal.plugins.action.service_report import office_of
from ansible_collections.boxlift.portal.plugins.action.visits import ActionModule, make, since
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.plugin_utils.notices.world import PLAN
from unit.plugins.plugin_utils.service.sample_month import at

Data = dict[str, t.Any]


@pytest.fixture
def run(tmp_path: Path) -> t.Callable[..., Data]:
    """At a moment of December 2026; the portal was opened on November 29."""

    def made(now: float, check: bool = False, **more: t.Any) -> Data:
        options = {name: spec.get("default") for name, spec in ActionModule.SPEC.items()}
        options = {
            **options, "plan": {**PLAN, "site": "portal.example.com"}, "opened": "2026-11-29", "operator": "olga",
            "dest": str(tmp_path / "out"), "journal": str(tmp_path / "journal" / "move.jsonl"), **more,
        }  # fmt: skip
        return make(office_of(options, now), options, check)

    return made


def test_it_writes_the_calendar_and_the_page_of_what_is_next(run: t.Callable[..., Data], tmp_path: Path) -> None:
    first = run(at(1, 9))
    assert first["changed"] and first["opened"] == "2026-11-29"
    assert first["text"][1:] == ["Next: First visit: what disturbs people at work (d3), 2026-12-02"]
    assert [Path(page).name for page in first["pages"]] == ["visit-d3.html"]
    assert "Ask five people" in Path(first["pages"][0]).read_text("utf-8")
    assert run(at(1, 9))["changed"] is False
    calendar = icalendar.Calendar.from_ical((tmp_path / "out" / "visits.ics").read_bytes())
    assert len(calendar.walk("VEVENT")) == len(first["visits"]) == 7


def test_check_mode_writes_nothing(run: t.Callable[..., Data], tmp_path: Path) -> None:
    assert run(at(2, 9), check=True, held="d3")["changed"] is True
    assert list(tmp_path.iterdir()) == []


def test_what_was_held_changes_the_page_and_the_time_that_figures_begin(
    run: t.Callable[..., Data], tmp_path: Path
) -> None:
    run(at(2, 9))
    held = run(at(3, 9), held="d3", day="2026-12-02", text="Two departments\nmiss their bookmarks.")
    assert (
        next(each for each in held["visits"] if each["id"] == "d3")["text"] == "Two departments miss their bookmarks."
    )
    assert [Path(page).name for page in held["pages"]] == ["visit-d8.html"]
    assert "since the last visit" in Path(held["pages"][0]).read_text("utf-8")
    options = {name: spec.get("default") for name, spec in ActionModule.SPEC.items()}
    options = {**options, "opened": "2026-11-29", "journal": str(tmp_path / "journal" / "move.jsonl")}
    assert since(office_of(options, at(6))).isoformat() == "2026-12-02"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"held": "d3", "move": "d8", "day": "2026-12-08"}, "either held, or moved to a day"),
        ({"move": "d8"}, "either held, or moved to a day"),
        ({"held": "d3", "day": "yesterday"}, "visit_day: yesterday is no day"),
        ({"held": "d4"}, "There is no visit d4"),
        ({"opened": ""}, "No journal says when the portal was opened"),
    ],
)
def test_what_cannot_be_is_refused(run: t.Callable[..., Data], more: Data, message: str) -> None:
    with pytest.raises(BoxliftError, match=message):
        run(at(2, 9), **more)
