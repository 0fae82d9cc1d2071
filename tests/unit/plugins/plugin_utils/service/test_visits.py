# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visits: their days, what was held, moved and missed, and a calendar in which nothing is there twice."""

from __future__ import annotations

import datetime
import typing as t
import zoneinfo
from pathlib import Path

import icalendar
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import ics
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import schedule
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import calendar, records
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import visits as vs
from unit.plugins.plugin_utils.service.site import BEGIN, DAY, Site

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
OPENED = datetime.date(2026, 11, 29)  # a Sunday
TODAY = datetime.date(2026, 12, 1)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch, holidays=["2026-12-29", "2027-01-29"])


def found(site: Site, kind: str = "vip", today: datetime.date = TODAY, months: int = 4) -> list[vs.Visit]:
    return vs.visits(site.plan, site.records, OPENED, kind, today, months)


def days(site: Site, kind: str = "vip", **more: t.Any) -> dict[str, str]:
    return {each.id: each.day.isoformat() for each in found(site, kind, **more)}


def tell(site: Site, visit: str, what: str, day: str, text: str = "", today: datetime.date = TODAY) -> bool:
    line = vs.line_for(found(site, today=today), visit, what, datetime.date.fromisoformat(day), text, today)
    if line is not None:
        records.add(site.path, records.VISIT, {**line, "operator": "Olga Petrova"})
    return line is not None


def test_days_3_8_and_15_then_each_month_on_a_working_day(site: Site) -> None:
    assert days(site) == {
        "d3": "2026-12-02", "d8": "2026-12-07", "d15": "2026-12-14",
        "2026-12": "2026-12-30",  # the 29th is a holiday
        "2027-01": "2027-02-01",  # the 29th is one too, and a Friday
        "2027-02": "2027-03-01",  # there is no 29th; the 28th is a Sunday
        "2027-03": "2027-03-29",
    }  # fmt: skip
    assert days(site, "regular", months=12) == {
        "d3": "2026-12-02", "d8": "2026-12-07", "d15": "2026-12-14",
        "2027-02": "2027-03-01", "2027-05": "2027-05-31", "2027-08": "2027-08-30", "2027-11": "2027-11-29",
    }  # fmt: skip


def test_a_visit_is_due_on_its_day_and_missed_a_week_later(site: Site) -> None:
    states = {
        day: next(each.state for each in found(site, today=datetime.date(2026, 12, day)) if each.id == "d3")
        for day in (1, 2, 9, 10)
    }
    assert states == {1: vs.AHEAD, 2: vs.DUE, 9: vs.DUE, 10: vs.MISSED}
    assert [each.id for each in vs.next_ones(found(site, today=datetime.date(2026, 12, 8)))] == ["d3", "d8", "d15"]


def test_what_was_held_is_a_fact_and_the_figures_begin_there(site: Site) -> None:
    later = datetime.date(2026, 12, 9)
    assert tell(site, "d3", vs.HELD, "2026-12-03", "bookmarks", later)
    assert not tell(site, "d3", vs.HELD, "2026-12-03", "bookmarks", later)
    (held,) = [each for each in found(site) if each.id == "d3"]
    assert (held.state, held.held, held.by, held.text) == (
        vs.HELD, datetime.date(2026, 12, 3), "Olga Petrova", "bookmarks",
    )  # fmt: skip
    assert vs.last_before(found(site), OPENED, later) == datetime.date(2026, 12, 3)
    assert vs.last_before(found(site), OPENED, datetime.date(2026, 12, 3)) == OPENED
    # Another class does not make a visit unseen that was held.
    tell(site, "2026-12", vs.HELD, "2026-12-30", "", datetime.date(2026, 12, 30))
    assert "2026-12" in days(site, "regular")


@pytest.mark.parametrize(
    ("visit", "what", "day", "message"),
    [
        ("d9", vs.HELD, "2026-12-01", "There is no visit d9"),
        ("d8", vs.HELD, "2026-12-07", "of 2026-12-07 cannot have been held on 2026-12-01"),
        ("d3", vs.HELD, "2026-11-30", "The visit d3 was held on 2026-12-01"),
        ("d3", vs.MOVED, "2026-12-05", "The visit d3 was held on 2026-12-01"),
        ("d8", vs.MOVED, "2026-11-30", "cannot be moved to 2026-11-30, which is over"),
    ],
)
def test_what_cannot_be_is_refused(site: Site, visit: str, what: str, day: str, message: str) -> None:
    tell(site, "d3", vs.HELD, "2026-12-01")
    with pytest.raises(BoxliftError, match=message) as refused:
        tell(site, visit, what, day)
    assert refused.value.remedy


def attempt(step: str, end: float, outcome: str = "ok", stage: str = "final") -> Attempt:
    return Attempt(step, 1, end - 60, stage=stage, end=end, outcome=outcome)


