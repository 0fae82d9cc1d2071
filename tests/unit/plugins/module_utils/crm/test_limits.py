# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import heapq
import random

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.limits import BURST, SLOT, Limits
from lab.rest.limits import Bucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def attempts(
    limits: Limits, bucket: Bucket, clock: Clock, wanted: int, lanes: int, latency: float
) -> tuple[int, float]:
    """Send until so many requests were taken: how many were refused, and how long it took.

    Each lane has one request under way; a request reaches the portal after a latency that differs, and so does the
    answer.
    """
    chance = random.Random(1)
    begun, taken, refused = clock.now, 0, 0
    lines: list[tuple[float, int, str]] = [(clock.now, lane, "place") for lane in range(lanes)]
    heapq.heapify(lines)
    while taken < wanted:
        clock.now, lane, what = heapq.heappop(lines)
        if what == "place":
            heapq.heappush(lines, (clock.now + limits.place() + chance.random() * latency, lane, "arrive"))
        elif bucket.take("us"):
            taken += 1
            limits.passed()
            heapq.heappush(lines, (clock.now + chance.random() * latency, lane, "place"))
        else:
            refused += 1
            limits.full()
            heapq.heappush(lines, (clock.now + chance.random() * latency, lane, "place"))
    return refused, clock.now - begun


@pytest.mark.parametrize("lanes", [1, 4, 16])
@pytest.mark.parametrize(("rate", "burst"), [(2.0, 50.0), (5.0, 250.0)])
def test_uses_nearly_all_that_a_bucket_gives(rate: float, burst: float, lanes: int) -> None:
    clock = Clock()
    wanted = int(burst) + 400
    refused, seconds = attempts(Limits(1.0, clock), Bucket(rate, burst, clock), clock, wanted, lanes, 0.03)
    assert seconds <= (wanted - burst) / rate / 0.95
    assert refused <= 15 + 2 * lanes


def test_a_portal_without_a_bucket_is_never_waited_for() -> None:
    clock = Clock()
    limits = Limits(1.0, clock)
    assert [limits.place() for _request in range(1000)] == [0.0] * 1000
    assert limits.free()


def test_a_share_keeps_its_part_free_for_others() -> None:
    """With half of the limits, others may use the other half, and nobody is ever refused."""
    clock = Clock()
    limits, bucket = Limits(0.5, clock), Bucket(2.0, 50.0, clock)
    taken = 0
    begun = clock.now
    while clock.now < begun + 600:
        wait = limits.place()
        if not limits.free():
            assert wait >= 0
        clock.now += wait
        assert bucket.take("us")
        taken += 1
        if taken % 2:
            assert bucket.take("us")  # somebody else
    assert taken == pytest.approx(25 + 600 * 0.985, abs=2)


def test_others_who_fill_the_bucket_slow_us_down_for_as_long_as_they_do() -> None:
    clock = Clock()
    limits, bucket = Limits(1.0, clock), Bucket(2.0, 50.0, clock)
    attempts(limits, bucket, clock, 60, 1, 0.0)
    refused = 0
    for _second in range(120):  # they take one of two places
        bucket.take("us")
        clock.now += limits.place()
        if bucket.take("us"):
            limits.passed()
        else:
            refused += 1
            limits.full()
    assert refused < 80
    before = clock.now
    refused, _seconds = attempts(limits, bucket, clock, 200, 1, 0.0)
    assert 200 / (clock.now - before) > 1.7


def test_several_lanes_that_meet_a_full_bucket_together_learn_once() -> None:
    clock = Clock()
    limits = Limits(1.0, clock)
    for _lane in range(16):
        limits.full()
    assert limits.place() == pytest.approx(1 / (5.0 * 0.985))


def spent(seconds: float, reset: float = 90.0) -> dict[str, float]:
    return {"operating": seconds, "operating_reset_at": 5000.0 + reset, "finish": 5000.0}


def test_a_share_of_the_working_time_stops_a_method_and_no_other() -> None:
    clock = Clock()
    limits = Limits(0.5, clock)
    limits.operated("crm.item.import", spent(239))
    assert limits.forbidden(["crm.item.import"]) == 0
    limits.operated("crm.item.import", spent(240))
    assert limits.forbidden(["crm.item.import"]) == 90
    assert limits.forbidden(["crm.item.list"]) == 0
    assert limits.forbidden(["crm.item.list", "crm.item.import"]) == 90
    clock.now += 90
    assert limits.forbidden(["crm.item.import"]) == 0
    limits.operated("crm.item.import", spent(100))
    assert limits.forbidden(["crm.item.import"]) == 0


def test_a_portal_that_allows_more_has_no_limit_of_working_time() -> None:
    limits = Limits(0.5, Clock())
    limits.operated("m", spent(600))
    assert limits.forbidden(["m"]) == 0


def test_without_a_share_only_the_portal_says_where_the_limit_is() -> None:
    clock = Clock()
    limits = Limits(1.0, clock)
    limits.operated("m", spent(470, 30))
    assert limits.forbidden(["m"]) == 0
    limits.blocked("m", 0.0)
    assert limits.forbidden(["m"]) == 30
    clock.now += 30
    assert limits.forbidden(["m"]) == 0
    limits.operated("m", spent(471, 60))  # learned: it refuses at 470
    assert limits.forbidden(["m"]) == 60


def test_a_refusal_without_a_time_waits_for_a_slot_and_one_with_a_time_for_that() -> None:
    limits = Limits(1.0, Clock())
    limits.blocked("m", 0.0)
    assert limits.forbidden(["m"]) == SLOT
    limits.blocked("n", 7.0)
    assert limits.forbidden(["n"]) == 7.0


@pytest.mark.parametrize("time", [{}, {"operating": None}, {"operating": "x"}, {"operating": [1]}])
def test_answers_that_say_nothing_of_their_work(time: dict[str, object]) -> None:
    limits = Limits(0.1, Clock())
    limits.operated("m", time)
    assert limits.forbidden(["m"]) == 0


def test_a_reset_that_makes_no_sense_is_not_waited_for_long() -> None:
    limits = Limits(0.1, Clock())
    limits.operated("m", {"operating": 400, "operating_reset_at": 9e9, "finish": 1.0})
    assert limits.forbidden(["m"]) == 600
    limits.operated("m", {"operating": 400, "operating_reset_at": 1.0, "finish": 9e9})
    assert limits.forbidden(["m"]) == 0
    limits.operated("m", {"operating": 400})
    assert limits.forbidden(["m"]) == SLOT


def test_what_a_burst_is() -> None:
    clock = Clock()
    limits = Limits(0.2, clock)
    assert [limits.place() for _request in range(int(BURST * 0.2))] == [0.0] * 10
    assert limits.place() > 0
