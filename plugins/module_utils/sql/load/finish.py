# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an import, when all rows are loaded: count them in every table, then make the views."""

from __future__ import annotations

import functools
import typing as t

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
    left_out = foreign_views(views, tables)
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


def foreign_views(views: t.Sequence[dict[str, t.Any]], tables: t.Collection[str]) -> dict[str, str]:
    """The views that cannot be made without another database, or for another reason that shows in their text, and why.

    The names of databases are not in a view's statement any more. That is right for the portal's own, whose name here
    is another one: the only database whose tables that views name are all in the dump.
    """
    there = {name.lower() for name in tables} | {view["name"].lower() for view in views}
    named: dict[str, set[str]] = {}
    for view in views:
        for database, found in view["elsewhere"]:
            if not view["problem"]:
                named.setdefault(database, set()).update(name.lower() for name in found)
    own = [database for database, found in named.items() if found <= there]
    left_out: dict[str, str] = {}
    for view in views:
        others = [database for database, _found in view["elsewhere"] if [database] != own]
        if view["problem"]:
            left_out[view["name"]] = view["problem"]
        elif others:
            left_out[view["name"]] = f"it reads the database {', '.join(others)}, which is not in the backup"
    return left_out
