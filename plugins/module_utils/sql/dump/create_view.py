# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses CREATE VIEW as SHOW CREATE VIEW prints it. A view is made with SQL SECURITY INVOKER, not its definer's."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import is_introducer
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.grammar import (
    FUNCTIONS,
    VIEW_ALGORITHMS,
    VIEW_WORDS,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import Token
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.token_cursor import Cursor, NotAllowed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.schema import SYSTEM_DATABASES


@dataclass(frozen=True)
class ViewDefinition:
    """A view's definition, ready to be rendered: its tokens from the column list or AS on, `collations` by index."""

    text: bytes
    algorithm: str
    definer: str
    tokens: tuple[Token, ...]
    collations: tuple[int, ...]


def parse_view(text: bytes, cursor: Cursor, databases: t.Collection[str]) -> tuple[str, ViewDefinition]:
    """Name and definition, from what follows CREATE."""
    algorithm = "UNDEFINED"
    if cursor.accept("ALGORITHM"):
        cursor.expect_punct(b"=")
        algorithm = cursor.next().upper
        if algorithm not in VIEW_ALGORITHMS:
            raise NotAllowed("the view's algorithm is unknown")
    definer = _definer(cursor) if cursor.accept("DEFINER") else ""
    if cursor.accept("SQL"):
        cursor.expect("SECURITY")
        if not cursor.accept("DEFINER"):
            cursor.expect("INVOKER")
    cursor.expect("VIEW")
    name = cursor.object_name()
    tokens = tuple(cursor.tokens[cursor.index :])
    if cursor.accept_punct(b"("):
        while cursor.next().kind == "name" and cursor.accept_punct(b","):
            pass
        cursor.expect_punct(b")")
    cursor.expect("AS")
    following = cursor.peek()
    if following is None or not (following.upper == "SELECT" or following.is_punct(b"(")):
        raise NotAllowed("a view is made of SELECT")
    forbidden = SYSTEM_DATABASES | {database.lower() for database in databases}
    return name, ViewDefinition(text, algorithm, definer, tokens, tuple(_check(tokens, forbidden)))


def _definer(cursor: Cursor) -> str:
    cursor.expect_punct(b"=")
    account = ""
    while True:
        token = cursor.next()
        if token.kind not in ("name", "word", "string"):
            raise NotAllowed("the view's definer is not an account")
        account += token.value
        if not cursor.accept_punct(b"@"):
            return account
        account += "@"


def _check(tokens: t.Sequence[Token], forbidden: t.Collection[str]) -> t.Iterator[int]:
    """Refuse unknown words and other databases; yields the indexes of collations."""
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.kind == "word":
            if index and tokens[index - 1].upper == "COLLATE":
                yield index
            elif not (is_introducer(token, following) or _allowed(token, following)):
                raise NotAllowed(f"{token.value[:64]} is not on the list of words and functions of a view")
        elif token.kind == "name":
            if following is not None and following.is_punct(b"("):
                raise NotAllowed(f"{token.value[:64]} is called like a function")
        elif token.is_punct(b"."):
            _check_qualified(tokens, index, forbidden)
        elif token.kind not in ("string", "number", "punct") or token.is_punct(b"@"):
            raise NotAllowed("a view holds names, literals and functions only")


def _allowed(token: Token, following: Token | None) -> bool:
    is_call = following is not None and following.is_punct(b"(")
    return token.upper in VIEW_WORDS or (is_call and token.upper in FUNCTIONS)


def _check_qualified(tokens: t.Sequence[Token], dot: int, forbidden: t.Collection[str]) -> None:
    """Allow `table`.`column` only: `a`.`b` is nothing else as long as the server has no database `a`."""
    around = [tokens[place] if 0 <= place < len(tokens) else None for place in (dot - 1, dot + 1, dot + 2)]
    qualifier, member, after = around
    if qualifier is None or member is None or qualifier.kind != "name" or member.kind != "name":
        raise NotAllowed("a point stands between quoted names only")
    if after is not None and after.is_punct(b"."):
        raise NotAllowed("it names another database")
    if qualifier.value.lower() in forbidden:
        raise NotAllowed(f"it names the database {qualifier.value[:64]}")
