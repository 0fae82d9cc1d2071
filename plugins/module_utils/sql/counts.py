# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the rows of the dump are really in the tables."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import RowsMissing
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.pool import Loaders
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Session

_ALONE = 20
_TOGETHER = 50


def compare_counts(loaders: Loaders, tables: t.Sequence[dict[str, t.Any]]) -> None:
    """Over all connections, since counting reads every table. Raises `RowsMissing`."""
    names = [table["name"] for table in sorted(tables, key=lambda table: -int(table["rows"]))]
    found: dict[str, int] = {}

    def count(some: t.Sequence[str], session: Session) -> None:
        found.update(session.count(some))

    # The huge ones first and each alone, so that all connections are done at about the same time.
    huge, rest = names[:_ALONE], names[_ALONE:]
    groups = [rest[first : first + _TOGETHER] for first in range(0, len(rest), _TOGETHER)]
    for some in [[name] for name in huge] + groups:
        loaders.put(functools.partial(count, some))
    loaders.drain()
    differences = [
        {"table": table["name"], "expected": table["rows"], "found": found[table["name"]]}
        for table in tables
        if found[table["name"]] != table["rows"]
    ]
    if differences:
        raise RowsMissing(differences)
