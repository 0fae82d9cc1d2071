# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transfer keeps between its runs, in one SQLite file: which record is which, what is written, what is left.

Other programs may read the file (`sqlite3 -readonly transfer.sqlite`). The tables for them:

| table | columns |
|---|---|
| `pair` | `kind`, `cloud_id`, `box_id`, `how` (`written`, `found`), `noted` (seconds): one record on both sides |
| `baseline` | `kind`, `maximum`: up to this id, ids are the same on both sides, unless `pair` names another |
| `absent` | `kind`, `cloud_id`: up to the baseline's maximum, but what the box has under this number is another one |
| `skipped` | `direction`, `kind`, `id`, `code`, `text`, `fields`: what the last run left behind |
| `conflict` | `direction`, `kind`, `id`, `content`: what was changed on both sides, with the values that are kept |

Every other table belongs to this collection alone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import typing as t
from dataclasses import asdict, replace

from ansible_collections.boxlift.portal.plugins.module_utils.crm.transactions import transaction
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import (
    LASTING,
    Conflict,
    Skipped,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

SCHEMA = """
CREATE TABLE IF NOT EXISTS pair (kind TEXT NOT NULL, cloud_id INTEGER NOT NULL, box_id INTEGER NOT NULL,
  how TEXT NOT NULL, noted REAL NOT NULL, PRIMARY KEY (kind, cloud_id)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS pair_box ON pair (kind, box_id);
CREATE TABLE IF NOT EXISTS baseline (kind TEXT PRIMARY KEY, maximum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS absent (kind TEXT NOT NULL, cloud_id INTEGER NOT NULL,
  PRIMARY KEY (kind, cloud_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS synced (kind TEXT NOT NULL, cloud_id INTEGER NOT NULL, cloud_hash BLOB, box_hash BLOB,
  cloud_pass INTEGER, box_pass INTEGER, PRIMARY KEY (kind, cloud_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writing (direction TEXT NOT NULL, kind TEXT NOT NULL, id INTEGER NOT NULL,
  PRIMARY KEY (direction, kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owed (direction TEXT NOT NULL, kind TEXT NOT NULL, id INTEGER NOT NULL,
  what TEXT NOT NULL, fields TEXT NOT NULL, PRIMARY KEY (direction, kind, id, what)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS skipped (direction TEXT NOT NULL, kind TEXT NOT NULL, id INTEGER NOT NULL,
  code TEXT NOT NULL, text TEXT NOT NULL, fields TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS skipped_id ON skipped (direction, kind, id);
CREATE TABLE IF NOT EXISTS conflict (direction TEXT NOT NULL, kind TEXT NOT NULL, id INTEGER NOT NULL,
  content TEXT NOT NULL, PRIMARY KEY (direction, kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
FORWARD, REVERSE = "forward", "reverse"
VERSION = 1


class Synced(t.NamedTuple):
    """When a record was last equal on both sides: the hashes, and the passes whose stores hold that content."""

    source_hash: bytes | None
    target_hash: bytes | None
    source_pass: int | None
    target_pass: int | None


class IdMap:
    """One file for a move; `source` and `target` are cloud and box, the other way round in the direction `reverse`.

    Whatever a method has written is on the disk when it returns. Several threads may use one object.
    """

    def __init__(self, path: str, direction: str = FORWARD, clock: t.Callable[[], float] = time.time) -> None:
        self.path, self.direction, self._clock = path, direction, clock
        self._source, self._target = ("cloud", "box") if direction == FORWARD else ("box", "cloud")
        self._lock = threading.RLock()
        if not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise BoxliftError(
                f"{path} is not the file of a transfer: {error}.",
                "Name the file that the pass begin has made, or bring it back from the copy of this host.",
            ) from error
        found = self.note("version")
        if found is None:
            self.set_note("version", VERSION)
        elif found != VERSION:
            raise BoxliftError(
                f"{path} was written by another version of the collection (its format is {found}, not {VERSION}).",
                "Finish the move with the collection that began it.",
            )
        self._maxima: dict[str, int] = dict(self._db.execute("SELECT kind, maximum FROM baseline"))

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> IdMap:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def together(self) -> t.ContextManager[None]:
        """What is written inside is on the disk as a whole or not at all."""
        return transaction(self._db, self._lock)

    def _all(self, sql: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _run(self, sql: str, *values: t.Any) -> None:
        with self._lock:
            self._db.execute(sql, values)

    # -- notes

    def note(self, name: str) -> t.Any:
        rows = self._all("SELECT value FROM note WHERE name=?", name)
        return json.loads(rows[0][0]) if rows else None

    def set_note(self, name: str, value: t.Any) -> None:
        self._run("INSERT OR REPLACE INTO note VALUES (?, ?)", name, json.dumps(value))

    # -- the baseline

    def set_baseline(self, maxima: t.Mapping[str, int]) -> None:
        with self.together():
            self._run("DELETE FROM baseline")
            for kind, maximum in maxima.items():
                self._run("INSERT INTO baseline VALUES (?, ?)", kind, maximum)
        self._maxima = dict(maxima)

    def maximum(self, kind: str) -> int:
        return self._maxima.get(kind, 0)

    def maxima(self) -> dict[str, int]:
        return dict(self._maxima)

    def add_absent(self, kind: str, cloud_ids: t.Iterable[int]) -> None:
        with self.together():
            for cloud_id in cloud_ids:
                self._run("INSERT OR IGNORE INTO absent VALUES (?, ?)", kind, cloud_id)

    # -- pairs

    def target_of(self, kind: str, source_id: int) -> int | None:
        """The id in the target: by a pair, or the same one up to the baseline; None where there is none yet."""
        rows = self._all(f"SELECT {self._target}_id FROM pair WHERE kind=? AND {self._source}_id=?", kind, source_id)
        if rows:
            return int(rows[0][0])
        return source_id if self._is_same(kind, source_id) else None

    def source_of(self, kind: str, target_id: int) -> int | None:
        rows = self._all(f"SELECT {self._source}_id FROM pair WHERE kind=? AND {self._target}_id=?", kind, target_id)
        if rows:
            return int(rows[0][0])
        return target_id if self._is_same(kind, target_id) else None

    def is_shared(self, kind: str, source_id: int) -> bool:
        """Whether the record came with the backup, so that it has the same id on both sides."""
        sql = f"SELECT 1 FROM pair WHERE kind=? AND {self._source}_id=?"
        return self._is_same(kind, source_id) and not self._all(sql, kind, source_id)

    def _is_same(self, kind: str, number: int) -> bool:
        """Whether a number means the same record on both sides: within the baseline, unless a pair says otherwise."""
        if not 0 < number <= self._maxima.get(kind, 0):
            return False
        return not self._all("SELECT 1 FROM absent WHERE kind=? AND cloud_id=?", kind, number)

    def pairs(self, kind: str) -> t.Iterator[tuple[int, int]]:
        """Source and target ids of the pairs beyond the baseline, by id of the source."""
        after = 0
        sql = (
            f"SELECT {self._source}_id, {self._target}_id FROM pair WHERE kind=? AND {self._source}_id>?"
            f" ORDER BY {self._source}_id LIMIT 10000"
        )
        while rows := self._all(sql, kind, after):
            yield from rows
            after = rows[-1][0]

    def add_pairs(self, kind: str, pairs: t.Iterable[tuple[int, int]], how: str = "written") -> None:
        """Pairs of source and target, on the disk before this returns; their records are no longer being written."""
        now = self._clock()
        forget = f"DELETE FROM pair WHERE kind=? AND {self._source}_id=?"
        # A second source for a target would be a doubled record: the unique index refuses it.
        sql = f"INSERT INTO pair (kind, {self._source}_id, {self._target}_id, how, noted) VALUES (?, ?, ?, ?, ?)"
        with self.together():
            for source_id, target_id in pairs:
                self._run(forget, kind, source_id)
                self._run(sql, kind, source_id, target_id, how, now)
                self.end_writing(kind, [source_id])

    def forget_pair(self, kind: str, source_id: int) -> None:
        self._run(f"DELETE FROM pair WHERE kind=? AND {self._source}_id=?", kind, source_id)

    # -- what is being written: looked up before it is written again

    def begin_writing(self, kind: str, ids: t.Iterable[int]) -> None:
        with self.together():
            for number in ids:
                self._run("INSERT OR IGNORE INTO writing VALUES (?, ?, ?)", self.direction, kind, number)

    def end_writing(self, kind: str, ids: t.Iterable[int]) -> None:
        with self.together():
            for number in ids:
                self._run("DELETE FROM writing WHERE direction=? AND kind=? AND id=?", self.direction, kind, number)

    def being_written(self, kind: str) -> list[int]:
        return [
            row[0]
            for row in self._all(
                "SELECT id FROM writing WHERE direction=? AND kind=? ORDER BY id", self.direction, kind
            )
        ]

    # -- what is still owed to a record that was written: references to later ones, the origin of somebody else

    def owe(self, kind: str, number: int, what: str, fields: t.Mapping[str, t.Any]) -> None:
        self._run(
            "INSERT OR REPLACE INTO owed VALUES (?,?,?,?,?)", self.direction, kind, number, what, json.dumps(fields)
        )

    def owed(self, kind: str, what: str) -> list[tuple[int, dict[str, t.Any]]]:
        sql = "SELECT id, fields FROM owed WHERE direction=? AND kind=? AND what=? ORDER BY id"
        return [(row[0], json.loads(row[1])) for row in self._all(sql, self.direction, kind, what)]

    def kinds_owing(self, what: str) -> list[str]:
        sql = "SELECT DISTINCT kind FROM owed WHERE direction=? AND what=? ORDER BY kind"
        return [row[0] for row in self._all(sql, self.direction, what)]

    def what_is_owed(self, kind: str, number: int, what: str) -> dict[str, t.Any] | None:
        sql = "SELECT fields FROM owed WHERE direction=? AND kind=? AND id=? AND what=?"
        rows = self._all(sql, self.direction, kind, number, what)
        return json.loads(rows[0][0]) if rows else None

    def paid(self, kind: str, number: int, what: str) -> None:
        self._run(
            "DELETE FROM owed WHERE direction=? AND kind=? AND id=? AND what=?", self.direction, kind, number, what
        )

    # -- when a record was last equal on both sides

    def synced(self, kind: str, source_id: int, target_id: int) -> Synced | None:
        cloud_id = source_id if self.direction == FORWARD else target_id
        columns = [f"{side}_{what}" for what in ("hash", "pass") for side in (self._source, self._target)]
        rows = self._all(f"SELECT {', '.join(columns)} FROM synced WHERE kind=? AND cloud_id=?", kind, cloud_id)
        return Synced(*rows[0]) if rows else None

    def set_synced_many(self, rows: t.Iterable[tuple[str, int, int, Synced]]) -> None:
        """Rows of kind, source id, target id and what both are."""
        sql = (
            f"INSERT OR REPLACE INTO synced (kind, cloud_id, {self._source}_hash, {self._target}_hash,"
            f" {self._source}_pass, {self._target}_pass) VALUES (?, ?, ?, ?, ?, ?)"
        )
        with self.together():
            for kind, source_id, target_id, synced in rows:
                self._run(sql, kind, source_id if self.direction == FORWARD else target_id, *synced)

    # -- the lists for people

    def set_skipped(self, skipped: t.Iterable[Skipped], renewed: t.Iterable[tuple[str, int, str]] = ()) -> None:
        """The list of this pass. What an earlier one left behind as it wrote stays true, but for what is `renewed`."""
        marks = ", ".join("?" * len(LASTING))
        bindings = json.dumps(["BINDINGS"])  # they are looked at once
        with self.together():
            forget = f"DELETE FROM skipped WHERE direction=? AND code NOT IN ({marks}) AND fields<>?"
            self._run(forget, self.direction, *LASTING, bindings)
            listed = set(self._all("SELECT kind, id, code FROM skipped WHERE direction=?", self.direction))
            for place in listed.intersection(renewed):
                self._run(
                    "DELETE FROM skipped WHERE direction=? AND kind=? AND id=? AND code=?", self.direction, *place
                )
            for one in skipped:
                fields = json.dumps(one.fields)
                same = "DELETE FROM skipped WHERE direction=? AND kind=? AND id=? AND code=? AND fields=?"
                self._run(same, self.direction, one.kind, one.id, one.code, fields)
                values = (one.kind, one.id, one.code, one.text, fields)
                self._run("INSERT INTO skipped VALUES (?,?,?,?,?,?)", self.direction, *values)

    def skipped(self) -> list[Skipped]:
        sql = "SELECT kind, id, code, text, fields FROM skipped WHERE direction=? ORDER BY kind, id, code"
        rows = self._all(sql, self.direction)
        return [
            Skipped(kind, number, code, text, tuple(json.loads(fields))) for kind, number, code, text, fields in rows
        ]

    def add_conflicts(self, conflicts: t.Iterable[Conflict]) -> None:
        found: dict[tuple[str, int], Conflict] = {}
        for one in conflicts:
            # Fields and product rows of a record are judged one after the other.
            other = found.setdefault((one.kind, one.id), one)
            found[one.kind, one.id] = replace(
                other,
                fields=tuple(sorted({*one.fields, *other.fields})),
                only_target=tuple(sorted({*one.only_target, *other.only_target})),
            )
        with self.together():
            for one in found.values():
                values = (one.kind, one.id, json.dumps(asdict(one)))
                self._run("INSERT OR REPLACE INTO conflict VALUES (?,?,?,?)", self.direction, *values)

    def conflicts(self) -> list[Conflict]:
        rows = self._all("SELECT content FROM conflict WHERE direction=? ORDER BY kind, id", self.direction)
        return [_conflict(text) for (text,) in rows]

    def conflict(self, kind: str, number: int) -> Conflict | None:
        sql = "SELECT content FROM conflict WHERE direction=? AND kind=? AND id=?"
        rows = self._all(sql, self.direction, kind, number)
        return _conflict(rows[0][0]) if rows else None


def _conflict(text: str) -> Conflict:
    content = json.loads(text)
    lists = {name: tuple(content[name]) for name in ("fields", "by", "only_target")}
    return Conflict(**{**content, **lists})
