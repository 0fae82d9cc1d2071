# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a database dump in the layout of the vendor's backup, from rows given as Python values.

`DumpWriter` writes the files, `RowDigest` says what a lossless import of the same rows must give.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
import subprocess
import typing as t

Value = t.Union[None, int, str, bytes]
Row = dict[str, Value]

SPLIT_LIMIT = 2_000_000_000
FLUSH_CHARS = 1_000_000
DIGEST_RECIPE = (
    "per row: concat_ws(',', ifnull(hex(col),'~') for every column in order); "
    "rows sorted bytewise, joined with LF, sha256; session charset binary"
)
_RULE = "-- -----------------------------------\n"
_ESCAPES = str.maketrans({"\0": "\\0", "\n": "\\n", "\r": "\\r", "\\": "\\\\", "'": "\\'", '"': '\\"', "\x1a": "\\Z"})
_COLUMN = re.compile(r"^  `(\w+)` (\w+)(?:\(([^)]*)\))?(.*?),?$")
_DEFAULT = re.compile(r"DEFAULT (?:'((?:[^']|'')*)'|(\S+))")


@dataclasses.dataclass(frozen=True)
class Column:
    name: str
    type: str
    default: Value

    def sql(self, value: Value) -> str:
        """The literal as the vendor writes it, with its defect: a BIT is quoted decimal text."""
        if value is None:
            return "NULL"
        if isinstance(value, bytes):
            return f"0x{value.hex()}" if value else "''"
        if re.fullmatch(r"\w*int|year|float|double|decimal", self.type):
            return str(value)
        return f"'{str(value).translate(_ESCAPES)}'"

    def hex(self, value: Value) -> str:
        """What `IFNULL(HEX(column), '~')` answers for the value."""
        if value is None:
            return "~"
        if isinstance(value, bytes):
            return value.hex().upper()
        if self.type in ("float", "double", "decimal"):
            number = float(value)
            in_range = -(2**63) < number < 2**64
            value = int(number + (0.5 if number > 0 else -0.5)) if in_range else -1
        if isinstance(value, int):
            return f"{value & 0xFFFFFFFFFFFFFFFF:X}"
        return value.encode().hex().upper()


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as its `CREATE TABLE` text describes it, in the form of `SHOW CREATE TABLE` without the last line."""

    name: str
    body: str
    columns: tuple[Column, ...]

    def create(self, charset: str, collation: str, next_id: int | None = None) -> str:
        counter = f" AUTO_INCREMENT={next_id}" if next_id else ""
        return f"`{self.name}` (\n{self.body}\n) ENGINE=InnoDB{counter} DEFAULT CHARSET={charset} COLLATE={collation}"

    def values(self, row: Row) -> list[Value]:
        """The row in column order; what it leaves out takes the column's default."""
        unknown = row.keys() - {column.name for column in self.columns}
        if unknown:
            raise KeyError(f"table {self.name} has no column {', '.join(sorted(unknown))}")
        return [row.get(column.name, column.default) for column in self.columns]


def read_schema(text: str) -> dict[str, Table]:
    """The tables of a file of `CREATE TABLE` statements, by name."""
    tables = {}
    for name, body in re.findall(r"^CREATE TABLE `(\w+)` \(\n(.*?)\n\);$", text, re.MULTILINE | re.DOTALL):
        columns = tuple(_column(match) for match in map(_COLUMN.match, body.splitlines()) if match)
        tables[name] = Table(name, body, columns)
    return tables


def _column(match: re.Match[str]) -> Column:
    name, kind, _length, rest = match.groups()
    default = _DEFAULT.search(rest)
    if default is None or default[2] in ("NULL", "current_timestamp()"):
        return Column(name, kind, None)
    if default[2] is not None:
        return Column(name, kind, int(default[2]) if default[2].isdigit() else default[2])
    return Column(name, kind, default[1].replace("''", "'"))


