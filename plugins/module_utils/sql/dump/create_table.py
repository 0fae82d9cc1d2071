# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses CREATE TABLE as SHOW CREATE TABLE prints it, and refuses it where a word is unknown."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import SAFE_CHARSETS
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.grammar import (
    COLUMN_WORDS,
    DISPENSABLE,
    ENGINES,
    FUNCTIONS,
    KEY_DEFINITIONS,
    TABLE_OPTIONS,
    TYPES,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import Token
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.token_cursor import Cursor, NotAllowed


@dataclass(frozen=True)
class Column:
    """What `repairs.RowRepair` needs to know of a column."""

    name: str
    type: str
    generated: bool


@dataclass(frozen=True)
class TableDefinition:
    """A table's definition, ready to be rendered. `charsets`, `collations` and `dropped` are indexes of tokens."""

    text: bytes
    tokens: tuple[Token, ...]
    columns: tuple[Column, ...]
    structure_only: bool
    charsets: tuple[int, ...]
    collations: tuple[int, ...]
    dropped: tuple[int, ...]
    dropped_clauses: tuple[str, ...]


class _Reader:
    """Walks the definition once and remembers what repairs will want to change."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.columns: list[Column] = []
        self.charsets: list[int] = []
        self.collations: list[int] = []
        self.dropped: list[int] = []
        self.dropped_clauses: list[str] = []

    def next(self) -> Token:
        self._drop_executable_comments()
        return self.cursor.next()

    def peek(self) -> Token | None:
        self._drop_executable_comments()
        return self.cursor.peek()

    def _drop_executable_comments(self) -> None:
        """Pass over executable comments, in which MySQL puts what other servers do not know; refuse unknown content."""
        token = self.cursor.peek()
        while token is not None and token.kind == "exec":
            begin = self.cursor.index
            while token.kind != "end":
                token = self.cursor.next()
            clause = self.cursor.tokens[begin + 1 : self.cursor.index - 1]
            shape = tuple({"name": "`", "number": "0"}.get(part.kind, part.upper) for part in clause)
            if shape not in DISPENSABLE:
                raise NotAllowed("an executable comment holds something unknown")
            self.dropped.extend(range(begin, self.cursor.index))
            self.dropped_clauses.append(" ".join(part.value for part in clause))
            token = self.cursor.peek()

    def body(self) -> None:
        """The definitions between the outer parentheses."""
        self.cursor.expect_punct(b"(")
        while True:
            token = self.next()
            if token.kind == "name":
                self._column(token.value)
            elif token.upper in KEY_DEFINITIONS:
                self._rest(token, is_key=True)
            else:
                raise NotAllowed(f"a definition begins with {token.value[:64]}")
            if self.cursor.accept_punct(b")"):
                return
            self.cursor.expect_punct(b",")

    def _column(self, name: str) -> None:
        column_type = self.next()
        if column_type.upper not in TYPES:
            raise NotAllowed(f"column {name[:64]} has the unknown type {column_type.value[:64]}")
        words = self._rest(column_type, is_key=False)
        self.columns.append(Column(name, column_type.upper, generated="AS" in words))

    def _rest(self, first: Token, is_key: bool) -> list[str]:
        """Read up to the comma or parenthesis that ends a definition; returns its bare words outside of parentheses."""
        depth = 0
        before, previous = "", first.upper
        words = [first.upper]
        while True:
            token = self.peek()
            if token is None:
                raise NotAllowed("it ends too early")
            if depth == 0 and (token.is_punct(b",") or token.is_punct(b")")):
                return words
            self.cursor.next()
            if token.is_punct(b"("):
                depth += 1
            elif token.is_punct(b")"):
                depth -= 1
            elif token.kind == "word":
                self._word(token, before, previous)
                if depth == 0:
                    words.append(token.upper)
            elif token.kind == "name":
                following = self.peek()
                called = following is not None and following.is_punct(b"(")
                # KEY `name` (`column`(10)) and REFERENCES `name` (…); anywhere else it calls a function.
                if called and not (is_key and depth < 2 and "CHECK" not in words):
                    raise NotAllowed(f"{token.value[:64]} is called like a function")
            elif token.kind not in ("string", "number", "punct"):
                raise NotAllowed(f"{token.value[:64]} is not expected there")
            elif token.is_punct(b".") or token.is_punct(b"@"):
                raise NotAllowed("it names another database or a variable")
            before, previous = previous, token.upper

    def _word(self, token: Token, before: str, previous: str) -> None:
        following = self.peek()
        if previous == "COLLATE":
            self.collations.append(self.cursor.index - 1)
        elif previous == "CHARSET" or (before, previous) == ("CHARACTER", "SET"):
            self.charsets.append(self.cursor.index - 1)
        elif is_introducer(token, following) or token.upper in COLUMN_WORDS or token.upper in TYPES:
            pass
        elif token.upper not in FUNCTIONS or following is None or not following.is_punct(b"("):
            raise NotAllowed(f"{token.value[:64]} is not on the list of words and functions")

    def options(self) -> None:
        """The table options after the closing parenthesis."""
        while self.peek() is not None:
            word = self.next().upper
            if word == "DEFAULT":
                word = self.next().upper
                if word not in ("CHARSET", "CHARACTER", "COLLATE"):
                    raise NotAllowed("DEFAULT is followed by an unknown option")
            if word == "CHARACTER":
                self.cursor.expect("SET")
                word = "CHARSET"
            self.cursor.accept_punct(b"=")
            value = self.next()
            if word in ("CHARSET", "COLLATE") and value.kind == "word":
                (self.charsets if word == "CHARSET" else self.collations).append(self.cursor.index - 1)
            elif word == "ENGINE":
                if value.upper not in ENGINES:
                    raise NotAllowed(f"the storage engine {value.value[:64]} is not on the list")
            elif value.kind not in TABLE_OPTIONS.get(word, ()):
                raise NotAllowed(f"{word or 'something'} after the definitions is not on the list of table options")


def is_introducer(token: Token, following: Token | None) -> bool:
    """True for a character set introducer: `_utf8mb4` right before a string."""
    charset = token.upper.lower()
    return (
        charset.startswith("_")
        and following is not None
        and following.kind == "string"
        and (charset[1:] in SAFE_CHARSETS or charset == "_binary")
    )


def parse_table(text: bytes, cursor: Cursor) -> tuple[str, TableDefinition]:
    """Name and definition, from what follows CREATE TABLE."""
    structure_only = cursor.accept("IF")
    if structure_only:
        cursor.expect("NOT")
        cursor.expect("EXISTS")
    name = cursor.object_name()
    reader = _Reader(cursor)
    reader.body()
    reader.options()
    return name, TableDefinition(
        text=text,
        tokens=tuple(cursor.tokens),
        columns=tuple(reader.columns),
        structure_only=structure_only,
        charsets=tuple(reader.charsets),
        collations=tuple(reader.collations),
        dropped=tuple(reader.dropped),
        dropped_clauses=tuple(reader.dropped_clauses),
    )
