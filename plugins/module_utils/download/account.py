# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fetch has done so far: bytes, repairs, moments; told on as progress."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.download.schedule import Schedule, ScheduledPart
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress

TELL_SECONDS = 0.5


class Account:
    """Safe to use from several threads."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._told = 0.0
        self._here = 0  # bytes that an earlier run has left
        self.fetched = 0
        self.refetched = 0
        self.repairs: list[dict[str, t.Any]] = []

    def now(self) -> float:
        """Seconds since the run began."""
        return round(time.monotonic() - self._began, 3)

    def found(self, size: int) -> None:
        self._here += size

    def received(self, size: int, schedule: Schedule) -> None:
        with self._lock:
            self.fetched += size
            due = time.monotonic() - self._told > TELL_SECONDS
            if due:
                self._told = time.monotonic()
        if due:
            self.tell(schedule)

    def again(self, repair: dict[str, t.Any], size: int, ranges: int) -> None:
        """So much was fetched for a repair."""
        with self._lock:
            repair["bytes"] += size
            repair["ranges"] += ranges
            self.refetched += size

    def repair(self, part: ScheduledPart, status: str, reason: str) -> dict[str, t.Any]:
        """A repair begins."""
        entry = {"name": part.file.name, "status": status, "reason": reason, "bytes": 0, "ranges": 0}
        with self._lock:
            self.repairs.append(entry)
        return entry

    def tell(self, schedule: Schedule) -> None:
        """The total is an estimate until every part's length is known: parts of a backup are about equally long."""
        if self._progress is None:
            return
        parts = list(schedule.parts.values())
        sizes = [part.file.total for part in parts if part.file.total > 0]
        total = None
        if schedule.count and sizes:
            total = sum(sizes) + max(0, schedule.count - len(sizes)) * (sum(sizes) // len(sizes))
        done = self._here + self.fetched - self.refetched
        self._progress.tell(
            phase="fetch",
            done=done if total is None else min(done, total),
            total=total,
            parts={
                "total": schedule.count,
                "done": sum(part.state == "placed" for part in parts),
                "damaged": sum(part.state == "damaged" for part in parts),
                "repaired": len({repair["name"] for repair in self.repairs}),
            },
        )
