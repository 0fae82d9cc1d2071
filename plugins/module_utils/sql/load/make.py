# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a table, if need be without what the server refuses in its definition."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import (
    Clause,
    Column,
    TableDefinition,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import Known
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.repairs import Repairs, table_sql
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import SERVER_FAULTS
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import Change
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Query, Session

# A collation for which there is no other: a table without it would be another one.
_NO_COLLATION = 1273
# A table has 64 indexes at most.
_MOST_TRIED = 100


class Made(t.NamedTuple):
    """The server's warnings, what was left out that the server should have taken, and the table's columns."""

    warnings: list[Change]
    repairs: Repairs
    columns: tuple[Column, ...]


def is_server_fault(error: StatementFailed) -> bool:
    """Whether another definition would fail as well."""
    return error.details["code"] in SERVER_FAULTS or error.details["code"] == _NO_COLLATION


def make_table(session: Session, query: Query, name: str, definition: TableDefinition, known: Known) -> Made:
    """Run the CREATE TABLE of `query`; where the server refuses it, leave out what the table can do without.

    No more than is needed is left out. Raises `StatementFailed`, the first one, where that does not help.
    """
    whole = table_sql(definition, known)
    try:
        return Made(session.run(query, name), Counter(), whole.columns)
    except StatementFailed as error:
        if is_server_fault(error):
            raise
        refused = error
    for without in _less(definition):
        less = table_sql(definition, known, without)
        if less.sql == whole.sql:
            continue
        try:
            warnings = session.run(replace(query, sql=less.sql), name)
        except StatementFailed as error:
            if is_server_fault(error):
                raise
            continue
        left_out: Repairs = Counter()
        for (kind, detail), count in (less.repairs - whole.repairs).items():
            left_out[(kind, f"{detail} (the server says: {refused.reason})")] = count
        return Made(warnings, left_out, less.columns)
    raise refused


def _less(definition: TableDefinition) -> t.Iterator[list[Clause]]:
    """What to leave out: one clause alone, then all of a kind, those first that are missed least."""
    spare = sorted((clause for clause in definition.clauses if clause.spare), key=lambda clause: clause.spare)
    for clause in spare[:_MOST_TRIED]:
        yield [clause]
    for most in sorted({clause.spare for clause in spare}):
        yield [clause for clause in spare if clause.spare <= most]
