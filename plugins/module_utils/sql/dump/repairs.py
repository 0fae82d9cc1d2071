# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs what the vendor's dump gets wrong and what this server lacks; every repair is counted and reported."""

from __future__ import annotations

import typing as t
from collections import Counter

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import quote_name
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import literals
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import (
    WIDEST,
    known_charset,
    known_collation,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import (
    EXPRESSION,
    Clause,
    Column,
    Spot,
    TableDefinition,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_view import ViewDefinition
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementRefused
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.grammar import GEOMETRY_TYPES
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import Known
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import render
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement

# kind and detail -> how often
Repairs = t.Counter[tuple[str, str]]

COLLATION = "collation"
CHARSET = "charset"
BIT = "bit_value"
GENERATED = "generated_value"
GEOMETRY = "geometry_value"
DEFINER = "view_definer"
DATABASE = "view_database"
CLAUSE = "clause_dropped"
REPLACED = "clause_replaced"

_LONGEST_DETAIL = 300


class MadeTable(t.NamedTuple):
    """The statement to run, what was changed in it, and the columns that the table has then."""

    sql: bytes
    repairs: Repairs
    columns: tuple[Column, ...]


def table_sql(definition: TableDefinition, known: Known, without: t.Collection[Clause] = ()) -> MadeTable:
    """The definition as this server takes it, and without these clauses."""
    text, tokens = definition.text, definition.tokens
    replaced: dict[int, bytes] = {}
    repairs: Repairs = Counter()
    plain: set[str] = set()
    gone: list[Clause] = []
    done = -1
    for clause in sorted(definition.clauses, key=lambda clause: (clause.first, -clause.end)):
        lacking = known.lacks(clause.needs)
        if clause.first < done or not (lacking or clause in without):
            continue
        done = clause.end
        for index in range(clause.first, clause.end):
            replaced[index] = b""
        old = _shown(text[tokens[clause.first].start : tokens[clause.end - 1].end])
        place = f"{clause.place}: " if clause.place else ""
        if clause.instead:
            replaced[clause.first] = clause.instead
            repairs[(REPLACED, f"{place}{old} -> {clause.instead.decode('ascii')}")] += 1
        else:
            repairs[(CLAUSE, f"{place}{old}{_why(lacking)}")] += 1
        if clause.plain is not None:
            plain.add(clause.plain)
        if clause.definition:
            gone.append(clause)
    _without_commas(definition, gone, replaced)
    _charsets(definition, known, replaced, repairs)
    columns = tuple(
        Column(column.name, column.type, column.generated and column.name not in plain, column.invisible)
        for column in definition.columns
    )
    return MadeTable(render(text, tokens, replaced), repairs, columns)


def _why(lacking: t.Iterable[str]) -> str:
    functions = [need.partition(" ")[2].lower() for need in lacking if need.startswith("function ")]
    return f" (this server has no function {', '.join(functions)})" if functions else ""


def _shown(text: bytes) -> str:
    shown = " ".join(text.decode("utf-8", "backslashreplace").split())
    return shown if len(shown) <= _LONGEST_DETAIL else f"{shown[:_LONGEST_DETAIL]} …"


def _without_commas(definition: TableDefinition, gone: t.Sequence[Clause], replaced: dict[int, bytes]) -> None:
    """Each definition that goes takes a comma with it: the one before it, else the one behind it."""
    whole = {clause.first for clause in gone}
    kept = False
    for begin, end in definition.definitions:
        if begin not in whole:
            kept = True
        elif kept:
            replaced[begin - 1] = b""
        elif definition.tokens[end].is_punct(b","):
            replaced[end] = b""


def _charsets(definition: TableDefinition, known: Known, replaced: dict[int, bytes], repairs: Repairs) -> None:
    collated = {EXPRESSION, *(spot.place for spot in definition.collations)}
    for spot in definition.charsets:
        old = _bare(definition.tokens[spot.token].value)
        new = known_charset(old, known.charsets)
        if new not in known.charsets:
            new = WIDEST
        if spot.token not in replaced:
            replaced[spot.token] = new.encode("ascii")
            if old.startswith("utf8") and spot.place not in collated and not known.general_ci:
                # The source had it without naming it; this server would take another one.
                replaced[spot.token] += f" COLLATE {known_collation(f'{new}_general_ci', known.collations)}".encode()
            if not _same(old, new):
                repairs[(CHARSET, _changed(spot, old, new))] += 1
    _collations(definition, definition.collations, known, replaced, repairs)


def view_sql(name: str, definition: ViewDefinition, known: Known) -> tuple[bytes, Repairs]:
    """The statement to run: without its definer and the name of its database, with the rights of its reader."""
    replaced = {index: b"" for index in definition.qualifiers}
    repairs: Repairs = Counter()
    _collations(definition, [Spot(index, "") for index in definition.collations], known, replaced, repairs)
    if definition.definer:
        repairs[(DEFINER, definition.definer)] += 1
    for database, _tables in definition.elsewhere:
        repairs[(DATABASE, database)] += 1
    head = f"CREATE OR REPLACE ALGORITHM={definition.algorithm} SQL SECURITY INVOKER VIEW {quote_name(name)} "
    return head.encode("utf-8") + render(definition.text, definition.tokens, replaced), repairs


def _collations(
    definition: TableDefinition | ViewDefinition,
    places: t.Iterable[Spot],
    known: Known,
    replaced: dict[int, bytes],
    repairs: Repairs,
) -> None:
    for spot in places:
        if spot.token in replaced:
            continue
        old = _bare(definition.tokens[spot.token].value)
        # Without a near collation it stays, so that the server's error names it.
        new = known_collation(old, known.collations) or old
        replaced[spot.token] = new.encode("ascii", "backslashreplace")
        if not _same(old, new):
            repairs[(COLLATION, _changed(spot, old, new))] += 1


def _bare(value: str) -> str:
    return value.strip("'\"").lower()


def _same(old: str, new: str) -> bool:
    """utf8 and utf8mb3 are two names of one thing."""
    names = [name.replace("utf8mb3", "utf8", 1) if name.startswith("utf8mb3") else name for name in (old, new)]
    return names[0] == names[1]


def _changed(spot: Spot, old: str, new: str) -> str:
    return f"{spot.place}: {old} -> {new}" if spot.place else f"{old} -> {new}"


class RowRepair:
    """Rewrites the rows of one table; only tables with such columns need one."""

    def __init__(self, columns: t.Sequence[Column]) -> None:
        self._kinds: dict[int, str] = {}
        columns = [column for column in columns if not column.invisible]
        self._count = len(columns)
        for place, column in enumerate(columns):
            if column.generated:
                self._kinds[place] = GENERATED
            elif column.type == "BIT":
                self._kinds[place] = BIT
            elif column.type in GEOMETRY_TYPES:
                self._kinds[place] = GEOMETRY

    @property
    def needed(self) -> bool:
        return bool(self._kinds)

    def apply(self, text: bytes, body: int) -> tuple[bytes, Repairs]:
        """The rows, which begin at `body`, with the values put right. Raises `literals.NotLiterals`."""
        parts: list[bytes] = []
        copied = body
        repairs: Repairs = Counter()
        for number, values in enumerate(literals.rows(text, body), 1):
            if len(values) != self._count:
                raise literals.NotLiterals(f"row {number} has {len(values)} values for {self._count} columns")
            for place, kind in self._kinds.items():
                start, end = values[place]
                value = text[start:end]
                better = _better(kind, value, number)
                if better != value:
                    parts += [text[copied:start], better]
                    copied = end
                    repairs[(kind, "")] += 1
        parts.append(text[copied:])
        return b"".join(parts), repairs


def _better(kind: str, value: bytes, row: int) -> bytes:
    if kind == GENERATED:
        return b"DEFAULT"  # the server computes it
    if not value.startswith(b"'"):
        return value
    if kind == GEOMETRY:
        return b"_binary " + value  # else its bytes are taken for text of the session's character set
    if not value[1:-1].isdigit():
        raise literals.NotLiterals(f"row {row} has a BIT value that is no decimal number")
    return value[1:-1]


def repaired_rows(repair: RowRepair, statement: Statement, body: int) -> tuple[bytes, Repairs]:
    """`RowRepair.apply` to an INSERT. Raises StatementRefused, which names the statement."""
    try:
        rows, made = repair.apply(statement.text, body)
    except literals.NotLiterals as error:
        raise StatementRefused(
            str(error),
            file=statement.file,
            offset=statement.offset,
            line=statement.line,
            text=statement.text,
            spoiled=True,
        ) from error
    if statement.bare:
        made[(GEOMETRY, "written without quotes")] += statement.bare
    return rows, made
