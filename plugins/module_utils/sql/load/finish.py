# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an import, when all rows are loaded: count them in every table, then make the views."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_view import unmade_views
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import RowsMissing, StatementFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.make import is_server_fault
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.pool import SessionPool
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Query, Session

# Of the largest tables: each is counted by a query of its own.
_ALONE = 20
_TOGETHER = 50  # small tables in one query


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


def create_views(session: Session, views: t.Sequence[dict[str, t.Any]], tables: t.Collection[str]) -> dict[str, str]:
    """Make the views of a dump with these tables. Returns those that are left out, each with the reason.

    In rounds, because a view may be made of views that come later in the dump.
    """
    left_out = unmade_views({view["name"]: (view["problem"], view["elsewhere"]) for view in views}, tables)
    waiting = [view for view in views if view["name"] not in left_out]
    while waiting:
        failed: dict[str, StatementFailed] = {}
        for view in waiting:
            text = view["sql"].encode("utf-8", "surrogateescape")
            file, offset, line = view["place"]
            try:
                session.run(Query(text, view["charset"], Statement(file, offset, line, text)), view["name"])
            except StatementFailed as error:
                if is_server_fault(error):
                    raise
                failed[view["name"]] = error
        if len(failed) == len(waiting):
            return {**left_out, **{name: error.reason for name, error in failed.items()}}
        waiting = [view for view in waiting if view["name"] in failed]
    return left_out


def told_views(left_out: t.Iterable[dict[str, t.Any]]) -> list[str]:
    """For each view that is left out, a warning with its name, reason, text and remedy."""
    return [
        f"View {view['name']} is left out: {view['reason']}. Make it by hand if the portal needs it: {view['text']}"
        for view in left_out
    ]
