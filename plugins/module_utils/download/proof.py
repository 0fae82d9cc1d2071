# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A complete part is proven, by worker processes where there are processors for them, and then put in its place.

A fetch on its own proves with `Prover`. A restore that fetches passes another `Prove` in: `Offers.offer` of
restore/offers.py, which places the part's entries in the same reading.
"""

from __future__ import annotations

import contextlib
import os
import queue
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind, PartFiles, kind_of, part_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, cipher_of, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import FetchRequest
from ansible_collections.boxlift.portal.plugins.module_utils.download.schedule import ScheduledPart
from ansible_collections.boxlift.portal.plugins.module_utils.download.state import FetchState
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew

# Part number, and the path of the complete file, which may still be under its partial name; waits for the proof.
Prove = t.Callable[[int, str], PartScan]


class Prover:
    """Callable as a `Prove` from any thread, at most `size` at a time. Make it before any thread is started.

    `cipher` is asked for each part.
    """

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


class Placing:
    """Safe to use from several threads, each for another part. `scans` holds the proof of every part in its place."""

    def __init__(self, request: FetchRequest, base: str, state: FetchState, prove: Prove) -> None:
        self._request = request
        self._base = base
        self._kind = kind_of(base)
        self._expected = request.sums(base)
        self._state = state
        self._prove = prove
        self.cipher: Cipher | None = None
        self.scans: dict[int, PartScan] = {}

    def prove(self, part: ScheduledPart) -> PartScan | PartFault:
        """The part's proof, and it lies in its place; or what is wrong with it, and it is partial."""
        header_fault = self._open_cipher(part) if part.index == 0 else None
        scan = self._prove(part.index, part.path)
        fault = scan.fault or header_fault or scan.size_fault() or self._unexpected(part, scan)
        if fault:
            if part.in_place:
                self.take_back(part)
            return fault
        self._place(part, scan)
        return scan

    def _open_cipher(self, part: ScheduledPart) -> PartFault | None:
        """The first part proves the password, before anything else is done with it."""
        if not self._request.password and self._kind.encrypted:
            return None
        files = PartFiles(self._request.dest, self._base, self._kind, {0: part.path})
        self.cipher, fault = cipher_of(files, self._request.password)
        return fault

    def _unexpected(self, part: ScheduledPart, scan: PartScan) -> PartFault | None:
        name = part.file.name
        expected = self._expected.get(name, scan.sha256)
        if scan.sha256 != expected:
            return PartFault("corrupt", f"its sha256 is {scan.sha256}, and {expected} is expected", scan.size)
        known = self._state.parts.get(name, {}).get("sha256", scan.sha256) if part.in_place else scan.sha256
        if scan.sha256 != known:
            return PartFault("corrupt", "its sha256 is another than when it was fetched", scan.size)
        return None

    def _place(self, part: ScheduledPart, scan: PartScan) -> None:
        fetched = not part.in_place
        status = os.stat(part.file.final) if part.in_place else part.file.place()
        last_index = (scan.last_index or 0) if scan.marker else None
        self._state.add(
            part.file.name,
            {
                "size": status.st_size,
                "mtime_ns": status.st_mtime_ns,
                "sha256": scan.sha256,
                "last_index": last_index if part.index == 0 else None,
                "validators": part.file.validators,
            },
            fetched,
        )
        part.in_place = True
        part.file.forget()
        self.scans[part.index] = scan

    def take_back(self, part: ScheduledPart) -> None:
        """It is damaged after all."""
        part.file.take_back()
        part.in_place = False
        self._state.remove(part.file.name)
