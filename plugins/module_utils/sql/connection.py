# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB or MySQL: the option `database`, login, connection, identifiers, and small queries."""

from __future__ import annotations

import socket
import typing as t
from dataclasses import dataclass, field

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PYMYSQL_IMPORT_ERROR: ImportError | None
# What a failed statement raises; error_code() and error_text() read it.
DatabaseError: type[Exception]
try:
    import pymysql
    import pymysql.cursors
except ImportError as error:
    PYMYSQL_IMPORT_ERROR = error
    DatabaseError = ImportError
else:
    PYMYSQL_IMPORT_ERROR = None
    DatabaseError = pymysql.err.MySQLError

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# The option `database` as the doc fragment boxlift.portal.database documents it:
# argument_spec={**DATABASE_OPTIONS, ...}. A module that cannot work without it overrides `required`, in its
# documentation and in its specification: {**DATABASE_OPTIONS["database"], "required": True}.
DATABASE_OPTIONS: dict[str, t.Any] = {
    "database": {
        "type": "dict",
        "options": {
            "host": {"type": "str", "default": "localhost"},
            "port": {"type": "int", "default": 3306},
            "unix_socket": {"type": "path"},
            "name": {"type": "str", "required": True},
            "login_user": {"type": "str", "default": "root"},
            "login_password": {"type": "str", "no_log": True},
        },
    },
}

CONNECT_TIMEOUT = 10
# One statement of a dump is about 1 MB, but the disk may be slow and a table locked.
STATEMENT_TIMEOUT = 3600

# By the server's error number for a refused login.
_LOGIN_REMEDIES = {
    1044: "Grant the account its rights on this database.",
    1045: "Check login_user and login_password; for root on the server itself use unix_socket.",
    1049: "Create the database first, or correct its name.",
    1130: "Let the server accept this account from this host.",
    1698: "The server trusts this account only through its socket: set unix_socket and run as the same system user.",
    2002: "Start the server, or correct unix_socket.",
    2003: "Start the server, or correct host, port and the firewall between.",
}


@dataclass(frozen=True)
class Login:
    """Where the server is and who logs in."""

    host: str = "localhost"
    port: int = 3306
    unix_socket: str | None = None
    user: str = "root"
    password: str = field(default="", repr=False)

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Login:
        """From the suboptions of the module option `database`, without the database's name."""
        return cls(
            host=params["host"],
            port=params["port"],
            unix_socket=params["unix_socket"],
            user=params["login_user"],
            password=params["login_password"] or "",
        )

    def __str__(self) -> str:
        return f"{self.user} at {self.unix_socket or f'{self.host}:{self.port}'}"


def connect(
    login: Login, database: str | None = None, charset: str = "utf8mb4", wire: socket.socket | None = None
) -> Connection[t.Any]:
    """A connection that commits every statement, takes one statement at a time and never reads local files.

    With `wire` it uses this socket, at whose other end the server is. Raises BoxliftError where there is no connection.
    """
    if PYMYSQL_IMPORT_ERROR is not None:
        raise BoxliftError(
            f"Cannot talk to the database as {login}: the Python library PyMySQL is missing on this host.",
            "Install it on the target: apt-get install python3-pymysql.",
        ) from PYMYSQL_IMPORT_ERROR
    try:
        conn = pymysql.connect(
            host=login.host,
            port=login.port,
            unix_socket=login.unix_socket,
            user=login.user,
            password=login.password,
            database=database,
            charset=charset,
            autocommit=True,
            local_infile=False,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=STATEMENT_TIMEOUT,
            write_timeout=STATEMENT_TIMEOUT,
            defer_connect=True,
        )
        conn.connect(wire)
        return conn
    except DatabaseError as error:
        code, text = error_code(error), error_text(error)
        place = f"database {database} as {login}" if database else str(login)
        raise BoxliftError(
            f"Cannot connect to {place}: {text}.".replace("..", "."),
            _LOGIN_REMEDIES.get(code, "Check the option database."),
            code=code,
        ) from error


def rows(conn: Connection[t.Any], sql: str, args: t.Sequence[t.Any] = ()) -> list[dict[str, t.Any]]:
    """Every row of a query as a dictionary; `args` fill the query's %s."""
    with conn.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(sql, args or None)
        return list(cursor.fetchall())


def stream(conn: Connection[t.Any], sql: str) -> t.Iterator[tuple[t.Any, ...]]:
    """The rows of a query, as the server sends them; it has begun to answer when this returns.

    Use the iterator up, or `hang_up`, before the connection is used for anything else.
    """
    cursor = pymysql.cursors.SSCursor(conn)
    cursor.execute(sql)
    return iter(cursor.fetchone, None)


def hang_up(conn: Connection[t.Any]) -> None:
    """Close the connection, also in the middle of a `stream`."""
    unread = getattr(conn, "_result", None)
    if unread is not None:
        # Else PyMySQL would read the rest when the result is deleted, from a connection that is closed by then.
        unread.unbuffered_active = False
    if conn.open:
        conn.close()


def execute(conn: Connection[t.Any], sql: str, args: t.Sequence[t.Any] = ()) -> int:
    """Run a statement that returns no rows; returns the number of rows it changed."""
    with conn.cursor() as cursor:
        return cursor.execute(sql, args or None)


def quote_name(name: str) -> str:
    """An identifier in backticks, safe to put into SQL. Raises BoxliftError where it cannot be a name."""
    if not name or "\0" in name or len(name) > 64:
        raise BoxliftError(f"{name[:100]!r} cannot be the name of a table, view or database.", "Correct the name.")
    return "`" + name.replace("`", "``") + "`"


def error_code(error: Exception) -> int:
    """The server's (or the client library's) error number, 0 where there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def error_text(error: Exception) -> str:
    """The server's own words, without the number."""
    return str(error.args[-1]) if error.args else type(error).__name__
