# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a dump on disk: x.sql, x.sql.1, x.sql.2 … and x_after_connect.sql beside them."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.allowlist import CreateTable, CreateView, Insert
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_view import (
    ViewDefinition,
    doubtful_views,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.foreign import HEAD, REMEDY, check_origin
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import Known, debian12
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.reader import (
    AFTER_CONNECT,
    CLOSING_LINE,
    OPENING_LINE,
    DumpReader,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.repairs import (
    Repairs,
    RowRepair,
    repaired_rows,
    table_sql,
    view_sql,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement

CHUNK = 1024 * 1024
_TAIL = 200


def dump_files(given: t.Sequence[str]) -> list[str]:
    """The files to read, in order: those given, or all that belong to the one given. Raises DumpError."""
    if not given:
        raise DumpError("No dump is given.", "Set dump to the first file of the dump.")
    files = list(given)
    if len(files) == 1:
        files = _after_connect(files[0]) + _siblings(files[0])
    for file in files:
        if not os.path.isfile(file):
            raise DumpError(f"The dump {file} is not there.", "Correct the option dump.", file=file)
    return files


def _after_connect(first: str) -> list[str]:
    base = first[: -len(".sql")] if first.endswith(".sql") else first
    return [base + AFTER_CONNECT] if os.path.isfile(base + AFTER_CONNECT) else []


def _siblings(first: str) -> list[str]:
    folder, name = os.path.split(first)
    numbered = re.compile(re.escape(name) + r"\.([1-9][0-9]*)\Z")
    matches = (numbered.match(entry) for entry in os.listdir(folder or ".")) if os.path.isfile(first) else ()
    numbers = sorted(int(match.group(1)) for match in matches if match)
    missing = sorted(set(range(1, numbers[-1] + 1)) - set(numbers)) if numbers else []
    if missing:
        raise DumpError(
            f"The dump {first} is not whole: {name}.{missing[0]} is missing, {name}.{numbers[-1]} is there.",
            "Put the missing file beside the others.",
            file=f"{first}.{missing[0]}",
        )
    return [first] + [f"{first}.{number}" for number in numbers]


def check_whole(files: t.Sequence[str]) -> None:
    """Raise DumpError where the last file lacks the closing line, or another program has written the files.

    A cheap check before anything is touched.
    """
    for file in files:
        with open(file, "rb") as stream:
            check_origin(file, stream.read(HEAD))
    last = [file for file in files if not file.endswith(AFTER_CONNECT)][-1:]
    tail = b""
    if last:
        with open(last[0], "rb") as stream:
            stream.seek(max(0, os.path.getsize(last[0]) - _TAIL))
            tail = stream.read()
    if last and not _ends(tail) and not _begins(last[0]):
        raise DumpError(
            f"{last[0]} is no dump of a portal's backup: it has neither its first line, "
            f"'{OPENING_LINE.decode('ascii')}', nor its last, '{CLOSING_LINE.decode('ascii')}'.",
            REMEDY.format(file=last[0]),
            file=last[0],
        )
    if not last or not _ends(tail):
        raise DumpError(
            f"The dump is cut off: {last[0] if last else 'no file'} does not end with the line "
            f"'{CLOSING_LINE.decode('ascii')}'.",
            "A later file of the dump is missing, or the backup was cut: verify it, then fetch what is missing.",
            file=last[0] if last else None,
        )


def _ends(tail: bytes) -> bool:
    return tail.rstrip().rpartition(b"\n")[2].startswith(CLOSING_LINE)


def _begins(file: str) -> bool:
    """Whether it is a later file of a dump, or has the first line of one."""
    if re.search(r"\.sql\.[1-9][0-9]*\Z", file):
        return True
    with open(file, "rb") as stream:
        return stream.read(len(OPENING_LINE)) == OPENING_LINE


class Feedable(t.Protocol):
    """An importer, or whatever else takes a dump."""

    def feed(self, file: str, data: bytes) -> None: ...

    def end_of_file(self) -> None: ...


def feed_files(
    target: Feedable,
    files: t.Sequence[str],
    start: tuple[str, int] | None = None,
    after_chunk: t.Callable[[], None] = lambda: None,
) -> None:
    """Push the files into the target, from `start` (file and byte offset) on."""
    remaining = list(files)
    offset = 0
    if start is not None:
        remaining, offset = remaining[remaining.index(start[0]) :], start[1]
    for file in remaining:
        with open(file, "rb") as stream:
            stream.seek(offset)
            offset = 0
            for data in iter(lambda: stream.read(CHUNK), b""):
                target.feed(file, data)
                after_chunk()
        target.end_of_file()


class Survey:
    """Judges a whole dump and lists its tables and views, without a server.

    `repairs` and `views_left_out` say what a server like `known` will make of it, as an import returns them: only a
    server can refuse more. Raises what an import would raise: `StatementRefused`, `StatementImpossible`, `DumpError`.
    """

    def __init__(self, known: Known | None = None) -> None:
        self._reader = DumpReader()
        self._known = known or debian12()
        self._columns: dict[str, list[str]] = {}
        self._views: dict[str, tuple[str, ViewDefinition]] = {}
        self._row_repair: RowRepair | None = None
        self._made: dict[str, Repairs] = {}
        self.tables: list[dict[str, t.Any]] = []
        self.repairs: list[dict[str, t.Any]] = []
        self.views_left_out: list[dict[str, t.Any]] = []

    @property
    def views(self) -> list[str]:
        """Those that will be made."""
        left_out = {view["name"] for view in self.views_left_out}
        return [name for name in self._views if name not in left_out]

    def feed(self, file: str, data: bytes) -> None:
        self._take(self._reader.feed(file, data))

    def end_of_file(self) -> None:
        self._take(self._reader.end_of_file())

    def finish(self) -> None:
        self._reader.finish()
        if not self.tables:
            raise DumpError("The dump holds no table.", "Order a backup that includes the database.")
        doubtful = doubtful_views({name: view for name, (_text, view) in self._views.items()}, self._columns)
        self.views_left_out = [
            {"name": name, "text": text, "reason": doubtful[name]}
            for name, (text, _view) in self._views.items()
            if name in doubtful
        ]
        self.repairs = [
            {"table": table, "kind": kind, "detail": detail, "count": count}
            for table, made in self._made.items()
            for (kind, detail), count in sorted(made.items())
        ]

    def _take(self, commands: t.Iterable[tuple[Statement, t.Any]]) -> None:
        for statement, command in commands:
            if isinstance(command, CreateTable):
                made = table_sql(command.definition, self._known)
                self._made[command.name] = made.repairs
                self._columns[command.name] = [column.name for column in made.columns]
                row_repair = RowRepair(made.columns)
                self._row_repair = row_repair if row_repair.needed else None
                structure_only = command.definition.structure_only
                self.tables.append({"name": command.name, "rows": 0, "structure_only": structure_only})
            elif isinstance(command, Insert):
                self.tables[-1]["rows"] += command.rows
                if self._row_repair is not None:
                    self._made[command.table].update(repaired_rows(self._row_repair, statement, command.body)[1])
            elif isinstance(command, CreateView):
                text = statement.text.decode("utf-8", "backslashreplace")
                self._views[command.name] = (text, command.definition)
                self._made[command.name] = view_sql(command.name, command.definition, self._known)[1]
