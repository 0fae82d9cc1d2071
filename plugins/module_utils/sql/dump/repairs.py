# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repairs what the vendor's dump gets wrong and what this server lacks; every repair is counted and reported."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import quote_name
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import literals
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import known_charset, known_collation
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import Column, TableDefinition
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_view import ViewDefinition
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.grammar import GEOMETRY_TYPES
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import Token, render

# kind and detail -> how often
Repairs = t.Counter[tuple[str, str]]

COLLATION = "collation"
BIT = "bit_value"
GENERATED = "generated_value"
GEOMETRY = "geometry_value"
DEFINER = "view_definer"
CLAUSE = "clause_dropped"


@dataclass(frozen=True)
class Known:
    """Character sets and collations that the server has."""

    charsets: frozenset[str]
    collations: frozenset[str]


def table_sql(definition: TableDefinition, known: Known) -> tuple[bytes, Repairs]:
    """The statement to run, and what was changed in it."""
    replaced = {index: b"" for index in definition.dropped}
    for index in definition.charsets:
        replaced[index] = known_charset(definition.tokens[index].value, known.charsets).encode("ascii")
    repairs: Repairs = Counter({(CLAUSE, clause): 1 for clause in definition.dropped_clauses})
    repairs.update(_collations(definition.tokens, definition.collations, known, replaced))
    return render(definition.text, definition.tokens, replaced), repairs


def view_sql(name: str, definition: ViewDefinition, known: Known) -> tuple[bytes, Repairs]:
    """The statement to run: without its definer, with the rights of its reader."""
    replaced: dict[int, bytes] = {}
    repairs = _collations(definition.tokens, definition.collations, known, replaced)
    if definition.definer:
        repairs[(DEFINER, definition.definer)] += 1
    head = f"CREATE OR REPLACE ALGORITHM={definition.algorithm} SQL SECURITY INVOKER VIEW {quote_name(name)} "
    return head.encode("ascii") + render(definition.text, definition.tokens, replaced), repairs


def _collations(
    tokens: t.Sequence[Token], places: t.Iterable[int], known: Known, replaced: dict[int, bytes]
) -> Repairs:
    repairs: Repairs = Counter()
    for index in places:
        old = tokens[index].value.lower()
        # Without a near collation it stays, so that the server's error names it.
        new = known_collation(old, known.collations) or old
        replaced[index] = new.encode("ascii")
        if new.split("_")[1:] != old.split("_")[1:]:  # utf8 and utf8mb3 are two names of one thing
            repairs[(COLLATION, f"{old} -> {new}")] += 1
    return repairs


class RowRepair:
    """Rewrites the rows of one table; only tables with such columns need one."""

    def __init__(self, columns: t.Sequence[Column]) -> None:
        self._count = len(columns)
        self._kinds: dict[int, str] = {}
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
