# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which entries of the archive are placed in the tree, which go into the database, and which are left out."""

from __future__ import annotations

import dataclasses
import fnmatch

from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import DUMP_NAME
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State, printable
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter


@dataclasses.dataclass(frozen=True)
class Routes:
    """Where an entry goes: `dump` (into the database), `excluded`, or `tree`."""

    with_database: bool
    exclude: tuple[str, ...]

    def of(self, entry: Entry) -> str:
        # The dump, and the statements that the portal runs at each connect, both match.
        if self.with_database and not entry.is_directory and DUMP_NAME.match(entry.path):
            return "dump"
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
class Straddler:
    """A file that lies in several parts, and the path under which it stands in the tree already."""

    entry: Entry
    path: bytes


class TreeSink:
    """Places one part's entries. `incoming` and `outgoing` are the files that it shares with its neighbours.

    Entries that begin before `placed_to` were placed, and counted, by an earlier run.
    """

    def __init__(
        self,
        writer: TreeWriter,
        routes: Routes,
        incoming: Straddler | None,
        outgoing: Straddler | None,
        placed_to: int,
        counts: Counts,
    ) -> None:
        self._writer = writer
        self._routes = routes
        self._incoming = incoming
        self._outgoing = outgoing
        self._placed_to = placed_to
        self.counts = counts
        self._writes = False
        self._new = True

    def take_over(self, state: State) -> None:
        """Go on with the entry that is open where the part begins."""
        if self._incoming is not None and state.entry is not None:
            self._writer.open_file(self._incoming.entry, self._incoming.path, state.entry.size - state.data)
            self._writes = True
            self._new = self._placed_to == 0

    def begin(self, entry: Entry) -> None:
        self._new = entry.offset >= self._placed_to
        route = self._routes.of(entry)
        self._writes = False
        if not self._new:
            return
        if route == "excluded" and not entry.is_directory:
            self.counts.excluded += 1
        elif route == "tree" and entry.is_directory:
            self._writer.make_directory(entry)
            self.counts.directories += 1
        elif route == "tree":
            self._writes = True
            if self._outgoing is not None and entry == self._outgoing.entry:
                self._writer.open_file(entry, self._outgoing.path, 0)
            else:
                self._writer.begin_file(entry)

    def data(self, content: memoryview) -> None:
        if self._writes:
            self._writer.write(content)

    def end(self, entry: Entry) -> None:
        if self._writes:
            self._writer.end_file()
            self._writes = False
            if self._new:
                self.counts.files += 1
                self.counts.bytes += entry.size

    def unsafe(self, path: bytes, reason: str) -> None:
        raise BoxliftError(f"Entry {printable(path)!r} is refused: {reason}.", "Order a new backup.")
