# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB or MySQL: the option `database`, login, connection, identifiers, and small queries."""

from __future__ import annotations

import contextlib
import os
import socket
import typing as t
from dataclasses import dataclass, field

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import failure
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import PYMYSQL_IMPORT_ERROR, DatabaseError

if PYMYSQL_IMPORT_ERROR is None:
    import pymysql
    import pymysql.cursors

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
            "ca_path": {"type": "path"},
        },
    },
}

CONNECT_TIMEOUT = 10
# One statement of a dump is about 1 MB, but the disk may be slow and a table locked.
STATEMENT_TIMEOUT = 3600

# How long a statement waits for a lock, of a table or of a row. The server's own bound for tables is a day.
LOCK_WAIT_SECONDS = 60


@dataclass(frozen=True)
class Login:
    """Where the server is and who logs in."""

    host: str = "localhost"
    port: int = 3306
    unix_socket: str | None = None
    user: str = "root"
    password: str = field(default="", repr=False)
    ca_path: str | None = None  # whom the server's certificate is proven with; None: nothing is encrypted

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Login:
        """From the suboptions of the module option `database`, without the database's name."""
        return cls(
            host=params["host"],
            port=params["port"],
            unix_socket=params["unix_socket"],
            user=params["login_user"],
            password=params["login_password"] or "",
            ca_path=params.get("ca_path"),
        )

    def __str__(self) -> str:
        return f"{self.user} at {self.unix_socket or f'{self.host}:{self.port}'}"


def connect(
    login: Login,
    database: str | None = None,
    charset: str = "utf8mb4",
    wire: socket.socket | None = None,
    patience: int = STATEMENT_TIMEOUT,
) -> Connection[t.Any]:
    """A connection that commits every statement, takes one statement at a time and never reads local files.

    With `wire` it uses this socket, at whose other end the server is; `patience` are the seconds that it waits for an
    answer. Raises BoxliftError where there is no connection, and where it would not be encrypted although the login
    names an authority.
    """
    if PYMYSQL_IMPORT_ERROR is not None:
        raise BoxliftError(
            f"Cannot talk to the database as {login}: the Python library PyMySQL is missing on this host.",
            "Install it on the target: apt-get install python3-pymysql.",
        ) from PYMYSQL_IMPORT_ERROR
    if login.ca_path and not os.path.exists(login.ca_path):
        raise BoxliftError(
            f"Cannot talk to the database as {login}: its authority {login.ca_path} does not exist on this host.",
            "Bring the authority's certificate there from whoever runs the database, or name another file in ca_path "
            "of the option database.",
        )
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
            read_timeout=patience,
            write_timeout=patience,
            defer_connect=True,
            ssl={"ca": login.ca_path, "check_hostname": True} if login.ca_path else None,
            # Else a newer PyMySQL reads all authorities of the system for every connection, and uses none of them.
            ssl_disabled=bool(login.unix_socket and not login.ca_path),
            init_command=(
                f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}, innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}"
            ),
        )
        conn.connect(wire)
    except (DatabaseError, OSError, RuntimeError) as error:  # RuntimeError: a way of login that PyMySQL lacks
        place = f"database {database} as {login}" if database else str(login)
        raise failure.failed(error, str(login), database or "", doing=f"cannot connect to {place}") from error
    # An older PyMySQL goes on in the clear where the server offers no TLS, or somebody between hides the offer.
    # It counts a socket as secure, which is as good.
    if login.ca_path and not getattr(conn, "_secure", False):
        conn.close()
        raise BoxliftError(
            f"The connection to {login} would not be encrypted: the server offers no TLS.",
            "Give the server a certificate (ssl_cert, ssl_key), or leave ca_path out of the option database.",
        )
    return conn


@contextlib.contextmanager
def explained(conn: Connection[t.Any]) -> t.Iterator[None]:
    """Around every use of `conn`: what PyMySQL raises becomes `failure.DatabaseFailed`."""
    try:
        yield
    except DatabaseError as error:
        raise failure.failed(error, account(conn), database_of(conn), asking(conn)) from error


def account(conn: Connection[t.Any]) -> str:
    """Who is logged in, and where, as errors name it."""
    return f"{_text(conn.user)} at {conn.unix_socket or f'{conn.host}:{conn.port}'}"


def database_of(conn: Connection[t.Any]) -> str:
    """The database that the connection was made to; empty without one."""
    return _text(conn.db)


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


def asking(conn: Connection[t.Any]) -> failure.Ask:
    """Asks over this connection what an error leaves open; raises what PyMySQL raises."""

    def ask(sql: str, args: t.Sequence[t.Any]) -> list[dict[str, t.Any]]:
        with conn.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(sql, args or None)
            return list(cursor.fetchall())

    return ask


def rows(conn: Connection[t.Any], sql: str, args: t.Sequence[t.Any] = ()) -> list[dict[str, t.Any]]:
    """Every row of a query as a dictionary; `args` fill the query's %s. Raises `failure.DatabaseFailed`."""
    with explained(conn):
        return asking(conn)(sql, args)


def stream(conn: Connection[t.Any], sql: str) -> t.Iterator[tuple[t.Any, ...]]:
    """The rows of a query, as the server sends them; it has begun to answer when this returns.

    Use the iterator up, or `hang_up`, before the connection is used for anything else. Both raise
    `failure.DatabaseFailed`.
    """
    cursor = pymysql.cursors.SSCursor(conn)
    with explained(conn):
        cursor.execute(sql)
    return _fetched(conn, cursor)


def _fetched(conn: Connection[t.Any], cursor: t.Any) -> t.Iterator[tuple[t.Any, ...]]:
    with explained(conn):
        yield from iter(cursor.fetchone, None)


def hang_up(conn: Connection[t.Any]) -> None:
    """Close the connection, also in the middle of a `stream`."""
    unread = getattr(conn, "_result", None)
    if unread is not None:
        # Else PyMySQL would read the rest when the result is deleted, from a connection that is closed by then.
        unread.unbuffered_active = False
    if conn.open:
        conn.close()


def hung_up(opened: contextlib.ExitStack, conn: Connection[t.Any]) -> Connection[t.Any]:
    """The connection, closed with `opened`: for constructors, whose caller has nothing to close where they fail."""
    opened.callback(hang_up, conn)
    return conn


def execute(conn: Connection[t.Any], sql: str, args: t.Sequence[t.Any] = ()) -> int:
    """Run a statement that returns no rows; returns the number of rows it changed. Raises `failure.DatabaseFailed`."""
    with explained(conn), conn.cursor() as cursor:
        return cursor.execute(sql, args or None)


def use(conn: Connection[t.Any], database: str) -> None:
    """Make it the database of the next statements. Raises `failure.DatabaseFailed`."""
    with explained(conn):
        conn.select_db(database)


@contextlib.contextmanager
def transaction(conn: Connection[t.Any]) -> t.Iterator[None]:
    """All of it or nothing. Raises `failure.DatabaseFailed`."""
    with explained(conn):
        conn.begin()
    try:
        yield
    except BaseException:
        with contextlib.suppress(DatabaseError):  # a lost connection has undone it already
            conn.rollback()
        raise
    with explained(conn):
        conn.commit()


def quote_name(name: str) -> str:
    """An identifier in backticks, safe to put into SQL. Raises BoxliftError where it cannot be a name."""
    if not name or "\0" in name or len(name) > 64:
        raise BoxliftError(f"{name[:100]!r} cannot be the name of a table, view or database.", "Correct the name.")
    return "`" + name.replace("`", "``") + "`"
