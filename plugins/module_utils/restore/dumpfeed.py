# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dump, out of the archive and into the staging database, while the files are placed by others."""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import DUMP_NAME, dump_index, is_dump
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, Walker
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import stream_from

NOTE_SECONDS = 2.0


class Database(t.Protocol):
    """The staging database as the feed sees it."""

    def feed(self, name: str, content: bytes) -> None: ...

    def end_of_file(self) -> None: ...

    def complete(self) -> dict[str, t.Any]: ...

    def position(self) -> tuple[str, int] | None: ...

    def state(self) -> dict[str, t.Any]: ...


@dataclasses.dataclass(frozen=True)
class DumpMark:
    """How far the dump has come: go on in the stream at `offset`, where the dump's `file` begins, `skip` bytes in.

    `imported` is what the importer said when it was done.
    """

    offset: int
    file: str = ""
    skip: int = 0
    state: dict[str, t.Any] | None = None
    imported: dict[str, t.Any] | None = None


class Stopped(Exception):
    """The restore has failed elsewhere."""


class DumpFeed:
    """Feeds the dump of a proven backup; `mark` is always what could be gone on from."""

    def __init__(self, report: Report, database: Database, mark: DumpMark) -> None:
        self._report = report
        self._database = database
        self._dumps = len(report.tally.dumps)
        self._offsets: dict[str, int] = {}
        self._name: str | None = None
        self._skip_in, self._skip = mark.file, mark.skip
        self._stop = threading.Event()
        self.mark = mark

    def stop(self) -> None:
        """Called from another thread: end at the next chunk."""
        self._stop.set()

    def run(self) -> dict[str, t.Any]:
        """What the importer says at the end. Raises BoxliftError, or Stopped."""
        walker = Walker(self, None, self.mark.offset)
        noted = time.monotonic()
        for chunk in stream_from(self._report, self.mark.offset):
            if self._stop.is_set():
                raise Stopped
            walker.feed(chunk)
            if self.mark.imported is not None:
                return self.mark.imported
            if self._offsets and time.monotonic() - noted >= NOTE_SECONDS:
                # Before its first table is complete the dump is read again from its beginning.
                file, skip = self._database.position() or (next(iter(self._offsets)), 0)
                self.mark = DumpMark(self._offsets[file], file, skip, self._database.state())
                noted = time.monotonic()
        raise ValueError("the proven backup ends before its dump")  # the proof has counted the volumes

    def begin(self, entry: Entry) -> None:
        wanted = not entry.is_directory and DUMP_NAME.match(entry.path) and self.mark.imported is None
        self._name = entry.text if wanted else None
        if self._name is not None:
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
            if is_dump(entry.path) and dump_index(entry.path) == self._dumps - 1:
                self.mark = dataclasses.replace(self.mark, state=None, imported=self._database.complete())

    def unsafe(self, path: bytes, reason: str) -> None:
        """Not the dump's business; whoever places the files refuses it."""
