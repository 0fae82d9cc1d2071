# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads MariaDB's binary logs: transactions with their GTID, moment, place, and what they did to which table.

Bodies of row events are only read where their rows are to be counted: a log of a gigabyte takes seconds.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
import typing as t
import zlib

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

_MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")  # time, type, server, length, end position, flags
_QUERY, _STOP, _ROTATE, _FORMAT, _XID, _TABLE_MAP, _XA_PREPARE = 2, 3, 4, 15, 16, 19, 38
_GTID, _GTID_LIST, _ENCRYPTED, _QUERY_COMPRESSED = 162, 163, 164, 165
# Kinds of row events: as MySQL numbers them, their second version, and compressed.
_ROWS = {
    **dict.fromkeys((23, 30, 166), "insert"),
    **dict.fromkeys((24, 31, 167), "update"),
    **dict.fromkeys((25, 32, 168), "delete"),
}
_SECOND_VERSION = frozenset({30, 31, 32})
_COMPRESSED = frozenset({166, 167, 168})
_STANDALONE = 1  # flag of a GTID event: one statement, without a COMMIT
_GROUP_COMMIT = 2

# State of a server: the last sequence number of each domain and server.
State = dict[tuple[int, int], int]


class Gtid(t.NamedTuple):
    """A transaction's number in its domain."""

    domain: int
    server: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.domain}-{self.server}-{self.sequence}"


def gtid(text: str) -> Gtid:
    """Raises BoxliftError where the text is none."""
    match = re.fullmatch(r"(\d{1,10})-(\d{1,10})-(\d{1,20})", text.strip())
    if match is None:
        raise BoxliftError(f"{text[:100]!r} is no GTID.", "Write it as the logs do, such as 0-1-622.")
    return Gtid(*map(int, match.groups()))


def gtids(text: str) -> list[Gtid]:
    """A position, such as a copy notes it: one GTID for each domain; empty where nothing was written yet."""
    return [gtid(part) for part in text.split(",") if part.strip()]


class Statement(t.NamedTuple):
    """A statement that is in the log as text, with its database."""

    database: str
    text: str


class Change(t.NamedTuple):
    """Rows that a transaction has inserted, updated or deleted; `rows` is -1 where they were not counted."""

    database: str
    table: str
    kind: str
    rows: int


class Transaction(t.NamedTuple):
    """One transaction: where it begins and ends in its file, and the second in which it was committed."""

    gtid: Gtid
    begin: int
    end: int
    time: int
    statements: tuple[Statement, ...]
    changes: tuple[Change, ...]


Wanted = t.Callable[[str, str], bool]


