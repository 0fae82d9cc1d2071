# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copy and which logs lead to a moment, and which moments can be had at all."""

from __future__ import annotations

import datetime
import math
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import binlog_events, binlog_replay
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import Gtid
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_replay import Available, Start
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import (
    BinlogRun,
    Copy,
    behind,
    chain,
    contents,
    newest_before,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


class Point(t.NamedTuple):
    """A moment that can be had: the copy, what its database is made of, and the logs to replay behind it.

    `moment` is what the database will be as of; for a replay before a GTID it is known only when the logs are read,
    and the last moment of the logs stands here.
    """

    copy: Copy
    chain: list[Copy]
    begin: Start | None
    logs: list[Available]
    moment: float
    possible: list[list[str]]


def iso(moment: float) -> str:
    """A moment as people and the option `moment` write it, in UTC."""
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str) -> float | None:
    """The moment that a text names: ISO 8601 with its zone, `@` and seconds of the epoch, or latest (None)."""
    text = text.strip()
    if text in ("", "latest"):
        return None
    if text.startswith("@") and text[1:].isdigit():
        return float(text[1:])
    try:
        found = datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BoxliftError(
            f"moment is {text[:100]!r}, which is no moment with its time zone.",
            "Write it such as 2026-11-30T09:41:59+03:00, or 2026-11-30T06:41:59Z; or latest.",
        )
    return found.timestamp()


def find_point(
    restic: Restic,
    moment: float | None,
    before: Gtid | None,
    copy_id: str,
    local_logs: str,
    now: float,
    host: str = os.uname().nodename,
) -> Point:
    """Raises BoxliftError, with the moments that can be had, where this one cannot."""
    found = contents(restic)
    copies, runs = list(found.good), found.binlogs
    if not copies:
        raise BoxliftError(
            f"The repository {restic.store.name} holds no proven copy.",
            "Look at playbook boxlift.portal.backup, and at another store (recover_store).",
            code="no_copy",
        )
    if copy_id:
        return _of_copy(copies, copy_id)
    # Logs lead from an older copy to the same moments; a damaged one is only taken where it is named.
    copies = [copy for copy in copies if not copy.damaged]
    if not copies:
        raise BoxliftError(
            f"Every copy in the repository {restic.store.name} is damaged.",
            "Name one (recover_copy) to get what it still gives; boxlift-backup list shows them. Or take another store "
            "(recover_store).",
            code="no_copy",
        )
    # Of another host's server, such as that of a drill, the logs have nothing to do with these copies.
    reached = {copy.id: _reached(copy, runs, local_logs if copy.host == host else "", now) for copy in copies}
    possible = _ranges([(copy.ended, reached[copy.id].until) for copy in copies])
    if before is not None:
        copy = _before_gtid(copies, before, possible)
    elif moment is None:
        copy = copies[-1]
    elif moment < copies[0].ended:
        raise _refused(
            f"{iso(moment)} is before the first copy, whose database is of {iso(copies[0].ended)}.",
            possible,
            "too_early",
        )
    else:
        copy = newest_before(copies, moment)
    reach = reached[copy.id]
    if moment is not None and moment > reach.until:
        raise _refused(
            f"{iso(moment)} cannot be reached from the copy of {iso(copy.ended)}: {reach.why()}.",
            possible,
            "gap" if reach.missing else "too_late",
        )
    if moment is None and before is None and reach.missing:
        raise _refused(f"The latest moment cannot be reached: {reach.why()}.", possible, "gap")
    logs = binlog_replay.wanted(reach.logs, moment)
    return Point(copy, chain(copies, copy), reach.begin, logs, moment or reach.until, possible)


class _Reach(t.NamedTuple):
    """How far the logs lead from a copy, and what is missing there."""

    begin: Start | None
    logs: list[Available]
    until: float
    missing: str

    def why(self) -> str:
        if self.missing:
            return f"{self.missing} is missing in the repository; the logs before it end at {iso(self.until)}"
        if self.begin is None:
            return "the server wrote no binary logs then"
        return f"the binary logs end at {iso(self.until)}"


def _reached(copy: Copy, runs: t.Sequence[BinlogRun], local_logs: str, now: float) -> _Reach:
    noted = copy.parts.get("database", {}).get("binlog") or {}
    if not noted.get("file"):
        return _Reach(None, [], copy.ended, "")
    begin, runs = binlog_replay.start_of(copy), behind(copy, runs)

    def lead(given: t.Sequence[BinlogRun]) -> tuple[list[Available], str]:
        return binlog_replay.contiguous(begin, binlog_replay.available(given, local_logs, begin.number, now))

    # Older ones may be of a server that was there before, whose numbers say nothing here.
    logs, missing = lead([run for run in runs if run.until + 1 > copy.began])
    if missing or not logs:
        others, gap = lead(runs)  # the clock may have been set back since
        if not gap and len(others) > len(logs):
            logs, missing = others, gap
    return _Reach(begin, logs, binlog_replay.reach(copy, logs), missing)


def _of_copy(copies: t.Sequence[Copy], copy_id: str) -> Point:
    for copy in copies:
        if copy.id == copy_id:
            return Point(copy, chain(copies, copy), None, [], copy.ended, [[iso(copy.ended), iso(copy.ended)]])
    shown = ", ".join(copy.id for copy in copies[-10:])
    raise BoxliftError(f"There is no proven copy {copy_id}.", f"Name one of these: {shown}.", code="no_copy")


def _before_gtid(copies: t.Sequence[Copy], before: Gtid, possible: list[list[str]]) -> Copy:
    """The newest copy that was made before this transaction."""
    for copy in reversed(copies):
        noted = (copy.parts.get("database", {}).get("binlog") or {}).get("gtid")
        if noted is None:
            continue
        reached = {each.domain: each.sequence for each in binlog_events.gtids(noted)}
        if reached.get(before.domain, 0) < before.sequence:
            return copy
    raise _refused(f"No copy was made before the transaction {before}.", possible, "too_early")


def _ranges(reached: t.Iterable[tuple[float, float]]) -> list[list[str]]:
    """The moments that can be had, as ranges that do not touch."""
    merged: list[list[float]] = []
    for begin, end in sorted(reached):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return [[iso(math.ceil(begin)), iso(max(math.ceil(begin), end))] for begin, end in merged]


def _refused(text: str, possible: list[list[str]], code: str) -> BoxliftError:
    shown = "; ".join(f"{begin} to {end}" if begin != end else begin for begin, end in possible)
    return BoxliftError(text, f"Nothing was changed. Possible is: {shown}.", code=code, possible=possible)
