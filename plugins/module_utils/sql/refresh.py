# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database made equal to a dump of mariadb-dump, table by table: what is equal already is left alone.

A table is left alone where two things hold: the dump says of it what the dump before said (SHA-256 of its
statements), and the server's CHECKSUM TABLE is still what it was when that dump had been loaded, so nobody has written
to it since. `Known` keeps both; without them everything is loaded.
"""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import threading
import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import staging
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    Login,
    connect,
    execute,
    quote_name,
    rows,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.fault import DumpError, excerpt
from ansible_collections.boxlift.portal.plugins.module_utils.sql.loaders import Loaders
from ansible_collections.boxlift.portal.plugins.module_utils.sql.session import Query, Session, read_server
from ansible_collections.boxlift.portal.plugins.module_utils.sql.statements import Splitter, Statement

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

CHUNK = 1024 * 1024
CLOSING_LINE = b"-- Dump completed"
_NAME = rb"`((?:[^`]|``)+)`"
_TABLE = re.compile(rb"(DROP TABLE IF EXISTS|CREATE TABLE|INSERT INTO) " + _NAME)
_VIEW = re.compile(rb"/\*!50001 (?:DROP VIEW IF EXISTS|CREATE )")
# Settings of mariadb-dump's own session. Those that matter here are in Session and _connect().
_SETTING = re.compile(rb"/\*M?!\d+ SET |SET @?\w|/\*M!999999")
# mariadb-dump writes moments (TIMESTAMP) in this zone.
_ZONE = "+00:00"
_TABLES_AT_ONCE = 200


class Mark(t.NamedTuple):
    """What a table was when it was loaded: SHA-256 of its statements, and the server's checksum of its rows."""

    dump: str
    checksum: int


Known = t.Mapping[str, Mark]


