# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One proven part → the staging tree. Several at a time: each knows where the part before it leaves off."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State, TarFault, Walker
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, Routes, Straddler, TreeSink
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import read_proven
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter

NOTE_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Tree:
    """Where the files go, and whose they shall be (-1: whoever runs this)."""

    root: str
    uid: int
    gid: int


@dataclasses.dataclass(frozen=True)
class Mark:
    """How far a part has been placed: its entries before `offset`, `log` bytes of its log, and what that counts."""

    offset: int = 0
    log: int = 0
    counts: Counts = dataclasses.field(default_factory=Counts)
    renamed: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class PlacePart:
    """The task of placing one part. `sha256` is that of the bytes that were proven."""

    index: int
    name: str
    path: str
    sha256: str
    kind: Kind
    cipher: Cipher | None
    tree: Tree
    log: str
    routes: Routes
    start: State
    incoming: Straddler | None
    outgoing: Straddler | None
    mark: Mark

    def run(self, note: t.Callable[[t.Any], None]) -> Mark:
        """Place it; notes are Marks of what could be gone on from. Raises BoxliftError."""
        writer = TreeWriter(self.tree.root, self.log, self.tree.uid, self.tree.gid, self.mark.log)
        try:
            return self._place(writer, note)
        finally:
            writer.close()

    def _place(self, writer: TreeWriter, note: t.Callable[[t.Any], None]) -> Mark:
        counts = dataclasses.replace(self.mark.counts)
        sink = TreeSink(writer, self.routes, self.incoming, self.outgoing, self.mark.offset, counts)
        sink.take_over(self.start)
        skip = HEADER_SIZE if self.index == 0 and self.kind.encrypted else 0
        walker = Walker(sink, self.start, skip)

        def mark(offset: int) -> Mark:
            return Mark(offset, writer.position(), dataclasses.replace(counts), (*self.mark.renamed, *writer.renamed))

        noted = time.monotonic()
        try:
            for chunk in read_proven(self.path, self.name, self.sha256, self.kind, self.cipher):
                walker.feed(memoryview(chunk)[skip:])
                skip = 0
                now = time.monotonic()
                if now - noted >= NOTE_SECONDS and walker.entry != self.start.entry:
                    note(mark(walker.resume_offset))
                    noted = now
                else:
                    note(None)
        except TarFault as fault:
            raise BoxliftError(
                f"{self.name} changed while it was read: {fault.reason} at byte {fault.offset} of its stream.",
                "Verify it again.",
            ) from fault
        return mark(walker.offset)


@dataclasses.dataclass(frozen=True)
class SettleDirectories:
    """The task of setting the modes and times of one part's directories, when nothing more is created in them."""

    log: str
    tree: Tree

    def run(self, note: t.Callable[[t.Any], None]) -> None:
        writer = TreeWriter(self.tree.root, self.log, self.tree.uid, self.tree.gid, None)
        try:
            writer.settle_directories(note)
        finally:
            writer.close()


Task = t.Union[PlacePart, SettleDirectories]


def work(task: Task, note: t.Callable[[t.Any], None]) -> Mark | None:
    """What a worker of the crew does."""
    return task.run(note)