class RowDigest:
    """The digest of a table's rows. Sorting is left to `sort`, which spills to disk, so memory stays flat."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows = 0
        self._sort = subprocess.Popen(
            ["sort", "--buffer-size=32M"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"LC_ALL": "C"}
        )

    def add(self, values: list[Value]) -> None:
        self.rows += 1
        line = ",".join([column.hex(value) for column, value in zip(self.table.columns, values)])
        t.cast(t.IO[bytes], self._sort.stdin).write(line.encode() + b"\n")

    def hexdigest(self) -> str:
        digest = hashlib.sha256()
        separator = b""
        with self._sort as process:
            t.cast(t.IO[bytes], process.stdin).close()
            for line in t.cast(t.IO[bytes], process.stdout):
                digest.update(separator + line[:-1])
                separator = b"\n"
        if process.returncode:
            raise RuntimeError(f"sort failed with status {process.returncode} for table {self.table.name}")
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class TableSum:
    """What an import of a dumped table must give."""

    rows: int
    sha256: str


class DumpWriter:
    """Dump files `<base>.sql`, `.sql.1` … and `<base>_after_connect.sql` in one folder.

    Call `table`, `structure` and `view` in the order of the dump, then `finish`.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        base: str,
        *,
        moment: str,
        collation: str = "utf8mb4_unicode_ci",
        split_limit: int = SPLIT_LIMIT,
    ) -> None:
        self.folder = folder
        self.base = base
        self.moment = moment
        self.charset, self.collation = collation.partition("_")[0], collation
        self.split_limit = split_limit
        self.paths: list[pathlib.Path] = []
        self._file: t.TextIO | None = None
        self._size = 0
        self._write(f"-- Started: {moment}\nSET NAMES '{self.charset}';\n")

    def table(self, table: Table, rows: t.Iterable[Row], next_id: int | None = None) -> TableSum:
        """Write a table with its rows. Returns what an import of it must give."""
        create = table.create(self.charset, self.collation, next_id)
        heading = f"{_RULE}-- Dumping table {table.name}\n{_RULE}"
        self._write(f"{heading}DROP TABLE IF EXISTS `{table.name}`;\nCREATE TABLE {create};\n\n")
        digest = RowDigest(table)
        pending: list[str] = []
        length = 0
        for row in rows:
            values = table.values(row)
            digest.add(values)
            text = ", ".join([column.sql(value) for column, value in zip(table.columns, values)])
            pending.append(f"({text})")
            length += len(text) + 4
            if length > FLUSH_CHARS:
                self._insert(table, pending)
                pending, length = [], 0
        if pending:
            self._insert(table, pending)
        return TableSum(digest.rows, digest.hexdigest())

    def written_rows(self, table: Table, rows: t.Iterable[str]) -> int:
        """A table whose rows are SQL already, such as `(1, 'a')`; how many there were. Nothing is summed."""
        create = table.create(self.charset, self.collation)
        self._write(f"{_RULE}-- Dumping table {table.name}\n{_RULE}DROP TABLE IF EXISTS `{table.name}`;\n")
        self._write(f"CREATE TABLE {create};\n\n")
        count = length = 0
        pending: list[str] = []
        for row in rows:
            pending.append(row)
            length += len(row) + 2
            count += 1
            if length > FLUSH_CHARS:
                self._insert(table, pending)
                pending, length = [], 0
        if pending:
            self._insert(table, pending)
        return count

    def structure(self, table: Table, next_id: int | None = None) -> None:
        """A table whose rows the backup leaves out (search index, statistics, event log)."""
        create = table.create(self.charset, self.collation, next_id)
        heading = f"{_RULE}-- Creating empty table {table.name}\n{_RULE}"
        self._write(f"{heading}CREATE TABLE IF NOT EXISTS {create};\n\n")

    def view(self, name: str, select: str) -> None:
        heading = f"{_RULE}-- Creating view {name}\n{_RULE}"
        create = f"CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `{name}` AS {select}"
        self._write(f"{heading}DROP VIEW IF EXISTS `{name}`;\n{create};\n\n")

    def finish(self) -> list[pathlib.Path]:
        """Write the last line and the file for new connections. Returns the dump's files in order."""
        self._write(f"-- Finished: {self.moment}")
        t.cast(t.TextIO, self._file).close()
        self.after_connect.write_text(
            f"SET NAMES '{self.charset}';\nALTER DATABASE `<DATABASE>` COLLATE {self.collation};\n", encoding="utf-8"
        )
        return self.paths

    @property
    def after_connect(self) -> pathlib.Path:
        return self.folder / f"{self.base}_after_connect.sql"

    def _insert(self, table: Table, rows: list[str]) -> None:
        self._write(f"INSERT INTO `{table.name}` VALUES\n" + ",\n".join(rows) + ";\n")

    def _write(self, chunk: str) -> None:
        """Append whole statements; a file ends only between them."""
        size = len(chunk.encode())
        if self._file is None or self._size + size >= self.split_limit:
            if self._file is not None:
                self._file.close()
            number = len(self.paths)
            path = self.folder / (f"{self.base}.sql.{number}" if number else f"{self.base}.sql")
            self._file = path.open("x", encoding="utf-8", newline="\n")
            self.paths.append(path)
            self._size = 0
        self._file.write(chunk)
        self._size += size
