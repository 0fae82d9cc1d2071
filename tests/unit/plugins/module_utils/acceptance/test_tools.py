# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fio 3.33 and wrk 4.1.0 really printed, and what they print when they got nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.tools import read_fio, read_wrk
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

RECORDED = Path(__file__).with_name("recorded")


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def test_random_reads() -> None:
    found = read_fio(recorded("fio-read.json"), "read")
    assert found.per_second == pytest.approx(40530.2, abs=0.1)
    assert found.p99_ms == pytest.approx(4.293, abs=0.001)


def test_sequential_writing() -> None:
    assert read_fio(recorded("fio-write.json"), "write").mib_per_second == pytest.approx(400.999, abs=0.001)


def test_durable_writes() -> None:
    found = read_fio(recorded("fio-sync.json"), "write")
    assert found.per_second == pytest.approx(694.9, abs=0.1)
    assert found.p99_ms == pytest.approx(8.094, abs=0.001)


def test_notes_before_the_result() -> None:
    noted = "note: both iodepth >= 1 and synchronous I/O engine are selected\n" + recorded("fio-sync.json")
    assert read_fio(noted, "write").per_second > 0


@pytest.mark.parametrize("text", ["", "fio: nowhere is not a directory", "{}", '{"jobs": []}'])
def test_no_result_is_an_error_that_shows_what_was_said(text: str) -> None:
    with pytest.raises(BoxliftError) as caught:
        read_fio(text, "read")
    assert caught.value.remedy
    assert text[:20] in caught.value.message


def test_the_wrong_direction_moved_nothing() -> None:
    with pytest.raises(BoxliftError, match="after 0 transfers"):
        read_fio(recorded("fio-read.json"), "write")


def test_an_error_of_the_job_is_one_although_figures_are_there() -> None:
    broken = json.loads(recorded("fio-read.json"))
    broken["jobs"][0]["error"] = 5
    with pytest.raises(BoxliftError, match="error 5"):
        read_fio(json.dumps(broken), "read")


def test_a_load() -> None:
    found = read_wrk(recorded("wrk-ok.txt"))
    assert (found.requests, found.per_second, found.p99_ms, found.errors) == (3424, 1134.54, 16.65, 0)


def test_answers_that_are_no_success() -> None:
    assert read_wrk(recorded("wrk-404.txt")).errors == 2192


def test_connections_that_broke() -> None:
    text = recorded("wrk-404.txt").replace(
        "  Non-2xx", "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx"
    )
    assert read_wrk(text).errors == 2192 + 10


@pytest.mark.parametrize(("written", "p99"), [("850.00us", 0.85), ("1.25s", 1250.0), ("2.00m", 120000.0)])
def test_units(written: str, p99: float) -> None:
    assert read_wrk(recorded("wrk-ok.txt").replace("16.65ms", written)).p99_ms == pytest.approx(p99)


@pytest.mark.parametrize("text", ["", recorded("wrk-refused.txt")])
def test_nobody_answers(text: str) -> None:
    with pytest.raises(BoxliftError, match="wrk got no answer"):
        read_wrk(text)


def test_no_request_at_all_is_no_figure() -> None:
    with pytest.raises(BoxliftError, match="wrk got no answer"):
        read_wrk(recorded("wrk-ok.txt").replace("3424 requests", "0 requests"))
