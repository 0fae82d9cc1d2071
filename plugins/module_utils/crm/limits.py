# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a request has to wait, by what the portal itself has said.

Requests fill a bucket that leaks at a rate. A portal refuses what does not fit into it (QUERY_LIMIT_EXCEEDED), and
says neither rate nor size: both are learned from refusals. A box has no bucket, and then nothing waits.

Each method has a sum of its working time within the last ten minutes, which comes with every answer. Above a limit the
portal refuses the method (OPERATION_TIME_LIMIT) until the oldest of ten slots falls out of the sum.
"""

from __future__ import annotations

import threading
import typing as t

FAST, SLOW = 5.0, 2.0  # requests a second that a bucket leaks: in the vendor's largest plan, and in all others
BURST = 50.0  # what it holds, in all plans but the largest
OPERATING = 480.0  # seconds of working time
SLOT = 60.0  # seconds, after which a sum may have become less
# A little slower than the bucket leaks: else a request that travels faster than the one before it is refused.
_MARGIN = 0.985
LEAST = 0.1  # requests a second, where other tools take all the rest
WINDOW = 2.0  # seconds between two refusals, from which the rate is learned
FASTER = 1.001  # after each request that was taken


class Limits:
    """For all threads that share a portal and a credential. `share` is the part of the limits that we may use."""

    def __init__(self, share: float, clock: t.Callable[[], float]) -> None:
        self._share, self._clock = share, clock
        self._lock = threading.Lock()
        self._burst = BURST * share
        self._most = (
            SLOW * share if share < 1 else FAST
        )  # requests a second that we never exceed, once there is a limit
        self._rate = self._most if share < 1 else 0.0  # those that we make in the long run; 0: no limit is known
        self._level, self._at = 0.0, clock()
        self._places: list[float] = []  # when those begin that were given and have not come yet
        self._full_at: float | None = None  # when the bucket was full
        self._taken = 0  # how many it has taken since then
        self._spent: dict[str, float] = {}
        self._resets: dict[str, float] = {}
        self._blocked: dict[str, float] = {}
        self._ceiling = OPERATING if share < 1 else 0.0  # 0: no limit is known

    def forbidden(self, methods: t.Iterable[str]) -> float:
        """For how many seconds one of these methods must not be asked for."""
        with self._lock:
            now, wait = self._clock(), 0.0
            for method in methods:
                wait = max(wait, self._blocked.get(method, 0.0) - now)
                if self._ceiling and self._spent.get(method, 0.0) >= self._ceiling * self._share:
                    wait = max(wait, self._resets[method] - now)
            return wait

    def place(self) -> float:
        """Take a place in the bucket for one request, and give how many seconds it is away."""
        with self._lock:
            if not self._rate:
                return 0.0
            self._leak()
            self._level += 1
            wait = max(0.0, (self._level - self._burst) / (self._rate * _MARGIN))
            self._places = [*(place for place in self._places if place > self._at), self._at + wait]
            return wait

    def free(self) -> bool:
        """Whether a place would be there at once."""
        with self._lock:
            self._leak()
            return not self._rate or self._level + 1 <= self._burst

    def full(self) -> None:
        """The portal has refused a request, since its bucket is full."""
        with self._lock:
            now = self._clock()
            self._rate = self._rate or self._most
            if self._full_at is None:
                self._full_at, self._taken = now, 0
            elif now - self._full_at >= WINDOW:
                # It was full then and is full now: it has leaked as many as it has taken.
                self._rate = min(self._most, _known(max(LEAST, self._taken / (now - self._full_at))))
                self._full_at, self._taken = now, 0
            # What was refused has filled nothing. The places that other lanes wait for come behind what is in it now.
            self._at = now
            self._level = self._burst + sum(place > now for place in self._places)

    def passed(self) -> None:
        """The portal has taken a request."""
        with self._lock:
            self._taken += 1
            if 0 < self._rate < self._most:
                self._rate = min(
                    self._most, self._rate * FASTER
                )  # until it refuses: others may have stopped, or a window may have misled us

    def operated(self, method: str, time: t.Mapping[str, t.Any]) -> None:
        """What an answer says of the method's working time (`time`, or of a batch its `result_time`)."""
        spent = _seconds(time.get("operating"))
        if spent is None:
            return
        reset, now = _seconds(time.get("operating_reset_at")), _seconds(time.get("finish"))
        left = SLOT if reset is None or now is None else min(max(reset - now, 0.0), 10 * SLOT)
        with self._lock:
            self._spent[method], self._resets[method] = spent, self._clock() + left
            if self._ceiling and spent > self._ceiling * 1.1:
                self._ceiling = float("inf")  # more than that was allowed: this portal has no such limit

    def blocked(self, method: str, pause: float) -> None:
        """The portal has refused the method: for `pause` seconds, or if that is 0 until its sum becomes less."""
        with self._lock:
            now = self._clock()
            left = pause or self._resets.get(method, 0.0) - now
            self._blocked[method] = now + (left if left > 0 else SLOT)
            self._ceiling = min(self._spent.get(method) or OPERATING, OPERATING)

    def _leak(self) -> None:
        now = self._clock()
        self._level = max(0.0, self._level - (now - self._at) * (self._rate * _MARGIN))
        self._at = now


def _known(rate: float) -> float:
    """The rate of a plan, where a measured one is about that."""
    return next((plan for plan in (SLOW, FAST) if abs(rate - plan) < 0.2 * plan), rate)


def _seconds(value: t.Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
