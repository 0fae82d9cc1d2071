# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database writes between two copies: closed binary logs, stored every few minutes."""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import (
    BinlogRun,
    Copy,
    behind,
    binlog_runs,
    of_server,
    tags_of_binlogs,
    tags_of_void,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.database import Server
from ansible_collections.boxlift.portal.plugins.module_utils.backup.lend import server_of
from ansible_collections.boxlift.portal.plugins.module_utils.backup.night import CopyFailed, held
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic, Saved
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Settings
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


class Shipped(t.NamedTuple):
    """What one run has stored; `gap` says what is missing before it, empty where nothing is."""

    until: float
    files: list[str]
    stored: int
    gap: str


def ship(settings: Settings, restic: Restic, now: t.Callable[[], float], server: Server | None = None) -> Shipped:
    """Close the log that is being written, and store every closed one that the repository does not hold yet.

    Raises CopyFailed where one cannot be read; those behind it are stored all the same, and a copy begins a new row.
    """
    if settings.database is None or not settings.database.binlog_dir:
        raise BoxliftError("The database of this host writes no binary logs.", "Set binlog_dir in the settings.")
    server = server or server_of(settings.database)
    with held(settings.within("binlogs.lock"), "What is copied of this host's binary logs"):
        restic.unlock()  # a lock that a killed prune has left would keep the logs out until the night
        until = now()  # before the flush: whatever was written until then is in a closed file
        closed, gtid, logs_of = _flushed(server)
        runs = of_server(binlog_runs(restic), logs_of)
        new = _not_stored(closed, runs)
        if not new:
            return Shipped(until, [], 0, "")
        with server.logs_at_hand(new, settings.within("binlogs")) as folder:
            paths = [os.path.join(folder, name) for name in new]
            saved, unread = _stored(restic, paths, tags_of_binlogs(until, gtid, logs_of))
        if unread:
            raise CopyFailed(
                "unread",
                f"Binary logs could not be read: {', '.join(unread)}. Later moments than they begin with are lost "
                "until the next copy.",
                "Take one now, from which logs go on: boxlift-backup now. Then see why "
                f"(ls -l {settings.database.binlog_dir}; dmesg, on the host of the database).",
            )
        gap = gap_between([*runs, BinlogRun(saved.snapshot, until, tuple(new), gtid)][-2:])
        return Shipped(until, new, saved.stored, gap)


def _stored(restic: Restic, paths: t.Sequence[str], tags: t.Sequence[str]) -> tuple[Saved, list[str]]:
    """What was stored, and which of the files could not be read.

    A snapshot names all that it was asked for, so one that lacks a file is made void, and the others are stored anew.
    """
    saved = restic.backup(paths, tags)
    if not saved.unread:
        return saved, []
    restic.save_text("void.json", json.dumps({"unread": saved.unread}), tags_of_void(saved.snapshot))
    others = [path for path in paths if path not in saved.unread]
    if not others or len(others) == len(paths):
        return saved, list(saved.unread)
    again, unread = _stored(restic, others, tags)
    return again, [*saved.unread, *unread]


def _flushed(server: Server) -> tuple[list[str], str, str]:
    """The names of the closed logs, up to which transaction they go, and whose they are."""
    try:
        server.ask("FLUSH BINARY LOGS")
        closed = [str(row["Log_name"]) for row in server.ask("SHOW BINARY LOGS")][:-1]
        return closed, str(server.ask("SELECT @@gtid_binlog_pos AS g")[0]["g"] or ""), server.about()["logs_of"]
    except BoxliftError as error:
        raise CopyFailed(
            "database_stopped",
            f"The database does not close its binary log: {error.message}",
            f"Start it (systemctl start mariadb; journalctl -u mariadb). {error.remedy}",
        ) from error


def _not_stored(closed: t.Sequence[str], runs: t.Sequence[BinlogRun]) -> list[str]:
    if not closed or not runs:
        return list(closed)
    last = max(number_of(path) for path in runs[-1].files)
    if number_of(closed[-1]) < last:  # the server has begun to count anew
        return list(closed)
    return [name for name in closed if number_of(name) > last]


def number_of(path: str) -> int:
    """The number of a binary log, by its name."""
    digits = re.search(r"\.(\d+)$", path)
    return int(digits.group(1)) if digits else 0


def gap_between(runs: t.Sequence[BinlogRun]) -> str:
    """What is missing in this row of runs; empty where each goes on where the one before ended."""
    row: list[int] = []
    for run in runs:
        numbers = sorted(map(number_of, run.files))
        row = [*row[-1:], *numbers]
        for left, right in zip(row, row[1:]):
            if right != left + 1:
                return f"between the binary logs {left} and {right}"
    return ""


def restorable_until(copy: Copy, runs: t.Sequence[BinlogRun]) -> tuple[float, str]:
    """The last moment to which this copy's database can be brought, and what is missing then."""
    runs = behind(copy, runs)
    # Older logs may be of a server that was there before; but the clock may have been set back since, too.
    until, gap = _leading(copy, [run for run in runs if run.until + 1 > copy.began])
    if gap or until <= copy.ended:
        further, none = _leading(copy, runs)
        if not none and further > until:
            return further, none
    return until, gap


def _leading(copy: Copy, runs: t.Sequence[BinlogRun]) -> tuple[float, str]:
    binlog = copy.parts["database"].get("binlog")
    if not binlog:
        return copy.ended, ""
    first = expected = number_of(binlog["file"])
    until, gtid = copy.ended, str(binlog.get("gtid", ""))
    for run in runs:
        numbers = sorted(map(number_of, run.files))
        if not numbers or run.until <= copy.ended and numbers[-1] < first:
            continue
        if numbers[-1] < first or _goes_back(gtid, run.gtid):
            return until, "since the server has begun to count them anew"
        for number in numbers:
            if number > expected:
                return until, f"between the binary logs {expected - 1} and {number}"
            expected = max(expected, number + 1)
        until, gtid = max(until, run.until), run.gtid or gtid
    return until, ""


def _goes_back(before: str, after: str) -> bool:
    """Whether a transaction's number is lower than one of its domain was before."""
    seen = {gtid.split("-")[0]: int(gtid.split("-")[2]) for gtid in before.split(",") if gtid.count("-") == 2}
    later = {gtid.split("-")[0]: int(gtid.split("-")[2]) for gtid in after.split(",") if gtid.count("-") == 2}
    return any(number < seen.get(domain, 0) for domain, number in later.items())
