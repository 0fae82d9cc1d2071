# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the checks' figures come from: the exchange's file of call records, and the connector's database."""

from __future__ import annotations

import csv
import glob
import os
import sqlite3
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import cdr_file
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import Backlog, Record

NUMBER_DIGITS = 5  # inner numbers are shorter
#: The fields of a line, as the connector reads them too. What they mean is read apart, as a check should.
FIELDS = tuple(name.replace("boxlift_call_id", "portal_call_id").replace("boxlift_", "") for name in cdr_file.FIELDS)


def records_of(path: str, since: float, until: float) -> list[Record]:
    """The calls that began in that time. Raises BoxliftError for a file that is not there, or has other fields."""
    rows: dict[str, list[dict[str, str]]] = {}
    if not os.path.isdir(os.path.dirname(path)):
        remedy = "Run role boxlift.portal.telephony, which has the records written."
        raise BoxliftError(f"{path}: there is no such folder.", remedy)
    for name in [*sorted(glob.glob(glob.escape(path) + "-*")), path]:
        if os.path.exists(name) and os.stat(name).st_mtime >= since:
            for row in _rows(name):
                rows.setdefault(row["linkedid"], []).append(row)
    found = [_record(group) for group in rows.values()]
    return sorted((each for each in found if since <= each.started < until), key=lambda each: each.started)


def _rows(path: str) -> t.Iterator[dict[str, str]]:
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if not line.endswith("\n"):
                return  # being written
            fields = next(csv.reader([line]), [])
            if len(fields) != len(FIELDS):
                raise BoxliftError(
                    f"{path}: a record has {len(fields)} fields, not {len(FIELDS)}.",
                    "Let role boxlift.portal.telephony write cdr_custom.conf, and move the old file away.",
                )
            yield dict(zip(FIELDS, fields))


def _record(rows: list[dict[str, str]]) -> Record:
    """One call has several records: who talked is the longest of them, what the dial plan set is on any."""

    def known(name: str) -> str:
        return next((row[name] for row in rows if row[name]), "")

    first = next((row for row in rows if row["uniqueid"] == row["linkedid"]), rows[0])
    direction = known("direction")
    answered = [row for row in rows if row["disposition"] == "ANSWERED" and row["dstchannel"]]
    return Record(
        linkedid=first["linkedid"],
        direction=direction,
        line=known("line"),
        client=first["src"] if direction == "in" else _dialled(rows),
        started=min(float(row["start"] or 0) for row in rows),
        talk=_united((float(row["answer"] or row["start"]), float(row["end"])) for row in answered),
        # A menu or a queue that took the call is nobody.
        disposition="ANSWERED" if answered else first["disposition"].replace("ANSWERED", "NO ANSWER"),
        queue=any(row["lastapp"] == "Queue" for row in rows),
        recording=known("recording"),
        portal_call_id=known("portal_call_id"),
    )


def _united(spans: t.Iterable[tuple[float, float]]) -> float:
    """Seconds within at least one of the spans: a transferred call has several that follow, or cover each other."""
    total, reached = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _dialled(rows: list[dict[str, str]]) -> str:
    """The number that was dialled; the dial plan's own extensions, such as `s`, are none."""
    numbers = [row["dst"] for row in rows if len([digit for digit in row["dst"] if digit.isdigit()]) >= NUMBER_DIGITS]
    return numbers[0] if numbers else rows[0]["dst"]


def backlog_of(path: str) -> Backlog:
    """What the connector's database says, opened for reading only. Raises BoxliftError."""
    if not os.path.exists(path):
        raise BoxliftError(f"{path}: there is no database.", "Run role boxlift.portal.call_connector.")
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            waiting = "ended = 1 AND state IN ('stored', 'registered', 'finished')"
            count, oldest = database.execute(f"SELECT COUNT(*), MIN(changed) FROM calls WHERE {waiting}").fetchone()
            dead = database.execute("SELECT COUNT(*) FROM calls WHERE state = 'dead'").fetchone()[0]
            held = database.execute("SELECT value FROM meta WHERE name = 'hold'").fetchone()
        finally:
            database.close()
    except sqlite3.Error as error:
        raise BoxliftError(
            f"{path} cannot be read: {error}.", "Install connector and check from one collection."
        ) from error
    return Backlog(count, oldest, dead, bool(held and held[0] not in ("", "0")))
