# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits the bytes of a dump file into statements, in whatever pieces the bytes arrive.

Memory is bounded by one statement. The vendor's INSERT statements are split by a fast path (`literals.shape`); all
others are walked from one quote, comment or semicolon to the next. Both are exact about what is inside of a string.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import geometry, literals
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError

# The vendor writes about 1 MB and one row; no server takes a packet above 1 GiB.
MAX_STATEMENT = 256 * 1024 * 1024

_INSERT = b"INSERT INTO `"
_LONGEST_HEADER = 1024
_SOLID = re.compile(rb"[^ \t\n\v\f\r]")
_SPECIAL = re.compile(rb"['\"`;#/*-]")
# After `--` a comment begins only with a blank or a control character.
_LINE_COMMENT = re.compile(rb"#|--(?:[\x00-\x20\x7f]|\Z)")
_BLOCK_COMMENT = re.compile(rb"/\*(?!M?!)")
_EXECUTABLE = re.compile(rb"/\*M?!")
_LOOK_AHEAD = 4  # bytes of "/*M!"
_QUOTE_ENDS = {b"'": re.compile(rb"['\\]"), b'"': re.compile(rb'["\\]'), b"`": re.compile(rb"`")}


@dataclass(frozen=True)
class Statement:
    """A statement without its semicolon; `shape` is set where the fast path has proven it an INSERT of literals."""

    file: str
    offset: int
    line: int
    text: bytes
    shape: literals.Shape | None = None
    bare: int = 0  # values of POINT and its kind that were written bare; the text holds them in hexadecimal


