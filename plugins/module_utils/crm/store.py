# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of one portal's CRM in one SQLite file: every version of every record, each stored once.

A **pass** reads the portal; a finished pass is a **snapshot** with the pass's number. A version is visible in the
snapshots from `since` up to, not including, `until`. What an unfinished pass has written is invisible, however it
ended; the next pass goes on with it. One process writes, any number may read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
import stat
import threading
import time
import typing as t
import zlib

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.sealing import Sealer
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stored_files import FileFolder, StoredFile
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transactions import transaction
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import sync_directory
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock

VERSION = 1
ADDED, CHANGED, SAME = "added", "changed", "same"
KindName = t.Union[str, kinds.Kind]

_SCHEMA = """
CREATE TABLE kind (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE pass (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    portal TEXT NOT NULL,
    full INTEGER NOT NULL,
    began REAL NOT NULL,
    ended REAL,                       -- NULL: not finished, and invisible
    clock TEXT NOT NULL DEFAULT '',   -- what the portal's clock showed when the pass began
    requests INTEGER NOT NULL DEFAULT 0,
    kept INTEGER NOT NULL DEFAULT 1,  -- 0: retention has removed the snapshot
    kinds TEXT NOT NULL DEFAULT '{}'  -- of each kind: how many records, added, changed, deleted, stored bytes
);
CREATE TABLE content (number INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE version (
    kind INTEGER NOT NULL,
    id INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,                    -- NULL: no pass has seen anything else
    hash BLOB NOT NULL,
    content INTEGER NOT NULL,
    parent INTEGER,                   -- kinds.parent_of
    PRIMARY KEY (kind, id, since)
) WITHOUT ROWID;
CREATE INDEX version_parent ON version (parent, kind) WHERE parent IS NOT NULL;
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE file (
    id TEXT PRIMARY KEY,              -- the portal's
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    name TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID
"""
_VISIBLE = "since <= :at AND (until IS NULL OR until > :at)"
_SLICE = 500  # rows that a reader takes at a time
_LEVEL = 3  # of zlib: higher ones save little and take long
_COMMIT_EVERY = 5000  # changes
_COMMIT_SECONDS = 5.0  # others wait at most half a minute before they may note something


