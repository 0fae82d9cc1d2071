# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when something is valid: days, moments, zones, and the ends of time."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.dates import (
    FAR,
    UTC,
    end_of,
    moment_of,
    start_of,
    zone_of,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from hypothesis import given, settings
from hypothesis import strategies as st

BERLIN, TOKYO = zone_of("Europe/Berlin"), zone_of("Asia/Tokyo")


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "pattern", "zone", "expected"),
    [
        # The last day is over at its own midnight, which is another moment in every zone.
        ("2026-12-05", "iso", UTC, "2026-12-06T00:00"),
        ("2026-12-05", "iso", BERLIN, "2026-12-05T23:00"),
        ("2026-12-05", "iso", TOKYO, "2026-12-05T15:00"),
        ("2026-07-01", "iso", BERLIN, "2026-07-01T22:00"),
        ("2028-02-29", "iso", UTC, "2028-03-01T00:00"),
        ("2026-12-31", "iso", UTC, "2027-01-01T00:00"),
        ("2026-12-05 23:59", "iso", BERLIN, "2026-12-05T22:59"),
        ("2026-12-05T23:59:59.999Z", "iso", BERLIN, "2026-12-05T23:59:59"),
        ("2026-12-05T23:59:59+03:00", "iso", BERLIN, "2026-12-05T20:59:59"),
        ("2026-12-05T23:59:59 -1130", "iso", BERLIN, "2026-12-06T11:29:59"),
        ("05.12.2026", "%d.%m.%Y", BERLIN, "2026-12-05T23:00"),
        ("12/05/26", "%m/%d/%y", UTC, "2026-12-06T00:00"),
        ("5 Dec 2026 10:00 PM", "%d %b %Y %I:%M %p", BERLIN, "2026-12-05T21:00"),
        ("20261205235959+0100", "%Y%m%d%H%M%S%z", TOKYO, "2026-12-05T22:59:59"),
        ("1796511599", "unix", TOKYO, "2026-12-05T22:59:59"),
        ("1796511599000", "unix_ms", TOKYO, "2026-12-05T22:59:59"),
        ("-1", "unix", UTC, "1969-12-31T23:59:59"),
    ],
)
def test_ends(text: str, pattern: str, zone: datetime.tzinfo, expected: str) -> None:
    assert end_of(text, pattern, zone) == utc(expected)


def test_a_day_may_be_the_first_one_without() -> None:
    assert end_of("2026-12-05", "iso", UTC, last_day=False) == utc("2026-12-05T00:00")
    assert start_of("2026-12-05", "iso", BERLIN) == utc("2026-12-04T23:00")


def test_the_ends_of_time() -> None:
    for zone in (UTC, BERLIN, TOKYO, zone_of("America/New_York")):
        assert end_of("9999-12-31", "iso", zone) == FAR
        assert end_of("9999-12-31 23:59:59", "iso", zone).year == 9999
        assert end_of("0001-01-01", "iso", zone, last_day=False).year == 1
    assert end_of("9999-12-30", "iso", UTC) == utc("9999-12-31T00:00")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        *(("2027-02-29", "iso"), ("2026-13-01", "iso"), ("2026-12-05T24:00", "iso"), ("05.12.2026", "iso")),
        *(("", "iso"), ("2026-12-05 ", "iso"), ("2026-12-05T10:00+99:99", "iso"), ("0000-01-01", "iso")),
        *(("2026-12-05", "%d.%m.%Y"), ("29.02.2027", "%d.%m.%Y"), ("x", "%Y%"), ("x", "%Y%Q")),
        *(("9" * 18, "unix"), ("1e9", "unix"), ("9" * 5000, "unix_ms"), ("٣", "unix"), ("", "unix")),
    ],
)
def test_what_is_no_date_is_refused(text: str, pattern: str) -> None:
    with pytest.raises(BoxliftError, match="is no date of the format"):
        end_of(text, pattern, UTC)


@pytest.mark.parametrize("pattern", ["%d.%m.", "", "%H:%M", "%d.%m.%Y %Z", "DD.MM.YYYY"])
def test_a_pattern_without_a_year_would_read_1900(pattern: str) -> None:
    with pytest.raises(BoxliftError, match="names no year"):
        end_of("05.12.", pattern, UTC)


@pytest.mark.parametrize("name", ["", "Europe", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a\0b", "."])
def test_zones_that_are_none(name: str) -> None:
    with pytest.raises(BoxliftError, match="is not known"):
        zone_of(name)


def test_the_day_of_an_option_is_meant_to_its_end() -> None:
    assert moment_of(" 2026-12-05 ", BERLIN) == utc("2026-12-05T22:59:59")
    assert moment_of("2026-12-06T00:00+01:00", UTC) == utc("2026-12-05T23:00")
    assert moment_of("9999-12-31", UTC).year == 9999


@given(
    st.one_of(st.text(max_size=30), st.dates().map(str), st.datetimes().map(str), st.integers().map(str)),
    st.one_of(st.sampled_from(["iso", "unix", "unix_ms", "%d.%m.%Y", "%Y%j%U%w%H%z%%"]), st.text(max_size=8)),
    st.sampled_from([UTC, BERLIN, TOKYO]),
    st.booleans(),
)
@settings(max_examples=400)
def test_nothing_raises_anything_else(text: str, pattern: str, zone: datetime.tzinfo, last_day: bool) -> None:
    try:
        assert end_of(text, pattern, zone, last_day).tzinfo is UTC
        assert start_of(text, pattern, zone).tzinfo is UTC
    except BoxliftError as error:
        assert error.message and error.remedy


@given(st.dates())
def test_a_day_ends_when_the_next_one_begins(day: datetime.date) -> None:
    if day < datetime.date.max:
        following = day + datetime.timedelta(days=1)
        assert end_of(str(day), "iso", BERLIN) == start_of(str(following), "iso", BERLIN)
