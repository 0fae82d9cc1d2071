# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits on bytes per second, also by the time of day."""

from __future__ import annotations

import time

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.download.bandwidth import BandwidthLimit, Window
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import READ_SIZE

from .conftest import Lab


def test_the_pace_is_shared() -> None:
    now, slept = 0.0, []
    pace = BandwidthLimit(1000, clock=lambda: now, sleep=slept.append)
    for _block in range(4):
        pace.take(500)
    assert slept == [0.5, 1.0, 1.5]


def test_a_schedule_by_the_time_of_day() -> None:
    minute, slept = 0, []

    def local() -> time.struct_time:
        return time.struct_time((2026, 4, 13, minute // 60, minute % 60, 0, 0, 103, 0))

    windows = [Window.of("20:00", "07:00", 0), Window.of("9:30", "12:00", 100)]
    pace = BandwidthLimit(1000, windows, clock=lambda: 0.0, sleep=slept.append, local=local)
    for minute, limit in (
        (0, 0),
        (6 * 60 + 59, 0),
        (7 * 60, 1000),
        (9 * 60 + 29, 1000),
        (9 * 60 + 30, 100),
        (11 * 60 + 59, 100),
        (12 * 60, 1000),
        (20 * 60, 0),
        (23 * 60 + 59, 0),
    ):
        assert pace.step() == (limit // 4 if limit else READ_SIZE), minute
        before = len(slept)
        pace.take(100)
        assert (len(slept) > before) == bool(limit and minute != 7 * 60), minute


@pytest.mark.parametrize(
    ("begin", "end", "limit", "message"),
    (
        ("24:00", "07:00", 1, "'24:00' is not a time of day"),
        ("7", "08:00", 1, "'7' is not a time of day"),
        ("08:00", "08:00", 1, "from 08:00 to 08:00"),
        ("08:00", "09:00", -1, "with the limit -1"),
    ),
)
def test_windows_that_cannot_be_meant(begin: str, end: str, limit: int, message: str) -> None:
    with pytest.raises(BoxliftError, match=message):
        Window.of(begin, end, limit)


def test_a_fetch_keeps_to_its_limit(lab: Lab) -> None:
    began = time.monotonic()
    lab.fetch(pace=BandwidthLimit(200_000))
    took = time.monotonic() - began
    lab.assert_here()
    assert took > lab.size / 200_000 - 0.5
