# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof of parts as they come, by worker processes where there are processors for them."""

from __future__ import annotations

import contextlib
import queue
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind, part_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew

# Part number, and the path of the complete file, which may still be under its partial name.
Prove = t.Callable[[int, str], PartScan]


class Prover:
    """Call it from any thread, as many at a time as `size` says; make it before any thread. `cipher` is
    asked for each part."""

    def __init__(self, base: str, kind: Kind, size: int) -> None:
        self.size = size
        self.cipher: t.Callable[[], Cipher | None] = lambda: None
        self._base = base
        self._kind = kind
        self._stack = contextlib.ExitStack()
        self._idle: queue.Queue[Crew] = queue.Queue()
        # One processor is shared by turns anyway; with more, Python's interpreter lock would keep them waiting.
        # Each crew inherits the ends of those before it, so they end in the opposite order (as ExitStack does).
        for _number in range(size if size > 1 else 0):
            self._idle.put(self._stack.enter_context(Crew(1, self._scan)))

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *failure: t.Any) -> None:
        self._stack.close()

    def __call__(self, index: int, path: str) -> PartScan:
        task = (index, path, self.cipher())
        if self.size == 1:
            return self._scan(task, lambda note: None)
        crew = self._idle.get()
        try:
            scan: PartScan = crew.map([task])[task]
        finally:
            self._idle.put(crew)
        return scan

    def _scan(self, task: tuple[int, str, Cipher | None], note: t.Callable[[t.Any], None]) -> PartScan:
        index, path, cipher = task
        # A note without content only looks whether the process that asked is still there.
        return scan_file(
            path, part_name(self._base, index), index, self._kind, cipher, progress=lambda _size: note(None)
        )
