# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries of the archive are placed in the tree, which go into the database, and which are left out."""

from __future__ import annotations

import dataclasses
import fnmatch
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import in_dump
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State, printable
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.specials import left_out
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import DiskFull, TreeWriter

NOTE_SECONDS = 2.0
_Result = t.TypeVar("_Result")


@dataclasses.dataclass(frozen=True)
class Routes:
    """Where an entry goes: `dump` (into the database), `excluded`, `left_out` (an installer), or `tree`."""

    with_database: bool
    exclude: tuple[str, ...]

    def of(self, entry: Entry) -> str:
        if self.with_database and not entry.is_directory and in_dump(entry.path):
            return "dump"
        if left_out(entry.path):
            return "left_out"
        if not self.exclude:
            return "tree"
        name = entry.text
        if any(fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern}/") for pattern in self.exclude):
            return "excluded"
        return "tree"


@dataclasses.dataclass
class Counts:
    """What was placed. A file counts where its last byte is placed."""

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
    """How far a part has been placed: its entries before `offset`, `log` bytes of its log, and what that counts.

    That is true only where its first header lies at `first`. `lead`: the rest of a file from earlier parts is placed.
    """

    offset: int = 0
    log: int = 0
    first: int | None = None
    lead: bool = False
    counts: Counts = dataclasses.field(default_factory=Counts)
    renamed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class TreeSink:
    """Places one part's entries while the part is being proven.

    `mark` is what an earlier run has placed already. An entry that cannot be placed is no error yet: the walk may have
    been misled, or a misled walk of another part may be in the way. `withdrawn` then says why nothing was placed.
    """

    def __init__(self, writer: TreeWriter, routes: Routes, mark: PartMark, note: t.Callable[[PartMark], None]) -> None:
        self._writer = writer
        self._routes = routes
        self._placed_to = mark.offset
        self._mark = mark
        self._note = note
        self._noted = time.monotonic()
        self._first: int | None = None
        self._lead = mark.lead
        self._counts = dataclasses.replace(mark.counts)
        self._left_out: list[str] = []
        self._rest: _Rest | None = None
        self.path: bytes | None = None  # of the file that is open
        self.withdrawn: BoxliftError | None = None

    def take_over(self, state: State, path: bytes | None) -> None:
        """`path` is that of the file which is open where the part begins, None where it is not to be written here."""
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
        elif route == "tree":
            self.path = self._attempt(self._writer.begin_file, entry)
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
        """The proof refuses the backup, with this entry's name."""

    def withdraw(self, reason: BoxliftError | None = None) -> None:
        if not self.withdrawn:
            self.withdrawn = reason or BoxliftError("The part was not walked to its end.", "Verify it.")
            self._rest = self.path = None
            self._writer.undo()

    def mark(self, offset: int) -> PartMark:
        """What is placed, where everything before `offset` is."""
        counts = dataclasses.replace(self._counts)
        renamed = (*self._mark.renamed, *self._writer.renamed)
        passed = (*self._mark.left_out, *self._left_out)
        return PartMark(offset, self._writer.position(), self._first, self._lead, counts, renamed, passed)

    def _end_rest(self) -> None:
        """The file from earlier parts is whole; a run that goes on writes it again, and does not count it again."""
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
    """What is still to come of a file that began in an earlier part."""

    entry: Entry
    bytes: int
