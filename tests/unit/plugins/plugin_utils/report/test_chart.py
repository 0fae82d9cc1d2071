# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import (
    LABEL,
    ROWS,
    VALUE,
    WIDTH,
    chart,
    joined,
    ticks,
)


def group(name: str, *spans: tuple[float, float], **statuses: int) -> dict[str, t.Any]:
    return {
        "play": "Play",
        "role": name,
        "task": "",
        "spans": [list(span) for span in spans],
        "seconds": sum(end - start for start, end in spans),
        "statuses": statuses,
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.04, "0 s"),
        (0.44, "0.4 s"),
        (5, "5 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (42_000, "11 h 40 min"),
        (183_600, "2 d 3 h"),
    ],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (31_540_211_712, "29.4 GiB"), (5 * 1024**4, "5.0 TiB")],
)
def test_sizes_as_people_say_them(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize("seconds", [0.01, 3, 59, 61, 3700, 47_000, 1e6])
def test_the_axis_has_a_few_lines(seconds: float) -> None:
    found = ticks(seconds)
    assert found[0] == 0
    assert 1 <= len(found) <= 9
    assert found[-1] <= seconds


def test_bars_lie_where_and_as_long_as_the_work_was() -> None:
    drawing = chart([group("host", (0, 25), ok=1), group("web", (25, 50), (75, 100), changed=1)], 100)
    unit = (WIDTH - LABEL - VALUE) / 100
    first, second = drawing["rows"]
    assert first["bars"] == [{"x": LABEL, "width": pytest.approx(25 * unit, abs=0.1)}]
    assert [drawn["x"] for drawn in second["bars"]] == [pytest.approx(LABEL + at * unit, abs=0.1) for at in (25, 75)]
    assert (first["level"], second["level"]) == ("ok", "changed")
    assert second["value"] == "50 s"


def test_a_failed_task_colours_its_row() -> None:
    assert chart([group("web", (0, 1), ok=9, changed=3, unreachable=1)], 1)["rows"][0]["level"] == "bad"


def test_work_of_no_length_can_be_seen() -> None:
    assert chart([group("web", (0, 0), ok=1)], 0)["rows"][0]["bars"][0]["width"] >= 2


def test_many_groups_stay_readable_and_lose_nothing() -> None:
    groups = [group(f"role{number}", (number, number + 1 + number % 7), ok=1) for number in range(300)]
    groups[299]["statuses"] = {"failed": 1}
    rows = chart(groups, 310)["rows"]
    assert len(rows) == ROWS
    assert rows[-1]["label"] == f"{300 - ROWS + 1} shorter steps"
    assert rows[-1]["level"] == "bad"
    assert len(rows[-1]["bars"]) == 300 - ROWS + 1


def test_spans_that_touch_become_one() -> None:
    assert joined([[3, 4], [0, 2], [1, 3], [6, 7]]) == [[0, 4], [6, 7]]
    assert joined([[5.0, 6.0], [0.0, 1.0], [1.5, 3.0], [2.0, 2.5]], 1.0) == [[0.0, 3.0], [5.0, 6.0]]
