# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit on bytes per second that all connections share; it may follow the time of day."""

from __future__ import annotations

import re
import threading
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import READ_SIZE

_TIME = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)$")


class Window(t.NamedTuple):
    """From `begin` up to `end`, in minutes of the day, `limit` bytes per second hold; 0 is no limit."""

    begin: int
    end: int
    limit: int

    @classmethod
    def of(cls, begin: str, end: str, limit: int) -> Window:
        """From "HH:MM" to "HH:MM"; past midnight where the end is earlier than the begin."""
        window = cls(_minutes(begin), _minutes(end), limit)
        if window.begin == window.end or limit < 0:
            raise BoxliftError(
                f"bandwidth_schedule has a window from {begin} to {end} with the limit {limit}.",
                "Give a window another end than begin, and a limit of 0 (none) or more bytes per second.",
            )
        return window

    def holds(self, minute: int) -> bool:
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


class BandwidthLimit:
    """`limit` in bytes per second, None or 0 for no limit; in a window of the schedule its own limit holds."""

    def __init__(
        self,
        limit: int | None,
        schedule: t.Sequence[Window] = (),
        *,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
        local: t.Callable[[], time.struct_time] = time.localtime,
    ) -> None:
        self._limit = limit or 0
        self._schedule = schedule
        self._clock = clock
        self._sleep = sleep
        self._local = local
        self._lock = threading.Lock()
        self._free_at = clock()

    def step(self) -> int:
        """How many bytes to take at once, so that a low limit does not mean a long silence after a burst."""
        limit = self._now()
        return min(READ_SIZE, max(1, limit // 4)) if limit else READ_SIZE

    def take(self, size: int) -> None:
        """Wait until `size` more bytes fit into the limit."""
        limit = self._now()
        if not limit:
            return
        with self._lock:
            now = self._clock()
            wait = max(0.0, self._free_at - now)
            self._free_at = max(self._free_at, now) + size / limit
        if wait:
            self._sleep(wait)

    def _now(self) -> int:
        if not self._schedule:
            return self._limit
        moment = self._local()
        minute = moment.tm_hour * 60 + moment.tm_min
        return next((window.limit for window in self._schedule if window.holds(minute)), self._limit)


def _minutes(text: str) -> int:
    match = _TIME.match(text)
    if not match:
        raise BoxliftError(
            f"bandwidth_schedule: {text!r} is not a time of day.", 'Give times as "HH:MM", in quotation marks.'
        )
    return int(match[1]) * 60 + int(match[2])
