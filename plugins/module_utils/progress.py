# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long run has come, for whoever looks: one JSON object in a file, replaced about once a second."""

from __future__ import annotations

import json
import os
import threading
import time
import typing as t

EVERY_SECONDS = 1.0


class Progress:
    """`tell` from any thread; without a `path` nothing is written. A run that is killed leaves its last word behind."""

    def __init__(self, operation: str, path: str | None = None, clock: t.Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._written = 0.0
        now = clock()
        self._state: dict[str, t.Any] = {
            "operation": operation,
            "pid": os.getpid(),
            "started": now,
            "updated": now,
            "outcome": "running",
            "message": "",
            "phase": "",
            # Bytes of the phase at work; None where the total is not known yet.
            "done": 0,
            "total": None,
            "parts": {"total": None, "done": 0, "damaged": 0, "repaired": 0},
            "files": 0,
            "rows": 0,
        }

    def tell(self, **values: t.Any) -> None:
        """Set some of the values (`phase`, `done`, `total`, `parts`, `files`, `rows`); the others stay as they are."""
        with self._lock:
            self._state.update(values)
            if self._clock() - self._written >= EVERY_SECONDS:
                self._write()

    def close(self, outcome: str, message: str = "") -> None:
        """The last word: `done` or `failed`, with the error's message."""
        with self._lock:
            self._state.update(outcome=outcome, message=message)
            self._write()

    def _write(self) -> None:
        self._written = self._state["updated"] = self._clock()
        if self._path is None:
            return
        spare = f"{self._path}.new"
        descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as target:
            json.dump(self._state, target)
        os.rename(spare, self._path)
