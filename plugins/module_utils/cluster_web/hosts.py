# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each web host says of itself, in a table of the portal's database, so that any of them can compare all."""

from __future__ import annotations

import hashlib
import json
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.lease import NO_SUCH_TABLE
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import DBCONN, SETTINGS, PortalFiles, read
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

TABLE = "boxlift_web_host"
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (HOST VARCHAR(255) NOT NULL PRIMARY KEY, SEEN DATETIME(3) NOT NULL, "
    "FACTS MEDIUMTEXT NOT NULL) ENGINE=InnoDB"
)
QUESTION = (
    "SELECT HOST AS host, TIMESTAMPDIFF(MICROSECOND, SEEN, UTC_TIMESTAMP(3)) / 1000000 AS ago, FACTS AS facts"
    f" FROM {TABLE} ORDER BY HOST"
)
Data = dict[str, t.Any]


def tell(conn: Connection[t.Any], host: str, facts: Data) -> None:
    """Say it for this host. Raises DatabaseFailed."""
    sql = f"REPLACE INTO {TABLE} VALUES (%s, UTC_TIMESTAMP(3), %s)"
    given = (host, json.dumps(facts, sort_keys=True))
    try:
        execute(conn, sql, given)
    except DatabaseFailed as problem:
        if problem.code != NO_SUCH_TABLE:
            raise
        execute(conn, _CREATE)
        execute(conn, sql, given)


def forget(conn: Connection[t.Any], hosts: t.Sequence[str]) -> None:
    """Forget all others. Raises DatabaseFailed."""
    execute(conn, f"DELETE FROM {TABLE} WHERE HOST NOT IN ({', '.join(['%s'] * len(hosts))})", tuple(hosts))


def clock(conn: Connection[t.Any], now: t.Callable[[], float]) -> tuple[float, float]:
    """Seconds that this host's clock is ahead of the server's, and by how much that may be wrong."""
    before = now()
    server = float(rows(conn, "SELECT UNIX_TIMESTAMP(NOW(3)) AS now")[0]["now"])
    after = now()
    return (before + after) / 2 - server, (after - before) / 2


def sessions(files: PortalFiles) -> Data:
    """Where sessions are kept, without what is secret, and a hash by which two hosts' settings are compared."""
    session = files.sections().get("session")
    handlers = session.get("handlers") if isinstance(session, dict) else None
    general = handlers.get("general") if isinstance(handlers, dict) else None
    kind = str(general.get("type", "")) if isinstance(general, dict) else ""
    place = {name: general.get(name) for name in ("host", "port", "servers")} if isinstance(general, dict) else {}
    return {"type": kind, "place": hashlib.sha256(json.dumps(place, default=str).encode()).hexdigest()[:16]}


def settings_digest(files: PortalFiles) -> str:
    """A hash of the portal's settings files, by which two hosts are compared."""
    found = [files.find(name) for name in (SETTINGS, DBCONN)]
    content = b"\0".join(read(path) for path in found if path is not None)
    return hashlib.sha256(content).hexdigest()[:16]


def packs_with_igbinary(etc: pathlib.Path = pathlib.Path("/etc/php")) -> bool:
    """Whether PHP packs sessions with igbinary where it may choose: what one host packs so, others must unpack."""
    return any(etc.glob("*/fpm/conf.d/*igbinary.ini"))


def all_told(conn: Connection[t.Any]) -> dict[str, Data]:
    """What every host has said, with `ago`: how many seconds since. Raises DatabaseFailed."""
    return {
        str(row["host"]): {"ago": float(row["ago"]), **json.loads(str(row["facts"]))} for row in rows(conn, QUESTION)
    }