@dataclasses.dataclass(frozen=True)
class KindCount:
    """Of one kind in one pass: records at its end, and what it found."""

    records: int = 0
    added: int = 0
    changed: int = 0
    deleted: int = 0
    bytes: int = 0  # stored for them, compressed


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A finished pass."""

    number: int
    portal: str
    full: bool
    began: float
    ended: float
    clock: str
    requests: int
    kinds: t.Mapping[str, KindCount]


@dataclasses.dataclass(frozen=True)
class Version:
    """A record as the snapshots `since` … `until` saw it. A deletion is a version without content."""

    since: int
    until: int | None
    content: kinds.Content | None
    seen: float  # when the pass that found it began
    changed_at: str = ""  # by the record itself
    changed_by: str = ""


@dataclasses.dataclass(frozen=True)
class Pruned:
    """What retention has removed."""

    snapshots: list[int]
    versions: int
    bytes: int


class Store:
    """`key`: 32 bytes, by which contents are sealed. Raises BoxliftError for another key, or another program's file."""

    def __init__(
        self, path: str, key: bytes | None = None, *, clock: t.Callable[[], float] = time.time, create: bool = True
    ) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.RLock()
        self._pass: Pass | None = None
        self._kinds: dict[str, int] = {}
        self._pending = 0
        self._since = 0.0  # when the transaction at work began
        if not create and not os.path.exists(path):
            raise BoxliftError(f"There is no store {path}.", "Take a snapshot first, or correct the option store.")
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        if stat.S_IMODE(os.stat(path).st_mode) != 0o600:
            os.chmod(path, 0o600)
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            self._open(key)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise _failure(path, error) from error
        except BoxliftError:
            self._db.close()
            raise

    def _open(self, key: bytes | None) -> None:
        # Only of a file that is empty yet this can be chosen.
        self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        self._db.execute("PRAGMA journal_mode=WAL")
        # A commit outlives a kill at once. A pass is forced to the disk when it ends.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA cache_size=-16000")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with self._transaction():
                if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'version'").fetchone():
                    for statement in _SCHEMA.split(";\n"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version={VERSION}")
        elif version != VERSION:
            raise BoxliftError(
                f"The store {self.path} is of version {version}; this program knows version {VERSION}.",
                "Use the version of the collection that has written it.",
            )
        self._sealer = Sealer(key)
        self._files = FileFolder(self.path, self._sealer)
        mark = self._db.execute("SELECT value FROM note WHERE name = ' seal'").fetchone()
        if mark is None:
            with self._transaction():
                value = self._sealer.mark()
                self._db.execute("INSERT OR IGNORE INTO note VALUES (' seal', ?)", (value,))
        else:
            self._sealer.prove(mark[0], self.path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.close()
        if isinstance(error, sqlite3.DatabaseError):
            # Told once and for all, for modules as well as for the program.
            raise _failure(self.path, error) from error

    def _transaction(self) -> t.ContextManager[None]:
        return transaction(self._db, self._lock)

    # -- passes ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def new_pass(self, portal: str, full: bool) -> t.Iterator[Pass]:
        """What is put until the end becomes a snapshot, unless an exception or a kill comes first.

        A pass that did not end is gone on with, if it was of this portal and not less full; else it is undone.
        """
        with Lock(f"{self.path}.lock", f"The store {self.path}"):
            known = self.snapshots()
            if known and known[-1].portal != portal:
                raise BoxliftError(
                    f"The store {self.path} holds snapshots of {known[-1].portal}, not of {portal}.",
                    "Every portal has a store of its own: correct the option store.",
                )
            self._pass = self._resumed(portal, full) or self._begun(portal, full)
            try:
                yield self._pass
                self._end(self._pass)
            except BaseException:
                self._settle()
                raise
            finally:
                self._pass = None

    def _resumed(self, portal: str, full: bool) -> Pass | None:
        row = self._db.execute("SELECT number, portal, full, began, clock FROM pass WHERE ended IS NULL").fetchone()
        if row is None:
            return None
        if row[1] != portal or bool(row[2]) < full:
            self._undo(row[0])
            return None
        return Pass(self, row[0], bool(row[2]), row[3], row[4], resumed=True)

    def _begun(self, portal: str, full: bool) -> Pass:
        with self._transaction():
            began = self._clock()
            row = self._db.execute(
                "INSERT INTO pass (portal, full, began) VALUES (?, ?, ?)", (portal, int(full), began)
            )
            number = t.cast(int, row.lastrowid)
        return Pass(self, number, full, began, "", resumed=False)

    def _undo(self, number: int) -> None:
        with self._transaction():
            self._db.execute(
                "DELETE FROM content WHERE number IN (SELECT content FROM version WHERE since = ?)", (number,)
            )
            self._db.execute("DELETE FROM version WHERE since = ?", (number,))
            self._db.execute("UPDATE version SET until = NULL WHERE until = ?", (number,))
            self._db.execute("DELETE FROM note WHERE name LIKE ' pass %'")
            self._db.execute("DELETE FROM pass WHERE number = ?", (number,))

    def _end(self, pass_: Pass) -> None:
        self._settle()
        counts = {name: dataclasses.asdict(count) for name, count in self._counted(pass_.number).items()}
        self._db.execute("PRAGMA synchronous=FULL")
        try:
            with self._transaction():
                self._db.execute(
                    "INSERT OR REPLACE INTO note SELECT substr(name, 11), value FROM note WHERE name LIKE ' pass end %'"
                )
                self._db.execute("DELETE FROM note WHERE name LIKE ' pass %'")
                self._db.execute(
                    "UPDATE pass SET ended = ?, clock = ?, requests = requests + ?, kinds = ? WHERE number = ?",
                    (self._clock(), pass_.clock, pass_.requests, json.dumps(counts), pass_.number),
                )
        finally:
            self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sync_directory(os.path.dirname(os.path.abspath(self.path)))

    def _counted(self, number: int) -> dict[str, KindCount]:
        """What the pass found. A record that is new in it and had no version before is added, else it has changed."""
        names = {row[1]: row[0] for row in self._db.execute("SELECT name, number FROM kind")}
        rows = self._db.execute(
            """
            SELECT v.kind, count(CASE WHEN v.until IS NULL THEN 1 END), count(CASE WHEN v.since = :at THEN 1 END),
                count(CASE WHEN v.until = :at THEN 1 END),
                count(CASE WHEN v.since = :at AND EXISTS (
                    SELECT 1 FROM version o WHERE o.kind = v.kind AND o.id = v.id AND o.until = :at) THEN 1 END),
                coalesce(sum(CASE WHEN v.since = :at THEN (
                    SELECT length(data) FROM content c WHERE c.number = v.content) END), 0)
            FROM version v GROUP BY v.kind
            """,
            {"at": number},
        )
        return {
            names[of]: KindCount(records, begun - changed, changed, ended - changed, stored)
            for of, records, begun, ended, changed, stored in rows
        }

    def snapshots(self) -> list[Snapshot]:
        """The finished passes that retention has kept, oldest first."""
        return self._finished("ended IS NOT NULL AND kept")

    def passes(self) -> list[Snapshot]:
        """All finished passes, oldest first; of some only this is left."""
        return self._finished("ended IS NOT NULL")

    def _finished(self, which: str) -> list[Snapshot]:
        rows = self._db.execute(
            f"SELECT number, portal, full, began, ended, clock, requests, kinds FROM pass WHERE {which} ORDER BY number"
        )
        return [
            Snapshot(
                number,
                portal,
                bool(full),
                began,
                ended,
                clock,
                requests,
                {name: KindCount(**count) for name, count in json.loads(counts).items()},
            )
            for number, portal, full, began, ended, clock, requests, counts in rows.fetchall()
        ]

    def newest(self) -> Snapshot | None:
        found = self.snapshots()
        return found[-1] if found else None

    def _at(self, at: int | None) -> int:
        """The number of the snapshot that is meant: the newest, or inside a pass what it has put so far."""
        if at is None:
            if self._pass is not None:
                return self._pass.number
            row = self._db.execute("SELECT max(number) FROM pass WHERE ended IS NOT NULL").fetchone()
            return int(row[0] or 0)
        if not self._db.execute("SELECT 1 FROM pass WHERE number = ? AND ended IS NOT NULL AND kept", (at,)).fetchone():
            kept = ", ".join(str(each.number) for each in self.snapshots()) or "none"
            raise BoxliftError(f"The store {self.path} has no snapshot {at}.", f"It has: {kept}.")
        return at

    # -- writing, within a pass --------------------------------------------------------------------------------------

    def put(self, kind: KindName, id: int, content: t.Mapping[str, t.Any]) -> str:  # noqa: A002 - as callers know it
        """What the portal has of this record now: "added", "changed" or "same". Only within a pass."""
        which = kinds.kind(kind)
        plain = kinds.kept(content)
        digest = kinds.hash_of(which, plain)
        with self._lock:
            number, of = self._writing(), self._number_of(which.name, make=True)
            current = self._db.execute(
                "SELECT since, hash, content FROM version WHERE kind = ? AND id = ? AND until IS NULL", (of, id)
            ).fetchone()
            if current is not None and current[1] == digest:
                return SAME
            former = self._db.execute(
                "SELECT since, hash FROM version WHERE kind = ? AND id = ? AND until = ?", (of, id, number)
            ).fetchone()
            if current is not None and current[0] == number:
                self._forget(of, id, number, current[2])
            if former is not None and former[1] == digest:
                self._close(of, id, former[0], None)
                return SAME
            if current is not None and current[0] != number:
                self._close(of, id, current[0], number)
            data = self._sealer.seal(zlib.compress(_json(plain), _LEVEL), _place(which.name, id))
            row = self._db.execute("INSERT INTO content (data) VALUES (?)", (data,))
            self._db.execute(
                "INSERT INTO version VALUES (?, ?, ?, NULL, ?, ?, ?)",
                (of, id, number, digest, row.lastrowid, kinds.parent_of(which, plain)),
            )
            self._changed()
            return ADDED if former is None and (current is None or current[0] == number) else CHANGED

    def gone(self, kind: KindName, ids: t.Iterable[int]) -> int:
        """The portal does not have these records any more; the number of those that it had. Only within a pass."""
        name, found = kinds.kind(kind).name, 0
        with self._lock:
            number, of = self._writing(), self._number_of(name, make=True)
            for each in ids:
                current = self._db.execute(
                    "SELECT since, content FROM version WHERE kind = ? AND id = ? AND until IS NULL", (of, each)
                ).fetchone()
                if current is None:
                    continue
                found += 1
                if current[0] == number:
                    self._forget(of, each, number, current[1])
                else:
                    self._close(of, each, current[0], number)
                self._changed()
        return found

    def _writing(self) -> int:
        if self._pass is None:
            raise RuntimeError("records are only written within a pass")
        if self._db.in_transaction and time.monotonic() - self._since > _COMMIT_SECONDS:
            self._settle()
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
            self._since = time.monotonic()
        return self._pass.number

    def _forget(self, of: int, id_: int, since: int, content: int) -> None:
        self._db.execute("DELETE FROM version WHERE kind = ? AND id = ? AND since = ?", (of, id_, since))
        self._db.execute("DELETE FROM content WHERE number = ?", (content,))

    def _close(self, of: int, id_: int, since: int, until: int | None) -> None:
        self._db.execute(
            "UPDATE version SET until = ? WHERE kind = ? AND id = ? AND since = ?", (until, of, id_, since)
        )

    def _changed(self) -> None:
        self._pending += 1
        if self._pending >= _COMMIT_EVERY:
            self._settle()

    def _settle(self) -> None:
        """Commit what the pass has written; it stays invisible until the pass ends."""
        with self._lock:
            self._pending = 0
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def _number_of(self, name: str, make: bool = False) -> int:
        if name not in self._kinds:
            row = self._db.execute("SELECT number FROM kind WHERE name = ?", (name,)).fetchone()
            if row is None and make:
                row = [self._db.execute("INSERT INTO kind (name) VALUES (?)", (name,)).lastrowid]
            if row is None:
                return 0
            self._kinds[name] = int(row[0])
        return self._kinds[name]

    # -- reading -----------------------------------------------------------------------------------------------------

    def kind_names(self, at: int | None = None) -> list[str]:
        """Names of the kinds that the snapshot has records of, in the order in which they are read."""
        rows = self._db.execute(
            f"SELECT name FROM kind k WHERE EXISTS (SELECT 1 FROM version WHERE kind = k.number AND {_VISIBLE})",
            {"at": self._at(at)},
        )
        return sorted((str(row[0]) for row in rows), key=kinds.order_of)

    def count(self, kind: KindName, at: int | None = None, after: int = -1, upto: int | None = None) -> int:
        """How many records there are; with `after` and `upto`, only ids above the one and not above the other."""
        row = self._db.execute(
            f"SELECT count(*) FROM version WHERE kind = :kind AND {_VISIBLE} AND id > :after"
            " AND (:upto IS NULL OR id <= :upto)",
            {"kind": self._number_of(kinds.kind(kind).name), "at": self._at(at), "after": after, "upto": upto},
        ).fetchone()
        return int(row[0])

    def max_id(self, kind: KindName, at: int | None = None) -> int:
        """The highest id, 0 without records."""
        row = self._db.execute(
            f"SELECT id FROM version WHERE kind = :kind AND {_VISIBLE} ORDER BY id DESC LIMIT 1",
            {"kind": self._number_of(kinds.kind(kind).name), "at": self._at(at)},
        ).fetchone()
        return int(row[0]) if row else 0

    def record(self, kind: KindName, id: int, at: int | None = None) -> kinds.Content | None:  # noqa: A002 - as in put
        """The record's content, None where the snapshot does not have it."""
        name = kinds.kind(kind).name
        row = self._db.execute(
            "SELECT c.data FROM version JOIN content c ON c.number = content"
            f" WHERE kind = :kind AND id = :id AND {_VISIBLE}",
            {"kind": self._number_of(name), "id": id, "at": self._at(at)},
        ).fetchone()
        return None if row is None else self._content(row[0], name, id)

    def records(self, kind: KindName, at: int | None = None, after: int = -1) -> t.Iterator[tuple[int, kinds.Content]]:
        """All records by id, a few at a time in memory."""
        name = kinds.kind(kind).name
        for id_, data in self._rows("id, c.data", " JOIN content c ON c.number = content", name, at, after):
            yield id_, self._content(data, name, id_)

    def children(
        self, kind: KindName, entity_type: int, owner: int, at: int | None = None
    ) -> list[tuple[int, kinds.Content]]:
        """Product rows, activities, calls or comments of one item, by id."""
        name = kinds.kind(kind).name
        rows = self._db.execute(
            "SELECT id, c.data FROM version JOIN content c ON c.number = content"
            f" WHERE parent = :parent AND kind = :kind AND {_VISIBLE} ORDER BY id",
            {"parent": kinds.parent_id(entity_type, owner), "kind": self._number_of(name), "at": self._at(at)},
        ).fetchall()
        return [(id_, self._content(data, name, id_)) for id_, data in rows]

    def child_ids(self, kind: KindName, entity_type: int, owner: int) -> list[int]:
        """Their ids, as of the pass at work or the newest snapshot."""
        rows = self._db.execute(
            f"SELECT id FROM version WHERE parent = :parent AND kind = :kind AND {_VISIBLE}",
            {
                "parent": kinds.parent_id(entity_type, owner),
                "kind": self._number_of(kinds.kind(kind).name),
                "at": self._at(None),
            },
        )
        return [row[0] for row in rows.fetchall()]

    def ids(self, kind: KindName, at: int | None = None, after: int = -1) -> t.Iterator[int]:
        return (row[0] for row in self._rows("id", "", kinds.kind(kind).name, at, after))

    def ids_since(self, kind: KindName, number: int) -> list[int]:
        """Ids of the records that are there now, in the version that a pass after this one has found."""
        rows = self._db.execute(
            "SELECT id FROM version WHERE kind = ? AND since > ? AND until IS NULL ORDER BY id",
            (self._number_of(kinds.kind(kind).name), number),
        )
        return [row[0] for row in rows.fetchall()]

    def hashes(self, kind: KindName, at: int | None = None) -> t.Iterator[tuple[int, bytes]]:
        """Id and hash of all records, by id; equal hashes mean equal records (`kinds.hash_of`)."""
        return ((row[0], row[1]) for row in self._rows("id, hash", "", kinds.kind(kind).name, at, -1))

    def _rows(self, columns: str, join: str, name: str, at: int | None, after: int) -> t.Iterator[t.Sequence[t.Any]]:
        query = (
            f"SELECT {columns} FROM version{join} WHERE kind = :kind AND id > :after AND {_VISIBLE} ORDER BY id LIMIT"
            f" {_SLICE}"
        )
        given = {"kind": self._number_of(name), "at": self._at(at), "after": after}
        while True:
            # Taken whole: records may be written while a caller goes through them.
            rows = self._db.execute(query, given).fetchall()
            yield from rows
            if len(rows) < _SLICE:
                return
            given["after"] = rows[-1][0]

    def _content(self, data: bytes, name: str, id_: int) -> kinds.Content:
        try:
            content: kinds.Content = json.loads(zlib.decompress(self._sealer.open(data, _place(name, id_))))
        except (ValueError, zlib.error) as error:
            raise BoxliftError(
                f"The store {self.path} is damaged: {name} {id_} cannot be read.", "Put back a copy of the store."
            ) from error
        return content

    def differing(self, kind: KindName, at: int, other: int) -> t.Iterator[tuple[int, bool, bool]]:
        """Ids whose content is not that of the same version in both snapshots, with where they are at all; by id."""
        both = "(since <= {0} AND (until IS NULL OR until > {0}))"
        one, two = both.format(":at"), both.format(":other")
        rows = self._db.execute(
            f"SELECT id, max({one}), max({two}) FROM version WHERE kind = :kind AND {one} != {two} GROUP BY id",
            {"kind": self._number_of(kinds.kind(kind).name), "at": self._at(at), "other": self._at(other)},
        )
        return ((row[0], bool(row[1]), bool(row[2])) for row in rows)

    def history(self, kind: KindName, id: int) -> list[Version]:  # noqa: A002 - as in put
        """The record's versions in the snapshots that are kept, oldest first; a deletion has no content."""
        which = kinds.kind(kind)
        began = dict(self._db.execute("SELECT number, began FROM pass WHERE ended IS NOT NULL").fetchall())
        kept = [each.number for each in self.snapshots()]
        rows = self._db.execute(
            "SELECT since, until, c.data FROM version JOIN content c ON c.number = content WHERE kind = ? AND id = ?"
            " ORDER BY since",
            (self._number_of(which.name), id),
        ).fetchall()
        found: list[Version] = []
        newest = max(began, default=0)
        for index, (since, until, data) in enumerate(rows):
            if since > newest:
                continue
            content = self._content(data, which.name, id)
            until = until if until is None or until <= newest else None
            when, who = str(content.get(which.updated) or ""), str(content.get(which.updated_by) or "")
            found.append(Version(since, until, content, began.get(since, 0.0), when, who))
            following = rows[index + 1][0] if index + 1 < len(rows) else newest + 1
            # Between versions that retention has removed, the record was there.
            if until is not None and any(until <= number < following for number in kept):
                found.append(Version(until, None, None, began.get(until, 0.0)))
        return found

    # -- files -------------------------------------------------------------------------------------------------------

    def put_file(self, key: str, name: str, write: t.Callable[[t.BinaryIO], object]) -> StoredFile:
        """Keep the content that `write` puts into the file it is given. `key` is `kinds.file_key`."""
        sha256, size = self._files.add(write)
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)", (key, sha256, size, name))
        return StoredFile(key, sha256, size, name)

    def file(self, key: str) -> StoredFile | None:
        """What is known of a file whose content is kept."""
        row = self._db.execute("SELECT id, sha256, size, name FROM file WHERE id = ?", (key,)).fetchone()
        return None if row is None else StoredFile(*row)

    def open_file(self, sha256: str) -> t.BinaryIO:
        """A content, proven by its sum. Raises BoxliftError."""
        return self._files.open(sha256)

    # -- retention and proof -----------------------------------------------------------------------------------------

    def prune(self, keep: t.Collection[int]) -> Pruned:
        """Remove all snapshots but these, and what only they had. The newest one is always kept."""
        with Lock(f"{self.path}.lock", f"The store {self.path}"):
            known = [each.number for each in self.snapshots()]
            remove = [number for number in known[:-1] if number not in keep]
            before = self.size()
            removed = 0
            if remove:
                with self._transaction():
                    self._db.executemany("UPDATE pass SET kept = 0 WHERE number = ?", [(each,) for each in remove])
                    unseen = (
                        "until IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pass WHERE ended IS NOT NULL AND kept"
                        " AND number >= since AND number < until)"
                    )
                    self._db.execute(
                        f"DELETE FROM content WHERE number IN (SELECT content FROM version WHERE {unseen})"
                    )
                    removed = self._db.execute(f"DELETE FROM version WHERE {unseen}").rowcount
                self._remove_files()
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                # Every step of it frees one page; `execute` takes only the first of its rows, which have no columns.
                self._db.executescript("PRAGMA incremental_vacuum")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return Pruned(remove, removed, max(before - self.size(), 0))

    def _remove_files(self) -> None:
        """Remove contents of files that no version names any more."""
        if not self._db.execute("SELECT 1 FROM file LIMIT 1").fetchone():
            return
        named: set[str] = set()
        names = dict(self._db.execute("SELECT number, name FROM kind").fetchall())
        last = 0
        while True:
            rows = self._db.execute(
                "SELECT c.number, v.kind, v.id, c.data FROM content c JOIN version v ON v.content = c.number"
                f" WHERE c.number > ? ORDER BY c.number LIMIT {_SLICE}",
                (last,),
            ).fetchall()
            for number, of, id_, data in rows:
                last, content = number, self._content(data, names[of], id_)
                named.update(kinds.file_key(names[of], file) for file in kinds.files_in(content))
            if len(rows) < _SLICE:
                break
        with self._transaction():
            gone = [(row[0],) for row in self._db.execute("SELECT id FROM file").fetchall() if row[0] not in named]
            self._db.executemany("DELETE FROM file WHERE id = ?", gone)
            kept = {row[0] for row in self._db.execute("SELECT sha256 FROM file").fetchall()}
        self._files.remove_others(kept)

    def size(self) -> int:
        """Bytes on the disk: the store and the files beside it."""
        paths = (self.path, f"{self.path}-wal")
        return sum(os.stat(path).st_size for path in paths if os.path.exists(path)) + self._files.size()

    def check(self) -> list[str]:
        """What is wrong with the store, record by record; an empty list if nothing is. Reads all of it."""
        found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check(20)").fetchall() if row[0] != "ok"]
        names = dict(self._db.execute("SELECT number, name FROM kind").fetchall())
        after: tuple[int, int, int] = (0, -1, -1)
        former = 0
        while True:
            rows = self._db.execute(
                "SELECT kind, id, since, until, hash, c.data FROM version LEFT JOIN content c ON c.number = content"
                f" WHERE (kind, id, since) > (?, ?, ?) ORDER BY kind, id, since LIMIT {_SLICE}",
                after,
            ).fetchall()
            for of, id_, since, until, digest, data in rows:
                what = f"{names[of]} {id_} of snapshot {since}"
                try:
                    if data is None:
                        found.append(f"{what} has no content")
                    elif kinds.hash_of(names[of], self._content(data, names[of], id_)) != digest:
                        found.append(f"{what} does not have the content that it was stored with")
                except BoxliftError as error:
                    found.append(error.message)
                if after[:2] == (of, id_) and former > since:
                    found.append(f"{what} overlaps the version before it")
                after, former = (of, id_, since), until if until is not None else since + 1_000_000_000
            if len(rows) < _SLICE:
                break
        for key, sha256 in self._db.execute("SELECT id, sha256 FROM file").fetchall():
            try:
                self.open_file(sha256).close()
            except BoxliftError as error:
                found.append(f"file {key}: {error.message}")
        return found

    # -- notes -------------------------------------------------------------------------------------------------------

    def note(self, name: str) -> t.Any:
        """What was noted under this name, else None."""
        row = self._db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_note(self, name: str, value: t.Any) -> None:
        """Note what JSON can hold; None takes the note away. Within a pass it is committed with the records."""
        with self._lock:
            if value is None:
                self._db.execute("DELETE FROM note WHERE name = ?", (name,))
            else:
                self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, json.dumps(value)))


