# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an import, when all rows are loaded: count them in every table, then make the views."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import RowsMissing, StatementFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.pool import SessionPool
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Query, Session

# Of the largest tables: each is counted by a query of its own.
_ALONE = 20
_TOGETHER = 50  # small tables in one query
_NO_SUCH_TABLE = 1146


def compare_counts(pool: SessionPool, tables: t.Sequence[dict[str, t.Any]]) -> None:
    """Count the rows of every table, over all connections. Raises `RowsMissing` where the dump had others."""
    names = [table["name"] for table in sorted(tables, key=lambda table: -int(table["rows"]))]
    found: dict[str, int] = {}

    def count(some: t.Sequence[str], session: Session) -> None:
        found.update(session.count(some))

    # The huge ones first and each alone, so that all connections are done at about the same time.
    huge, rest = names[:_ALONE], names[_ALONE:]
    groups = [rest[first : first + _TOGETHER] for first in range(0, len(rest), _TOGETHER)]
    for some in [[name] for name in huge] + groups:
        pool.put(functools.partial(count, some))
    pool.drain()
    differences = [
        {"table": table["name"], "expected": table["rows"], "found": found[table["name"]]}
        for table in tables
        if found[table["name"]] != table["rows"]
    ]
    if differences:
        raise RowsMissing(differences)


def create_views(session: Session, views: t.Sequence[dict[str, t.Any]]) -> None:
    """In rounds, because a view may be made of views that come later in the dump. Raises `StatementFailed`."""
    waiting = list(views)
    while waiting:
        failed = []
        for view in waiting:
            text = view["sql"].encode("utf-8", "surrogateescape")
            file, offset, line = view["place"]
            try:
                session.run(Query(text, view["charset"], Statement(file, offset, line, text)), view["name"])
            except StatementFailed as error:
                if error.details["code"] != _NO_SUCH_TABLE:
                    raise
                failed.append((view, error))
        if len(failed) == len(waiting):
            raise failed[0][1]
        waiting = [view for view, _error in failed]
