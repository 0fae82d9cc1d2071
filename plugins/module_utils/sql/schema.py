# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds: its tables and views, and how to make and drop them."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    execute,
    quote_name,
    rows,
    use,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import SERVER_FAULTS, DatabaseFailed

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# Names of our own tables begin so; a dump must not use them.
RESERVED_PREFIX = "boxlift_"
SYSTEM_DATABASES = frozenset({"information_schema", "mysql", "performance_schema", "sys"})


def exists(conn: Connection[t.Any], database: str) -> bool:
    return bool(defaults(conn, database))


def create_empty(
    conn: Connection[t.Any], database: str, charset: str = "utf8mb4", collation: str = "utf8mb4_unicode_ci"
) -> None:
    """The database with nothing in it, whatever was there before."""
    drop(conn, database)
    execute(conn, f"CREATE DATABASE {quote_name(database)} CHARACTER SET {charset} COLLATE {collation}")


def create_like(conn: Connection[t.Any], database: str, like: str) -> None:
    execute(conn, f"CREATE DATABASE {quote_name(database)} {defaults(conn, like)}")


def drop(conn: Connection[t.Any], database: str) -> None:
    execute(conn, f"DROP DATABASE IF EXISTS {quote_name(database)}")


def tables(conn: Connection[t.Any], database: str) -> list[str]:
    """The names of the database's tables, without views and without our own notes."""
    names = objects(conn, database, views=False)
    return [name for name in names if not name.lower().startswith(RESERVED_PREFIX)]


def objects(conn: Connection[t.Any], database: str, *, views: bool) -> list[str]:
    """Views, or everything else that RENAME TABLE moves (MariaDB has more kinds of tables than one)."""
    query = (
        "SELECT TABLE_NAME AS n, TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY 1"
    )
    return [row["n"] for row in rows(conn, query, (database,)) if (row["kind"] == "VIEW") == views]


def view_definitions(conn: Connection[t.Any], database: str) -> dict[str, str]:
    """Each view as a statement without database names, which the server leaves out while the view works."""
    names = objects(conn, database, views=True)
    if names:
        use(conn, database)
    found = {name: rows(conn, f"SHOW CREATE VIEW {quote_name(name)}")[0]["Create View"] for name in names}
    return {name: text.replace("CREATE ", "CREATE OR REPLACE ", 1) for name, text in found.items()}


#: What the server says of a view that is made of one that is not there: no such table, or an invalid view.
NO_SUCH_VIEW = (1146, 1356)


def make_views(conn: Connection[t.Any], database: str, definitions: t.Mapping[str, str]) -> dict[str, DatabaseFailed]:
    """Make the views in rounds, since one may be made of others; those that cannot be made, and why."""
    waiting = dict(definitions)
    if waiting:
        use(conn, database)
    while waiting:
        failed: dict[str, DatabaseFailed] = {}
        for name, text in waiting.items():
            try:
                execute(conn, text)
            except DatabaseFailed as error:
                if error.code in SERVER_FAULTS:
                    raise
                failed[name] = error
        if len(failed) == len(waiting):
            return failed
        waiting = {name: waiting[name] for name in failed}
    return {}


def defaults(conn: Connection[t.Any], database: str) -> str:
    """The database's default character set and collation as a clause; empty where there is no such database."""
    found = rows(
        conn,
        "SELECT DEFAULT_CHARACTER_SET_NAME AS cs, DEFAULT_COLLATION_NAME AS co FROM information_schema.SCHEMATA "
        "WHERE SCHEMA_NAME = %s",
        (database,),
    )
    return f"CHARACTER SET {found[0]['cs']} COLLATE {found[0]['co']}" if found else ""
