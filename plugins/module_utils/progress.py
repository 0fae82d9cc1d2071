# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long run has come, for whoever looks: one JSON object in a file, replaced about once a second."""

from __future__ import annotations

import json
import os
import threading
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

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
            # Another process may get the same number later, but never the same number and moment of birth.
            "born": _born(),
            "started": now,
            "updated": now,
            "outcome": "running",
            "message": "",
            "phase": "",
            # When the phase at work began, and with how many bytes already there; a resumed one begins in the middle.
            "since": now,
            "base": 0,
            # Bytes of the phase at work; None where the total is not known yet.
            "done": 0,
            "total": None,
            "parts": {"total": None, "done": 0, "damaged": 0, "repaired": 0},
            "files": 0,
            "rows": 0,
            # Of each phase that has ended: its seconds, and the bytes it went through.
            "phases": {},
        }
        if path is not None:
            try:
                directory = os.path.dirname(path) or "."
                os.makedirs(directory, mode=0o700, exist_ok=True)
                if os.stat(directory).st_mode & 0o002:
                    raise BoxliftError(
                        f"The progress file {path} would lie in a directory that everybody can write to.",
                        "Name one in a directory of its own as progress.",
                    )
                replace_file(path, json.dumps(self._state).encode(), durable=False)
            except OSError as error:
                raise BoxliftError(
                    f"The progress file {path} cannot be written: {error.strerror}.", "Name another one as progress."
                ) from error

    def tell(self, **values: t.Any) -> None:
        """Set some of the values (`phase`, `done`, `total`, `parts`, `files`, `rows`); the others stay as they are.

        With a new phase `done` and `total` begin anew, at the values given with it.
        """
        with self._lock:
            if values.get("phase", self._state["phase"]) != self._state["phase"]:
                self._end_phase()
                self._state.update(since=self._clock(), base=values.get("done", 0), done=0, total=None)
            self._state.update(values)
            if self._clock() - self._written >= EVERY_SECONDS:
                self._write()

    def close(self, outcome: str, message: str = "") -> None:
        """The last word: `done` or `failed`, with the error's message."""
        with self._lock:
            if self._state["outcome"] == "running":
                self._end_phase()
                self._state.update(outcome=outcome, message=message)
                self._write()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Whatever ends the work is its last word, unless another was said before."""
        if kind is None:
            self.close("done")
        else:
            # Only our own messages are known to hold no secret.
            self.close("failed", error.message if isinstance(error, BoxliftError) else kind.__name__)

    def _end_phase(self) -> None:
        state = self._state
        if state["phase"]:
            spent = state["phases"].setdefault(state["phase"], {"seconds": 0.0, "bytes": 0})
            spent["seconds"] = round(spent["seconds"] + self._clock() - state["since"], 3)
            spent["bytes"] += max(state["done"] - state["base"], 0)

    def _write(self) -> None:
        self._written = self._state["updated"] = self._clock()
        if self._path is not None:
            try:
                replace_file(self._path, json.dumps(self._state).encode(), durable=False)
            except OSError:
                # A full disk under the progress file must not end hours of work: the next second tries again, and
                # whoever watches says that nothing is told any more.
                return


def _born() -> str:
    """When this process began, in the kernel's ticks: field 22 of its line, counted behind its name."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as source:
        return source.read().rpartition(") ")[2].split(" ")[19]
