# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database made equal to another server's, table by table: what is equal already is neither sent nor loaded.

The other side is a command, such as ssh with the program that answers there. It is told which tables are known here,
with the token that it gave for each, and writes a dump of those that have another one by now. A table is known where
nobody has written to it since it was loaded: the server's CHECKSUM TABLE is still what it was then. `Known` keeps both.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import tempfile
import threading
import typing as t
from dataclasses import dataclass, field

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
# The last line of an answer: which tables there are, each with its token, null where it changed while it was dumped;
# and which changed though they were not dumped.
LAST_LINE = b"-- boxlift "
# How often tables may have changed meanwhile; then everything is asked for, in one transaction.
_ATTEMPTS = 4
_NAME = rb"`((?:[^`]|``)+)`"
_TABLE = re.compile(rb"(DROP TABLE IF EXISTS|CREATE TABLE|INSERT INTO) " + _NAME)
_VIEW = re.compile(rb"/\*!50001 (?:DROP VIEW IF EXISTS|CREATE )")
# Settings of mariadb-dump's own session. Those that matter here are in Session and _connect().
_SETTING = re.compile(rb"/\*M?!\d+ SET |SET @?\w|/\*M!999999")
# mariadb-dump writes moments (TIMESTAMP) in this zone.
_ZONE = "+00:00"
_TABLES_AT_ONCE = 200
_DUMP = "the dump"  # how errors call it


class Mark(t.NamedTuple):
    """What a table was when it was loaded: the other side's token, and this server's checksum of its rows."""

    token: str
    checksum: int


Known = t.Mapping[str, Mark]


@dataclass
class Answer:
    """What the command writes when it is told `known`, table by token. `tables` and `moved` are there after the last
    statement."""

    command: t.Sequence[str]
    known: t.Mapping[str, str]
    tables: dict[str, str | None] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)

    def statements(self) -> t.Iterator[Statement]:
        """Of the tables that differ, and of all views. Raises BoxliftError where the command fails, DumpError where
        its answer is not whole or holds what this cannot load."""
        splitter = Splitter(_DUMP)
        for data in self._read():
            yield from _allowed(splitter.feed(data))
        yield from _allowed(splitter.close())
        if not splitter.closing.startswith(LAST_LINE):
            raise DumpError("The dump is cut off: its last line is missing.", "Run the same task again.", file=_DUMP)
        last = json.loads(splitter.closing[len(LAST_LINE) :])
        self.tables, self.moved = last["tables"], last["moved"]
        if not self.tables:
            raise BoxliftError(f"{self.command[0]} knows of no table.", "Name the right database there.")

    def _read(self) -> t.Iterator[bytes]:
        with tempfile.TemporaryFile() as question, tempfile.TemporaryFile() as complaints:
            question.write(json.dumps(self.known).encode())
            question.seek(0)
            with _start(self.command, question, complaints) as asked:
                packed = t.cast("t.IO[bytes]", asked.stdout)
                with _start(["zstd", "-q", "-dc"], packed, complaints) as unpack:
                    packed.close()  # so that the command hears when nobody reads any more
                    unpacked = t.cast("t.IO[bytes]", unpack.stdout)
                    yield from iter(lambda: unpacked.read(CHUNK), b"")
            if asked.returncode or unpack.returncode:
                complaints.seek(0)
                said = complaints.read(2000).decode("utf-8", "replace").strip()
                raise BoxliftError(
                    f"The database could not be fetched: {self.command[0]} ended with {asked.returncode}: {said}",
                    "Mend what it says, and run the same task again.",
                )


def _start(command: t.Sequence[str], stdin: t.Any, stderr: t.Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr)
    except OSError as error:
        raise BoxliftError(
            f"{command[0]} cannot be started: {error.strerror}.", "Install it, or correct the option command."
        ) from error


def _allowed(statements: t.Iterable[Statement]) -> t.Iterator[Statement]:
    for statement in statements:
        if _SETTING.match(statement.text):
            continue
        if not (_TABLE.match(statement.text) or _VIEW.match(statement.text)):
            raise DumpError(
                f"The statement at byte {statement.offset} (line {statement.line}) of {_DUMP} cannot be loaded. "
                f"It begins with: {excerpt(statement.text)}",
                "Dump with mariadb-dump --single-transaction --skip-add-locks --skip-disable-keys --skip-triggers "
                "--skip-no-autocommit.",
                file=_DUMP,
                offset=statement.offset,
                line=statement.line,
            )
        yield statement


