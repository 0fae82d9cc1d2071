# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of the collection a run goes through: one line for the first time that a thread enters one of them.

Code that runs at an import does not count, and no constructor does: what is only made has done nothing yet.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
import time
import types
import typing as t

FOLDER = "/ansible_collections/boxlift/portal/"


class Entered(t.NamedTuple):
    """A thread (`lane`: process and thread) has entered `file`, a path within the collection."""

    moment: int
    lane: tuple[int, int]
    file: str


class Tracer:
    """Leaves lines in the file `log`, also those of processes that are forked meanwhile."""

    def __init__(self, log: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._seen: set[tuple[int, int, str]] = set()

    def __enter__(self) -> None:
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def __exit__(self, *_failure: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame: types.FrameType, event: str, _value: object) -> None:
        code = frame.f_code
        counts = code.co_flags & inspect.CO_OPTIMIZED and code.co_name not in ("__init__", "__post_init__")
        if event == "call" and FOLDER in code.co_filename and counts:
            self.note(code.co_filename.partition(FOLDER)[2])

    def note(self, file: str) -> None:
        """One line, in one write, so that lines of several processes do not mix."""
        key = os.getpid(), threading.get_native_id(), file
        if key not in self._seen:
            self._seen.add(key)
            os.write(self._log, f"{time.monotonic_ns()} {key[0]} {key[1]} {file}\n".encode())


def read(log: str) -> list[Entered]:
    """What was left there, in the order of time."""
    with open(log, encoding="utf-8") as lines:
        fields = [line.split() for line in lines]
    return sorted(Entered(int(moment), (int(pid), int(thread)), file) for moment, pid, thread, file in fields)
