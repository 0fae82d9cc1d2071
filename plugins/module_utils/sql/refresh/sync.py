# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database made equal to another server's: only rows that differ are sent and loaded.

The other server is read as of one moment. Both servers compute a sum for every chunk of rows, and for every row of the
chunks that differ. Rows that differ are deleted here and fetched from there. A table that is absent here, is defined
differently or differs too much is fetched whole. No state is kept between runs.
"""

from __future__ import annotations

import array
import concurrent.futures
import contextlib
import functools
import re
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    Login,
    connect,
    execute,
    hang_up,
    hung_up,
    quote_name,
    rows,
    stream,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.pool import SessionPool
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Query, Session, read_server
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh import chunks
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh.snapshot import Snapshot

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# Bytes of one INSERT, about.
_STATEMENT = 1024 * 1024
# Above this share of differing chunks a table is fetched whole: finding and deleting single rows costs time too.
_MOST_CHUNKS = 1 / 3
# Not compared: it grows with each row written, and is right again when the rows are.
_COUNTER = re.compile(r"(\n\) ENGINE=\w+) AUTO_INCREMENT=\d+")
_SENT = "what the other server sent"  # how errors call it


class Done(t.NamedTuple):
    """Names of tables, and whether the views are others than before."""

    loaded: list[str]
    kept: list[str]
    dropped: list[str]
    views_changed: bool


class Difference(t.NamedTuple):
    """What to load of a table: these chunks, or all of it, made anew with the statement `create`."""

    chunks: t.Sequence[int]
    create: str | None


def plan(source: Snapshot, name: str, login: Login, database: str) -> Done:
    """What `refresh` would do, for check mode."""
    with _Copy(login, database) as copy:
        names = _names(source, name)
        loaded = [table.name for table, _difference in _differing(source, copy, names)]
        kept = sorted(set(names) - set(loaded))
        return Done(loaded, kept, copy.superfluous(names), _views(source, name) != copy.views())


def refresh(
    source: Snapshot, name: str, login: Login, database: str, *, jobs: int, on_bytes: t.Callable[[int], None]
) -> Done:
    """Make the database equal to `name` of the source, over `jobs` connections.

    `on_bytes` is called with the bytes of rows fetched so far. Call it again after a kill. Raises BoxliftError.
    """
    with _Copy(login, database) as copy:
        names, views = _names(source, name), _views(source, name)
        views_changed = views != copy.views()
        if views_changed:
            # A view may stand where the other side has a table, and the other way round.
            copy.drop_views()
        loaded = []
        with _Loading(login, database, jobs, on_bytes) as loading:
            for table, difference in _differing(source, copy, names):
                loaded.append(table.name)
                loading.load(source, table, difference)
        dropped = copy.superfluous(names)
        copy.drop(dropped)
        if views_changed:
            copy.make_views(views)
        return Done(loaded, sorted(set(names) - set(loaded)), dropped, views_changed)


def _names(source: Snapshot, database: str) -> list[str]:
    with source.errors():
        names = schema.tables(source.conn, database)
    if not names:
        raise BoxliftError(f"Database {database} of the other server has no table.", "Name the right database.")
    return names


def _views(source: Snapshot, database: str) -> dict[str, str]:
    with source.errors():
        return schema.view_definitions(source.conn, database)


def _differing(source: Snapshot, copy: _Copy, names: t.Sequence[str]) -> t.Iterator[tuple[chunks.Table, Difference]]:
    """Each table that differs, and in what; load it before the next one is taken from the iterator."""
    there = sorted(set(schema.tables(copy.conn, copy.database)) & set(names))
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="copy") as pool:
        ours = pool.submit(_definitions, copy.conn, there)
        with source.errors():
            tables = list(chunks.tables(source.conn, names))
            creates = _definitions(source.conn, names)
        former = ours.result()
        same = []
        for table in tables:
            if _is_same(former.get(table.name), creates[table.name]):
                same.append(table)
            else:
                with source.reading():
                    yield table, Difference([], creates[table.name])
        for batch in chunks.batches(same):
            with source.reading():
                for table, numbers, count in _compare(source, copy, batch, pool):
                    if len(numbers) > max(1, count * _MOST_CHUNKS):
                        yield table, Difference([], creates[table.name])
                    elif numbers:
                        yield _narrowed(source, copy, table, numbers, pool)


def _definitions(conn: Connection[t.Any], names: t.Iterable[str]) -> dict[str, str]:
    return {name: str(rows(conn, f"SHOW CREATE TABLE {quote_name(name)}")[0]["Create Table"]) for name in names}


def _is_same(one: str | None, other: str) -> bool:
    return one is not None and _COUNTER.sub(r"\1", one) == _COUNTER.sub(r"\1", other)


def _compare(
    source: Snapshot, copy: _Copy, batch: t.Sequence[chunks.Table], pool: concurrent.futures.Executor
) -> list[tuple[chunks.Table, t.Sequence[int], int]]:
    """For each table: the chunks that differ, and the number of all its chunks."""
    seen, differing = [0] * len(batch), [array.array("q") for _table in batch]
    for place, count, numbers in _differences(source, copy, chunks.sums(batch), pool):
        seen[place] += count
        differing[place].extend(numbers)
    return list(zip(batch, differing, seen))


def _narrowed(
    source: Snapshot, copy: _Copy, table: chunks.Table, numbers: t.Sequence[int], pool: concurrent.futures.Executor
) -> tuple[chunks.Table, Difference]:
    """Narrow differing chunks down to rows, where the table has an integer key."""
    if table.key is None:
        return table, Difference(numbers, None)
    single, keys = table.single(), []
    for condition in table.conditions(numbers):
        for _place, _count, found in _differences(source, copy, chunks.sums_where(single, condition), pool):
            keys += found
    return single, Difference(keys, None)


def _differences(
    source: Snapshot, copy: _Copy, query: str, pool: concurrent.futures.Executor
) -> t.Iterator[tuple[int, int, list[int]]]:
    """Compare the answers of both servers, which compute them at the same time, to a query for sums."""
    ours = pool.submit(stream, copy.conn, query)
    theirs = source.stream(query)
    return chunks.differences(ours.result(), theirs)


class _Copy:
    """The database that is made equal; nobody else may use it meanwhile."""

    def __init__(self, login: Login, database: str) -> None:
        self.database = database
        with contextlib.ExitStack() as opened:
            self.conn = hung_up(opened, connect(login, database))
            for name, value in {**chunks.SETTINGS, "foreign_key_checks": "0"}.items():
                execute(self.conn, f"SET SESSION {name} = {value}")
            opened.pop_all()

    def __enter__(self) -> _Copy:
        return self

    def __exit__(self, *_failure: object) -> None:
        hang_up(self.conn)

    def superfluous(self, names: t.Sequence[str]) -> list[str]:
        return [name for name in schema.tables(self.conn, self.database) if name not in set(names)]

    def drop(self, names: t.Iterable[str]) -> None:
        for name in names:
            execute(self.conn, f"DROP TABLE {quote_name(name)}")

    def views(self) -> dict[str, str]:
        return schema.view_definitions(self.conn, self.database)

    def drop_views(self) -> None:
        for name in self.views():
            execute(self.conn, f"DROP VIEW {quote_name(name)}")

    def make_views(self, definitions: t.Mapping[str, str]) -> None:
        for name, error in schema.make_views(self.conn, self.database, definitions).items():
            raise BoxliftError(
                f"View {name} cannot be made: {error.text}.",
                f"Correct or drop it on the other server (SHOW CREATE VIEW {quote_name(name)}), and run again.",
            )


class _Loading:
    """Connections that load rows; leaving the context waits for them."""

    def __init__(self, login: Login, database: str, jobs: int, on_bytes: t.Callable[[int], None]) -> None:
        with contextlib.ExitStack() as opened:
            connections = [hung_up(opened, connect(login, database)) for _number in range(jobs)]
            server = read_server(connections[0])
            sessions = [Session(conn, server) for conn in connections]
            for conn in connections:
                execute(conn, "SET SESSION check_constraint_checks = 0")
            self._pool = SessionPool(sessions)
            opened.pop_all()
        self._on_bytes = on_bytes
        self._bytes = 0

    def __enter__(self) -> _Loading:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_failure: object) -> None:
        try:
            if kind is None:
                self._pool.drain()
        finally:
            self._pool.close()

    def load(self, source: Snapshot, table: chunks.Table, difference: Difference) -> None:
        """Queue the rows as they come. All deletions come first, since a unique value may have moved to another row."""
        if difference.create:
            conditions = ["TRUE"]
            first = [f"DROP TABLE IF EXISTS {quote_name(table.name)}", difference.create]
        else:
            conditions = list(table.conditions(difference.chunks))
            first = list(map(table.delete, conditions))
        ready = threading.Event()
        queries = [self._query(text.encode()) for text in first]
        self._pool.put(functools.partial(_run, queries, table.name), opens=ready)
        for condition in conditions:
            for statement in _inserts(table, source.stream(table.select(condition))):
                insert = functools.partial(_insert, self._query(statement), table.name)
                self._pool.put(insert, len(statement), after=ready)
                self._bytes += len(statement)
                self._on_bytes(self._bytes)

    def _query(self, text: bytes) -> Query:
        return Query(text, "utf8mb4", Statement(_SENT, self._bytes, 1, text))


def _inserts(table: chunks.Table, found: t.Iterable[tuple[bytes | None]]) -> t.Iterator[bytes]:
    begin, rest = table.insert.encode(), iter(found)
    while True:
        taken, size = [], 0
        for (row,) in rest:
            if row is None:
                raise BoxliftError(
                    f"Table {table.name} has a row that, written as text, is larger than max_allowed_packet.",
                    "Raise max_allowed_packet on production and on the copy, and run again.",
                    table=table.name,
                )
            taken.append(row)
            size += len(row)
            if size >= _STATEMENT:
                break
        if not taken:
            return
        yield begin + b"),(".join(taken) + b")"


def _run(queries: t.Sequence[Query], table: str, session: Session) -> None:
    for query in queries:
        session.run(query, table)


def _insert(query: Query, table: str, session: Session) -> None:
    for code, text, _row in session.run(query, table):
        raise BoxliftError(
            f"Table {table} is not what it is on the other server: {text} (warning {code}).",
            "Use the same release of MariaDB on both.",
            table=table,
            code=code,
        )
