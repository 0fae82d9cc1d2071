# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: a row in the portal's database, and while it stands one web host runs the agents.

Time is the server's. A host may take the lease once it has ended, and renews it while it works. Whoever cannot renew it
stops work before it ends (`agents`), so that the next host never begins too early.

A server may have forgotten who took the lease: a replica that was promoted lacks the last transactions, and after a
crash the last second may be lost. So on a server that is not the one that granted it, or has run for less than a whole
lease, nobody takes it before a whole lease has passed: by then whoever had it has stopped.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

TABLE = "boxlift_lease"
AGENTS = "agents"
#: A host that dies is followed after so long at the latest; cron's minute must fit into it.
LEASE_SECONDS = 75
NO_SUCH_TABLE = 1146
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (NAME VARCHAR(50) NOT NULL PRIMARY KEY, HOLDER VARCHAR(255) NOT NULL, "
    "EXPIRES DATETIME(3) NOT NULL, SERVER VARCHAR(100) NOT NULL) ENGINE=InnoDB"
)
_END = f"UTC_TIMESTAMP(3) + INTERVAL {LEASE_SECONDS} SECOND"


@dataclasses.dataclass(frozen=True)
class Standing:
    """Who has the lease, and how many seconds it lasts, or how long it is until somebody may take it."""

    mine: bool
    holder: str
    seconds: float


def ask(conn: Connection[t.Any], host: str) -> Standing:
    """Renew or take the lease for this host, if that may be. Raises DatabaseFailed."""
    try:
        return _ask(conn, host)
    except DatabaseFailed as problem:
        if problem.code != NO_SUCH_TABLE:
            raise
    execute(conn, _CREATE)
    return _ask(conn, host)


def _ask(conn: Connection[t.Any], host: str) -> Standing:
    server, uptime = _server(conn)
    # Nobody has it at first, and after a change of the server, for the time of one lease.
    execute(conn, f"INSERT IGNORE INTO {TABLE} VALUES (%s, '', {_END}, %s)", (AGENTS, server))
    execute(
        conn,
        f"UPDATE {TABLE} SET HOLDER = '', SERVER = %s, EXPIRES = {_END} WHERE NAME = %s AND SERVER <> %s",
        (server, AGENTS, server),
    )
    # A clock that was set back must not keep it for one who is dead.
    execute(conn, f"UPDATE {TABLE} SET EXPIRES = {_END} WHERE NAME = %s AND EXPIRES > {_END}", (AGENTS,))
    # One statement each: the server lets one host after the other through, and each sees what the one before wrote.
    execute(
        conn,
        f"UPDATE {TABLE} SET EXPIRES = {_END} WHERE NAME = %s AND HOLDER = %s AND EXPIRES > UTC_TIMESTAMP(3)",
        (AGENTS, host),
    )
    settled = uptime >= LEASE_SECONDS
    if settled:
        execute(
            conn,
            f"UPDATE {TABLE} SET HOLDER = %s, EXPIRES = {_END} WHERE NAME = %s AND EXPIRES <= UTC_TIMESTAMP(3)",
            (host, AGENTS),
        )
    holder, seconds = standing(conn)
    mine = holder == host and seconds > 0
    return Standing(mine, holder, seconds if mine or settled else max(seconds, LEASE_SECONDS - uptime))


def standing(conn: Connection[t.Any]) -> tuple[str, float]:
    """The holder, and the seconds until the lease ends, negative where it has. Raises DatabaseFailed."""
    found = rows(
        conn,
        f"SELECT HOLDER AS holder, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), EXPIRES) / 1000000 AS seconds"
        f" FROM {TABLE} WHERE NAME = %s",
        (AGENTS,),
    )
    return (str(found[0]["holder"]), float(found[0]["seconds"])) if found else ("", 0.0)


def _server(conn: Connection[t.Any]) -> tuple[str, int]:
    """Which server this is, and for how many seconds it has run."""
    named = rows(conn, "SELECT CONCAT(@@server_id, ' ', @@hostname) AS server")
    status = rows(conn, "SHOW GLOBAL STATUS LIKE 'Uptime'")
    return str(named[0]["server"])[:100], int(status[0]["Value"])
