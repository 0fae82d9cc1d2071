# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the portal itself logs in to its database, as its own configuration says."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import BACKUP_MASK
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, hang_up

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

# PHP takes the server's socket when the host is `localhost`.
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/var/lib/mysqld/mysqld.sock")
_REMEDY = "Set connections.default with boxlift.portal.portal_settings."


def portal_login(files: PortalFiles, sockets: t.Sequence[str] = SOCKETS) -> tuple[Login, str]:
    """The login and the database name of the connection `default`."""
    path = files.settings().path
    connections = files.sections().get("connections")
    default = connections.get("default") if isinstance(connections, dict) else None
    if not isinstance(default, dict):
        raise BoxliftError(f"{path} has no connections.value.default.", _REMEDY)
    if "pgsql" in str(default.get("className", "")).lower():
        raise BoxliftError(f"{path}: the portal uses PostgreSQL.", "Only MariaDB and MySQL are supported.")
    values = {}
    for key in ("host", "login", "password", "database"):
        value = default.get(key, "")
        if not isinstance(value, str):
            raise BoxliftError(f"{path}: connections.default.{key} is not a string written out: {value}.", _REMEDY)
        if value == BACKUP_MASK:
            raise BoxliftError(f"{path}: connections.default.{key} still is the mask of the backup ({value}).", _REMEDY)
        values[key] = value
    host, port, socket = _address(values["host"], sockets)
    login = Login(host=host, port=port, unix_socket=socket, user=values["login"], password=values["password"])
    return login, values["database"]


def choose_login(
    database: t.Mapping[str, t.Any] | None, document_root: str | None, sockets: t.Sequence[str] = SOCKETS
) -> tuple[Login, str]:
    """Login and database name from the module's option `database`, else from the portal's own settings."""
    if database is not None:
        return Login.from_params(database), str(database["name"])
    if document_root is None:
        raise BoxliftError("Neither database nor document_root is given.", "Give one of them.")
    return portal_login(PortalFiles(document_root), sockets)


@contextlib.contextmanager
def portal_connection(login: Login, name: str) -> t.Iterator[Connection[t.Any]]:
    """A connection to the portal's database, closed in the end."""
    conn = connect(login, name)
    try:
        yield conn
    finally:
        hang_up(conn)


def _address(host: str, sockets: t.Sequence[str]) -> tuple[str, int, str | None]:
    """Host, port and socket from the notations that PHP's driver takes: host, host:port, :/socket, p:host."""
    name = host[2:] if host.lower().startswith("p:") else host
    if name.startswith("["):
        address, _bracket, rest = name[1:].partition("]")
        return address, int(rest[1:] or 3306), None
    name, _colon, rest = name.partition(":")
    if rest.startswith("/"):
        return "localhost", 3306, rest
    if rest:
        if not rest.isdigit():
            raise BoxliftError(f"connections.default.host {host!r} is not understood.", "Write host or host:port.")
        return name, int(rest), None
    if name in ("", "localhost"):
        return "localhost", 3306, next((path for path in sockets if os.path.exists(path)), None)
    return name, 3306, None
