# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks may look at. Everything comes from outside; what was not given cannot be looked at."""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.client import Connector, HttpClient
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, DoesNotApply
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import portal_login
from ansible_collections.boxlift.portal.plugins.module_utils.portal.phpvalues import Value
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import has_table
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

Connect = t.Callable[[Login, str], "Connection[t.Any]"]
Runner = t.Callable[[t.Sequence[str]], "tuple[int, str, str]"]


@dataclasses.dataclass
class Context:
    """One portal as seen from one place."""

    now: t.Callable[[], float]
    connect: Connect
    portal_files: PortalFiles | None = None
    no_files: str = "document_root was not given"
    base_url: str = ""
    http_client: HttpClient | None = None
    #: Login and database name for the checks; the portal's own ones where not given.
    login: tuple[Login, str] | None = None
    run_command: Runner | None = None
    connect_tcp: Connector | None = None
    push_expected: bool = True
    _connection: Connection[t.Any] | None = None
    _sections: dict[str, Value] | None = None

    @property
    def files(self) -> PortalFiles:
        if self.portal_files is None:
            raise CannotLook(self.no_files)
        return self.portal_files

    @property
    def http(self) -> HttpClient:
        if self.http_client is None or not self.base_url:
            raise CannotLook("base_url was not given")
        return self.http_client

    @property
    def url(self) -> urllib.parse.SplitResult:
        if not self.base_url:
            raise CannotLook("base_url was not given")
        return urllib.parse.urlsplit(self.base_url)

    @property
    def host(self) -> str:
        return self.url.hostname or ""

    def address(self, path: str) -> str:
        """The URL of a path of the portal."""
        return self.base_url.rstrip("/") + path

    def sections(self) -> dict[str, Value]:
        """The portal's effective settings."""
        if self._sections is None:
            self._sections = self.files.sections()
        return self._sections

    def setting(self, *path: str) -> Value:
        """One value of `.settings.php`, None where there is none."""
        value: Value = self.sections()
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @property
    def connection(self) -> Connection[t.Any]:
        if self._connection is None:
            self._connection = self.open_connection()
        return self._connection

    def open_connection(self) -> Connection[t.Any]:
        conn = self.connect(*(self.login or portal_login(self.files)))
        with conn.cursor() as cursor:
            # A check must not change what it looks at.
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
        return conn

    def query(self, sql: str, *args: t.Any) -> list[dict[str, t.Any]]:
        return rows(self.connection, sql, args)

    def value(self, sql: str, *args: t.Any) -> t.Any:
        """The one value that a query answers."""
        return next(iter(self.query(sql, *args)[0].values()))

    def need_table(self, table: str) -> None:
        """Ends the check where the module that keeps this table is not installed."""
        if not has_table(self.connection, table):
            raise DoesNotApply(f"there is no table {table}")

    def option(self, module: str, name: str, default: str = "") -> str:
        """An option from `b_option`; names are compared in lower case."""
        sql = "SELECT VALUE FROM b_option WHERE MODULE_ID = %s AND LOWER(NAME) = LOWER(%s)"
        found = self.query(sql, module, name)
        return default if not found else str(found[0]["VALUE"] or "")

    def command(self, *arguments: str) -> str:
        """Standard output of a command on the host."""
        if self.run_command is None:
            raise CannotLook("commands cannot be run from here")
        status, output, problem = self.run_command(arguments)
        if status != 0:
            raise BoxliftError(f"{arguments[0]} failed with status {status}: {problem.strip()[:200]}.")
        return output

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def some(items: t.Sequence[object], limit: int = 5) -> str:
    """The first of many, and how many more there are."""
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
