# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump as a whole: its files in order, one allowed command after the other, and its closing line.

Needs no server, so that a dump can be judged before anything is touched.
"""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.allowlist import (
    Command,
    CreateTable,
    CreateView,
    DropTable,
    DropView,
    Insert,
    classify,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError, StatementRefused
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.geometry import GeometryTable, geometry_table
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Splitter, Statement

# Beside the dump lies a file that the portal runs at every connection; it alone may name the database's collation.
AFTER_CONNECT = "_after_connect.sql"
OPENING_LINE = b"-- Started"
CLOSING_LINE = b"-- Finished"


class Position(t.NamedTuple):
    """A place in a dump: file as it was named to feed(), byte offset, line."""

    file: str
    offset: int
    line: int


class DumpReader:
    """feed(), end_of_file(), … for every file in order, then finish()."""

    def __init__(self, start: Position | None = None, seen: t.Collection[str] = ()) -> None:
        self._start = start
        self._seen = set(seen)
        self._splitter: Splitter | None = None
        self._table: str | None = None
        self._geometry: GeometryTable | None = None
        self._closing = b""
        self._dump_file: str | None = None

    def feed(self, file: str, data: bytes) -> t.Iterator[tuple[Statement, Command]]:
        """The commands that these bytes complete. Use the iterator up before feeding again."""
        if self._splitter is None:
            offset, line = 0, 1
            if self._start is not None:
                if self._start.file != file:
                    raise ValueError(f"the dump goes on in {self._start.file}, not in {file}")
                _file, offset, line = self._start
                self._start = None
            self._splitter = Splitter(file, offset, line)
            self._splitter.geometry = self._geometry
        elif self._splitter.file != file:
            raise ValueError(f"{self._splitter.file} has not ended, but {file} begins")
        return self._commands(self._splitter.feed(data))

    def end_of_file(self) -> t.Iterator[tuple[Statement, Command]]:
        """The last command of a file; an unfinished statement is an error."""
        if self._splitter is None:
            raise ValueError("no file has begun")
        yield from self._commands(self._splitter.close())
        if not self._splitter.file.endswith(AFTER_CONNECT):
            self._closing, self._dump_file = self._splitter.closing, self._splitter.file
        self._splitter = None

    def finish(self) -> None:
        """Raise DumpError unless the dump ended with the closing line of the vendor's writer."""
        if self._splitter is not None:
            raise ValueError(f"{self._splitter.file} has not ended")
        if self._dump_file is None or not self._closing.startswith(CLOSING_LINE):
            raise DumpError(
                f"The dump is cut off: {self._dump_file or 'no file'} does not end with the line "
                f"'{CLOSING_LINE.decode('ascii')}'.",
                "A later file of the dump is missing, or the backup was cut: verify it, then fetch what is missing.",
                file=self._dump_file,
            )

    def _commands(self, statements: t.Iterable[Statement]) -> t.Iterator[tuple[Statement, Command]]:
        for statement in statements:
            after_connect = statement.file.endswith(AFTER_CONNECT)
            command = classify(statement, after_connect=after_connect)
            reason = self._out_of_order(command)
            if reason:
                raise StatementRefused(
                    reason,
                    file=statement.file,
                    offset=statement.offset,
                    line=statement.line,
                    text=statement.text,
                    spoiled=True,
                )
            if isinstance(command, CreateTable):
                self._geometry = geometry_table(command.name, command.definition.columns)
                if self._splitter is not None:
                    self._splitter.geometry = self._geometry
            yield statement, command

    def _out_of_order(self, command: Command) -> str:
        """Why a command is out of place, or "". An import resumes at a table, so each comes once, with its rows."""
        if isinstance(command, Insert):
            return "" if command.table == self._table else f"{command.table} is not the table that was created last"
        if isinstance(command, (DropTable, CreateTable, DropView, CreateView)):
            if command.name in self._seen:
                return f"{command.name} appears twice in the dump"
            self._table = None
        if isinstance(command, (CreateTable, CreateView)):
            self._seen.add(command.name)
        if isinstance(command, CreateTable):
            self._table = command.name
        return ""
