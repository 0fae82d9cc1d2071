# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the accident: what has taken rows from a table, or the table itself, by the binary logs."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import binlog_replay
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_replay import Accident
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import contents
from ansible_collections.boxlift.portal.plugins.module_utils.backup.points import iso
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import remove_tree

MOST = 100
_OLD = 86400  # seconds; no search takes so long


class Search(t.NamedTuple):
    """What to look for: the table, since when, and from how many deleted or updated rows on."""

    database: str
    table: str
    since: float
    least_rows: int


def find(
    restic: Restic,
    search: Search,
    local_logs: str,
    work_dir: str,
    now: float,
    on_bytes: t.Callable[[int], None],
    host: str = os.uname().nodename,
) -> dict[str, t.Any]:
    """The accidents in the logs' order; of more than `MOST` those with the most rows, and what is done to tables.

    Raises BoxliftError where there is no log.
    """
    held = contents(restic)
    # Of another host's server, such as that of a drill, the logs have nothing to do with these copies.
    own = not held.good or held.good[-1].host == host
    # A server that was built anew counts from one again: older logs must not stand for newer ones.
    runs = [run for run in held.binlogs if run.until >= search.since]
    # Each server counts its own; the one that is there now comes last.
    servers = list(dict.fromkeys(run.server for run in reversed(runs)))[::-1] or [""]
    logs = []
    for server in servers:
        of = [run for run in runs if run.server == server]
        local = local_logs if own and server == servers[-1] else ""
        logs += [log for log in binlog_replay.available(of, local, 0, now) if log.until >= search.since]
    if not logs:
        raise BoxliftError(
            f"There is no binary log since {iso(search.since)}.",
            "Look further back (recover_find_since), and whether logs are stored at all: playbook backup.",
            code="no_logs",
        )
    # Beside the folder of recoveries: what one of them removes when it ends must not be what is read here.
    parent, prefix = os.path.dirname(work_dir), f"{os.path.basename(work_dir)}-find-"
    os.makedirs(parent, exist_ok=True)
    _remove_old(parent, prefix, now)
    found: list[Accident] = []
    came = 0
    with tempfile.TemporaryDirectory(dir=parent, prefix=prefix) as folder:
        for log in logs:  # one at a time: all of them may be large
            paths = binlog_replay.fetch(restic, [log], folder, lambda _count: None)
            came += os.path.getsize(paths[0])
            on_bytes(came)
            found += binlog_replay.accidents(paths, search.database, search.table, search.since, search.least_rows)
            os.unlink(paths[0])
    chosen = sorted(found, key=lambda each: each.rows if each.rows >= 0 else float("inf"), reverse=True)[:MOST]
    kept = set(chosen)
    shown = [each for each in found if each in kept]
    return {
        "found": [{**each._asdict(), "time": iso(each.time), "before": iso(each.time - 1)} for each in shown],
        "left_out": len(found) - len(shown),
        "searched": {"files": len(logs), "bytes": came, "from": iso(search.since), "until": iso(logs[-1].until)},
    }


def _remove_old(parent: str, prefix: str, now: float) -> None:
    """Remove what killed searches have left."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        if name.startswith(prefix) and os.stat(path).st_mtime < now - _OLD:
            remove_tree(path)
