# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.forecast import Forecast
from unit.plugins.plugin_utils.progress.progress_states import Told


def seen(*steps: tuple[float, int], base: int = 0) -> Forecast:
    """Bytes done after so many more seconds, each."""
    told, forecast = Told(), Forecast()
    told.progress.tell(phase="fetch", done=base)
    for seconds, done in steps:
        forecast.see(told.after(seconds, done=done))
    return forecast


def test_a_steady_rate_leaves_no_doubt() -> None:
    forecast = seen(*((5.0, 500 * number) for number in range(1, 21)))
    assert forecast.rate() == pytest.approx(100)
    assert forecast.left(20_000) == pytest.approx((100, 100, 100))


def test_what_was_there_before_the_phase_began_is_no_speed() -> None:
    forecast = seen((10.0, 1_001_000), base=1_000_000)
    assert forecast.rate() == pytest.approx(100)
    assert forecast.left(1_002_000) == pytest.approx((10, 10, 10))


def test_the_doubt_is_as_wide_as_the_speeds_differ() -> None:
    forecast = seen((20.0, 2000), (20.0, 4000), (20.0, 5000), (20.0, 9000))  # 100, 100, 50 and 200 a second
    left = forecast.left(9000 + 11_250)
    assert left == pytest.approx((100, 56.25, 225))


def test_a_time_that_stood_still_leaves_the_end_open() -> None:
    left = seen((20.0, 2000), (20.0, 4000), (20.0, 4000), (20.0, 6000)).left(12_000)
    assert left is not None
    assert (left.likely, left.longest) == (pytest.approx(80), None)


def test_an_old_speed_is_forgotten() -> None:
    forecast = seen(*((10.0, 10_000 * number) for number in range(1, 31)), *((10.0, 300_000 + n) for n in range(1, 31)))
    assert forecast.rate() == pytest.approx(0.1, rel=0.01)  # the first half of ten minutes counts no more


@pytest.mark.parametrize("steps", [(), ((4.0, 400),), ((2.0, 1), (2.0, 2))])
def test_too_little_seen_is_no_reason_to_guess(steps: tuple[tuple[float, int], ...]) -> None:
    forecast = seen(*steps)
    assert forecast.rate() is None
    assert forecast.left(1000) is None


def test_nobody_can_tell_where_nothing_moves_or_the_total_is_unknown() -> None:
    assert seen((60.0, 0)).left(1000) is None
    assert seen((60.0, 600)).left(None) is None


def test_a_new_phase_begins_anew() -> None:
    told, forecast = Told(), Forecast()
    told.progress.tell(phase="fetch")
    forecast.see(told.after(60, done=6000))
    forecast.see(told.after(60, phase="verify", done=0, total=50))
    assert forecast.rate() is None
    forecast.see(told.after(10, done=20))
    assert forecast.rate() == pytest.approx(2)


def test_an_old_answer_again_is_no_time_without_progress() -> None:
    told, forecast = Told(), Forecast()
    told.progress.tell(phase="fetch")
    for _again in range(5):
        forecast.see(told.after(0 if _again else 60, done=6000))
    assert forecast.rate() == pytest.approx(100)


def test_on_a_restless_line_the_truth_lies_in_the_range() -> None:
    """A rate that is drawn anew every twenty seconds, from a quarter of the mean to nearly twice of it; two hours."""
    within, near = 0, 0
    for seed in range(20):
        draw = random.Random(seed)
        amounts = [draw.randint(250, 1750) * 20 for _second in range(360)]
        done, forecast = 0, Forecast()
        told = Told()
        told.progress.tell(phase="fetch")
        for amount in amounts[:90]:  # a quarter of it was seen
            done += amount
            forecast.see(told.after(20, done=done))
        left = forecast.left(sum(amounts))
        truth = 20 * (len(amounts) - 90)
        assert left is not None and left.longest is not None
        within += left.shortest < truth < left.longest
        near += abs(left.likely - truth) < 0.15 * truth
    assert within >= 18
    assert near >= 18
