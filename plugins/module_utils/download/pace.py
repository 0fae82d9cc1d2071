# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit on bytes per second that all connections share."""

from __future__ import annotations

import threading
import time
import typing as t


class Pace:
    """`limit` in bytes per second, None for no limit."""

    def __init__(
        self,
        limit: int | None,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def take(self, size: int) -> None:
        """Wait until `size` more bytes fit into the limit."""
        if not self._limit:
            return
        with self._lock:
            now = self._clock()
            wait = max(0.0, self._free_at - now)
            self._free_at = max(self._free_at, now) + size / self._limit
        if wait:
            self._sleep(wait)
