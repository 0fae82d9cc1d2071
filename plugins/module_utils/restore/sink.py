# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each entry of the archive goes: into the tree, into the database, or nowhere because it is excluded."""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import DUMP_NAME, dump_index, is_dump
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, printable
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter


class Database(t.Protocol):
    """The staging database as the sink sees it."""

    def feed(self, name: str, content: bytes) -> None: ...

    def end_of_file(self) -> None: ...

    def complete(self) -> dict[str, t.Any]: ...

    def position(self) -> tuple[str, int] | None: ...

    def state(self) -> dict[str, t.Any]: ...


@dataclasses.dataclass
class Checkpoint:
    """All that is needed to go on: `offset` in the stream, `log` in the writer's log, and how far the dump has come."""

    offset: int
    log: int = 0
    tree_from: int = 0
    files: int = 0
    directories: int = 0
    bytes: int = 0
    excluded: int = 0
    dump_file: str = ""
    dump_skip: int = 0
    dump_state: dict[str, t.Any] | None = None
    imported: dict[str, t.Any] | None = None


class RestoreSink:
    """Takes the entries in their order. `dumps` is how many dump volumes the archive holds."""

    def __init__(
        self,
        writer: TreeWriter,
        database: Database | None,
        dumps: int,
        exclude: t.Sequence[str],
        start: Checkpoint,
    ) -> None:
        self._writer = writer
        self._database = database
        self._dumps = dumps
        self._exclude = exclude
        self._now = dataclasses.replace(start)
        self._skip = start.dump_skip
        self._dump_offsets: dict[str, int] = {}
        self._route = ""

    @property
    def counts(self) -> Checkpoint:
        return self._now

    def checkpoint(self, offset: int) -> Checkpoint:
        """What to go on from when everything before `offset` has been placed."""
        self._now.log = self._writer.checkpoint()
        self._now.offset = self._now.tree_from = offset
        if self._database is not None and self._now.imported is None and self._dump_offsets:
            # Before its first table is complete the dump is read again from its beginning.
            self._now.dump_file, self._now.dump_skip = self._database.position() or (next(iter(self._dump_offsets)), 0)
            self._now.dump_state = self._database.state()
            self._now.offset = min(offset, self._dump_offsets[self._now.dump_file])
        return dataclasses.replace(self._now)

    def begin(self, entry: Entry) -> None:
        self._route = self._choose(entry)
        if self._route == "dump":
            name = entry.text
            self._dump_offsets[name] = entry.offset
            if name != self._now.dump_file:
                self._skip = 0
            self._name = name
        elif self._route == "tree":
            if entry.is_directory:
                self._writer.make_directory(entry)
                self._now.directories += 1
            else:
                self._writer.begin_file(entry)
        elif self._route == "excluded" and not entry.is_directory:
            self._now.excluded += 1

    def data(self, content: memoryview) -> None:
        if self._route == "tree":
            self._writer.write(content)
        elif self._route == "dump":
            skipped = min(self._skip, len(content))
            self._skip -= skipped
            if self._database is not None and skipped < len(content):
                self._database.feed(self._name, bytes(content[skipped:]))

    def end(self, entry: Entry) -> None:
        if self._route == "tree" and not entry.is_directory:
            self._writer.end_file()
            self._now.files += 1
            self._now.bytes += entry.size
        elif self._route == "dump" and self._database is not None:
            self._database.end_of_file()
            if is_dump(entry.path) and dump_index(entry.path) == self._dumps - 1:
                self._now.imported = self._database.complete()
                self._now.dump_state = None

    def unsafe(self, path: bytes, reason: str) -> None:
        raise BoxliftError(f"Entry {printable(path)!r} is refused: {reason}.", "Order a new backup.")

    def _choose(self, entry: Entry) -> str:
        # The dump, and the statements that the portal runs at each connect, both match.
        if self._database is not None and not entry.is_directory and DUMP_NAME.match(entry.path):
            return "seen" if self._now.imported is not None else "dump"
        if entry.offset < self._now.tree_from:
            return "seen"
        name = entry.text
        if any(fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern}/") for pattern in self._exclude):
            return "excluded"
        return "tree"
