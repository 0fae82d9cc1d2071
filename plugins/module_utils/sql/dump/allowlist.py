# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a statement of a dump means, or why it is refused. Only these commands ever reach a server.

A backup comes from outside, so its dump is treated as hostile. A statement is judged by its tokens and run as these
tokens: comments are never run, and the content of executable comments is judged and run as code.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import literals
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import SAFE_CHARSETS
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import TableDefinition, parse_table
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_view import ViewDefinition, parse_view
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementImpossible, StatementRefused
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import LexError, as_code, tokenize
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.token_cursor import (
    Cursor,
    NotAllowed,
    NotPossible,
)

_FIRST_WORD = re.compile(rb"[A-Za-z]+")


@dataclass(frozen=True)
class SetCharset:
    """SET NAMES: the character set of the following statements."""

    charset: str


@dataclass(frozen=True)
class SetCollation:
    """The database's default collation, from the file …_after_connect.sql."""

    collation: str


@dataclass(frozen=True)
class DropTable:
    name: str


@dataclass(frozen=True)
class DropView:
    name: str


@dataclass(frozen=True)
class CreateTable:
    name: str
    definition: TableDefinition


@dataclass(frozen=True)
class CreateView:
    name: str
    definition: ViewDefinition


@dataclass(frozen=True)
class Insert:
    """Rows for a table; they begin at `body` in the statement's text."""

    table: str
    body: int
    rows: int


Command = t.Union[SetCharset, SetCollation, DropTable, DropView, CreateTable, CreateView, Insert]


def classify(statement: Statement, *, after_connect: bool = False) -> Command:
    """The command. Raises `StatementRefused`, and `StatementImpossible` for one that no server takes."""
    try:
        if not after_connect:
            insert = _insert(statement)
            if insert is not None:
                return insert
        return _command(statement.text, after_connect)
    except NotPossible as error:
        raise StatementImpossible(
            str(error), file=statement.file, offset=statement.offset, line=statement.line, text=statement.text
        ) from error
    except (NotAllowed, LexError, literals.NotLiterals) as error:
        raise StatementRefused(
            str(error), file=statement.file, offset=statement.offset, line=statement.line, text=statement.text
        ) from error


def _insert(statement: Statement) -> Insert | None:
    if statement.shape is not None:
        return Insert(statement.shape.table, statement.shape.body, statement.shape.rows)
    header = literals.header(statement.text)
    if header is None:
        return None
    table, body = header
    return Insert(table, body, sum(1 for _row in literals.rows(statement.text, body)))


def _command(text: bytes, after_connect: bool) -> Command:
    first = _FIRST_WORD.match(text)
    verb = first.group().decode("ascii").upper() if first else ""
    allowed = ("SET", "ALTER") if after_connect else ("SET", "DROP", "CREATE")
    if verb not in allowed:
        raise NotAllowed("INSERT is allowed for rows of literals only" if verb == "INSERT" else "it is not on the list")
    cursor = Cursor(as_code(tokenize(text)))
    cursor.next()
    if verb == "SET":
        return _set_names(cursor)
    if verb == "ALTER":
        return _alter_database(cursor)
    if verb == "DROP":
        return _drop(cursor)
    if cursor.accept("TABLE"):
        name, definition = parse_table(text, cursor)
        return CreateTable(name, definition)
    name, view = parse_view(text, cursor)
    return CreateView(name, view)


def _set_names(cursor: Cursor) -> SetCharset:
    cursor.expect("NAMES")
    token = cursor.next()
    if token.kind not in ("word", "string"):
        raise NotAllowed("SET NAMES without a character set")
    charset = token.raw.strip(b"'").decode("ascii", "replace").lower()
    if charset not in SAFE_CHARSETS:
        raise NotAllowed(f"the character set {charset} is none that a dump can be read in safely")
    cursor.expect_end()
    return SetCharset(charset)


def _alter_database(cursor: Cursor) -> SetCollation:
    cursor.expect("DATABASE")
    if cursor.next().raw != b"`<DATABASE>`":
        raise NotAllowed("it names a database")
    cursor.expect("COLLATE")
    collation = cursor.next()
    if collation.kind != "word":
        raise NotAllowed("COLLATE without a collation")
    cursor.expect_end()
    return SetCollation(collation.value)


def _drop(cursor: Cursor) -> DropTable | DropView:
    table = cursor.accept("TABLE")
    if not table:
        cursor.expect("VIEW")
    cursor.expect("IF")
    cursor.expect("EXISTS")
    name = cursor.object_name()
    cursor.expect_end()
    return DropTable(name) if table else DropView(name)
