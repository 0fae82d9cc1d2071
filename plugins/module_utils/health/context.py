# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks may look at. Everything comes from outside; what was not given cannot be looked at."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.client import Connector, HttpClient
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, DoesNotApply
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import portal_login
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import Value
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import has_table
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, rows

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

Connect = t.Callable[[Login, str], "Connection[t.Any]"]
_Answer = t.TypeVar("_Answer")
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
    #: What portal_info said of the cloud's portal, or of this one earlier.
    baseline: dict[str, t.Any] | None = None
    #: Each thread borrows a connection; here lie those that nobody uses.
    _idle: list[Connection[t.Any]] = dataclasses.field(default_factory=list)
    _borrowed: threading.local = dataclasses.field(default_factory=threading.local)
    _memory: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _asking: dict[str, threading.Lock] = dataclasses.field(default_factory=dict)

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
        return self.once("sections", self.files.sections)

    def setting(self, *path: str) -> Value:
        """One value of `.settings.php`, None where there is none."""
        value: Value = self.sections()
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @property
    def connection(self) -> Connection[t.Any]:
        """This thread's own connection, until release()."""
        mine: Connection[t.Any] | None = getattr(self._borrowed, "connection", None)
        if mine is None:
            with self._lock:
                mine = self._idle.pop() if self._idle else None
            mine = self._borrowed.connection = mine or self.open_connection()
        return mine

    def release(self) -> None:
        """Hands this thread's connection on to the next check; a dead one is forgotten."""
        mine = getattr(self._borrowed, "connection", None)
        self._borrowed.connection = None
        if mine is not None and mine.open:
            with self._lock:
                self._idle.append(mine)

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
        with self._asking.setdefault("command", threading.Lock()):  # runners are not meant for several threads
            status, output, problem = self.run_command(arguments)
        if status != 0:
            raise BoxliftError(f"{arguments[0]} failed with status {status}: {problem.strip()[:200]}.")
        return output

    def once(self, name: str, ask: t.Callable[[], _Answer]) -> _Answer:
        """An answer that several checks look at, asked for once. A failure is not remembered."""
        with self._asking.setdefault(f"once {name}", threading.Lock()):
            if name not in self._memory:
                self._memory[name] = ask()
            return t.cast("_Answer", self._memory[name])

    def need_baseline(self, *path: str) -> t.Any:
        """A part of the baseline; ends the check where there is nothing to compare with."""
        value: t.Any = self.baseline
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if not value:
            raise DoesNotApply("no baseline was given" if not self.baseline else f"the baseline has no {path[-1]}")
        return value

    def reaches(self, host: str, port: int) -> str:
        """Why no connection to a server can be made from here; empty where it can."""
        if self.connect_tcp is None:
            raise CannotLook("connections cannot be made from here")
        try:
            self.connect_tcp(host, port).close()
        except OSError as problem:
            return str(problem) or type(problem).__name__
        return ""

    def silent(self, places: t.Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """The places that cannot be reached, with the reason; asked together, since each may take its whole time."""
        with concurrent.futures.ThreadPoolExecutor(10) as callers:
            problems = callers.map(lambda place: self.reaches(*place), places)
        return {place: problem for place, problem in zip(places, problems) if problem}

    def close(self) -> None:
        self.release()
        while self._idle:
            self._idle.pop().close()


def some(items: t.Sequence[object], limit: int = 5) -> str:
    """The first of many, and how many more there are."""
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
