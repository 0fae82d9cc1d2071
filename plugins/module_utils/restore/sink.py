# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides for each entry of the archive: into the tree, into the database, or nowhere. Places those of the tree."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import excluded
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import in_dump
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State, printable
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.specials import left_out
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import DiskFull, TreeWriter

NOTE_SECONDS = 2.0
_Result = t.TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Routes:
    """Where entries go. `exclude`: see `excluded` in archive/safety.py."""

    with_database: bool
    exclude: tuple[str, ...]

    def of(self, entry: Entry) -> str:
        """One of `dump` (into the database), `left_out` (an installer, never placed), `excluded`, `tree`."""
        if self.with_database and not entry.is_directory and in_dump(entry.path):
            return "dump"
        if left_out(entry.path):
            return "left_out"
        return "excluded" if excluded(entry.path, self.exclude) else "tree"


@dataclasses.dataclass
class Counts:
    """What was placed. A file counts with the part that holds its last byte."""

    files: int = 0
    directories: int = 0
    bytes: int = 0
    excluded: int = 0

    def add(self, other: Counts) -> None:
        self.files += other.files
        self.directories += other.directories
        self.bytes += other.bytes
        self.excluded += other.excluded


@dataclasses.dataclass(frozen=True)
class PartMark:
    """How far a part is placed; saved for a run after a kill."""

    offset: int = 0  # all entries before this byte of its stream are placed
    log: int = 0  # the log's size by then: what is logged behind it is to be taken back
    first: int | None = None  # where its first header lies; if that turns out to be wrong, the mark is void
    lead: bool = False  # the rest of a file from an earlier part is placed, too
    counts: Counts = dataclasses.field(default_factory=Counts)
    renamed: tuple[str, ...] = ()  # names that kept their cp1251 bytes, for a warning
    derived: tuple[str, ...] = ()  # lines about names that the file system does not hold
    left_out: tuple[str, ...] = ()  # installers


class TreeSink:
    """Places the entries of one part while the part is proven: a `Companion` of archive/scan.py.

    `mark` is what an earlier run has placed; `note` is told a new mark about every two seconds. An entry that cannot be
    placed is no error yet: this walk may be misled, or the misled walk of another part may be in the way. Then all is
    taken back, and `withdrawn` says why. Only a full disk is an error at once (DiskFull).

    `apart` is given when all other parts are in their place: the offsets of entries that share their name with others
    and are placed at the end (pipeline.py).
    """

    def __init__(
        self,
        writer: TreeWriter,
        routes: Routes,
        mark: PartMark,
        note: t.Callable[[PartMark], None],
        apart: t.AbstractSet[int] | None = None,
    ) -> None:
        self._writer = writer
        self._routes = routes
        self._placed_to = mark.offset
        self._mark = mark
        self._note = note
        self._alone = apart is not None
        self._apart = apart or frozenset()
        self._noted = time.monotonic()
        self._first: int | None = None
        self._lead = mark.lead
        self._counts = dataclasses.replace(mark.counts)
        self._left_out: list[str] = []
        self._rest: _Rest | None = None
        self.path: bytes | None = None  # of the file that is open
        self.withdrawn: BoxliftError | None = None

    def take_over(self, state: State, path: bytes | None) -> None:
        """The part begins in `state`; write the rest of the file that is open there to `path`, unless that is None."""
        if path is not None and state.entry is not None:
            self._writer.open_file(state.entry, path, state.entry.size - state.data)
            self._rest, self.path = _Rest(state.entry, state.data), path

    def lead(self, content: memoryview) -> None:
        if self._rest is not None and not self.withdrawn:
            content = content[: self._rest.bytes]
            self._attempt(self._writer.write, content)
            self._rest.bytes -= len(content)
            if not self._rest.bytes:
                self._end_rest()

    def begin(self, entry: Entry) -> None:
        if self._first is None:
            self._first = entry.offset
        if self.withdrawn or entry.offset < self._placed_to:
            return
        now = time.monotonic()
        if now - self._noted >= NOTE_SECONDS:
            self._note(self.mark(entry.offset))
            self._noted = now
        route = self._routes.of(entry)
        if route == "tree" and entry.is_directory:
            self._attempt(self._writer.make_directory, entry)
            self._counts.directories += 1
        elif route == "tree" and entry.offset not in self._apart:
            self.path = self._attempt(self._writer.begin_file, entry, self._alone)
        elif route == "left_out":
            self._left_out.append(printable(entry.path))
        elif route == "excluded" and not entry.is_directory:
            self._counts.excluded += 1

    def data(self, content: memoryview) -> None:
        if self.path is not None:
            self._attempt(self._writer.write, content)
            if self._rest is not None:
                self._rest.bytes -= len(content)

    def end(self, entry: Entry) -> None:
        if self._rest is not None:
            self._end_rest()
        elif self.path is not None:
            self._attempt(self._writer.end_file)
            self.path = None
            self._counts.files += 1
            self._counts.bytes += entry.size

    def unsafe(self, path: bytes, reason: str) -> None:
        """Nothing to place: the proof will refuse the backup for this entry."""

    def withdraw(self, reason: BoxliftError | None = None) -> None:
        """Take back all that was placed of the part, and place nothing more."""
        if not self.withdrawn:
            self.withdrawn = reason or BoxliftError("The part was not walked to its end.", "Verify it.")
            self._rest = self.path = None
            self._writer.undo()

    def mark(self, offset: int) -> PartMark:
        """The mark to resume from, given that everything before `offset` is placed."""
        counts = dataclasses.replace(self._counts)
        renamed = (*self._mark.renamed, *self._writer.renamed)
        derived = (*self._mark.derived, *self._writer.derived)
        passed = (*self._mark.left_out, *self._left_out)
        return PartMark(offset, self._writer.position(), self._first, self._lead, counts, renamed, derived, passed)

    def _end_rest(self) -> None:
        """The file from an earlier part is whole. A resumed run writes its rest again, but must not count it again."""
        rest, self._rest, self.path = t.cast(_Rest, self._rest), None, None
        self._attempt(self._writer.end_file)
        if not self._lead and not self.withdrawn:
            self._lead = True
            self._counts.files += 1
            self._counts.bytes += rest.entry.size

    def _attempt(self, step: t.Callable[..., _Result], *arguments: t.Any) -> _Result | None:
        try:
            return step(*arguments)
        except DiskFull:
            raise
        except BoxliftError as error:
            self.withdraw(error)
            return None


@dataclasses.dataclass
class _Rest:
    """The rest of a file that began in an earlier part."""

    entry: Entry
    bytes: int  # still to come
