# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INSERT statements: rows of literals, and nothing else.

Two functions reach the same verdict. `shape()` is fast: it cuts the strings out and looks at the distinct rows that
remain, in a few passes that run in C. `rows()` is slow and needs little memory: it walks value by value, and yields
where each one is. It decides what `shape()` cannot prove.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

_NUMBER = rb"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_PLAIN = rb"NULL|0x[0-9A-Fa-f]+|" + _NUMBER
_BLANK = rb"[ \t\r\n]*"
# A table has 4096 columns at most. All repetitions are bounded: the engine keeps state for every round of a group.
_COLUMNS = rb"{0,4095}"

# Names have 64 characters of up to three bytes at most; shape() leaves those with quotes and backslashes to rows().
_HEADER = re.compile(rb"INSERT INTO `([^`'\\\0]{1,192})` VALUES[ \r\n]")
_LOOSE_HEADER = re.compile(
    rb"INSERT\s+INTO\s*(?:`((?:[^`\0]|``){1,192})`|\s([0-9A-Za-z_$]{1,64})\s)\s*VALUES?\s*(?=\()", re.IGNORECASE
)
# A row without its parentheses and strings: one quote stands for a string, two for one with a doubled quote in it.
_ROW = re.compile(rb"(?:'+|" + _PLAIN + rb")(?:," + _BLANK + rb"(?:'+|" + _PLAIN + rb"))" + _COLUMNS)
# Stands for an escape. Outside of a string it makes a row invalid, since no number holds this byte.
_ESCAPED = b"\x01"
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
# shape() makes an object for each; a statement with more, far above what 1 MB holds, is left to rows().
_MOST_QUOTES = _MOST_ROWS = 1 << 18

_VALUE = re.compile(_PLAIN)
_PART_OF_STRING = re.compile(rb"[^'\\]*(?:(?:\\.|'')[^'\\]*){0,1024}", re.DOTALL)
_BETWEEN = re.compile(_BLANK)


class NotLiterals(Exception):
    """A value that is not a literal; the caller names the statement."""


class CutOff(NotLiterals):
    """The text ends within a string."""


@dataclass(frozen=True)
class Shape:
    """An INSERT proven to hold rows of literals: its table, where its rows begin, how many they are."""

    table: str
    body: int
    rows: int


def shape(text: bytes) -> Shape | None:
    """The fast check; None means that `rows()` has to decide."""
    header = _HEADER.match(text)
    if header is None or text.count(b"'") > _MOST_QUOTES:
        return None
    # With the escapes gone every quote begins or ends a string, so each second piece is the inside of one.
    pieces = text.replace(b"\\\\", _ESCAPED).replace(b"\\'", _ESCAPED).split(b"'")
    masked = b"'".join(pieces[::2])[header.end() :]
    if len(pieces) % 2 == 0 or not (masked.startswith(b"(") and masked.endswith(b")")):
        return None
    if masked.count(b"(") > _MOST_ROWS:
        return None
    if b"x" not in masked:  # a number stays a number whatever its digits are and however many, 0x12 does not
        masked = masked.translate(_DIGITS).replace(b"0000", b"0")
        while b"00" in masked:
            masked = masked.replace(b"00", b"0")
    found = masked[1:-1].split(b"),\n(")
    # The rows of a table differ in little but digits and strings: few are left to be looked at.
    if not all(map(_ROW.fullmatch, set(found))):
        return None
    try:
        table = header.group(1).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return Shape(table, header.end(), len(found))


def header(text: bytes) -> tuple[str, int] | None:
    """Table, and offset of the rows, of `INSERT INTO t VALUES`; None for any other statement."""
    match = _LOOSE_HEADER.match(text)
    if match is None:
        return None
    try:
        name = (match.group(1) or match.group(2)).replace(b"``", b"`").decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotLiterals("the table's name is not UTF-8") from error
    return name, match.end()


def rows(text: bytes, position: int) -> t.Iterator[list[tuple[int, int]]]:
    """Start and end of every value, row by row, from `position`, where the first row begins."""
    number = 0
    while True:
        number += 1
        values, position = _row(text, position, number)
        yield values
        position = skip(text, position)
        if position == len(text):
            return
        if text[position : position + 1] != b",":
            raise NotLiterals(f"row {number} is not followed by another row")
        position = skip(text, position + 1)


def _row(text: bytes, position: int, number: int) -> tuple[list[tuple[int, int]], int]:
    if text[position : position + 1] != b"(":
        raise NotLiterals(f"row {number} holds something else than literals")
    position += 1
    values: list[tuple[int, int]] = []
    while True:
        end = _value(text, position, number)
        values.append((position, end))
        end = skip(text, end)
        after = text[end : end + 1]
        if after == b")":
            return values, end + 1
        if after != b"," or len(values) > 4095:
            raise NotLiterals(f"row {number} holds something else than literals")
        position = skip(text, end + 1)


def _value(text: bytes, position: int, number: int) -> int:
    try:
        end = value_end(text, position)
    except CutOff as error:
        raise NotLiterals(f"row {number} holds a string without end") from error
    if end is None:
        raise NotLiterals(f"row {number} holds something else than literals")
    return end


def value_end(text: bytes, position: int) -> int | None:
    """Where the literal at `position` ends, None where there is none. Raises CutOff for a string without end."""
    if text[position : position + 1] != b"'":
        match = _VALUE.match(text, position)
        return match.end() if match else None
    position += 1
    while True:
        match = _PART_OF_STRING.match(text, position)
        position = match.end() if match else position
        if text[position : position + 1] != b"'":
            if match is None or match.end() == match.start():
                raise CutOff
        elif text[position + 1 : position + 2] != b"'":
            return position + 1


def skip(text: bytes, position: int) -> int:
    """Behind blanks and ends of lines."""
    match = _BETWEEN.match(text, position)
    return match.end() if match else position