class Done(t.NamedTuple):
    """Names of tables, those that were loaded in the dump's order; whether the views are others than before; and the
    marks of all tables that were not in motion."""

    loaded: list[str]
    kept: list[str]
    dropped: list[str]
    views_changed: bool
    known: Known


def plan(login: Login, database: str, command: t.Sequence[str], known: Known) -> Done:
    """What refresh() would do, but nothing of views and marks. Reads the whole answer."""
    conn = connect(login, database)
    try:
        answer = Answer(command, {name: mark.token for name, mark in _unchanged(conn, database, known).items()})
        dumped = [_table_of(statement) for statement in answer.statements()]
        load = {name: None for name in dumped if name in answer.tables}
        kept = [name for name in answer.tables if name not in load]
        return Done(list(load), kept, _superfluous(conn, database, answer), False, {})
    finally:
        conn.close()


def refresh(
    login: Login,
    database: str,
    command: t.Sequence[str],
    known: Known,
    *,
    jobs: int,
    before_loading: t.Callable[[Known], None],
    on_bytes: t.Callable[[int], None],
) -> Done:
    """Make the database equal to what the command dumps, over `jobs` connections.

    `before_loading` is given the marks that still hold if this is killed, `on_bytes` the bytes of statements so far.
    """
    conn = connect(login, database)
    try:
        unchanged = _unchanged(conn, database, known)
        before_loading(unchanged)
        execute(conn, "SET SESSION foreign_key_checks = 0")
        views = _views(conn)
        loaded: list[str] = []

        def begin(name: str) -> None:
            loaded.append(name)
            if unchanged.pop(name, None) is not None:
                before_loading(unchanged)

        for attempt in range(_ATTEMPTS):
            if attempt == _ATTEMPTS - 1:
                unchanged.clear()
            answer = Answer(command, {name: mark.token for name, mark in unchanged.items()})
            loaded.clear()
            # A view may stand where the dump has a table, and the other way round.
            for name in _views(conn):
                execute(conn, f"DROP VIEW {quote_name(name)}")
            dropped = _load(conn, login, database, answer, jobs, begin, on_bytes)
            if not answer.moved:
                break
            for name in answer.moved:
                unchanged.pop(name, None)
        settled = {name: token for name in loaded if (token := answer.tables[name]) is not None}
        now = checksums(conn, list(settled))
        marks = {name: Mark(token, now[name]) for name, token in settled.items()}
        kept = {name: mark for name, mark in unchanged.items() if name in answer.tables}
        return Done(loaded, list(kept), dropped, views != _views(conn), {**kept, **marks})
    finally:
        conn.close()


def _unchanged(conn: Connection[t.Any], database: str, known: Known) -> dict[str, Mark]:
    """The known tables that nobody has written to since they were loaded."""
    names = [name for name in staging.tables(conn, database) if name in known]
    now = checksums(conn, names)
    return {name: known[name] for name in names if now[name] == known[name].checksum}


def _superfluous(conn: Connection[t.Any], database: str, answer: Answer) -> list[str]:
    return [name for name in staging.tables(conn, database) if name not in answer.tables]


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
    conn: Connection[t.Any],
    login: Login,
    database: str,
    answer: Answer,
    jobs: int,
    on_table: t.Callable[[str], None],
    on_bytes: t.Callable[[int], None],
) -> list[str]:
    """The tables of the answer, the rows of each over all connections; then the views, which name tables. What is not
    there any more is dropped before them; its names are returned."""
    connections = [_connect(login, database) for _number in range(jobs)]
    server = read_server(connections[0])
    loaders = Loaders([Session(conn, server) for conn in connections])
    make: list[Query] = []
    views: list[Query] = []
    made = threading.Event()
    done = 0
    try:
        for statement in answer.statements():
            done += len(statement.text)
            on_bytes(done)
            query, name = Query(statement.text, "utf8mb4", statement), _table_of(statement)
            if name is None:
                views.append(query)
            elif statement.text.startswith(b"DROP"):
                make = [query]
            elif statement.text.startswith(b"CREATE"):
                on_table(name)
                made = threading.Event()
                loaders.put(functools.partial(_run, [*make, query], name), opens=made)
            else:
                loaders.put(functools.partial(_run, [query], name), size=len(statement.text), after=made)
        loaders.drain()
        superfluous = _superfluous(conn, database, answer)
        for name in superfluous:
            execute(conn, f"DROP TABLE {quote_name(name)}")
        with loaders.session() as session:
            _run(views, database, session)
        return superfluous
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