@dataclass(frozen=True)
class Dump:
    """A dump on the disk, as it is or packed by zstd (`.zst`)."""

    file: str

    def statements(self) -> t.Iterator[Statement]:
        """All of it. Raises DumpError where it is cut off or holds what this cannot load."""
        splitter = Splitter(self.file)
        for data in self._read():
            yield from self._allowed(splitter.feed(data))
        yield from self._allowed(splitter.close())
        if not splitter.closing.startswith(CLOSING_LINE):
            raise DumpError(
                f"The dump is cut off: {self.file} does not end with the line '{CLOSING_LINE.decode('ascii')}'.",
                "Look at the free space and MariaDB's log where it was made, and make it again.",
                file=self.file,
            )

    def _read(self) -> t.Iterator[bytes]:
        if not self.file.endswith(".zst"):
            with open(self.file, "rb") as plain:
                yield from iter(lambda: plain.read(CHUNK), b"")
            return
        with subprocess.Popen(
            ["zstd", "-q", "-dc", self.file], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as unpack:
            unpacked, complaints = t.cast("tuple[t.IO[bytes], t.IO[bytes]]", (unpack.stdout, unpack.stderr))
            yield from iter(lambda: unpacked.read(CHUNK), b"")
            problem = complaints.read().decode("utf-8", "replace").strip()
        if unpack.returncode != 0:
            raise DumpError(f"{self.file} cannot be unpacked: {problem}", "Make the dump again.", file=self.file)

    def _allowed(self, statements: t.Iterable[Statement]) -> t.Iterator[Statement]:
        for statement in statements:
            if _SETTING.match(statement.text):
                continue
            if not (_TABLE.match(statement.text) or _VIEW.match(statement.text)):
                raise DumpError(
                    f"{self.file}: the statement at byte {statement.offset} (line {statement.line}) cannot be loaded. "
                    f"It begins with: {excerpt(statement.text)}",
                    "Make the dump with mariadb-dump --single-transaction --skip-add-locks --skip-disable-keys "
                    "--skip-triggers, of one database.",
                    file=self.file,
                    offset=statement.offset,
                    line=statement.line,
                )
            yield statement


@dataclass(frozen=True)
class Plan:
    """Names of tables: `load` and `keep` in the dump's order, `drop` what the dump does not have."""

    load: list[str]
    keep: list[str]
    drop: list[str]
    digests: dict[str, str]


class Done(t.NamedTuple):
    """The plan that was carried out, whether the views are others than before, and the marks of all tables."""

    plan: Plan
    views_changed: bool
    known: Known


def digests(dump: Dump) -> dict[str, str]:
    """SHA-256 of every table's statements, in the dump's order."""
    sums: dict[str, t.Any] = {}
    for statement in dump.statements():
        name = _table_of(statement)
        # Each begins with its CREATE; a DROP TABLE alone makes room for a view.
        if name is not None and (name in sums or statement.text.startswith(b"CREATE")):
            digest = sums.setdefault(name, hashlib.sha256())
            digest.update(statement.text)
            digest.update(b";")
    if not sums:
        raise DumpError(
            f"{dump.file} holds no table.", "Name the right database where the dump is made.", file=dump.file
        )
    return {name: digest.hexdigest() for name, digest in sums.items()}


def plan(conn: Connection[t.Any], database: str, dump: Dump, known: Known) -> Plan:
    """What refresh() would do. Reads the dump once, and every table that may be kept."""
    wanted = digests(dump)
    present = staging.tables(conn, database)
    same = [name for name in wanted if name in present and name in known and known[name].dump == wanted[name]]
    now = checksums(conn, same)
    keep = [name for name in same if now[name] == known[name].checksum]
    kept = set(keep)
    return Plan(
        load=[name for name in wanted if name not in kept],
        keep=keep,
        drop=[name for name in present if name not in wanted],
        digests=wanted,
    )


def refresh(
    login: Login,
    database: str,
    dump: Dump,
    known: Known,
    *,
    jobs: int,
    before_loading: t.Callable[[Known], None],
    on_bytes: t.Callable[[int], None],
) -> Done:
    """Make the database equal to the dump, over `jobs` connections.

    `before_loading` is given the marks that still hold if this is killed, `on_bytes` the bytes of statements so far.
    """
    conn = connect(login, database)
    try:
        planned = plan(conn, database, dump, known)
        before_loading({name: known[name] for name in planned.keep})
        execute(conn, "SET SESSION foreign_key_checks = 0")
        views = _views(conn)
        # A view may stand where the dump has a table, and the other way round.
        for name in views:
            execute(conn, f"DROP VIEW {quote_name(name)}")
        for name in planned.drop:
            execute(conn, f"DROP TABLE {quote_name(name)}")
        _load(login, database, dump, frozenset(planned.load), jobs, on_bytes)
        after = checksums(conn, planned.load)
        marks = {name: Mark(planned.digests[name], after[name]) for name in planned.load}
        return Done(planned, views != _views(conn), {**{name: known[name] for name in planned.keep}, **marks})
    finally:
        conn.close()


def _views(conn: Connection[t.Any]) -> dict[str, str]:
    """What each view is made of, by its name."""
    query = "SELECT TABLE_NAME AS n, VIEW_DEFINITION AS d FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()"
    return {row["n"]: row["d"] for row in rows(conn, query)}


def checksums(conn: Connection[t.Any], names: t.Sequence[str]) -> dict[str, int]:
    """CHECKSUM TABLE of each, which reads every row."""
    found: dict[str, int] = {}
    for begin in range(0, len(names), _TABLES_AT_ONCE):
        some = names[begin : begin + _TABLES_AT_ONCE]
        answers = rows(conn, f"CHECKSUM TABLE {', '.join(map(quote_name, some))}")
        for name, answer in zip(some, answers):
            if answer["Checksum"] is None:
                raise BoxliftError(f"The server cannot read table {name}.", "Drop it, and run again.", table=name)
            found[name] = int(answer["Checksum"])
    return found


def _load(
    login: Login,
    database: str,
    dump: Dump,
    wanted: t.Collection[str],
    jobs: int,
    on_bytes: t.Callable[[int], None],
) -> None:
    """The wanted tables, the rows of each over all connections; then all views, which name tables."""
    connections = [_connect(login, database) for _number in range(jobs)]
    server = read_server(connections[0])
    loaders = Loaders([Session(conn, server) for conn in connections])
    make: list[Query] = []
    views: list[Query] = []
    made = threading.Event()
    done = 0
    try:
        for statement in dump.statements():
            done += len(statement.text)
            on_bytes(done)
            query, name = Query(statement.text, "utf8mb4", statement), _table_of(statement)
            if name is None:
                views.append(query)
            elif name not in wanted:
                continue
            elif statement.text.startswith(b"DROP"):
                make = [query]
            elif statement.text.startswith(b"CREATE"):
                made = threading.Event()
                loaders.put(functools.partial(_run, [*make, query], name), opens=made)
            else:
                loaders.put(functools.partial(_run, [query], name), size=len(statement.text), after=made)
        loaders.drain()
        with loaders.session() as session:
            _run(views, database, session)
    finally:
        loaders.close()


def _connect(login: Login, database: str) -> Connection[t.Any]:
    conn = connect(login, database)
    execute(conn, f"SET SESSION time_zone = '{_ZONE}', unique_checks = 0")
    return conn


def _run(queries: t.Sequence[Query], table: str, session: Session) -> None:
    for query in queries:
        session.run(query, table)


def _table_of(statement: Statement) -> str | None:
    match = _TABLE.match(statement.text)
    return match.group(2).decode("utf-8", "surrogateescape").replace("``", "`") if match else None
