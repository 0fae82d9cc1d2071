# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of each call and how far the portal has been told, in one SQLite file.

Every change outlives a kill of the process when its method returns. It outlives a crash of the host too, once `settled`
has returned, and no request leaves before: a fact is on the disk before the portal hears of it, an answer before the
next request. One process sends; others may read, and may hold, release and replay.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import sqlite3
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact

# stored → registered → finished → closed; dead is a way out of each, and replay the way back.
STORED, REGISTERED, FINISHED, CLOSED, DEAD = "stored", "registered", "finished", "closed", "dead"
UNFINISHED = (STORED, REGISTERED, FINISHED)

VERSION = 1
_SCHEMA = """
CREATE TABLE calls (
    external_id TEXT PRIMARY KEY,
    fact TEXT NOT NULL,               -- CallFact as JSON
    started REAL NOT NULL,
    ended INTEGER NOT NULL,           -- 1: the fact is complete but for the recording
    state TEXT NOT NULL,
    dead_state TEXT NOT NULL DEFAULT '',   -- of a dead letter: the state that it could not leave
    reason TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',    -- what the portal said beside its answer
    registration TEXT,                -- frozen parameters of register: another user would make another call
    call_id TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0,
    changed REAL NOT NULL,
    record_name TEXT NOT NULL DEFAULT '',
    record_size INTEGER,
    record_sha256 TEXT NOT NULL DEFAULT ''
);
CREATE INDEX calls_due ON calls (state, next_try);
CREATE INDEX calls_started ON calls (started);
CREATE INDEX calls_call_id ON calls (call_id) WHERE call_id != '';
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclasses.dataclass(frozen=True)
class StoredCall:
    """One row."""

    external_id: str
    fact: CallFact
    state: str
    reason: str
    note: str
    registration: dict[str, t.Any] | None
    call_id: str
    attempts: int
    next_try: float
    changed: float
    record_size: int | None
    record_sha256: str


class DiskFailed(Exception):
    """Changes may not be on the disk, and asking again would not tell: the process must end."""


class Store:
    """The calls. `clock` gives seconds since the epoch; `path` is made, mode 0600, if it is not there.

    `grouped`: many changes share one write to the disk, for which `settled` waits. Else each has its own.
    """

    def __init__(self, path: str, clock: t.Callable[[], float], grouped: bool = False) -> None:
        self.path, self._clock = path, clock
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        # FULL: SQLite itself waits for the disk at each commit. NORMAL: only where the order of its writes needs it.
        self._db.execute(f"PRAGMA synchronous={'NORMAL' if grouped else 'FULL'}")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with self._transaction():
                if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name='calls'").fetchone():
                    for statement in _SCHEMA.split(";\n"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version={VERSION}")
        elif version != VERSION:
            self._db.close()
            raise BoxliftError(
                f"{path} is of version {version}; this connector knows version {VERSION}.",
                "Install the version of the collection that has written it.",
            )

        # Commits are appended to this file, which stays the same while the store is open.
        self._log = os.open(f"{path}-wal", os.O_RDWR) if grouped else -1
        if grouped:
            _sync_folder(path)
        self._on_disk = self._db.total_changes
        self._syncing: asyncio.Task[None] | None = None

    def close(self) -> None:
        self._db.close()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    async def settled(self) -> None:
        """Return when all changes until now are on the disk. Raises DiskFailed."""
        wanted = self._db.total_changes
        while self._log >= 0 and self._on_disk < wanted:
            if self._syncing is None:
                self._syncing = asyncio.ensure_future(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        changes = self._db.total_changes
        try:
            await asyncio.get_running_loop().run_in_executor(None, os.fdatasync, self._log)
        except OSError as error:
            raise DiskFailed(f"{self.path}-wal: {error.strerror}") from error
        finally:
            self._syncing = None
        self._on_disk = changes

    @contextlib.contextmanager
    def _transaction(self) -> t.Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # -- facts ---------------------------------------------------------------------------------------------------

    def put(self, facts: t.Sequence[CallFact], registrations: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
        """Keep the facts, in one commit; give the ids of calls that were not known.

        `registrations` freezes the parameters of register for calls that are new. The fact of a call that has ended
        is never changed again, but for a recording that it did not name. A call that the portal itself registered is
        the row of its CALL_ID from then on.
        """
        new = []
        with self._transaction():
            for fact in facts:
                row = self._row_for(fact)
                if row is None:
                    self._insert(fact, registrations.get(fact.external_id))
                    new.append(fact.external_id)
                    continue
                known = CallFact.from_json(row["fact"])
                if known.ended:
                    if not fact.recording or known.recording:
                        continue
                    fact = dataclasses.replace(known, recording=fact.recording)
                elif row["call_id"] and not fact.portal_call_id and known.portal_call_id:
                    fact = dataclasses.replace(fact, portal_call_id=known.portal_call_id)
                fact = dataclasses.replace(
                    fact,
                    external_id=row["external_id"],
                    number=fact.number or known.number,
                    line=fact.line or known.line,
                )
                self._change_fact(row, fact)
        return new

    def _row_for(self, fact: CallFact) -> t.Any:
        found = self._db.execute("SELECT * FROM calls WHERE external_id=?", (fact.external_id,)).fetchone()
        if found is None and fact.portal_call_id:
            query = "SELECT * FROM calls WHERE call_id=?"
            found = self._db.execute(query, (fact.portal_call_id,)).fetchone()
        return found

    def _insert(self, fact: CallFact, registration: t.Mapping[str, t.Any] | None) -> None:
        self._db.execute(
            "INSERT INTO calls (external_id, fact, started, ended, state, call_id, registration, changed, record_name)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            (
                fact.external_id,
                fact.as_json(),
                fact.started,
                int(fact.ended),
                REGISTERED if fact.portal_call_id else STORED,
                fact.portal_call_id,
                json.dumps(registration) if registration is not None else None,
                self._clock(),
                fact.recording,
            ),
        )

    def _change_fact(self, row: t.Any, fact: CallFact) -> None:
        state, next_try = row["state"], row["next_try"]
        if fact.recording and not row["record_name"] and state == CLOSED:
            state = FINISHED  # there is a recording to bring, after all
        if fact.ended and not row["ended"]:
            next_try = 0.0
        self._db.execute(
            "UPDATE calls SET fact=?, ended=?, state=?, next_try=?, record_name=?, changed=? WHERE external_id=?",
            (fact.as_json(), int(fact.ended), state, next_try, fact.recording, self._clock(), row["external_id"]),
        )

    # -- the portal's answers ------------------------------------------------------------------------------------

    def freeze(self, external_id: str, registration: t.Mapping[str, t.Any]) -> None:
        """Keep the parameters of register, before they are sent for the first time."""
        self._set(external_id, registration=json.dumps(registration))

    def registered(self, external_id: str, call_id: str, note: str = "") -> None:
        self._set(external_id, state=REGISTERED, call_id=call_id, note=note, attempts=0, next_try=0.0, reason="")

    def unregister(self, external_id: str, reason: str) -> None:
        """The portal has lost the registration: the call begins anew."""
        self._set(external_id, state=STORED, call_id="", registration=None, reason=reason, next_try=0.0)

    def resend(self, external_id: str) -> None:
        """The portal does not have the call, whatever was believed: tell it from the beginning."""
        values: dict[str, t.Any] = {
            "state": STORED,
            "call_id": "",
            "registration": None,
            "attempts": 0,
            "next_try": 0.0,
        }
        self._set(external_id, **values)

    def finished(self, external_id: str, call_id: str) -> None:
        self._set(external_id, state=FINISHED, call_id=call_id, attempts=0, next_try=0.0, reason="")

    def recording_known(self, external_id: str, size: int, sha256: str) -> None:
        """What is going to be uploaded."""
        self._set(external_id, record_size=size, record_sha256=sha256)

    def closed(self, external_id: str, note: str | None = None) -> None:
        """Nothing is left to tell."""
        values: dict[str, t.Any] = {"state": CLOSED, "attempts": 0, "reason": ""}
        self._set(external_id, **values, **({} if note is None else {"note": note}))

    def later(self, external_id: str, seconds: float, reason: str, failed: bool = True) -> None:
        """Try again after so many seconds. `failed`: the portal was asked, in vain."""
        self._db.execute(
            "UPDATE calls SET attempts=attempts+?, next_try=?, reason=? WHERE external_id=?",
            (int(failed), self._clock() + seconds, reason, external_id),
        )

    def dead(self, external_id: str, reason: str) -> None:
        """Put it aside, for people to look at."""
        self._db.execute(
            "UPDATE calls SET dead_state=state, state=?, reason=?, changed=? WHERE external_id=? AND state != ?",
            (DEAD, reason, self._clock(), external_id, DEAD),
        )

    def _set(self, external_id: str, **values: t.Any) -> None:
        values["changed"] = self._clock()
        names = ", ".join(f"{name}=?" for name in values)
        self._db.execute(f"UPDATE calls SET {names} WHERE external_id=?", (*values.values(), external_id))

    # -- questions -----------------------------------------------------------------------------------------------

    def get(self, external_id: str) -> StoredCall | None:
        row = self._db.execute("SELECT * FROM calls WHERE external_id=?", (external_id,)).fetchone()
        return None if row is None else _stored(row)

    def due(self, limit: int, recordings: bool | None = None) -> list[str]:
        """Ids of calls with something to send now, the oldest first; with or without those that lack a recording."""
        facts = "state = 'stored' OR (state = 'registered' AND ended = 1)"
        wanted = {None: f"{facts} OR state = 'finished'", True: "state = 'finished'", False: facts}[recordings]
        query = f"SELECT external_id FROM calls WHERE next_try <= ? AND ({wanted}) ORDER BY started LIMIT ?"
        return [row["external_id"] for row in self._db.execute(query, (self._clock(), limit))]

    def lacks_recording(self, external_id: str) -> bool:
        """Whether all is told of the call but for its recording."""
        query = "SELECT 1 FROM calls WHERE external_id = ? AND state = 'finished' AND record_name != ''"
        return self._db.execute(query, (external_id,)).fetchone() is not None

    def next_due(self) -> float | None:
        """When the next call is due, None if nothing waits."""
        query = "SELECT min(next_try) FROM calls WHERE state IN (?, ?) OR (state = ? AND ended = 1)"
        return t.cast("float | None", self._db.execute(query, (STORED, FINISHED, REGISTERED)).fetchone()[0])

    def open_calls(self) -> list[StoredCall]:
        """Calls whose end is not known."""
        rows = self._db.execute("SELECT * FROM calls WHERE ended = 0 AND state IN (?, ?)", (STORED, REGISTERED))
        return [_stored(row) for row in rows]

    def ended_since(self, began: float) -> dict[str, str]:
        """Calls that began then or later and whose end is known: id → name of the recording, empty if there is none."""
        rows = self._db.execute("SELECT external_id, record_name FROM calls WHERE started >= ? AND ended = 1", (began,))
        return {row["external_id"]: row["record_name"] for row in rows}

    def dead_letters(self) -> list[StoredCall]:
        rows = self._db.execute("SELECT * FROM calls WHERE state = ? ORDER BY started", (DEAD,))
        return [_stored(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Number of calls in each state."""
        rows = self._db.execute("SELECT state, count(*) AS n FROM calls GROUP BY state")
        return {**dict.fromkeys((*UNFINISHED, CLOSED, DEAD), 0), **{row["state"]: row["n"] for row in rows}}

    def oldest_unsent(self) -> float | None:
        """Since when the longest-waiting call has had something to send; None if all is told."""
        query = "SELECT min(changed) FROM calls WHERE state IN (?, ?) OR (state = ? AND ended = 1)"
        return t.cast("float | None", self._db.execute(query, (STORED, FINISHED, REGISTERED)).fetchone()[0])

    # -- people --------------------------------------------------------------------------------------------------

    def replay(self, external_ids: t.Collection[str] | None = None) -> int:
        """Send dead letters again, all of them if none are named; give how many."""
        where, arguments = "", list(external_ids or [])
        if external_ids is not None:
            where = f" AND external_id IN ({','.join('?' * len(arguments))})"
        changed = self._db.execute(
            "UPDATE calls SET state=dead_state, dead_state='', attempts=0, next_try=0, changed=?"
            f" WHERE state='{DEAD}'{where}",
            (self._clock(), *arguments),
        )
        return changed.rowcount

    def hold(self, held: bool) -> None:
        """While held, calls are stored and nothing is sent."""
        self.set_meta("hold", "1" if held else "")

    @property
    def held(self) -> bool:
        return self.meta("hold") == "1"

    def meta(self, name: str) -> str:
        """A value kept beside the calls; empty if there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return row["value"] if row else ""

    def set_meta(self, name: str, value: str) -> None:
        self._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value=excluded.value", (name, value)
        )

    def clear_meta(self, name: str) -> None:
        self._db.execute("DELETE FROM meta WHERE name=?", (name,))

    def forget(self, before: float) -> int:
        """Delete closed calls that began before that time; give how many. Dead letters stay."""
        return self._db.execute("DELETE FROM calls WHERE state=? AND started < ?", (CLOSED, before)).rowcount


def _sync_folder(path: str) -> None:
    """A crash of the host must not forget the names of new files."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stored(row: t.Any) -> StoredCall:
    return StoredCall(
        external_id=row["external_id"],
        fact=CallFact.from_json(row["fact"]),
        state=row["state"],
        reason=row["reason"],
        note=row["note"],
        registration=json.loads(row["registration"]) if row["registration"] else None,
        call_id=row["call_id"],
        attempts=row["attempts"],
        next_try=row["next_try"],
        changed=row["changed"],
        record_size=row["record_size"],
        record_sha256=row["record_sha256"],
    )
