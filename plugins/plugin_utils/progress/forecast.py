# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate and remaining time of a phase, from the progress seen so far."""

from __future__ import annotations

import bisect
import typing as t

# The rate is that of the last half of the phase, at least of so many seconds: it follows the line without jumping.
SHORTEST_WINDOW = 120.0
SHORTEST_LOOK = 5.0  # seconds before there is a forecast
EIGHTHS = 8


class Left(t.NamedTuple):
    """Remaining seconds: at the mean rate, and at those of the fastest and the slowest eighth of the window.

    `longest` is None if nothing moved in the slowest eighth.
    """

    likely: float
    shortest: float
    longest: float | None


class Forecast:
    """Collects when how many bytes of a phase were done; a new phase starts over."""

    def __init__(self) -> None:
        self._phase: tuple[str, float] = ("", 0.0)
        self._moments: list[float] = []
        self._done: list[int] = []

    def see(self, state: t.Mapping[str, t.Any]) -> None:
        """Take in the content of a progress file; its times are by the host's clock."""
        phase = (state["phase"], state["since"])
        if phase != self._phase:
            self._phase = phase
            self._moments, self._done = [state["since"]], [state["base"]]
        if state["updated"] > self._moments[-1]:
            self._moments.append(state["updated"])
            self._done.append(state["done"])

    def rate(self) -> float | None:
        """Bytes per second; None if the phase was seen for too short a time."""
        window = self._window()
        if window is None:
            return None
        begin, end = window
        return max(self._at(end) - self._at(begin), 0.0) / (end - begin)

    def left(self, total: int | None) -> Left | None:
        """Remaining time; None if the total is unknown, too little was seen, or nothing moves."""
        window, rate = self._window(), self.rate()
        if window is None or total is None or not rate:
            return None
        begin, end = window
        marks = [self._at(begin + (end - begin) * number / EIGHTHS) for number in range(EIGHTHS + 1)]
        rates = [(after - before) * EIGHTHS / (end - begin) for before, after in zip(marks, marks[1:])]
        rest = max(total - self._done[-1], 0)
        slowest = min(rates)
        return Left(rest / rate, rest / max(rates), rest / slowest if slowest > 0 else None)

    def _window(self) -> tuple[float, float] | None:
        if not self._moments:
            return None
        first, last = self._moments[0], self._moments[-1]
        if last - first < SHORTEST_LOOK:
            return None
        return max(first, last - max((last - first) / 2, SHORTEST_WINDOW)), last

    def _at(self, moment: float) -> float:
        """Bytes done at a moment, interpolated between the two nearest observations."""
        after = min(bisect.bisect_left(self._moments, moment), len(self._moments) - 1)
        if after == 0 or self._moments[after] <= moment:
            return float(self._done[after])
        begin, end = self._moments[after - 1], self._moments[after]
        share = (moment - begin) / (end - begin)
        return self._done[after - 1] + share * (self._done[after] - self._done[after - 1])
