# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the database dump from the parts that are proven, in order, and feeds it to the staging database.

It runs while later parts still arrive. Parts that hold nothing of the dump are not read. After a kill, the importer
says from which byte of which file of the dump it resumes.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, in_dump
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State, TarFault, Walker
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import OfferedPart

NOTE_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class DumpMark:
    """How far the dump is loaded; saved for a run after a kill."""

    offset: int = 0  # in the stream, where the header of `file` begins
    file: str = ""  # of the dump, in which loading resumes
    skip: int = 0  # bytes of that file that are loaded
    state: dict[str, t.Any] | None = None  # of the staging database
    imported: dict[str, t.Any] | None = None  # the importer's result, once it is done


class Stopped(Exception):
    """The restore has failed elsewhere."""


class _StreamPart(t.NamedTuple):
    """A proven part, and its place in the stream."""

    part: OfferedPart
    sha256: str
    start: State
    offset: int
    size: int
    holds_dump: bool


class DumpFeed:
    """`add` the parts in order, then `close`, in one thread; `run` in another. A later run can resume from any `mark`.

    It is the `Sink` of its own walk through the stream.
    """

    def __init__(self, database: StagedDatabase, mark: DumpMark) -> None:
        self._database = database
        self._skip_in, self._skip = mark.file, mark.skip
        self._prepared = False
        self._offsets: dict[str, int] = {}
        self._name: str | None = None
        self._parts: list[_StreamPart] = []
        self._size = 0
        self._changed = threading.Condition()
        self._closed = self._stopped = False
        self._noted = 0.0
        self.began: float | None = None  # when loading began, in the clock's seconds
        self.mark = mark

    def add(self, part: OfferedPart, start: State, scan: PartScan) -> None:
        """Add the next part of the stream, which begins in the state `start`."""
        inside = start.entry is not None and in_dump(start.entry.path)
        held = scan.walk is not None and scan.walk.tally.dump_entries > 0
        with self._changed:
            self._parts.append(_StreamPart(part, scan.sha256, start, self._size, scan.data_size, inside or held))
            self._size += scan.data_size
            self._changed.notify()

    def close(self) -> None:
        """No more parts: the backup is proven whole."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def stop(self) -> None:
        """Let `run` raise Stopped, at the next chunk or while it waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> dict[str, t.Any] | None:
        """The importer's result, None where the backup holds no dump. Raises BoxliftError, or Stopped."""
        if self.mark.imported is not None:
            return self.mark.imported
        try:
            return self._run()
        finally:
            if self._prepared:
                self._database.close()

    def _run(self) -> dict[str, t.Any] | None:
        if self.mark.state is not None:
            self._prepare()
        walker: Walker | None = None
        for proven in self._in_order():
            if not proven.holds_dump or proven.offset + proven.size <= self.mark.offset:
                walker = None
            else:
                walker = self._read(proven, walker)
        if not self._prepared:
            return None
        self.mark = dataclasses.replace(self.mark, state=None, imported=self._database.complete())
        return self.mark.imported

    def _in_order(self) -> t.Iterator[_StreamPart]:
        """The parts as they are added, until the last one."""
        given = 0
        while True:
            with self._changed:
                while not (self._stopped or self._closed or len(self._parts) > given):
                    self._changed.wait()
                if self._stopped:
                    raise Stopped
                if len(self._parts) == given:
                    return
            yield self._parts[given]
            given += 1

    def _read(self, proven: _StreamPart, walker: Walker | None) -> Walker:
        part, begin = proven.part, proven.offset
        if part.index == 0 and part.kind.encrypted:
            begin += HEADER_SIZE
        if walker is None and self.mark.offset > begin:
            begin, walker = self.mark.offset, Walker(self, None, self.mark.offset)
        if walker is None:
            walker = Walker(self, proven.start, begin)
        position = proven.offset
        for chunk in part.chunks(proven.sha256):
            if self._stopped:
                raise Stopped
            view = memoryview(chunk)[max(0, begin - position) :]
            position += len(chunk)
            try:
                walker.feed(view)
            except TarFault as fault:
                raise part.changed(fault.reason) from fault
            self._take_note()
        return walker

    def _take_note(self) -> None:
        if self._offsets and time.monotonic() - self._noted >= NOTE_SECONDS:
            state = self._database.state()
            # Before the first table is complete, a later run reads the dump from its beginning.
            file, skip = (state["position"] or (next(iter(self._offsets)), 0))[:2]
            self.mark = DumpMark(self._offsets[file], file, skip, state)
            self._noted = time.monotonic()

    def _prepare(self) -> None:
        if not self._prepared:
            self._database.prepare(self.mark.state)
            self._prepared = True
            self.began = time.time()
            self._noted = time.monotonic()

    def begin(self, entry: Entry) -> None:
        wanted = not entry.is_directory and in_dump(entry.path)
        self._name = entry.text if wanted else None
        if self._name is not None:
            self._prepare()
            self._offsets[self._name] = entry.offset
            if self._name != self._skip_in:
                self._skip = 0

    def data(self, content: memoryview) -> None:
        if self._name is not None:
            skipped = min(self._skip, len(content))
            self._skip -= skipped
            if skipped < len(content):
                self._database.feed(self._name, bytes(content[skipped:]))

    def end(self, entry: Entry) -> None:
        if self._name is not None:
            self._database.end_of_file()

    def unsafe(self, path: bytes, reason: str) -> None:
        """Nothing to load: the proof refuses it."""
