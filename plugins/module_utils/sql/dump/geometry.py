# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of POINT and its kind, which the vendor's writer puts into an INSERT as bare bytes, without quotes or escapes.

Nothing in the text says where such a value ends; only the value itself does: four bytes of SRID, then WKB, the
well-known binary of OGC's Simple Features, whose length follows from its type and counts.
"""

from __future__ import annotations

import struct
import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import literals
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import Column
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.grammar import GEOMETRY_TYPES

_SRID = 4
_POINT = 16
_MOST_NESTED = 32
# With so many bytes it shows whether a literal begins.
_LONGEST_BEGINNING = 4


class Short(Exception):
    """The bytes end within a value."""


class NoGeometry(Exception):
    """In the place of a geometry there is neither a literal nor WKB. `row` and `column` say where."""

    def __init__(self, row: int, column: str) -> None:
        super().__init__(f"row {row}, column {column}")
        self.row = row
        self.column = column


@dataclass(frozen=True)
class GeometryTable:
    """A table, and the names of its columns of a geometry's type by their place in a row."""

    name: str
    columns: t.Mapping[int, str]


class Written(t.NamedTuple):
    """Rows with literals only; where they ended in the source, and how many values were bare."""

    rows: bytes
    end: int
    bare: int


def geometry_table(name: str, columns: t.Iterable[Column]) -> GeometryTable | None:
    """None for a table without such columns."""
    visible = [column for column in columns if not column.invisible]
    places = {place: column.name for place, column in enumerate(visible) if column.type in GEOMETRY_TYPES}
    return GeometryTable(name, places) if places else None


def wkb_length(text: bytes, position: int) -> int | None:
    """Bytes of the SRID and WKB at `position`; None where there is none. Raises Short."""
    end = _wkb_end(text, position + _SRID, 0)
    return None if end is None else end - position


def _wkb_end(text: bytes, position: int, depth: int) -> int | None:
    if len(text) < position + 5:
        raise Short
    if text[position] > 1 or depth > _MOST_NESTED:
        return None
    order = "<" if text[position] else ">"
    kind = struct.unpack_from(order + "I", text, position + 1)[0]
    position += 5
    if kind == 1:
        return _after(text, position + _POINT)
    if not 2 <= kind <= 7:
        return None
    count, position = _count(text, position, order)
    if kind == 2:
        return _after(text, position + count * _POINT)
    for _part in range(count):
        if kind == 3:
            points, position = _count(text, position, order)
            position = _after(text, position + points * _POINT)
        else:
            end = _wkb_end(text, position, depth + 1)
            if end is None:
                return None
            position = end
    return position


def _count(text: bytes, position: int, order: str) -> tuple[int, int]:
    _after(text, position + 4)
    return struct.unpack_from(order + "I", text, position)[0], position + 4


def _after(text: bytes, end: int) -> int:
    if end > len(text):
        raise Short
    return end


def written_out(text: bytes, body: int, table: GeometryTable) -> Written:
    """The rows from `body` up to the statement's semicolon, with bare values in hexadecimal.

    Raises Short; NoGeometry; `literals.NotLiterals` for what is wrong elsewhere.
    """
    parts: list[bytes] = []
    copied = position = body
    row = bare = 0
    while True:
        row += 1
        if _byte(text, position) != b"(":
            raise literals.NotLiterals(f"row {row} holds something else than literals")
        position += 1
        place = 0
        while True:
            end, is_bare = _value_end(text, position, row, table.columns.get(place))
            if is_bare:
                parts += [text[copied:position], b"0x" + text[position:end].hex().encode("ascii")]
                copied, bare = end, bare + 1
            position = _skip(text, end)
            place += 1
            if _byte(text, position) != b",":
                break
            position = _skip(text, position + 1)
        if _byte(text, position) != b")":
            raise literals.NotLiterals(f"row {row} holds something else than literals")
        position = _skip(text, position + 1)
        if _byte(text, position) == b";":
            return Written(b"".join([*parts, text[copied:position]]), position, bare)
        if _byte(text, position) != b",":
            raise literals.NotLiterals(f"row {row} is not followed by another row")
        position = _skip(text, position + 1)


def _value_end(text: bytes, position: int, row: int, geometry: str | None) -> tuple[int, bool]:
    """Where the value ends, and whether it is a bare geometry."""
    if geometry is not None and text[position : position + 4] != b"NULL":
        length = wkb_length(text, position)
        if length is not None and _byte(text, position + length) in (b",", b")"):
            return position + length, True
    try:
        end = literals.value_end(text, position)
    except literals.CutOff:
        raise Short from None
    if end is None and len(text) < position + _LONGEST_BEGINNING:
        raise Short
    if end is None:
        if geometry is not None:
            raise NoGeometry(row, geometry)
        raise literals.NotLiterals(f"row {row} holds something else than literals")
    if end == len(text):
        raise Short
    return end, False


def _byte(text: bytes, position: int) -> bytes:
    if position >= len(text):
        raise Short
    return text[position : position + 1]


def _skip(text: bytes, position: int) -> int:
    return literals.skip(text, position)
