# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of the nightly copy: what counts as stored, how long a request took, and which figures come of it."""

from __future__ import annotations

import os
import threading
import typing as t
from pathlib import Path

import pytest
from bench import lines_backup
from bench.backup import nights, steady
from bench.lines_backup import Night, Pair
from bench.row import Figure, Row


class Clock(threading.Event):
    """A clock that goes on only while somebody waits; at `end` the work is over."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self.now, self._end = 100.0, 100.0 + end

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.now >= self._end


def test_a_request_that_waited_for_another_counts_from_when_it_was_due() -> None:
    clock = Clock(end=0.5)
    asked = []

    def request(number: int) -> None:
        asked.append(number)
        clock.now += 0.25 if number == 0 else 0.01

    found = steady.work(lambda: request, 10, 1, clock, lambda: clock.now)
    assert asked == [0, 1, 2, 3, 4]
    assert [round(sample.due, 6) for sample in found] == [100.0, 100.1, 100.2, 100.3, 100.4]
    assert [round(sample.seconds, 6) for sample in found] == [0.25, 0.16, 0.07, 0.01, 0.01]


def test_several_people_share_the_pace() -> None:
    asked: list[int] = []
    ended = threading.Event()

    def request(number: int) -> None:
        asked.append(number)
        if set(range(30)) <= set(asked):
            ended.set()

    found = steady.work(lambda: request, 100_000, 3, ended)
    assert len(asked) == len(set(asked)) == len(found)


def test_only_requests_that_were_due_in_a_time_count_for_it() -> None:
    samples = [steady.Sample(1.0, 0.1), steady.Sample(2.0, 0.2), steady.Sample(2.9, 0.3), steady.Sample(3.0, 0.4)]
    assert steady.within(samples, 2.0, 3.0) == [0.2, 0.3]


@pytest.mark.parametrize(("share", "value"), [(0.5, 10), (0.95, 19), (1, 20), (0, 1)])
def test_a_quantile_is_one_of_the_values(share: float, value: int) -> None:
    assert steady.quantile(list(range(20, 0, -1)), share) == value


def test_no_request_is_no_figure() -> None:
    with pytest.raises(ValueError, match="no request"):
        steady.quantile([], 0.95)


def test_only_files_that_came_count_as_stored(tmp_path: Path) -> None:
    first, now = tmp_path / "first", tmp_path / "now"
    for folder in (first, now):
        (folder / "data").mkdir(parents=True)
    (first / "data" / "kept").write_bytes(b"12345")
    (first / "data" / "removed").write_bytes(b"1234567")
    os.link(first / "data" / "kept", now / "data" / "kept")
    (now / "data" / "come").write_bytes(b"123")
    (now / "data" / "link").symlink_to("come")
    assert nights.new_bytes(now, first) == 3
    assert nights.new_bytes(now, tmp_path / "nothing") == 8


def test_a_file_that_was_replaced_counts_whole(tmp_path: Path) -> None:
    first, now = tmp_path / "first", tmp_path / "now"
    first.mkdir()
    now.mkdir()
    (first / "dump").write_bytes(b"12345")
    os.link(first / "dump", now / "dump")
    (now / "spare").write_bytes(b"123456")
    (now / "spare").rename(now / "dump")
    assert nights.new_bytes(now, first) == 6


def test_the_others_get_the_priority_of_ours_and_nothing_that_is_not_set() -> None:
    shown = "Nice=10\nCPUWeight=20\nIOWeight=[not set]\nIOSchedulingClass=3\n"
    assert nights.given_to_all(shown) == [
        "--property=Nice=10",
        "--property=CPUWeight=20",
        "--property=IOSchedulingClass=3",
    ]


def test_files_of_a_portal_have_names_of_their_own_and_half_of_its_size() -> None:
    names = nights.names(0.1, 0)
    assert len(names) == len(set(names)) == int(0.05e9 / nights.FILE)


def test_nights_are_compared_by_medians() -> None:
    taken = {
        "ours": [Night(10, 100_000_000), Night(30, 90_000_000), Night(20, 95_000_000)],
        "dump": [Night(40, 400_000_000)] * 3,
        "restic": [Night(25, 380_000_000)] * 3,
    }
    found = list(lines_backup.compared("night", taken))
    rows = [line for line in found if isinstance(line, Row)]
    assert [(row.peer, row.ratio) for row in rows] == [
        ("mariadb-dump, gzip and rsync", 0.5),
        ("mariadb-backup and restic by hand", 0.8),
    ]
    figures = {line.what: line.values for line in found if isinstance(line, Figure)}
    assert figures["night: stored, ours"] == [100, 90, 95]
    assert figures["night: stored, ours by mariadb-backup and restic by hand"] == [0.25]


def test_what_people_notice_has_its_limit_at_the_slow_requests_alone() -> None:
    pairs = [Pair([0.010] * 19 + [0.020], [0.012] * 18 + [0.024] * 2, 15.0), Pair([0.010] * 20, [0.010] * 20, 16.0)]
    found = {line.what.split(": ", 1)[1]: line for line in lines_backup.noticed(pairs)}
    assert found["95 of 100, with by without"].values == [pytest.approx(2.4), 1]
    assert found["95 of 100, with by without"].target == "1.2"
    assert found["median, with by without"].values == [pytest.approx(1.2), 1]
    assert found["median, with by without"].target == ""
    assert found["the copy takes"].values == [15, 16]


def test_a_failed_answer_ends_the_measure() -> None:
    def request(number: int) -> t.NoReturn:
        raise RuntimeError(f"request {number}")

    with pytest.raises(RuntimeError, match="request 0"):
        steady.work(lambda: request, 1000, 1, threading.Event())
