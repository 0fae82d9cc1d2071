# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker process does with a part: proves it and places what lies in it, in one reading."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import REMEDIES
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import PartStream
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, PartMark, Routes, TreeSink
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import StagingTree

BEAT_SECONDS = 0.5
# What a worker says while it works: a PartMark, or the bytes it has read since it last said so. None says nothing and
# only ends the worker where its parent is gone (workers.py).
Note = t.Callable[[t.Any], None]


@dataclasses.dataclass(frozen=True)
class OfferedPart:
    """A part as the source offered it."""

    index: int
    name: str
    path: str  # under its own name
    arrived: str  # where it lay when it was offered: a fetched part gets its own name only when it is proven
    kind: Kind
    cipher: Cipher | None

    @property
    def place(self) -> str:
        """Where it lies now; a fetched part may get its own name at any moment after it is proven."""
        return self.arrived if os.path.exists(self.arrived) else self.path

    def chunks(self, sha256: str) -> t.Iterator[bytes | memoryview]:
        """Read it once more, inflated and decrypted. Raises BoxliftError where it is not the proven part any more.

        Its `sha256` shows that at the end, after the last chunk.
        """
        path = self.path if os.path.exists(self.path) else self.arrived
        stream = PartStream(path, self.kind, self.cipher)
        try:
            try:
                yield from stream.chunks()
            except FileNotFoundError:  # it has just got its own name
                stream = PartStream(self.path, self.kind, self.cipher)
                yield from stream.chunks()
        except PartFault as fault:
            raise self.changed(fault.reason) from fault
        if stream.sha256 != sha256:
            raise self.changed("its checksum is another")

    def changed(self, reason: str) -> BoxliftError:
        """The error to raise where it is not the part that was proven."""
        return BoxliftError(f"{self.name} has changed since it was verified ({reason}).", REMEDIES["corrupt"])


@dataclasses.dataclass(frozen=True)
class PartOutcome:
    """The result of `ProvePart`."""

    scan: PartScan
    mark: PartMark | None = None  # what is placed; None: nothing, it must be placed later
    path: bytes | None = None  # of the file that is open at the part's end, if this task wrote it
    reason: Exception | None = None  # why nothing is placed


@dataclasses.dataclass(frozen=True)
class ProvePart:
    """Task: read one part, prove it and, given a `tree`, place its entries."""

    part: OfferedPart
    start: State | None = None  # in which it begins; None: not known, so its first header is searched for
    path: bytes | None = None  # of the file that is open there; None: its rest is not written here
    tree: StagingTree | None = None
    log: str = ""
    routes: Routes = dataclasses.field(default_factory=lambda: Routes(False, ()))
    mark: PartMark = dataclasses.field(default_factory=PartMark)  # what a killed run has placed of it
    apart: frozenset[int] | None = None  # see TreeSink

    def run(self, note: Note) -> PartOutcome:
        """Raises BoxliftError where the disk is full."""
        beat = _Beat(note)
        if self.tree is None:
            return PartOutcome(self._scan(beat, None))
        writer = self.tree.writer(self.log, self.mark.log)
        try:
            sink = TreeSink(writer, self.routes, self.mark, note, self.apart)
            if self.start is not None:
                sink.take_over(self.start, self.path)
            scan = self._scan(beat, sink)
            mark = None if sink.withdrawn else sink.mark(scan.data_size)
            return PartOutcome(scan, mark, sink.path, sink.withdrawn)
        finally:
            writer.close()

    def _scan(self, beat: _Beat, sink: TreeSink | None) -> PartScan:
        try:
            return self._scan_at(self.part.place, beat, sink)
        except FileNotFoundError:  # it has just got its own name
            return self._scan_at(self.part.path, beat, sink)

    def _scan_at(self, path: str, beat: _Beat, sink: TreeSink | None) -> PartScan:
        part, start = self.part, self.start
        whole = start is not None and (part.index == 0 or not start.plain)
        return scan_file(
            path,
            part.name,
            part.index,
            part.kind,
            part.cipher,
            start=(start, b"") if start is not None and whole else None,
            first=start.need if start is not None and not whole else None,
            exclude=self.routes.exclude,
            progress=beat,
            companion=sink,
        )


@dataclasses.dataclass(frozen=True)
class PlaceLead:
    """Task: write the lead of a proven part, that is the rest of a file from an earlier part."""

    part: OfferedPart
    sha256: str
    stamp: list[int]  # its file's (files.py), when it was proven
    start: State
    path: bytes  # of that file in the tree
    tree: StagingTree
    log: str

    def run(self, note: Note) -> Counts:
        """Count what that completes: one file, or none where it goes on in the next part. Raises BoxliftError."""
        writer = self.tree.writer(self.log, None)
        try:
            sink = TreeSink(writer, Routes(False, ()), PartMark(), note)
            sink.take_over(self.start, self.path)
            part, due = self.part, self.start.data
            for chunk in part.chunks(self.sha256):
                note(None)
                content = memoryview(chunk)[:due]
                sink.lead(content)
                due -= len(content)
                if not due:
                    break
            # The sum shows at the part's end only, which this seldom reads.
            if stamp(part.path if os.path.exists(part.path) else part.arrived) != self.stamp:
                raise part.changed("its size or time is another")
            if sink.withdrawn:
                raise sink.withdrawn
            return sink.mark(0).counts
        finally:
            writer.close()


@dataclasses.dataclass(frozen=True)
class SettleDirectories:
    """Task: set modes and times of one part's directories, once nothing more is created in them."""

    log: str
    tree: StagingTree

    def run(self, note: Note) -> None:
        writer = self.tree.writer(self.log, None)
        try:
            writer.settle_directories(note)
        finally:
            writer.close()


class _Beat:
    """Reports the bytes read, at most twice a second; stops the worker when its parent is gone."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._read = 0
        self._told = time.monotonic()

    def __call__(self, amount: int) -> None:
        self._read += amount
        now = time.monotonic()
        if now - self._told < BEAT_SECONDS:
            self._note(None)
            return
        self._note(self._read)
        self._read, self._told = 0, now


Task = t.Union[ProvePart, PlaceLead, SettleDirectories]


def work(task: Task, note: Note) -> t.Any:
    """Run one task, in a worker process."""
    return task.run(note)
