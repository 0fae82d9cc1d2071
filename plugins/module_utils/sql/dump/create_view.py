# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses CREATE VIEW as SHOW CREATE VIEW prints it. A view is made with SQL SECURITY INVOKER, not its definer's.

A view that names what this collection does not know is harmless, but not made: `ViewDefinition.problem` says why. The
name of a database is always taken out, so that no view reaches another one.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import SAFE_CHARSETS
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
    # Each table that it reads, by the name under which its columns are named; and these names with their columns.
    tables: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, str], ...] = ()


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
        tuple(reader.tables),
        tuple(reader.columns),
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


def unmade_views(
    views: t.Mapping[str, tuple[str, t.Sequence[tuple[str, t.Sequence[str]]]]], tables: t.Collection[str]
) -> dict[str, str]:
    """The views of a dump that cannot be made for a reason that shows in their text, and the reason.

    `views` gives `problem` and `elsewhere` of each; `tables` are those of the dump. The names of databases are not in a
    view's statement any more. That is right for the portal's own, whose name here is another one: the only database
    whose tables that views name are all in the dump.
    """
    there = {name.lower() for name in (*tables, *views)}
    named: dict[str, set[str]] = {}
    for problem, elsewhere in views.values():
        for database, found in elsewhere:
            if not problem:
                named.setdefault(database, set()).update(name.lower() for name in found)
    own = [database for database, found in named.items() if found <= there]
    unmade: dict[str, str] = {}
    for name, (problem, elsewhere) in views.items():
        others = [database for database, _found in elsewhere if [database] != own]
        if problem:
            unmade[name] = problem
        elif others:
            unmade[name] = f"it reads the database {', '.join(others)}, which is not in the backup"
    return unmade


def doubtful_views(views: t.Mapping[str, ViewDefinition], tables: t.Mapping[str, t.Collection[str]]) -> dict[str, str]:
    """The views that a server will not make, as far as that shows without one; `tables` gives the columns of each."""
    found = unmade_views({name: (view.problem, view.elsewhere) for name, view in views.items()}, tables)
    columns = {table: {column.lower() for column in names} for table, names in tables.items()}
    lacking = True
    while lacking:
        there = {*tables, *views} - found.keys()
        lacking = False
        for name, view in views.items():
            reason = "" if name in found else _what_lacks(view, there, columns)
            if reason:
                found[name], lacking = reason, True
    return found


def _what_lacks(view: ViewDefinition, there: t.Collection[str], columns: t.Mapping[str, t.Collection[str]]) -> str:
    for _alias, table in view.tables:
        if table not in there:
            return f"it reads {table}, which is not in the backup"
    names: dict[str, set[str]] = {}
    for alias, table in view.tables:
        names.setdefault(alias, set()).add(table)
    for alias, column in view.columns:
        for table in names.get(alias, ()):
            if len(names[alias]) == 1 and table in columns and column.lower() not in columns[table]:
                return f"it reads the column {column} of {table}, which is not in the backup"
    return ""


# What comes before a table, and the words with which a part of SELECT begins: whether tables, or expressions, follow.
_BEFORE_TABLE = frozenset({"FROM", "JOIN", "STRAIGHT_JOIN", "LATERAL"})
# Of CONVERT(… USING name), CHARSET name and CHARACTER SET name.
_BEFORE_CHARSET = frozenset({"USING", "CHARSET", "SET"})
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
        self.tables: list[tuple[str, str]] = []
        self.columns: list[tuple[str, str]] = []
        self._common: set[str] = set()

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
        elif before is not None and before.upper in _BEFORE_CHARSET and token.value.lower() in SAFE_CHARSETS:
            return
        elif not (
            is_introducer(token, self._at(index + 1))
            or token.upper in VIEW_WORDS
            or (self._is(index + 1, b"(") and token.upper in FUNCTIONS)
        ):
            self._leave_out(f"{token.value[:64]} is not on the list of words and functions of a view")

    def _name(self, index: int, token: Token, table_may_come: bool) -> None:
        if self._is(index + 1, b"(") and not self._is_common_table(index):
            self._leave_out(f"it calls the function {token.value[:64]}")
        behind = self._at(index + 1)
        if (behind is not None and behind.upper == "AS" and self._is(index + 2, b"(")) or self._is(index + 1, b"("):
            self._common.add(token.value)
        if self._is(index - 1, b"."):
            return
        if not self._is(index + 1, b"."):
            if table_may_come and not self._is(index + 1, b"("):
                self._reads(token.value, index + 1)
            return
        following = self._at(index + 2)
        if following is None or not (following.kind == "name" or following.is_punct(b"*")):
            self._leave_out(f"something that is no quoted name follows {token.value[:64]}")
        elif table_may_come or self._is(index + 3, b"."):
            if token.value.lower() in SYSTEM_DATABASES:
                self._leave_out(f"it reads the database {token.value}")
            self.qualifiers += [index, index + 1]
            self.elsewhere.setdefault(token.value, set()).add(following.value)
            if table_may_come:
                self._reads(following.value, index + 3)
            else:
                self._column(following.value, index + 4)
        else:
            self._column(token.value, index + 2)

    def _column(self, table: str, index: int) -> None:
        token = self._at(index)
        if token is not None and token.kind == "name" and not self._is(index + 1, b"("):
            self.columns.append((table, token.value))

    def _reads(self, table: str, index: int) -> None:
        """A table, and its alias if one follows."""
        token = self._at(index)
        if token is not None and token.upper == "AS":
            token = self._at(index + 1)
        alias = token.value if token is not None and token.kind == "name" else table
        if table not in self._common:
            self.tables.append((alias, table))

    def _is_common_table(self, index: int) -> bool:
        """Whether this is the name of WITH name (column, …) AS (…)."""
        end = index + 2
        while (token := self._at(end)) is not None and (token.kind == "name" or token.is_punct(b",")):
            end += 1
        behind = self._at(end + 1)
        return self._is(end, b")") and behind is not None and behind.upper == "AS" and self._is(end + 2, b"(")
