# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.forecast import Forecast, Left
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.probe import Run
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.text import (
    at_work,
    ended,
    rounded,
    status,
    summary,
    time_left,
)
from unit.plugins.plugin_utils.progress.progress_states import Told

MIB, GIB = 2**20, 2**30


def line(told: Told) -> str:
    forecast = Forecast()
    forecast.see(told.state)
    return at_work(told.state, forecast)


def test_everything_in_one_line() -> None:
    told = Told()
    told.progress.tell(phase="fetch", done=0, total=30 * GIB)
    parts = {"total": 300, "done": 123, "damaged": 2, "repaired": 1}
    told.after(1536, done=12 * GIB, parts=parts, files=57_731)
    assert line(told) == (
        "fetch 40 %, 12.0 GiB of 30.0 GiB, 8.0 MiB/s, 123 of 300 parts, 2 damaged, 1 repaired, 57\u202f731 files, "
        "about 38 min left"
    )


def test_only_what_is_known() -> None:
    told = Told()
    assert line(told) == "starting"
    told.after(1, phase="import")
    assert line(told) == "import"
    told.after(10, done=10 * MIB, rows=1200)
    assert line(told) == "import, 10.0 MiB, 1.0 MiB/s, 1\u202f200 rows"


def test_never_more_than_the_whole() -> None:
    told = Told()
    told.after(10, phase="verify", total=100)
    told.after(10, done=130)
    assert line(told).startswith("verify 100 %, 130 B of 100 B")


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (Left(720, 600, 900), "about 12 min left (10 min to 15 min)"),
        (Left(720, 719, 722), "about 12 min left"),
        (Left(720, 600, None), "about 12 min left or more"),
    ],
)
def test_time_left_with_its_doubt(left: Left, text: str) -> None:
    assert time_left(left) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "5 s"), (42, "40 s"), (101, "2 min"), (3590, "1 h"), (7_390, "2 h 5 min"), (41_000, "11 h 30 min")],
)
def test_no_more_digits_than_anybody_can_believe(seconds: float, text: str) -> None:
    assert rounded(seconds) == text


def test_what_it_took_in_all() -> None:
    told = Told()
    told.progress.tell(phase="fetch", done=0)
    told.after(60, done=600)
    told.after(0, phase="switch")
    told.now += 2
    told.progress.close("done")
    assert summary(told.state) == {
        "seconds": 62.0,
        "phases": [
            {"phase": "fetch", "seconds": 60.0, "bytes": 600, "rate": 10.0},
            {"phase": "switch", "seconds": 2.0, "bytes": 0, "rate": None},
        ],
    }
    assert ended(told.state) == "done after 1 min 2 s: fetch 600 B in 1 min, 10 B/s; switch 2 s"


def told_of(told: Told, later: float, alive: bool = True) -> str:
    return status(Run("/run/boxlift/x.json", alive, told.state, None), told.now + later)


@pytest.fixture
def told() -> Told:
    told = Told()
    told.progress.tell(phase="fetch", done=0, total=1000)
    told.after(100, done=500)
    return told


def test_status_of_a_running_one(told: Told) -> None:
    text = "backup_fetch: running for 1 min 42 s: fetch 50 %, 500 B of 1000 B, 5 B/s, about 2 min left"
    assert told_of(told, 2) == text
    assert told_of(told, 301).endswith("about 2 min left; it has told nothing new for 5 min 1 s")


def test_status_of_a_killed_one(told: Told) -> None:
    text = "backup_fetch: killed without a last word, heard 1 h ago at: fetch 50 %, 500 B of 1000 B, 5 B/s, "
    assert told_of(told, 3600, alive=False) == text + "about 2 min left"


@pytest.mark.parametrize(
    ("last_word", "text"),
    [
        (("done",), "backup_fetch: done after 1 min 40 s: fetch 500 B in 1 min 40 s, 5 B/s (1 min ago)"),
        (
            ("failed", "Part 3 is missing."),
            "backup_fetch: failed after 1 min 40 s: fetch 500 B in 1 min 40 s, 5 B/s (1 min ago). Part 3 is missing.",
        ),
    ],
)
def test_status_of_one_that_ended(told: Told, last_word: tuple[t.Any, ...], text: str) -> None:
    told.progress.close(*last_word)
    assert told_of(told, 60, alive=False) == text