class BinaryLog:
    """One file. Iterating gives its transactions; after that `state` is the server's, and `closed` whether it ended.

    `counted` says of which tables the rows are counted. A transaction that is not whole, as a crash leaves it, ends the
    iteration and is not given. Raises BoxliftError where the file is no binary log that can be read.
    """

    def __init__(self, path: str, counted: Wanted | None = None) -> None:
        self.path = path
        self.name = os.path.basename(path)
        self.state: State = {}
        self.closed = False
        self._counted = counted
        self._checksum = 0
        self._tables: dict[int, _Table] = {}

    def first_state(self) -> State:
        """The server's state when the file was begun."""
        with self._mapped() as data:
            for kind, _time, begin, end in self._events(data):
                if kind == _GTID_LIST:
                    return _listed(data[begin:end])
                if kind == _GTID:
                    break
        raise BoxliftError(f"{self.path} does not say where it begins.", "Use logs of MariaDB 10.0 or newer.")

    def __iter__(self) -> t.Iterator[Transaction]:
        with self._mapped() as data:
            yield from self._transactions(data)

    @contextlib.contextmanager
    def _mapped(self) -> t.Iterator[mmap.mmap]:
        with open(self.path, "rb") as source:
            if os.fstat(source.fileno()).st_size < len(_MAGIC) + _HEADER.size:
                raise BoxliftError(f"{self.path} is no binary log: it ends after its first bytes.", _OTHER)
            with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data[: len(_MAGIC)] != _MAGIC:
                    raise BoxliftError(f"{self.path} is no binary log: it begins otherwise.", _OTHER)
                yield data

    def _events(self, data: mmap.mmap) -> t.Iterator[tuple[int, int, int, int]]:
        """Type, second, and where the body begins and ends; the header begins 19 bytes before."""
        place, size = len(_MAGIC), len(data)
        while place + _HEADER.size <= size:
            time, kind, _server, length, _next, _flags = _HEADER.unpack_from(data, place)
            end = place + length
            if length < _HEADER.size or end > size:
                return  # of a server that is writing, or has crashed
            if kind == _FORMAT:
                self._checksum = 4 if data[end - 5] == 1 else 0
            if kind == _ENCRYPTED:
                raise BoxliftError(
                    f"{self.path} is encrypted.", "Bring the portal back to the moment of a copy, without logs."
                )
            yield kind, time, place + _HEADER.size, end - self._checksum
            place = end

    def _transactions(self, data: mmap.mmap) -> t.Iterator[Transaction]:
        begun: _Begun | None = None
        for kind, time, begin, end in self._events(data):
            if kind == _GTID_LIST:
                self.state = _listed(data[begin:end])
            elif kind in (_ROTATE, _STOP):
                self.closed = True
            elif kind == _GTID:
                begun = _begun(data, begin)
                self._tables.clear()
            elif begun is not None:
                over = self._take(begun, kind, data, begin, end)
                if over:
                    found = begun.gtid
                    self.state[found.domain, found.server] = found.sequence
                    yield begun.done(end + self._checksum, time)
                    begun = None

    def _take(self, begun: _Begun, kind: int, data: mmap.mmap, begin: int, end: int) -> bool:
        """Note what an event does; whether it ends its transaction."""
        if kind in (_QUERY, _QUERY_COMPRESSED):
            statement = _statement(data[begin:end], kind == _QUERY_COMPRESSED)
            if not begun.standalone and statement.text.upper() in ("COMMIT", "ROLLBACK"):
                return True
            begun.statements.append(statement)
            return begun.standalone
        if kind == _TABLE_MAP:
            number, table = _table(data, begin)
            self._tables[number] = table
        elif kind in _ROWS:
            table = self._tables[int.from_bytes(data[begin : begin + 6], "little")]
            key = (table.database, table.name, _ROWS[kind])
            if self._counted is not None and self._counted(table.database, table.name):
                begun.counted[key] = begun.counted.get(key, 0) + _count(table, kind, data[begin:end])
            else:
                begun.counted[key] = -1
        return kind in (_XID, _XA_PREPARE)


_OTHER = "Fetch it again; where it is damaged in the repository, the recovery can only reach the moment before it."


class _Table(t.NamedTuple):
    database: str
    name: str
    columns: tuple[tuple[int, int], ...]  # type and metadata of each


class _Begun:
    """A transaction of which the end has not come yet."""

    def __init__(self, found: Gtid, begin: int, standalone: bool) -> None:
        self.gtid = found
        self.begin = begin
        self.standalone = standalone
        self.statements: list[Statement] = []
        self.counted: dict[tuple[str, str, str], int] = {}

    def done(self, end: int, time: int) -> Transaction:
        changes = tuple(Change(*key, rows) for key, rows in self.counted.items())
        return Transaction(self.gtid, self.begin, end, time, tuple(self.statements), changes)


def _begun(data: mmap.mmap, begin: int) -> _Begun:
    sequence, domain, flags = struct.unpack_from("<QIB", data, begin)
    server = struct.unpack_from("<I", data, begin - _HEADER.size + 5)[0]
    return _Begun(Gtid(domain, server, sequence), begin - _HEADER.size, bool(flags & _STANDALONE))


def _listed(body: bytes) -> State:
    count = struct.unpack_from("<I", body)[0] & 0x0FFFFFFF
    found = (struct.unpack_from("<IIQ", body, 4 + 16 * number) for number in range(count))
    return {(domain, server): sequence for domain, server, sequence in found}


def _statement(body: bytes, compressed: bool) -> Statement:
    database_length, status = body[8], struct.unpack_from("<H", body, 11)[0]
    begin = 13 + status
    text = body[begin + database_length + 1 :]
    return Statement(_text(body[begin : begin + database_length]), _text(_unpacked(text) if compressed else text))


