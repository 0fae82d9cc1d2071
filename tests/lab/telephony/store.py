# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated portal remembers: SQLite, in memory, or in a file that outlives a kill of the server."""

from __future__ import annotations

import sqlite3
import threading
import typing as t

from lab.rest.answers import Row

#: Table → its columns beside ID. The columns of calls and statistics have the names that the REST interface gives.
TABLES: dict[str, str] = {
    "users": "NAME LAST_NAME ACTIVE USER_TYPE UF_PHONE_INNER WORK_PHONE PERSONAL_PHONE PERSONAL_MOBILE TIMEMAN_STATUS"
    " MAY_SEE_STATISTICS IS_ADMIN",
    "lines": "APP NUMBER NAME CRM_AUTO_CREATE",
    "calls": "CALL_ID APP USER_ID PHONE_NUMBER TYPE LINE_NUMBER EXTERNAL_CALL_ID START REGISTERED CRM_ENTITY_TYPE"
    " CRM_ENTITY_ID CREATED INTERNAL SOURCE ADD_TO_CHAT",
    "statistics": "PORTAL_USER_ID PORTAL_NUMBER PHONE_NUMBER CALL_ID EXTERNAL_CALL_ID CALL_CATEGORY CALL_LOG"
    " CALL_DURATION CALL_START_DATE CALL_RECORD_URL CALL_VOTE COST COST_CURRENCY CALL_FAILED_CODE CALL_FAILED_REASON"
    " CRM_ENTITY_TYPE CRM_ENTITY_ID CRM_ACTIVITY_ID REST_APP_ID REST_APP_NAME TRANSCRIPT_ID TRANSCRIPT_PENDING"
    " SESSION_ID REDIAL_ATTEMPT COMMENT RECORD_DURATION RECORD_FILE_ID CALL_TYPE",
    "entities": "TYPE TITLE PHONE ASSIGNED_BY_ID SOURCE_ID CREATED CONTACT_ID",
    "activities": "ORIGIN_ID OWNER_TYPE OWNER_ID SUBJECT START_TIME END_TIME DIRECTION COMPLETED RESPONSIBLE_ID FILES",
    "missed": "CALL_ID PHONE_NUMBER CALLBACK_CALL_ID",
    "records": "CALL_ID NAME CONTENT",
    "cards": "CALL_ID USER_ID",
    "handlers": "APP EVENT HANDLER EVENT_TYPE",
    "queue": "APP EVENT_NAME EVENT_DATA TIMESTAMP_X PROCESS_ID",
    "deliveries": "EVENT HANDLER STATUS ERROR",
    "requests": "AT METHOD CREDENTIAL STATUS ERROR EXTERNAL_CALL_ID CALL_ID FAULT CONNECTION",
}
#: Columns that requests look rows up by.
INDEXES = {"calls": ("CALL_ID",), "statistics": ("CALL_ID", "EXTERNAL_CALL_ID"), "entities": ("PHONE",)}


class Store:
    """Tables of rows; every call is one transaction. Names of tables and columns come from this package alone."""

    def __init__(self, path: str = ":memory:") -> None:
        self.lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")  # a kill of the process loses nothing; the machine may
        self._database.execute("CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT)")
        for table, columns in TABLES.items():
            named = ", ".join(["ID INTEGER PRIMARY KEY AUTOINCREMENT", *columns.split()])
            self._database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({named})")
            for column in INDEXES.get(table, ()):
                self._database.execute(f"CREATE INDEX IF NOT EXISTS {table}_{column} ON {table} ({column})")

    def add(self, table: str, **values: t.Any) -> int:
        """The new row's ID."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._run(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))
        return int(cursor.lastrowid or 0)

    def rows(self, table: str, where: str = "1", *arguments: t.Any, tail: str = "ORDER BY ID") -> list[Row]:
        with self.lock:
            return [dict(row) for row in self._run(f"SELECT * FROM {table} WHERE {where} {tail}", arguments)]

    def count(self, table: str, where: str = "1", *arguments: t.Any) -> int:
        with self.lock:
            return int(self._run(f"SELECT COUNT(*) FROM {table} WHERE {where}", arguments).fetchone()[0])

    def change(self, table: str, number: int, **values: t.Any) -> None:
        names = ", ".join(f"{name}=?" for name in values)
        self._run(f"UPDATE {table} SET {names} WHERE ID=?", [*values.values(), number])

    def remove(self, table: str, where: str, *arguments: t.Any) -> int:
        """The number of rows that are gone."""
        return self._run(f"DELETE FROM {table} WHERE {where}", arguments).rowcount

    def clear(self) -> None:
        for table in TABLES:
            self.remove(table, "1")

    def setting(self, name: str) -> str | None:
        with self.lock:
            row = self._run("SELECT value FROM settings WHERE name=?", [name]).fetchone()
        return row["value"] if row else None

    def set(self, name: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", [name, value])

    def close(self) -> None:
        with self.lock:
            self._database.close()

    def _run(self, sql: str, arguments: t.Sequence[t.Any] = ()) -> sqlite3.Cursor:
        with self.lock:
            return self._database.execute(sql, tuple(arguments))
