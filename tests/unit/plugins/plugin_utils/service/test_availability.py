# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Availability: what is known, what is not, and how it is rounded."""

from __future__ import annotations

import typing as t
import zoneinfo

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import answers, availability, plots
from unit.plugins.plugin_utils.service.sample_month import BEGIN, END, at, prometheus
from unit.plugins.plugin_utils.service.site import DAY, HOUR, MINUTE

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def found(asked: dict[str, t.Any], end: float = END) -> availability.Availability:
    return availability.availability(answers.Answers(asked), BEGIN, end, BERLIN)


def test_a_month_without_an_outage() -> None:
    month = found(prometheus())
    assert (month.up, month.known, month.down_seconds, month.outages) == (1.0, 1.0, 0.0, ())
    assert len(month.days) == 31 and month.days[0].day.isoformat() == "2026-12-01"


def test_an_outage_is_measured_and_named() -> None:
    month = found(prometheus([(at(3, 9), at(3, 10))]))
    assert month.down_seconds == HOUR and month.up == pytest.approx(1 - HOUR / (31 * DAY))
    assert month.outages == ((at(3, 9), at(3, 10)),)
    assert month.days[2].up == pytest.approx(23 / 24)


def test_what_was_not_measured_counts_neither_as_up_nor_as_down() -> None:
    month = found(prometheus([(at(3, 9), at(3, 10))], holes=[(at(3, 9.5), at(4, 9.5))]))
    assert month.known == pytest.approx(30 / 31)
    assert month.down_seconds == HOUR / 2
    assert month.outages == ((at(3, 9), at(3, 9.5)),)
    strip = plots.availability([{"day": str(each.day), "up": each.up, "known": each.known} for each in month.days])
    assert [field["kind"] for field in strip["fields"][1:5]] == ["up", "down", "blind", "up"]
    assert strip["fields"][2]["title"] == "2026-12-03: 30 min of outage; known for 39.6% of the day"


def test_nan_is_no_measurement() -> None:
    asked = prometheus()
    for result in asked["results"]:
        if result["item"]["name"] == answers.UP:
            result["json"]["data"]["result"][0]["values"][100:200] = [
                [moment, "NaN"] for moment, _value in result["json"]["data"]["result"][0]["values"][100:200]
            ]
    assert found(asked).known == pytest.approx(1 - 100 / (31 * 288))


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({}, "no host is in the group monitoring"),
        ({"unreachable": True, "msg": "ssh: no route"}, "the host could not be reached: ssh: no route"),
        ({"failed": True, "msg": "Connection refused\nmore"}, "Connection refused"),
        ({"results": []}, "no host is in the group monitoring"),
        (
            {"results": [{"item": {"name": "availability"}, "failed": True, "msg": "timed out"}]},
            "not answer: timed out",
        ),
        (
            {"results": [{"item": {"name": "availability"}, "json": {"status": "error", "error": "bad query"}}]},
            "did not answer: bad query",
        ),
        ({"results": [{"item": {"name": "availability"}, "json": "<html>"}]}, "what came is not its answer"),
        (
            {"results": [{"item": {"name": "availability"}, "json": {"status": "success", "data": {"result": [{}]}}}]},
            "what came is not its answer",
        ),
        (
            {"results": [{"item": {"name": "availability"}, "json": {"status": "success", "data": {"result": []}}}]},
            "Prometheus has no measurement of the portal in this time",
        ),
    ],
)
def test_without_an_answer_it_is_not_known_and_says_why(result: dict[str, t.Any], why: str) -> None:
    month = found(result)
    assert (month.up, month.known) == (None, 0.0)
    assert why in month.why and "\n" not in month.why


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.999999, "99.99 %"), (0.9989, "99.89 %"), (0.5, "50 %"), (0.0, "0 %")]
)
def test_what_was_not_whole_is_not_rounded_to_whole(share: float, text: str) -> None:
    assert availability.percent(share) == text


def test_a_long_time_is_asked_in_parts_that_meet() -> None:
    asked = [
        each for each in answers.questions(BEGIN, BEGIN + 92 * DAY, BEGIN + 92 * DAY) if each["name"] == answers.UP
    ]
    assert len(asked) == 3
    whole = found(prometheus([(at(30), at(60))], end=BEGIN + 92 * DAY, now=BEGIN + 92 * DAY), BEGIN + 92 * DAY)
    assert whole.known == 1.0 and whole.outages == ((at(30), at(60)),)


def test_nothing_is_asked_of_the_future() -> None:
    asked = answers.questions(BEGIN, END, BEGIN + DAY)
    assert all(str(int(BEGIN + DAY)) in each["path"] for each in asked)
    half = found(prometheus(now=BEGIN + DAY), BEGIN + DAY)
    assert half.known == 1.0 and len(half.days) == 1
    assert answers.questions(BEGIN, END, BEGIN + MINUTE)[0]["name"] == "certificate"
