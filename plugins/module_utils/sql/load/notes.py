# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State kept in the staging database itself, so that it is lost only together with the work it describes.

It lies in a table of our own; dumps must not use its prefix. Only the plan of a switch has a table that moves.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, quote_name, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.schema import RESERVED_PREFIX

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

TABLE = f"{RESERVED_PREFIX}notes"


def _place(database: str, table: str) -> str:
    return f"{quote_name(database)}.{quote_name(table)}"


def read_note(conn: Connection[t.Any], database: str, name: str, table: str = TABLE) -> t.Any:
    """What was written under this name; None where nothing was, or where the database is not there."""
    there = rows(
        conn,
        "SELECT 1 AS yes FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (database, table),
    )
    if not there:
        return None
    found = rows(conn, f"SELECT value FROM {_place(database, table)} WHERE name = %s", (name,))
    return json.loads(found[0]["value"]) if found else None


def write_note(conn: Connection[t.Any], database: str, name: str, value: t.Any, table: str = TABLE) -> None:
    """Write a value that JSON can hold, over what this name held before."""
    execute(
        conn,
        f"CREATE TABLE IF NOT EXISTS {_place(database, table)} "
        "(name VARCHAR(64) NOT NULL PRIMARY KEY, value LONGTEXT NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4",
    )
    execute(conn, f"REPLACE INTO {_place(database, table)} VALUES (%s, %s)", (name, json.dumps(value)))