class Splitter:
    """Statements of one dump file. `offset` and `line` say where in the file the first byte fed stands."""

    def __init__(self, file: str, offset: int = 0, line: int = 1, limit: int = MAX_STATEMENT) -> None:
        self.file = file
        # The last comment after the last statement: the dump's `-- Finished` line.
        self.closing = b""
        # The table that was made last, where values of its INSERT may be bare bytes, in which nothing is a quote.
        self.geometry: geometry.GeometryTable | None = None
        # The buffer begins with the statement or comment that is being read; these two say where that is.
        self.offset = offset
        self.line = line
        self._limit = limit
        self._buffer = bytearray()
        self._begin()

    def _begin(self) -> None:
        self._in_statement = False
        self._quick = True
        self._scan = 0  # everything before it is understood
        self._quote = b""  # inside of this quote
        self._until = b""  # inside of a comment that ends so
        self._executable = False  # inside of /*! … */, whose content is code

    def feed(self, data: bytes) -> t.Iterator[Statement]:
        """The statements that these bytes complete. Use the iterator up before feeding again."""
        self._buffer += data
        return self._take(final=False)

    def close(self) -> t.Iterator[Statement]:
        """The last statement, where the file ends right behind it; one without its semicolon is an error."""
        yield from self._take(final=True)
        if self._buffer:
            raise self._error("is cut off", "has no end", "Fetch the damaged part of the backup again.")

    def _take(self, final: bool) -> t.Iterator[Statement]:
        while self._in_statement or self._to_next_statement(final):
            quick = self._quick
            if quick:
                statement = self._geometry_statement(final) if self.geometry else self._quick_statement(final)
            else:
                statement = self._walk(final)
            if statement is not None:
                yield statement
            elif self._quick or not quick:  # neither way gets on without more bytes
                break
        if len(self._buffer) > self._limit:
            raise self._error("cannot be read", f"is longer than {self._limit} bytes", "Verify the backup.")

    def _to_next_statement(self, final: bool) -> bool:
        """Drop blanks, comments and empty statements; whether a statement begins."""
        while True:
            solid = _SOLID.search(self._buffer)
            if not self._until:
                self._drop(solid.start() if solid else len(self._buffer))
            if not self._buffer or (len(self._buffer) < _LOOK_AHEAD and not final):
                return False
            if not self._until:
                if self._buffer.startswith(b";"):
                    self._drop(1)
                    continue
                if _LINE_COMMENT.match(self._buffer):
                    self._until = b"\n"
                elif _BLOCK_COMMENT.match(self._buffer):
                    self._until, self._scan = b"*/", 2
                else:
                    self._in_statement = True
                    return True
            end = self._comment_end(final)
            if end < 0:
                return False
            self.closing = bytes(self._buffer[:end]).rstrip()
            self._drop(end)
            self._begin()

    def _comment_end(self, final: bool) -> int:
        """Where the comment ends, -1 if it has not yet."""
        end = self._buffer.find(self._until, self._scan)
        if end >= 0:
            return end + len(self._until)
        if final and self._until == b"\n":
            return len(self._buffer)
        self._scan = max(self._scan, len(self._buffer) - 1)
        return -1

    def _quick_statement(self, final: bool) -> Statement | None:
        """An INSERT as the vendor writes it. Leaves `_quick` on only while more bytes are needed to decide."""
        if self._buffer.startswith(_INSERT):
            end = self._buffer.find(b";\n", self._scan)
            if end >= 0:
                text = self._text(end)
                shape = literals.shape(text)
                if shape is not None:
                    return self._cut(text, shape)
            elif not final:
                self._scan = max(self._scan, len(self._buffer) - 1)
                return None
        elif not final and _INSERT.startswith(bytes(self._buffer[: len(_INSERT)])):
            return None
        self._quick, self._scan = False, 0
        return None

    def _geometry_statement(self, final: bool) -> Statement | None:
        """An INSERT with bare geometries. Leaves `_quick` on only while more bytes are needed to decide."""
        table = self.geometry
        text = bytes(self._buffer)
        try:
            found = literals.header(text) if text.startswith(_INSERT) else None
            begun = text.startswith(_INSERT) or _INSERT.startswith(text)
            if found is None and begun and not final and len(text) < _LONGEST_HEADER:
                return None
            if table is not None and found is not None and found[0] == table.name:
                written = geometry.written_out(text, found[1], table)
                if written.bare:
                    return self._cut(text[: found[1]] + written.rows, None, written)
        except geometry.Short:
            if not final:
                return None
        except geometry.NoGeometry as problem:
            raise self._no_geometry(problem) from problem
        except literals.NotLiterals:
            pass  # what is wrong is said where every statement is judged
        return self._quick_statement(final)

    def _no_geometry(self, problem: geometry.NoGeometry) -> DumpError:
        name = self.geometry.name if self.geometry else ""
        return DumpError(
            f"{self.file}: the INSERT at byte {self.offset} (line {self.line}) for {name} has a value in row "
            f"{problem.row}, column {problem.column}, whose end cannot be found: the vendor's writer puts geometries "
            "there as bare bytes, and these are no WKB.",
            f"Empty the column in the source (UPDATE `{name}` SET `{problem.column}` = NULL), or exclude the table "
            "from the backup, and take the backup again.",
            file=self.file,
            offset=self.offset,
            line=self.line,
            table=name,
            column=problem.column,
        )

    def _walk(self, final: bool) -> Statement | None:
        buffer = self._buffer
        while True:
            if self._until:
                end = self._comment_end(final)
                if end < 0:
                    return None
                self._scan, self._until = end, b""
            elif self._quote:
                found = _QUOTE_ENDS[self._quote].search(buffer, self._scan)
                self._scan = found.start() if found else len(buffer)
                if found is None or (found.group() == b"\\" and self._scan + 1 == len(buffer)):
                    return None
                if found.group() == b"\\":
                    self._scan += 2
                else:  # a doubled quote closes and opens again
                    self._scan, self._quote = self._scan + 1, b""
            else:
                found = _SPECIAL.search(buffer, self._scan)
                self._scan = found.start() if found else len(buffer)
                if found is None or (len(buffer) - self._scan < _LOOK_AHEAD and not final and found.group() in b"-/*"):
                    return None
                char = found.group()
                if char == b";" and not self._executable:
                    return self._cut(self._text(self._scan), None)
                self._code(char)

    def _code(self, char: bytes) -> None:
        """One special character outside of quotes and comments."""
        if char in _QUOTE_ENDS:
            self._quote = char
        elif _LINE_COMMENT.match(self._buffer, self._scan):
            self._until = b"\n"
        elif _BLOCK_COMMENT.match(self._buffer, self._scan):
            self._until = b"*/"
            self._scan += 1
        elif _EXECUTABLE.match(self._buffer, self._scan):
            self._executable = True
            self._scan += 1
        elif char == b"*" and self._executable and self._buffer[self._scan + 1 : self._scan + 2] == b"/":
            self._executable = False
            self._scan += 1
        self._scan += 1

    def _text(self, end: int) -> bytes:
        with memoryview(self._buffer) as view:
            return bytes(view[:end])

    def _cut(self, text: bytes, shape: literals.Shape | None, written: geometry.Written | None = None) -> Statement:
        bare, length = (written.bare, written.end) if written else (0, len(text))
        statement = Statement(self.file, self.offset, self.line, text, shape, bare)
        self._drop(length + 1)
        self._begin()
        self.closing = b""
        return statement

    def _drop(self, count: int) -> None:
        self.line += self._buffer.count(b"\n", 0, count)
        self.offset += count
        del self._buffer[:count]

    def _error(self, verdict: str, reason: str, remedy: str) -> DumpError:
        what = "statement" if self._in_statement else "comment"
        return DumpError(
            f"{self.file} {verdict}: the {what} at byte {self.offset} (line {self.line}) {reason}.",
            f"{remedy} The module backup_verify names it.",
            file=self.file,
            offset=self.offset,
            line=self.line,
        )
