# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a dump, which is pushed in piece by piece, into a staging database over several connections. Can be resumed.

feed() finds the statements, judges them and queues them. The sessions of the pool run them, several for one table at a
time, because a dump is one stream and most of it is a few huge tables. The ledger knows what is done.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import hung_up, quote_name
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import allowlist as sql
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import repairs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import known_collation
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import DumpError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.reader import DumpReader, Position
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import Change, time_zone
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.finish import compare_counts, create_views
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.ledger import Ledger, State, Unit
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.make import make_table
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.pool import SessionPool
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Query, Session, read_server
from ansible_collections.boxlift.portal.plugins.module_utils.workers import processors

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# Called for every statement with the table, its rows so far, and the bytes of all statements so far.
OnProgress = t.Callable[[str, int, int], None]
_MOST_JOBS = 4


class RowsSoFar:
    """Sums up the rows of all tables from an importer's progress, which counts each table by itself."""

    def __init__(self, on_rows: t.Callable[[int], None]) -> None:
        self._on_rows = on_rows
        self._tables: dict[str, int] = {}
        self._rows = 0

    def add(self, table: str, rows: int, _done: int) -> None:
        """An `OnProgress`."""
        self._rows += rows - self._tables.get(table, 0)
        self._tables[table] = rows
        self._on_rows(self._rows)


def default_jobs() -> int:
    """How many connections pay: one for each processor, up to where they only wait for each other's pages."""
    return min(processors(), _MOST_JOBS)


@dataclass(frozen=True)
class ImportResult:
    """What is in the staging database now, and what was done to get it there."""

    tables: list[dict[str, t.Any]]  # name, rows, structure_only
    rows: int
    views: list[str]
    views_left_out: list[dict[str, t.Any]]  # name, text, reason
    repairs: list[dict[str, t.Any]]  # table, kind, detail, count
    warnings: list[dict[str, t.Any]]  # changes.note() and time_zone() make them
    # table, begin, end (seconds since the importer was made), rows; without what an earlier run has loaded.
    timeline: list[dict[str, t.Any]]


