# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server: what it says of itself, and the connections to it and to its peers."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import Peer, Settings
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, execute, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

OWN = "boxlift_replication"  # its database, and the account's usual name
#: Error of a replica that has what its primary has not: it needs the primary's data anew.
DIVERGED = 1236
_PEER_SECONDS = 10
_SEMI = "Rpl_semi_sync_master_status"


@dataclasses.dataclass(frozen=True)
class Following:
    """How a replica follows. `lag` is None while nobody can say it; `received` is the last GTID that has come."""

    port: int
    receiving: str  # Yes, No, Connecting or Preparing
    applying: str
    lag: int | None
    received: str
    number: int
    error: str

    @property
    def works(self) -> bool:
        return self.receiving == "Yes" and self.applying == "Yes"


@dataclasses.dataclass(frozen=True)
class Term:
    """The time of one primary, as the servers know it. `position` is what it had when it began."""

    number: int = 0
    host: str = ""
    position: str = ""


@dataclasses.dataclass(frozen=True)
class State:
    """What a server says. `tables` are those of the portal, None where the account may not count them."""

    server_id: int
    version: str
    writable: bool
    position: str
    term: Term
    following: Following | None = None
    replicas: int = 0
    semi_synchronous: bool = False
    tables: int | None = None


class Server:
    """A connection, and short questions to it."""

    def __init__(self, conn: Connection[t.Any]) -> None:
        self._conn = conn

    def rows(self, sql: str, *args: t.Any) -> list[dict[str, t.Any]]:
        return rows(self._conn, sql, args)

    def value(self, sql: str, *args: t.Any) -> t.Any:
        return next(iter(self.rows(sql, *args)[0].values()))

    def do(self, sql: str, *args: t.Any) -> None:
        execute(self._conn, sql, args)

    def term(self, after: int = -1) -> Term:
        """The newest term that the server knows; with `after` the first one after that number."""
        there = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'term'"
        if not self.rows(there, OWN):
            return Term()
        order = "DESC" if after < 0 else "ASC"
        sql = f"SELECT number, host, position FROM {OWN}.term WHERE number > %s ORDER BY number {order} LIMIT 1"
        found = self.rows(sql, after)
        return Term(int(found[0]["number"]), found[0]["host"], found[0]["position"]) if found else Term()

    def following(self) -> Following | None:
        """How it follows another server; None where it follows nobody."""
        found = self.rows("SHOW ALL SLAVES STATUS")
        if not found:
            return None
        row = found[0]
        number, error = row["Last_SQL_Errno"] or row["Last_IO_Errno"], row["Last_SQL_Error"] or row["Last_IO_Error"]
        lag = row["Seconds_Behind_Master"]
        return Following(
            port=int(row["Master_Port"]),
            receiving=row["Slave_IO_Running"],
            applying=row["Slave_SQL_Running"],
            lag=None if lag is None else int(lag),
            received=row["Gtid_IO_Pos"] or "",
            number=int(number),
            error=error,
        )

    def state(self, database: str = "") -> State:
        """All of it; with `database` its tables are counted."""
        sql = "SELECT @@server_id AS id, @@version AS version, @@read_only AS closed, @@gtid_current_pos AS position"
        own = self.rows(sql)[0]
        status = {row["Variable_name"]: row["Value"] for row in self.rows("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync%'")}
        count = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'"
        return State(
            server_id=int(own["id"]),
            version=str(own["version"]),
            writable=not int(own["closed"]),
            position=own["position"] or "",
            term=self.term(),
            following=self.following(),
            replicas=len(self.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%%'")),
            semi_synchronous=status.get(_SEMI) == "ON",
            tables=int(self.value(count, database)) if database else None,
        )


class NoAnswer(BoxliftError):
    """A server cannot be asked anything."""


@contextlib.contextmanager
def own_server(settings: Settings) -> t.Iterator[Server]:
    """This host's server, as its root. Raises NoAnswer."""
    try:
        conn = connect(Login(unix_socket=settings.socket))
    except BoxliftError as error:
        raise NoAnswer(error.message, error.remedy) from error
    try:
        yield Server(conn)
    finally:
        conn.close()


@contextlib.contextmanager
def peer_server(settings: Settings, peer: Peer) -> t.Iterator[Server]:
    """A peer's server, through the link. Raises BoxliftError where it does not answer."""
    login = Login(host="127.0.0.1", port=peer.port, user=settings.user, password=settings.password)
    # One that hangs must not keep the guard from hearing the others.
    conn = connect(login, patience=_PEER_SECONDS)
    try:
        yield Server(conn)
    finally:
        conn.close()
