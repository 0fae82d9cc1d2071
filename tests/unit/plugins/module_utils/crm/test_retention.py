# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.retention import DAY, Retention, forecast, kept, prune
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store

BEGIN = 1_795_996_800.0  # 2026-11-30, 00:00 UTC, a Monday


class Years:
    """A store whose clock the test turns."""

    def __init__(self, path: Path) -> None:
        self.now = BEGIN
        self.store = Store(str(path), clock=lambda: self.now)

    def snapshot(self, day: float, leads: int = 1, size: int = 10) -> None:
        self.now = BEGIN + day * DAY
        with self.store.new_pass("cloud", False):
            for number in range(1, leads + 1):
                self.store.put("lead", number, {"title": f"{day} " + str(number) * size})


@pytest.fixture
def years(tmp_path: Path) -> t.Iterator[Years]:
    found = Years(tmp_path / "cloud.sqlite")
    yield found
    found.store.close()


def test_the_newest_of_each_day_week_and_month(years: Years) -> None:
    for day in range(100):
        for hour in (3, 21):
            years.snapshot(day + hour / 24)
    snapshots = years.store.snapshots()
    found = sorted(
        (each.began - BEGIN) // DAY for each in snapshots if each.number in kept(snapshots, Retention(4, 3, 2))
    )
    # Days 96 to 99; Sundays 90 and 97 and the running week; the end of February and the running month.
    assert found == [90, 96, 97, 98, 99]
    assert {each.number % 2 for each in snapshots if each.number in kept(snapshots, Retention(4, 3, 2))} == {0}
    assert kept(snapshots, Retention(0, 0, 0)) == set()
    assert len(kept(snapshots, Retention(1000, 0, 0))) == 100
    pruned = prune(years.store, Retention(0, 0, 0))
    assert len(pruned.snapshots) == 199 and len(years.store.snapshots()) == 1 and len(years.store.passes()) == 200


def test_forecast(years: Years) -> None:
    years.snapshot(0, leads=200, size=50)
    early = forecast(years.store)
    assert early.per_day is None and early.in_30_days is None and early.bytes == years.store.size()
    for day in range(1, 11):
        years.snapshot(day, leads=20, size=50)
    later = forecast(years.store)
    stored = sum(each.kinds["lead"].bytes for each in years.store.passes()[1:])
    assert later.measured_days == 10 and later.snapshots == 11 and later.per_day is not None
    # What ten passes stored, with the room that the database needs beside it.
    assert stored / 10 <= later.per_day < 20 * stored / 10
    assert later.in_365_days == later.bytes + 365 * later.per_day
    # What retention has removed is no growth of the past.
    prune(years.store, Retention(1, 0, 0))
    assert forecast(years.store).measured_days == 10


def test_room_is_given_back(years: Years) -> None:
    for day in range(5):
        years.snapshot(day, leads=400, size=200)
    before = years.store.size()
    pruned = prune(years.store, Retention(1, 0, 0))
    assert pruned.versions == 1600 and years.store.size() < before / 2
    assert abs(pruned.bytes - (before - years.store.size())) < 100_000


def test_fewer_days_than_are_kept_are_all_kept(years: Years) -> None:
    for day in range(20):
        years.snapshot(day)
        assert len(kept(years.store.snapshots(), Retention(30, 0, 0))) == day + 1
