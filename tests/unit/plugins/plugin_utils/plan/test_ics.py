# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calendar, read back as a calendar program does."""

from __future__ import annotations

import datetime
import typing as t

import icalendar
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import ics
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import schedule
from unit.plugins.plugin_utils.by_hand import BY_HAND

SITE: dict[str, t.Any] = {
    "site": "portal.example.com",
    "timezone": "Europe/Moscow",
    "issued": "2026-10-01",
    "title": "Move; portal, \N{CYRILLIC CAPITAL LETTER EM}",
    "cutover": {"window_start": "2026-11-28 22:00", "window_end": "2026-11-29 06:00"},
    "steps": BY_HAND,
    "lead_items": {"hosts": {"ordered": "2026-10-21"}, "access": {"arrived": "2026-10-25"}},
}


def made(site: dict[str, t.Any]) -> bytes:
    plan = load(site)
    return ics.calendar(plan, schedule(plan))


def events(content: bytes) -> dict[str, t.Any]:
    return {
        str(event["uid"]).partition(".move.")[0]: event
        for event in icalendar.Calendar.from_ical(content).walk("VEVENT")
    }


def span(event: t.Any) -> tuple[str, str]:
    return str(event["dtstart"].dt), str(event["dtend"].dt)


def test_events() -> None:
    content = made(SITE)
    found = events(content)
    plan = load(SITE)
    assert set(found) == {
        *(f"lead-{name}" for name in plan.lead_items if name != "access"),
        *(f"gate-{name}" for name in plan.gates),
        *("visit-d3", "visit-d8", "visit-d15", "cutover", "point-of-no-return"),
    }
    assert span(found["cutover"]) == ("2026-11-28 19:00:00+00:00", "2026-11-29 03:00:00+00:00")
    assert span(found["lead-certificate"]) == ("2026-10-28", "2026-10-29")
    assert str(found["lead-certificate"]["summary"]) == "Customer: last day to order: Certificate of the portal's name"
    # What is ordered must be there.
    assert span(found["lead-hosts"]) == ("2026-11-02", "2026-11-03")
    assert span(found["visit-d15"]) == ("2026-12-14", "2026-12-15")
    assert span(found["gate-commit"]) == ("2026-11-28 21:50:00+00:00", "2026-11-28 22:50:00+00:00")
    assert "1 × key user of Customer" in found["gate-go"]["description"]
    assert str(icalendar.Calendar.from_ical(content)["x-wr-calname"]) == SITE["title"]


def test_is_the_same_again_and_of_the_plans_own_day() -> None:
    assert made(SITE) == made(SITE)
    stamps = {str(event["dtstamp"].dt) for event in events(made(SITE)).values()}
    assert stamps == {"2026-10-01 00:00:00+00:00"}


def test_lines_are_as_long_as_the_format_allows() -> None:
    content = made(SITE)
    assert content.endswith(b"\r\n")
    assert max(len(line) for line in content.split(b"\r\n")) <= 75


def test_a_later_version_replaces_the_entries_of_the_first() -> None:
    moved = {**SITE, "cutover": {"window_start": "2026-12-05 22:00", "window_end": "2026-12-06 06:00"}}
    first, second = events(made(SITE)), events(made(moved))
    assert {str(event["uid"]) for event in first.values()} == {str(event["uid"]) for event in second.values()}
    week = datetime.timedelta(days=7)
    assert second["gate-go"]["dtstart"].dt == first["gate-go"]["dtstart"].dt + week


def test_without_icalendar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ics, "ABSENT", ImportError("No module named 'icalendar'"))
    with pytest.raises(BoxliftError, match="No module named 'icalendar'") as caught:
        made(SITE)
    assert "pip install -r requirements.txt" in caught.value.remedy