def test_the_opening_is_that_of_the_journal_else_as_it_is_told(site: Site) -> None:
    opened = attempt("move.open", BEGIN)
    assert vs.opening(site.plan, [opened], "2026-01-01", BERLIN) == datetime.date(2026, 11, 28)
    back = [opened, attempt("rollback", BEGIN + DAY)]
    assert vs.opening(site.plan, back, "2026-12-20", BERLIN) == datetime.date(2026, 12, 20)
    again = [*back, attempt("move.open", BEGIN + 7 * DAY)]
    assert vs.opening(site.plan, again, "", BERLIN) == datetime.date(2026, 12, 5)
    failed = attempt("move.open", BEGIN, "failed")
    with pytest.raises(BoxliftError, match="No journal says when the portal was opened") as refused:
        vs.opening(site.plan, [failed], "", BERLIN)
    assert "site_opened" in refused.value.remedy
    with pytest.raises(BoxliftError, match="site_opened is 'yesterday'"):
        vs.opening(site.plan, [], "yesterday", BERLIN)


# -- the calendar


def made(site: Site, kind: str = "vip", now: float = BEGIN + 3 * DAY, **more: t.Any) -> bytes:
    """What a run of the playbook writes."""
    entries, line = calendar.entries(site.plan, site.records, found(site, kind, **more), now)
    if line is not None:
        records.add(site.path, records.CALENDAR, line)
    return calendar.calendar(site.plan, entries)


def events(content: bytes) -> dict[str, t.Any]:
    every = icalendar.Calendar.from_ical(content).walk("VEVENT")
    by_name = {str(event["uid"]).partition(".move.")[0]: event for event in every}
    assert len(by_name) == len(every), "an entry is there twice"
    return by_name


def test_a_run_again_is_the_same_to_the_byte(site: Site) -> None:
    first = made(site)
    size = Path(site.path).stat().st_size
    assert made(site, now=BEGIN + 9 * DAY) == first
    assert Path(site.path).stat().st_size == size
    assert {event["sequence"] for event in events(first).values()} == {1}
    assert first.endswith(b"\r\n") and max(map(len, first.split(b"\r\n"))) <= 75


def test_it_says_what_rfc_5545_asks_for(site: Site) -> None:
    whole = icalendar.Calendar.from_ical(made(site))
    assert whole["version"] == "2.0" and whole["prodid"] and whole["method"] == "PUBLISH"
    for event in whole.walk("VEVENT"):
        assert event["uid"] and event["dtstamp"].dt.tzinfo is not None
        begin, end = event["dtstart"].dt, event["dtend"].dt
        assert not isinstance(begin, datetime.datetime) and end - begin == datetime.timedelta(days=1)


def test_a_moved_visit_keeps_its_name_and_its_number_rises(site: Site) -> None:
    first = events(made(site))
    tell(site, "2026-12", vs.MOVED, "2027-01-05", "The customer asks for it.")
    second = events(made(site, now=BEGIN + 4 * DAY))
    assert second.keys() == first.keys()
    changed = [name for name in first if first[name] != second[name]]
    assert changed == ["visit-2026-12"]
    moved = second["visit-2026-12"]
    assert (moved["sequence"], moved["dtstart"].dt) == (2, datetime.date(2027, 1, 5))
    assert moved["dtstamp"].dt > first["visit-2026-12"]["dtstamp"].dt


def test_another_class_cancels_what_is_not_held_any_more_and_brings_it_back(site: Site) -> None:
    made(site)
    less = events(made(site, "regular", now=BEGIN + 4 * DAY))
    states = {name: (event["status"], event["sequence"]) for name, event in less.items()}
    assert states["visit-2026-12"] == states["visit-2027-01"] == ("CANCELLED", 2)
    assert states["visit-d3"] == states["visit-2027-02"][:1] + (1,) == ("CONFIRMED", 1)
    assert made(site, "regular", now=BEGIN + 5 * DAY) == made(site, "regular", now=BEGIN + 6 * DAY)
    more = events(made(site, now=BEGIN + 7 * DAY))
    assert (more["visit-2026-12"]["status"], more["visit-2026-12"]["sequence"]) == ("CONFIRMED", 3)


def test_a_lost_file_comes_back_with_its_numbers(site: Site) -> None:
    made(site)
    tell(site, "d8", vs.MOVED, "2026-12-08")
    assert made(site) == made(site)
    assert events(made(site))["visit-d8"]["sequence"] == 2


def test_time_brings_new_months_and_leaves_the_old_ones(site: Site) -> None:
    first = events(made(site))
    later = events(made(site, today=datetime.date(2027, 3, 1)))
    assert later.keys() > first.keys()
    assert all(later[name] == first[name] for name in first)


def test_the_visits_of_the_plans_calendar_are_replaced(site: Site, tmp_path: Path, monkeypatch: t.Any) -> None:
    window = {"window_start": "2026-11-28 22:00", "window_end": "2026-11-29 06:00"}
    dated = Site(tmp_path / "dated", monkeypatch, cutover=window)
    planned = events(ics.calendar(dated.plan, schedule(dated.plan)))
    ours = events(made(site))
    same = planned.keys() & ours.keys()
    assert same == {"visit-d3", "visit-d8", "visit-d15"}
    assert all("sequence" not in planned[name] and ours[name]["sequence"] > 0 for name in same)
    assert str(planned["visit-d3"]["uid"]) == str(ours["visit-d3"]["uid"])
