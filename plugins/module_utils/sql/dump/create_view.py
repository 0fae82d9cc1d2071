# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses CREATE VIEW as SHOW CREATE VIEW prints it. A view is made with SQL SECURITY INVOKER, not its definer's.

A view that names what this collection does not know is harmless, but not made: `ViewDefinition.problem` says why. The
name of a database is always taken out, so that no view reaches another one.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import (
    is_introducer,
    refuse_never,
)
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
    """A view's definition, ready to be rendered: its tokens from the column list or AS on, `collations` by index.

    `qualifiers` are the indexes of the names of databases and of their points; `elsewhere` are the databases that are
    named so, each with its tables that the view reads.
    """

    text: bytes
    algorithm: str
    definer: str
    tokens: tuple[Token, ...]
    collations: tuple[int, ...]
    qualifiers: tuple[int, ...] = ()
    elsewhere: tuple[tuple[str, tuple[str, ...]], ...] = ()
    problem: str = ""


def parse_view(text: bytes, cursor: Cursor) -> tuple[str, ViewDefinition]:
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
    if following is None or not (following.upper in ("SELECT", "WITH", "VALUES") or following.is_punct(b"(")):
        raise NotAllowed("a view is made of SELECT")
    refuse_never([token for token in tokens if token.upper != "SELECT"])
    reader = _Reader(tokens)
    reader.read()
    return name, ViewDefinition(
        text,
        algorithm,
        definer,
        tokens,
        tuple(reader.collations),
        tuple(reader.qualifiers),
        tuple((database, tuple(sorted(found))) for database, found in sorted(reader.elsewhere.items())),
        reader.problem,
    )


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


# What comes before a table, and the words with which a part of SELECT begins: whether tables, or expressions, follow.
_BEFORE_TABLE = frozenset({"FROM", "JOIN", "STRAIGHT_JOIN", "LATERAL"})
_CONTEXTS = {
    **dict.fromkeys(("SELECT", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "EXCEPT", "INTERSECT"), "values"),
    **{"WINDOW": "values", "ON": "condition", "USING": "condition"},
}


class _Reader:
    """Walks the SELECT once. Where a table is expected, `a`.`b` is a table of database a; elsewhere, a column."""

    def __init__(self, tokens: t.Sequence[Token]) -> None:
        self._tokens = tokens
        self.collations: list[int] = []
        self.qualifiers: list[int] = []
        self.elsewhere: dict[str, set[str]] = {}
        self.problem = ""

    def read(self) -> None:
        """Raises NotAllowed for what no view of a dump holds."""
        # For each open parenthesis: "" before its SELECT, then "values", "tables", or the "condition" of a join.
        contexts = [""]
        for index, token in enumerate(self._tokens):
            before = self._at(index - 1)
            table_may_come = contexts[-1] == "tables" and (
                before is not None and (before.upper in _BEFORE_TABLE or before.is_punct(b",") or before.is_punct(b"("))
            )
            if token.kind == "word":
                self._word(index, token)
                contexts[-1] = self._context(contexts[-1], token.upper)
            elif token.is_punct(b"("):
                contexts.append("tables" if table_may_come else "")
            elif token.is_punct(b")"):
                if len(contexts) == 1:
                    raise NotAllowed("its parentheses are not balanced")
                contexts.pop()
            elif token.is_punct(b","):
                contexts[-1] = "tables" if contexts[-1] == "condition" else contexts[-1]
            elif token.kind == "name":
                self._name(index, token, table_may_come)
            elif token.kind not in ("string", "number", "punct") or token.is_punct(b"@"):
                raise NotAllowed("a view holds names, literals and functions only")
            elif token.is_punct(b".") and (before is None or before.kind != "name"):
                self._leave_out("a point stands behind something that is no quoted name")

    @staticmethod
    def _context(now: str, word: str) -> str:
        # FROM is also a word of functions, such as TRIM, in whose parentheses no SELECT stands.
        if (word == "FROM" and now) or (word in _BEFORE_TABLE and now in ("tables", "condition")):
            return "tables"
        return _CONTEXTS.get(word, now) if now or word == "SELECT" else now

    def _at(self, index: int) -> Token | None:
        return self._tokens[index] if 0 <= index < len(self._tokens) else None

    def _is(self, index: int, char: bytes) -> bool:
        token = self._at(index)
        return token is not None and token.is_punct(char)

    def _leave_out(self, problem: str) -> None:
        self.problem = self.problem or problem

    def _word(self, index: int, token: Token) -> None:
        before = self._at(index - 1)
        if before is not None and before.upper == "COLLATE":
            self.collations.append(index)
        elif not (
            is_introducer(token, self._at(index + 1))
            or token.upper in VIEW_WORDS
            or (self._is(index + 1, b"(") and token.upper in FUNCTIONS)
        ):
            self._leave_out(f"{token.value[:64]} is not on the list of words and functions of a view")

    def _name(self, index: int, token: Token, table_may_come: bool) -> None:
        if self._is(index + 1, b"(") and not self._is_common_table(index):
            self._leave_out(f"it calls the function {token.value[:64]}")
        if self._is(index - 1, b".") or not self._is(index + 1, b"."):
            return
        following = self._at(index + 2)
        if following is None or not (following.kind == "name" or following.is_punct(b"*")):
            self._leave_out(f"something that is no quoted name follows {token.value[:64]}")
        elif table_may_come or self._is(index + 3, b"."):
            if token.value.lower() in SYSTEM_DATABASES:
                self._leave_out(f"it reads the database {token.value}")
            self.qualifiers += [index, index + 1]
            self.elsewhere.setdefault(token.value, set()).add(following.value)

    def _is_common_table(self, index: int) -> bool:
        """Whether this is the name of WITH name (column, …) AS (…)."""
        end = index + 2
        while (token := self._at(end)) is not None and (token.kind == "name" or token.is_punct(b",")):
            end += 1
        behind = self._at(end + 1)
        return self._is(end, b")") and behind is not None and behind.upper == "AS" and self._is(end + 2, b"(")