class Pass:
    """A pass at work. `clock` is set by who reads: what the portal's clock showed at the beginning."""

    def __init__(self, store: Store, number: int, full: bool, began: float, clock: str, resumed: bool) -> None:
        self._store = store
        self.number, self.full, self.began, self.resumed = number, full, began, resumed
        self.requests = 0
        self._clock = clock

    @property
    def clock(self) -> str:
        return self._clock

    @clock.setter
    def clock(self, value: str) -> None:
        self._clock = value
        with self._store._transaction():
            self._store._db.execute("UPDATE pass SET clock = ? WHERE number = ?", (value, self.number))

    def done(self, what: str) -> t.Any:
        """How far this pass has come with something; None where it has not begun."""
        return self._store.note(f" pass {what}")

    def set_done(self, what: str, value: t.Any) -> None:
        """Noted together with the records put before, for a pass that is gone on with after a kill."""
        self._store.set_note(f" pass {what}", value)

    def at_end(self, name: str, value: t.Any) -> None:
        """Becomes the store's note in the moment in which the pass becomes a snapshot."""
        self._store.set_note(f" pass end {name}", value)

    def settle(self) -> None:
        """Commit what was put so far."""
        self._store._settle()


def _failure(path: str, error: sqlite3.DatabaseError) -> BoxliftError:
    """What the database says, with what helps. Only a file that is no sound database is called damaged."""
    text = str(error)
    if "is full" in text:
        remedy = f"Make room on the disk (df -h {path}), and run again: finished snapshots are whole."
        return BoxliftError(f"The store {path} could not be written: {text}.", remedy)
    if "locked" in text:
        remedy = "Another program writes to it (systemctl status boxlift-crm): run again when it is done."
        return BoxliftError(f"The store {path} is in use: {text}.", remedy)
    if isinstance(error, sqlite3.OperationalError):
        remedy = f"Look at the disk (dmesg | tail) and at the file's rights (ls -l {path}), and run again."
        return BoxliftError(f"The store {path} could not be used: {text}.", remedy)
    remedy = "Put back a copy of it, or move it away: the next full snapshot makes a new one."
    return BoxliftError(f"The store {path} cannot be read, it is damaged: {text}.", remedy)


def _json(content: t.Mapping[str, t.Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _place(name: str, id_: int) -> bytes:
    """Sealed with the content, so that no record can be put in another one's place."""
    return f"{name} {id_}".encode()