class Importer:
    """feed() and end_of_file() for every file of the dump in order, then finish(); close() however it ends.

    `connect` makes connections to the staging database, whose content may be overwritten; `jobs` of them load. To
    resume after a kill, give the constructor a `state()` of the killed importer (any of them; the newest saves most
    time) and feed the dump from `safe_position` on, without the files before it. An error in the pool is raised by the
    next call.
    """

    def __init__(
        self,
        connect: t.Callable[[], Connection[t.Any]],
        *,
        jobs: int = 1,
        on_progress: OnProgress | None = None,
        state: State | None = None,
    ) -> None:
        self._ledger = Ledger(state)
        with contextlib.ExitStack() as opened:
            connections = [hung_up(opened, connect())]
            self._server = read_server(connections[0])
            connections += [hung_up(opened, connect()) for _number in range(jobs - 1)]
            self._pool = SessionPool([Session(conn, self._server) for conn in connections])
            opened.pop_all()
        self._reader = DumpReader(start=self._ledger.position, seen=self._ledger.names())
        self._on_progress = on_progress
        self._charset = self._ledger.state()["charset"]
        self._unit: Unit | None = None
        # The statements that make the unit's table wait for its first rows: a small table is one task.
        self._make: list[Query] = []
        self._bytes = 0

    @property
    def safe_position(self) -> tuple[str, int] | None:
        """File and byte offset from which the dump must be fed again after a kill; None: from its beginning."""
        position = self._ledger.position
        return (position.file, position.offset) if position else None

    def state(self) -> State:
        """What is done, fit for JSON; an importer made with it resumes there."""
        return copy.deepcopy(self._ledger.state())

    def feed(self, file: str, data: bytes) -> None:
        """The next bytes of a file of the dump. Blocks while the pool has enough queued."""
        for statement, command in self._reader.feed(file, data):
            self._apply(statement, command)

    def end_of_file(self) -> None:
        for statement, command in self._reader.end_of_file():
            self._apply(statement, command)

    def finish(self) -> ImportResult:
        """Prove the dump whole and its rows present, then make the views."""
        self._reader.finish()
        self._close_unit()
        self._pool.drain()
        records = copy.deepcopy(self._ledger.complete())
        tables = [record["table"] for record in records if record["table"]]
        views = [record["view"] for record in records if record["view"]]
        if not tables:
            raise DumpError("The dump holds no table.", "Order a backup that includes the database.")
        compare_counts(self._pool, tables)
        with self._pool.session() as session:
            left_out = create_views(session, views, {table["name"] for table in tables})
            shifted = session.timestamps() if self._server.time_zone else 0
        self.close()
        return ImportResult(
            tables=tables,
            rows=sum(table["rows"] for table in tables),
            views=[view["name"] for view in views if view["name"] not in left_out],
            views_left_out=[
                {"name": view["name"], "text": view["text"], "reason": left_out[view["name"]]}
                for view in views
                if view["name"] in left_out
            ],
            repairs=[repair for record in records for repair in record["repairs"]],
            warnings=[
                *(warning for record in records for warning in record["warnings"]),
                *([time_zone(self._server.database, self._server.time_zone, shifted)] if shifted else []),
            ],
            timeline=self._ledger.timeline(),
        )

    def close(self) -> None:
        """End the connections. What is not done is left undone."""
        self._pool.close()

    def _apply(self, statement: Statement, command: sql.Command) -> None:
        self._bytes += len(statement.text)
        if isinstance(command, sql.SetCharset):
            self._charset = command.charset
        elif isinstance(command, sql.SetCollation):
            self._set_collation(statement, command)
        elif isinstance(command, (sql.DropTable, sql.DropView)):
            self._begin(command.name, statement)
        elif isinstance(command, sql.CreateTable):
            self._create_table(statement, command)
        elif isinstance(command, sql.CreateView):
            self._keep_view(statement, command)
        else:
            self._insert(statement, command)
        if self._on_progress is not None and self._unit is not None:
            self._on_progress(self._unit.name, self._unit.table["rows"] if self._unit.table else 0, self._bytes)

    def _begin(self, name: str, statement: Statement) -> Unit:
        """A new unit. All of the one before is queued now, and a killed import can resume here."""
        self._close_unit()
        position = Position(statement.file, statement.offset, statement.line)
        self._unit = self._ledger.begin(name, position, self._charset)
        return self._unit

    def _unit_of(self, name: str, statement: Statement) -> Unit:
        """The unit that its DROP statement has begun; without one it begins here."""
        unit = self._unit
        return unit if unit is not None and unit.name == name else self._begin(name, statement)

    def _close_unit(self) -> None:
        unit, self._unit = self._unit, None
        if unit is not None:
            if self._make:
                self._hand_out(unit, [])
            self._ledger.close(unit)

    def _set_collation(self, statement: Statement, command: sql.SetCollation) -> None:
        database = self._server.database
        unit = self._begin(database, statement)
        collation = known_collation(command.collation, self._server.known.collations) or command.collation
        if collation.split("_")[1:] != command.collation.split("_")[1:]:
            unit.repairs[(repairs.COLLATION, f"{command.collation} -> {collation}")] += 1
        text = f"ALTER DATABASE {quote_name(database)} COLLATE {collation}".encode()
        if unit.kept is None:
            self._hand_out(unit, [self._query(text, statement)])
            self._pool.drain()  # tables may take their collation from it

    def _create_table(self, statement: Statement, command: sql.CreateTable) -> None:
        unit = self._unit_of(command.name, statement)
        if unit.kept is not None:
            return
        text, made, columns = repairs.table_sql(command.definition, self._server.known)
        # Always, also where the dump has no DROP: a killed import may have left the table behind.
        drop = f"DROP TABLE IF EXISTS {quote_name(command.name)}".encode()
        self._make = [replace(self._query(drop, statement), tell=False), self._query(text, statement)]
        unit.table = {"name": command.name, "rows": 0, "structure_only": command.definition.structure_only}
        unit.repairs.update(made)
        unit.definition = command.definition
        if any(column.generated for column in columns):
            # Whether the server computes them shows when the table is made.
            self._hand_out(unit, [])
            self._pool.drain()
            columns = unit.columns
        row_repair = repairs.RowRepair(columns)
        unit.row_repair = row_repair if row_repair.needed else None

    def _insert(self, statement: Statement, command: sql.Insert) -> None:
        unit = self._unit
        if unit is not None and unit.kept is not None:
            return
        if unit is None or unit.table is None:
            raise ValueError(f"rows for {command.table} without its table")  # the reader lets none pass
        text = statement.text
        if unit.row_repair is not None or statement.shape is None:
            text = self._rewritten(unit, statement, command)
        self._hand_out(unit, [self._query(text, statement, unit.table["rows"])])
        unit.table["rows"] += command.rows

    def _rewritten(self, unit: Unit, statement: Statement, command: sql.Insert) -> bytes:
        """An INSERT that is not what the vendor writes, or whose rows need a repair."""
        body = statement.text[command.body :]
        if unit.row_repair is not None:
            body, made = repairs.repaired_rows(unit.row_repair, statement, command.body)
            unit.repairs.update(made)
        return f"INSERT INTO {quote_name(command.table)} VALUES\n".encode() + body

    def _query(self, text: bytes, statement: Statement, rows_before: int = 0) -> Query:
        """For a session, which needs only the statement's place and beginning, for its errors."""
        return Query(text, self._charset, replace(statement, text=statement.text[:1000], shape=None), rows_before)

    def _hand_out(self, unit: Unit, queries: list[Query]) -> None:
        """Queue these statements: in one task with those that make the table, else behind them."""
        made = bool(unit.table) and not self._make
        queries, self._make = self._make + queries, []
        self._ledger.handed_out(unit)
        self._pool.put(
            functools.partial(self._load, unit, queries),
            size=sum(len(query.sql) for query in queries),
            after=unit.made if made else None,
            opens=None if made else unit.made,
        )

    def _load(self, unit: Unit, queries: list[Query], session: Session) -> None:
        """Runs in a thread of the pool."""
        self._ledger.started(unit)
        warnings: list[Change] = []
        for query in queries:
            if unit.definition is not None and not unit.made.is_set() and query.tell:
                made = make_table(session, query, unit.name, unit.definition, self._server.known)
                unit.repairs.update(made.repairs)
                unit.columns, unit.definition = made.columns, None
                warnings += made.warnings
            else:
                warnings += session.run(query, unit.name)
        self._ledger.completed(unit, warnings)

    def _keep_view(self, statement: Statement, command: sql.CreateView) -> None:
        """Keep a view until every table is there: the server refuses one that names what does not exist."""
        unit = self._unit_of(command.name, statement)
        text, made = repairs.view_sql(command.name, command.definition, self._server.known)
        unit.repairs.update(made)
        unit.view = {
            "name": command.name,
            "sql": text.decode("utf-8", "surrogateescape"),
            "text": statement.text.decode("utf-8", "backslashreplace"),
            "problem": command.definition.problem,
            "elsewhere": [[database, list(tables)] for database, tables in command.definition.elsewhere],
            "charset": self._charset,
            "place": [statement.file, statement.offset, statement.line],
        }
