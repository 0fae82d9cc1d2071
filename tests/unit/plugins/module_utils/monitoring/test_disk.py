# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring.disk import (
    SHORTEST,
    STEP,
    WINDOW,
    Room,
    kept,
    measured,
    outlook,
)

SIZE = 100 * 1024**3
DAY = 86400.0


def line(days: float, per_day: float, free: float = SIZE / 2, wave: float = 0.0) -> list[Room]:
    """A sample an hour; `wave` is what a nightly copy takes and gives back."""
    moments = [hour * 3600.0 for hour in range(int(days * 24) + 1)]
    return [Room(at, SIZE, int(free - per_day * at / DAY - (wave if at % DAY < 7200 else 0))) for at in moments]


def test_days_to_full() -> None:
    found = outlook(line(10, 2 * 1024**3, free=40 * 1024**3))
    assert found.days == pytest.approx(10, rel=1e-6) and found.growth_per_day == pytest.approx(2 * 1024**3)
    assert found.observed == 10 * DAY


def test_a_nightly_wave_changes_little() -> None:
    found = outlook(line(13, 1024**3, free=60 * 1024**3, wave=5 * 1024**3))
    assert found.days is not None and 40 < found.days < 55


@pytest.mark.parametrize("per_day", [0, -(1024**3)])
def test_what_does_not_grow_is_never_full(per_day: float) -> None:
    assert outlook(line(5, per_day)).days == math.inf


def test_too_short_a_time_is_unknown() -> None:
    rooms = line(SHORTEST / DAY - 0.1, 1024**3)
    assert outlook(rooms)[1:] == (None, None)
    assert outlook([rooms[0]])[1:] == (None, None)
    # A long time with a few samples says as little.
    assert outlook([Room(0, SIZE, 9), Room(10 * DAY, SIZE, 8)])[1:] == (None, None)


def test_a_full_disk_is_full_today() -> None:
    assert outlook(line(10, 1024**3, free=10 * 1024**3)).days == 0


def test_one_sample_an_hour_is_kept_and_the_newest_always() -> None:
    rooms: list[Room] = []
    for minute in range(0, 20 * 24 * 60, 5):
        rooms = kept(rooms, Room(minute * 60.0, SIZE, minute))
    assert rooms[-1].at - rooms[0].at <= WINDOW and len(rooms) <= WINDOW / STEP + 2
    assert rooms[-1].free == 20 * 24 * 60 - 5


def test_other_sizes_and_the_future_are_forgotten() -> None:
    before = [Room(0, SIZE // 2, 1), Room(3600, SIZE, 2), Room(9 * DAY, SIZE, 3)]
    assert kept(before, Room(2 * DAY, SIZE, 4)) == [before[1], Room(2 * DAY, SIZE, 4)]


def test_a_real_file_system() -> None:
    room = measured("/", 5)
    assert room.at == 5 and 0 < room.free < room.size
