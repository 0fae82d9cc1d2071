# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What workers do with parts: prove one and place what lies in it, in one reading."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import REMEDIES
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import PartStream
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, PartMark, Routes, TreeSink
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter

BEAT_SECONDS = 0.5
# A worker's note: a Mark, or the number of bytes that it has read since the last such note.
Note = t.Callable[[t.Any], None]


@dataclasses.dataclass(frozen=True)
class Tree:
    """Where the files go, whose they shall be (-1: whoever runs this), and whether names keep their bytes."""

    root: str
    uid: int
    gid: int
    raw_names: bool = False

    def writer(self, log: str, checkpoint: int | None) -> TreeWriter:
        return TreeWriter(self.root, log, self.uid, self.gid, checkpoint, self.raw_names)


@dataclasses.dataclass(frozen=True)
class OfferedPart:
    """One part as a file: `path` is its own; a part that was just fetched still lies in `arrived`."""

    index: int
    name: str
    path: str
    arrived: str
    kind: Kind
    cipher: Cipher | None

    def chunks(self, sha256: str) -> t.Iterator[bytes | memoryview]:
        """Its plain bytes once more, which are those that were proven, with this sum. Raises BoxliftError."""
        path = self.path if os.path.exists(self.path) else self.arrived
        stream = PartStream(path, self.kind, self.cipher)
        try:
            try:
                yield from stream.chunks()
            except FileNotFoundError:  # it got its own name in between
                stream = PartStream(self.path, self.kind, self.cipher)
                yield from stream.chunks()
        except PartFault as fault:
            raise self.changed(fault.reason) from fault
        if stream.sha256 != sha256:
            raise self.changed("its checksum is another")

    def changed(self, reason: str) -> BoxliftError:
        return BoxliftError(f"{self.name} has changed since it was verified ({reason}).", REMEDIES["corrupt"])


@dataclasses.dataclass(frozen=True)
class Proven:
    """What came of a part: its scan, and what is placed of it (None: nothing, it has to be placed later).

    `path` is that of the file which is open at the part's end, None where none is or this task did not write it;
    `reason` says why nothing was placed.
    """

    scan: PartScan
    mark: PartMark | None = None
    path: bytes | None = None
    reason: Exception | None = None


@dataclasses.dataclass(frozen=True)
class ProvePart:
    """The task of reading one part: proof of it, and, with a `tree`, its entries placed.

    `start` is the state in which the part begins, None where it is not known; the first header is then searched for.
    `path` is that of the file that is open there.
    """

    part: OfferedPart
    start: State | None = None
    path: bytes | None = None
    tree: Tree | None = None
    log: str = ""
    routes: Routes = dataclasses.field(default_factory=lambda: Routes(False, ()))
    mark: PartMark = dataclasses.field(default_factory=PartMark)

    def run(self, note: Note) -> Proven:
        """Raises BoxliftError where the disk is full."""
        beat = _Beat(note)
        if self.tree is None:
            return Proven(self._scan(beat, None))
        writer = self.tree.writer(self.log, self.mark.log)
        try:
            sink = TreeSink(writer, self.routes, self.mark, note)
            if self.start is not None:
                sink.take_over(self.start, self.path)
            scan = self._scan(beat, sink)
            mark = None if sink.withdrawn else sink.mark(scan.data_size)
            return Proven(scan, mark, sink.path, sink.withdrawn)
        finally:
            writer.close()

    def _scan(self, beat: _Beat, sink: TreeSink | None) -> PartScan:
        part, start = self.part, self.start
        whole = start is not None and (part.index == 0 or not start.plain)
        return scan_file(
            part.arrived,
            part.name,
            part.index,
            part.kind,
            part.cipher,
            start=(start, b"") if start is not None and whole else None,
            first=start.need if start is not None and not whole else None,
            progress=beat,
            companion=sink,
        )


@dataclasses.dataclass(frozen=True)
class PlaceLead:
    """The task of writing the rest of a file that was begun in an earlier part, from a part that is proven."""

    part: OfferedPart
    sha256: str
    stamp: list[int]
    start: State
    path: bytes
    tree: Tree
    log: str

    def run(self, note: Note) -> Counts:
        """What that completes: one file, or none yet. Raises BoxliftError."""
        writer = self.tree.writer(self.log, None)
        try:
            sink = TreeSink(writer, Routes(False, ()), PartMark(), note)
            sink.take_over(self.start, self.path)
            part, due = self.part, self.start.data
            skip = HEADER_SIZE if part.index == 0 and part.kind.encrypted else 0
            for chunk in part.chunks(self.sha256):
                note(None)
                content = memoryview(chunk)[skip:][:due]
                skip = 0
                sink.lead(content)
                due -= len(content)
                if not due:
                    break
            # Its sum is only known at the part's end, which is mostly not read.
            if stamp(part.path if os.path.exists(part.path) else part.arrived) != self.stamp:
                raise part.changed("its size or time is another")
            if sink.withdrawn:
                raise sink.withdrawn
            return sink.mark(0).counts
        finally:
            writer.close()


@dataclasses.dataclass(frozen=True)
class SettleDirectories:
    """The task of setting the modes and times of one part's directories, when nothing more is created in them."""

    log: str
    tree: Tree

    def run(self, note: Note) -> None:
        writer = self.tree.writer(self.log, None)
        try:
            writer.settle_directories(note)
        finally:
            writer.close()


class _Beat:
    """Tells how far reading has come, not more often than people look; and notices where nobody listens any more."""

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
    """What a worker of the crew does."""
    return task.run(note)
