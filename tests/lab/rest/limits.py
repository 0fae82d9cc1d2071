# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a portal answers: a bucket for each source address, and the operating time of each method.

A box has neither by default; the cloud answers 2 requests a second (5 in the largest plan) after a first 50 (250), and
refuses a method whose work took 480 seconds within ten minutes. Every number is given by the test.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
import typing as t

SLOTS, SLOT_SECONDS = 10, 60


@dataclasses.dataclass
class Limits:
    """A box has none by default. `work` adds seconds to what a method is said to have cost.

    `request` is how many of them one request may last: the commands of a batch that come later are not carried out,
    and the client gets the web server's page.
    """

    rate: float | None = None
    burst: float = 50
    operating: float | None = None
    request: float | None = None
    work: dict[str, float] = dataclasses.field(default_factory=dict)


class Bucket:
    """`burst` requests at once, refilled by `rate` a second, for each source address."""

    def __init__(self, rate: float, burst: float, clock: t.Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._levels: dict[str, tuple[float, float]] = {}  # address → requests in the bucket, and when it was counted
        self._lock = threading.Lock()

    def take(self, address: str) -> bool:
        """Whether this request is answered; a refused one fills nothing."""
        with self._lock:
            now = self._clock()
            level, before = self._levels.get(address, (0.0, now))
            level = max(0.0, level - (now - before) * self._rate)
            answered = level + 1 <= self._burst
            self._levels[address] = (level + answered, now)
            return answered


class OperatingTime:
    """Seconds of work for each pair of method and credential, in ten slots of a minute."""

    def __init__(self, limit: float | None, clock: t.Callable[[], float]) -> None:
        self._limit, self._clock = limit, clock
        self._slots: dict[tuple[str, str], collections.deque[tuple[int, float]]] = {}
        self._lock = threading.Lock()

    def spent(self, method: str, credential: str) -> float:
        with self._lock:
            slots = self._slots.get((method, credential), ())
            first = self._slot() - SLOTS
            return sum(seconds for slot, seconds in slots if slot > first)

    def allows(self, method: str, credential: str) -> bool:
        """Asked before the work: the request that crosses the limit is still answered."""
        return self._limit is None or self.spent(method, credential) <= self._limit

    def add(self, method: str, credential: str, seconds: float) -> None:
        with self._lock:
            slots = self._slots.setdefault((method, credential), collections.deque(maxlen=SLOTS))
            slot = self._slot()
            if slots and slots[-1][0] == slot:
                slots[-1] = (slot, slots[-1][1] + seconds)
            else:
                slots.append((slot, seconds))

    def reset_at(self) -> int:
        """When the oldest slot falls out, as Unix time."""
        return (self._slot() + SLOTS) * SLOT_SECONDS

    def _slot(self) -> int:
        return int(self._clock() // SLOT_SECONDS)