def _unpacked(packed: bytes) -> bytes:
    return zlib.decompress(packed[1 + (packed[0] & 7) :])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _packed_number(data: t.Any, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    first = data[place]
    length = {252: 2, 253: 3, 254: 8}.get(first, 0)
    if not length:
        return first, place + 1
    return int.from_bytes(data[place + 1 : place + 1 + length], "little"), place + 1 + length


def _table(data: mmap.mmap, begin: int) -> tuple[int, _Table]:
    number, place = int.from_bytes(data[begin : begin + 6], "little"), begin + 8
    names = []
    for _part in range(2):
        length = data[place]
        names.append(_text(data[place + 1 : place + 1 + length]))
        place += length + 2
    count, place = _packed_number(data, place)
    types = data[place : place + count]
    _length, place = _packed_number(data, place + count)
    columns = []
    for kind in types:
        size = _METADATA.get(kind, 0)
        raw = data[place : place + size]
        # Of these two the first byte is the type that the column really has.
        columns.append((kind, int.from_bytes(raw, "big" if kind in (_STRING, _DECIMAL) else "little")))
        place += size
    return number, _Table(names[0], names[1], tuple(columns))


# Types of columns, as the log numbers them.
_DECIMAL, _ENUM, _SET, _STRING = 246, 247, 248, 254
_BIT = 16
_FIXED = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 0, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1, 14: 3}
# Bytes before those of the fraction of a second.
_FRACTIONS = {17: 4, 18: 5, 19: 3}
_VARYING = frozenset({15, 253, 141})
_BLOBS = frozenset({245, 249, 250, 251, 252, 255, 140})
_METADATA = {
    **dict.fromkeys((4, 5, *_FRACTIONS, *_BLOBS), 1),
    **dict.fromkeys((_BIT, _DECIMAL, _STRING, _ENUM, _SET, *_VARYING), 2),
}
_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


def _size(kind: int, meta: int, data: bytes, place: int) -> int:
    """Bytes of one value that begins at `place`."""
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _FRACTIONS:
        return _FRACTIONS[kind] + (meta + 1) // 2
    if kind in _VARYING:
        return _with_length(data, place, 1 if meta < 256 else 2)
    if kind in _BLOBS:
        return _with_length(data, place, meta)
    if kind == _BIT:
        return (meta >> 8) + (meta & 255 > 0)
    if kind == _DECIMAL:
        whole, fraction = (meta >> 8) - (meta & 255), meta & 255
        return sum(digits // 9 * 4 + _DIGITS[digits % 9] for digits in (whole, fraction))
    if kind == _STRING:
        real, length = meta >> 8, meta & 255
        if real in (_ENUM, _SET):
            return length
        # Two bits of a long column's length are kept in the type.
        length |= ((real & 0x30) ^ 0x30) << 4
        return _with_length(data, place, 1 if length < 256 else 2)
    raise BoxliftError(f"A column of type {kind} is unknown.", "Look at the log with mariadb-binlog -v.")


def _with_length(data: bytes, place: int, digits: int) -> int:
    return digits + int.from_bytes(data[place : place + digits], "little")


def _count(table: _Table, kind: int, body: bytes) -> int:
    """The rows of a row event."""
    place = 8
    if kind in _SECOND_VERSION:
        place += struct.unpack_from("<H", body, place)[0]
    width, place = _packed_number(body, place)
    bits = (width + 7) // 8
    masks = []
    for _image in range(2 if _ROWS[kind] == "update" else 1):
        mask = int.from_bytes(body[place : place + bits], "little")
        masks.append([column for number, column in enumerate(table.columns) if mask >> number & 1])
        place += bits
    rows = _unpacked(body[place:]) if kind in _COMPRESSED else body[place:]
    count, place = 0, 0
    while place < len(rows):
        for columns in masks:
            place = _behind(columns, rows, place)
        count += 1
    return count


def _behind(columns: t.Sequence[tuple[int, int]], rows: bytes, place: int) -> int:
    """Where the image of a row ends."""
    bits = (len(columns) + 7) // 8
    nulls = int.from_bytes(rows[place : place + bits], "little")
    place += bits
    for number, (kind, meta) in enumerate(columns):
        if not nulls >> number & 1:
            place += _size(kind, meta, rows, place)
    return place
