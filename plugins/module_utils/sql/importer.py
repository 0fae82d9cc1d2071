# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump into a staging database, pushed in piece by piece; a killed import goes on at the table it was loading.

What an import does is cut into units: one table (DROP, CREATE, its rows) or one view. Everything before the unit at
work is done and never touched again; the unit itself can be done again from its beginning at any time.
"""

from __future__ import annotations

import copy
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.boxlift.portal.plugins.module_utils.sql import allowlist as sql
from ansible_collections.boxlift.portal.plugins.module_utils.sql import literals, repairs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.charsets import known_collation
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import quote_name
from ansible_collections.boxlift.portal.plugins.module_utils.sql.fault import (
    DumpError,
    RowsMissing,
    StatementFailed,
    StatementRefused,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.reader import DumpReader, Position
from ansible_collections.boxlift.portal.plugins.module_utils.sql.session import Session
from ansible_collections.boxlift.portal.plugins.module_utils.sql.statements import Statement

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# Called after every statement with the table, its rows so far, and the bytes of all statements so far.
OnProgress = t.Callable[[str, int, int], None]
State = dict[str, t.Any]
_NO_SUCH_TABLE = 1146


@dataclass(frozen=True)
class ImportResult:
    """What is in the staging database now, and what was done to get it there."""

    tables: list[dict[str, t.Any]]  # name, rows, structure_only
    rows: int
    views: list[str]
    repairs: list[dict[str, t.Any]]  # table, kind, detail, count
    warnings: list[dict[str, t.Any]]  # table, code, text, count


@dataclass
class _Unit:
    """The table or view at work."""

    name: str
    table: dict[str, t.Any] | None = None
    view: dict[str, t.Any] | None = None
    row_repair: repairs.RowRepair | None = None
    repairs: repairs.Repairs = field(default_factory=Counter)
    warnings: dict[int, dict[str, t.Any]] = field(default_factory=dict)


class Importer:
    """feed() and end_of_file() for every file of the dump in order, then finish().

    `conn` is connected to the staging database, which holds nothing that matters. To go on after a kill, give the
    constructor a `state()` of the killed importer (any of them, the newest saves most time) and feed the dump from
    that state's position on: `safe_position` says file and byte offset, earlier files are not fed again.
    """

    def __init__(
        self, conn: Connection[t.Any], *, on_progress: OnProgress | None = None, state: State | None = None
    ) -> None:
        self._session = Session(conn)
        self._on_progress = on_progress
        self._done: State = copy.deepcopy(state) if state else {
            "position": None, "charset": "utf8mb4", "tables": [], "views": [], "repairs": [], "warnings": [],
        }  # fmt: skip
        position = self._done["position"]
        self._reader = DumpReader(
            databases=self._session.server.databases,
            start=Position(*position) if position else None,
            seen=[entry["name"] for entry in self._done["tables"] + self._done["views"]],
        )
        self._unit: _Unit | None = None
        self._bytes = 0
        self._set_charset(self._done["charset"])

    @property
    def safe_position(self) -> tuple[str, int] | None:
        """File and byte offset from which the dump must be fed again after a kill; None: from its beginning."""
        position = self._done["position"]
        return (position[0], position[1]) if position else None

    def state(self) -> State:
        """Everything before `safe_position`, fit for JSON."""
        return copy.deepcopy(self._done)

    def feed(self, file: str, data: bytes) -> None:
        """The next bytes of a file of the dump."""
        for statement, command in self._reader.feed(file, data):
            self._apply(statement, command)

    def end_of_file(self) -> None:
        for statement, command in self._reader.end_of_file():
            self._apply(statement, command)

    def finish(self) -> ImportResult:
        """Prove the dump whole and its rows present, then make the views."""
        self._reader.finish()
        self._commit()
        tables = self._done["tables"]
        if not tables:
            raise DumpError("The dump holds no table.", "Order a backup that includes the database.")
        differences = [
            {"table": table["name"], "expected": table["rows"], "found": found}
            for table in tables
            for found in [self._session.count(table["name"])]
            if found != table["rows"]
        ]
        if differences:
            raise RowsMissing(differences)
        self._create_views()
        return ImportResult(
            tables=copy.deepcopy(tables),
            rows=sum(table["rows"] for table in tables),
            views=[view["name"] for view in self._done["views"]],
            repairs=copy.deepcopy(self._done["repairs"]),
            warnings=copy.deepcopy(self._done["warnings"]),
        )

    def _apply(self, statement: Statement, command: sql.Command) -> None:
        self._bytes += len(statement.text)
        if isinstance(command, sql.SetCharset):
            self._set_charset(command.charset)
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

    def _begin(self, name: str, statement: Statement) -> _Unit:
        """A new unit: what was before is done, and this is where a killed import goes on."""
        self._commit()
        self._done["position"] = [statement.file, statement.offset, statement.line]
        self._done["charset"] = self._charset
        self._unit = _Unit(name)
        return self._unit

    def _unit_of(self, name: str, statement: Statement) -> _Unit:
        """The unit that its DROP statement has begun; without one it begins here."""
        unit = self._unit
        return unit if unit is not None and unit.name == name else self._begin(name, statement)

    def _commit(self) -> None:
        unit, self._unit = self._unit, None
        if unit is None:
            return
        if unit.table is not None:
            self._done["tables"].append(unit.table)
        if unit.view is not None:
            self._done["views"].append(unit.view)
        for (kind, detail), count in sorted(unit.repairs.items()):
            self._done["repairs"].append({"table": unit.name, "kind": kind, "detail": detail, "count": count})
        self._done["warnings"].extend(unit.warnings.values())

    def _set_charset(self, charset: str) -> None:
        self._session.set_charset(charset)
        self._charset = charset

    def _set_collation(self, statement: Statement, command: sql.SetCollation) -> None:
        database = self._session.server.database
        unit = self._begin(database, statement)
        collation = known_collation(command.collation, self._session.server.known.collations) or command.collation
        if collation.split("_")[1:] != command.collation.split("_")[1:]:
            unit.repairs[(repairs.COLLATION, f"{command.collation} -> {collation}")] += 1
        self._run(f"ALTER DATABASE {quote_name(database)} COLLATE {collation}".encode(), statement, unit)

    def _create_table(self, statement: Statement, command: sql.CreateTable) -> None:
        unit = self._unit_of(command.name, statement)
        text, made = repairs.table_sql(command.definition, self._session.server.known)
        # Always, also where the dump has no DROP: a killed import may have left the table behind.
        self._session.run(f"DROP TABLE IF EXISTS {quote_name(command.name)}".encode(), statement, command.name)
        self._run(text, statement, unit)
        unit.table = {"name": command.name, "rows": 0, "structure_only": command.definition.structure_only}
        unit.repairs.update(made)
        row_repair = repairs.RowRepair(command.definition.columns)
        unit.row_repair = row_repair if row_repair.needed else None

    def _insert(self, statement: Statement, command: sql.Insert) -> None:
        unit = self._unit
        if unit is None or unit.table is None:
            raise ValueError(f"rows for {command.table} without its table")  # the reader lets none pass
        body = statement.text[command.body :]
        if unit.row_repair is not None:
            try:
                body, made = unit.row_repair.apply(statement.text, command.body)
            except literals.NotLiterals as error:
                raise StatementRefused(
                    str(error), file=statement.file, offset=statement.offset, line=statement.line, text=statement.text
                ) from error
            unit.repairs.update(made)
        head = f"INSERT INTO {quote_name(command.table)} VALUES\n".encode()
        self._run(head + body, statement, unit)
        unit.table["rows"] += command.rows

    def _run(self, text: bytes, statement: Statement, unit: _Unit) -> None:
        rows_before = unit.table["rows"] if unit.table else 0
        for code, message in self._session.run(text, statement, unit.name, rows_before):
            empty = {"table": unit.name, "code": code, "text": message, "count": 0}
            unit.warnings.setdefault(code, empty)["count"] += 1

    def _keep_view(self, statement: Statement, command: sql.CreateView) -> None:
        """Views wait until every table is there; the server wants all that a view names."""
        unit = self._unit_of(command.name, statement)
        text, made = repairs.view_sql(command.name, command.definition, self._session.server.known)
        unit.repairs.update(made)
        unit.view = {
            "name": command.name,
            "sql": text.decode("utf-8", "surrogateescape"),
            "charset": self._charset,
            "place": [statement.file, statement.offset, statement.line],
        }

    def _create_views(self) -> None:
        """In rounds, because a view may be made of views that come later in the dump."""
        waiting = self._done["views"]
        while waiting:
            failed = []
            for view in waiting:
                text = view["sql"].encode("utf-8", "surrogateescape")
                file, offset, line = view["place"]
                self._session.set_charset(view["charset"])
                try:
                    self._session.run(text, Statement(file, offset, line, text), view["name"])
                except StatementFailed as error:
                    if error.details["code"] != _NO_SUCH_TABLE:
                        raise
                    failed.append((view, error))
            if len(failed) == len(waiting):
                raise failed[0][1]
            waiting = [view for view, _error in failed]
        self._session.set_charset("utf8mb4")
