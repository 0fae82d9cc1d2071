# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection that loads: its settings, its statements, and the server's warnings and errors."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    account,
    asking,
    execute,
    quote_name,
    rows,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import known_charset
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import MYSQL
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import Known, server_kind
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import (
    DatabaseError,
    error_code,
    error_text,
    remedy_of,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import AT_ROW, DEPRECATIONS, Change

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

SQL_MODE = "NO_AUTO_VALUE_ON_ZERO"
_SETTINGS = {
    # Set first: how every later statement is read must not depend on the server's configuration.
    "sql_mode": f"'{SQL_MODE}'",
    "character_set_results": "utf8mb4",
    "foreign_key_checks": "0",
    "innodb_strict_mode": "0",
    "sql_quote_show_create": "1",
    # Every warning is counted, not only the first 64 of a statement.
    "max_error_count": "65535",
    # A time of the dump is stored as it is written: no zone's spring leaves out an hour, no autumn doubles one.
    "time_zone": "'+00:00'",
    # A download may pause for hours between two statements.
    "wait_timeout": "86400",
}

_DEADLOCK = 1213


@dataclass(frozen=True)
class Server:
    """What loading depends on: the staging database, what the server knows, and its largest packet in bytes."""

    database: str
    known: Known
    max_packet: int
    # Of sessions that set none themselves; empty where that is UTC.
    time_zone: str = ""


@dataclass(frozen=True)
class Query:
    """A statement to run, in `charset`, with its place in the dump, behind `rows_before` rows of its table."""

    sql: bytes
    charset: str
    statement: Statement
    rows_before: int = 0
    tell: bool = True  # whether the server's warnings are worth reading


class Session:
    """A connection prepared for loading, in the database that it is connected to."""

    def __init__(self, conn: Connection[t.Any], server: Server) -> None:
        self._conn = conn
        self._server = server
        self._charset = ""
        for name, value in _SETTINGS.items():
            execute(conn, f"SET SESSION {name} = {value}")
        mode = rows(conn, "SELECT @@sql_mode AS mode")[0]["mode"]
        if mode != SQL_MODE:
            raise BoxliftError(f"The server keeps sql_mode {mode!r} instead of {SQL_MODE}.", "Use another server.")

    def close(self) -> None:
        self._conn.close()

    def run(self, query: Query, table: str) -> list[Change]:
        """Run one statement; return the server's warnings. Raises `StatementFailed`."""
        size, most = len(query.sql), self._server.max_packet
        if size + 1 > most:
            raise self._failed(
                query,
                table,
                1153,
                f"the statement has {size} bytes, the server takes {most}",
                f"Set max_allowed_packet={(size >> 20) + 1}M or more on the server and run again.",
            )
        try:
            self._set_charset(query.charset)
            self._query(query.sql)
            # PyMySQL keeps their number where only its own cursors look; asking the server costs a round trip.
            if not query.tell or not t.cast(t.Any, self._conn)._result.warning_count:
                return []
            found = self._conn.show_warnings() or ()
            return [
                Change(int(code), str(text), _row(query, str(text)))
                for _level, code, text in found
                if int(code) not in DEPRECATIONS
            ]
        except DatabaseError as error:
            code, text = error_code(error), error_text(error)
            remedy, found = remedy_of(code, text, account(self._conn), self._server.database, asking(self._conn))
            failed = self._failed(query, table, code, text, remedy, _row(query, text))
            failed.details.update(found)
            raise failed from error

    def _set_charset(self, charset: str) -> None:
        """In which character set the server reads the next statements; its answers stay in UTF-8."""
        if charset != self._charset:
            name = known_charset(charset, self._server.known.charsets)
            execute(self._conn, f"SET SESSION character_set_client = {name}, character_set_connection = {name}")
            self._charset = charset

    def _query(self, sql: bytes) -> None:
        try:
            self._conn.query(sql)
        except DatabaseError as error:
            if error_code(error) != _DEADLOCK:
                raise
            # Another session loads the same table. The server has undone the whole statement, so it can run again.
            self._conn.query(sql)

    def _failed(
        self, query: Query, table: str, code: int, text: str, remedy: str, row: int | None = None
    ) -> StatementFailed:
        statement = query.statement
        return StatementFailed(
            file=statement.file,
            offset=statement.offset,
            line=statement.line,
            text=statement.text,
            table=table,
            code=code,
            server=text,
            remedy=remedy,
            row=row,
        )

    def timestamps(self) -> int:
        """How many columns of type TIMESTAMP the database has."""
        sql = "SELECT COUNT(*) AS n FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND DATA_TYPE = 'timestamp'"
        return int(rows(self._conn, sql, (self._server.database,))[0]["n"])

    def count(self, tables: t.Sequence[str]) -> dict[str, int]:
        """The number of rows of each of these tables, by one query."""
        each = [f"SELECT {number} AS i, COUNT(*) AS n FROM {quote_name(name)}" for number, name in enumerate(tables)]
        return {tables[row["i"]]: int(row["n"]) for row in rows(self._conn, " UNION ALL ".join(each))}


def _row(query: Query, text: str) -> int | None:
    """The row that the server names, counted from the table's first."""
    found = AT_ROW.search(text)
    return query.rows_before + int(found.group(1)) if found else None


def read_server(conn: Connection[t.Any]) -> Server:
    """Ask over a connection to the staging database. Raises BoxliftError where it has no database."""
    found = rows(conn, "SELECT DATABASE() AS db, @@max_allowed_packet AS packet")[0]
    if found["db"] is None:
        raise BoxliftError("The connection has no database to load into.", "Connect with the staging database.")
    return Server(
        database=found["db"],
        known=_known(conn),
        max_packet=int(found["packet"]),
        time_zone=_other_zone(conn),
    )


# Noon of a day in January and in July, as Unix times: two, because of summer time.
_NOONS = {"2024-01-15 12:00:00": 1705320000, "2024-07-15 12:00:00": 1721044800}


def _other_zone(conn: Connection[t.Any]) -> str:
    """The name of the server's time zone, empty where it is UTC; for a session that has set none itself."""
    texts = ", ".join(f"UNIX_TIMESTAMP('{text}') AS n{number}" for number, text in enumerate(_NOONS))
    found = rows(conn, f"SELECT {texts}, @@global.time_zone AS zone, @@system_time_zone AS host")[0]
    if all(int(found[f"n{number}"]) == noon for number, noon in enumerate(_NOONS.values())):
        return ""
    return str(found["host"] if found["zone"] == "SYSTEM" else found["zone"])


def _known(conn: Connection[t.Any]) -> Known:
    charsets = rows(conn, "SELECT CHARACTER_SET_NAME AS n FROM information_schema.CHARACTER_SETS")
    # MariaDB 10.10 and later list some collations without their character set, except in this column.
    has_full_names = rows(
        conn,
        "SELECT 1 AS yes FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' "
        "AND TABLE_NAME = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND COLUMN_NAME = 'FULL_COLLATION_NAME'",
    )
    column = "FULL_COLLATION_NAME" if has_full_names else "COLLATION_NAME"
    collations = rows(conn, f"SELECT {column} AS n FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY")
    engines = rows(conn, "SELECT ENGINE AS n FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT')")
    server, version = server_kind(str(rows(conn, "SELECT VERSION() AS v")[0]["v"]))
    plugins = rows(conn, "SELECT PLUGIN_STATUS AS s FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'partition'")
    return Known(
        frozenset(row["n"] for row in charsets),
        frozenset(row["n"] for row in collations),
        frozenset(row["n"].upper() for row in engines),
        server,
        version,
        # MySQL 8 has no such plugin: its InnoDB always has partitions.
        partitions=server == MYSQL or any(row["s"] == "ACTIVE" for row in plugins),
    )
