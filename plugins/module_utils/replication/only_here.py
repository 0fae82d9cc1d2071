# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an old primary has committed, and the new one never received: read from the old one's binary logs."""

from __future__ import annotations

import collections
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import BinaryLog, gtids
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.replication.server import OWN


class Lost(t.NamedTuple):
    """A transaction that is in the old logs alone; `changes` counts rows by kind and table.

    `problem`: a log that cannot be read, so nobody knows what was in it.
    """

    gtid: str
    time: int
    changes: dict[str, int]
    problem: str = ""

    @property
    def text(self) -> str:
        if self.problem:
            return self.problem
        return f"{self.gtid}: {', '.join(f'{rows} x {what}' for what, rows in sorted(self.changes.items())) or 'DDL'}"


def logs_in(folder: str) -> list[str]:
    """The binary logs in a folder, the oldest first."""
    if not os.path.isdir(folder):
        return []
    names = [name for name in os.listdir(folder) if re.fullmatch(r"binlog[.]\d+", name)]
    return [os.path.join(folder, name) for name in sorted(names)]


def transactions(paths: t.Sequence[str], fork: str, most: int = 10_000) -> list[Lost]:
    """Transactions behind the position at which the new primary began."""
    reached: dict[int, int] = {}
    for each in gtids(fork):
        reached[each.domain] = max(reached.get(each.domain, 0), each.sequence)
    found: list[Lost] = []
    for path in paths:
        try:
            for transaction in BinaryLog(path, lambda _database, _table: True):
                number = transaction.gtid
                if number.sequence <= reached.get(number.domain, 0) or len(found) >= most:
                    continue
                changes: dict[str, int] = collections.Counter()
                for change in transaction.changes:
                    if change.database != OWN:
                        changes[f"{change.kind} {change.database}.{change.table}"] += max(change.rows, 0)
                found.append(Lost(str(number), transaction.time, dict(changes)))
        except BoxliftError as problem:
            # A full disk or a crash leaves such a log; the replica is one all the same.
            found.append(Lost("", int(os.path.getmtime(path)), {}, problem.message))
    return found
