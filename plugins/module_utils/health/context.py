# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check may look at. Files, database, network and commands are passed in; what is missing raises CannotLook."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
import shlex
import threading
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.connections import Connections
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook, DoesNotApply
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import Connector, HttpClient
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles, read
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
    """One portal, seen from its own host or from outside."""

    now: t.Callable[[], float]
    connect: Connect
    portal_files: PortalFiles | None = None
    no_files: str = "document_root was not given"
    base_url: str = ""
    http_client: HttpClient | None = None
    #: Login and database name for the checks; without it, the portal's own from its files.
    login: tuple[Login, str] | None = None
    run_command: Runner | None = None
    #: The root of the host's file system, where the portal's own host is looked at.
    host_root: pathlib.Path | None = None
    connect_tcp: Connector | None = None
    push_expected: bool = True
    #: What the module portal_info returned, for the cloud's portal or for this one earlier.
    baseline: dict[str, t.Any] | None = None
    _memory: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    _asking: dict[str, threading.Lock] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connections = Connections(lambda: self.connect(*(self.login or portal_login(self.files))))

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
        return self._connections.borrow()

    def release(self) -> None:
        """Leave this thread's connection to the next check."""
        self._connections.release()

    def close(self) -> None:
        """Close the connections that no thread uses."""
        self._connections.close()

    def query(self, sql: str, *args: t.Any) -> list[dict[str, t.Any]]:
        return rows(self.connection, sql, args)

    def value(self, sql: str, *args: t.Any) -> t.Any:
        """First column of the first row."""
        return next(iter(self.query(sql, *args)[0].values()))

    def need_table(self, table: str) -> None:
        """Raises DoesNotApply if the table is missing: the portal's module that owns it is not installed."""
        if not has_table(self.connection, table):
            raise DoesNotApply(f"there is no table {table}")

    def option(self, module: str, name: str, default: str = "") -> str:
        """A value of `b_option`; upper and lower case in the name do not matter."""
        sql = "SELECT VALUE FROM b_option WHERE MODULE_ID = %s AND LOWER(NAME) = LOWER(%s)"
        found = self.query(sql, module, name)
        return default if not found else str(found[0]["VALUE"] or "")

    def command(self, *arguments: str) -> str:
        """Standard output of a command on the host. Raises BoxliftError if it fails."""
        if self.run_command is None:
            raise CannotLook("commands cannot be run from here")
        with self._asking.setdefault("command", threading.Lock()):  # one program at a time
            status, output, problem = self.run_command(arguments)
        if status != 0:
            raise BoxliftError(f"{arguments[0]} failed with status {status}: {problem.strip()[:200]}.")
        return output

    def installed(self, *arguments: str) -> str | None:
        """As command(), but None if the host has no such program."""
        try:
            return self.command(*arguments)
        except FileNotFoundError:
            return None

    def host_file(self, path: str) -> pathlib.Path:
        """A file of the host by its absolute path."""
        if self.host_root is None:
            raise CannotLook("host_root was not given")
        return self.host_root.joinpath(path.lstrip("/"))

    def host_text(self, path: str) -> str:
        """What a file of the host holds; empty if there is none. Raises BoxliftError if it cannot be read."""
        place = self.host_file(path)
        return read(place).decode("utf-8", "replace") if place.exists() else ""

    def once(self, name: str, ask: t.Callable[[], _Answer]) -> _Answer:
        """The result of `ask`, kept under `name` for the other checks. An error is not kept."""
        with self._asking.setdefault(f"once {name}", threading.Lock()):
            if name not in self._memory:
                self._memory[name] = ask()
            return t.cast("_Answer", self._memory[name])

    def need_baseline(self, *path: str) -> t.Any:
        """A part of the baseline. Raises DoesNotApply if the baseline has none."""
        value: t.Any = self.baseline
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if not value:
            raise DoesNotApply("no baseline was given" if not self.baseline else f"the baseline has no {path[-1]}")
        return value

    def reaches(self, host: str, port: int) -> str:
        """Why a TCP connection to the server fails; empty if it succeeds."""
        if self.connect_tcp is None:
            raise CannotLook("connections cannot be made from here")
        try:
            self.connect_tcp(host, port).close()
        except OSError as problem:
            return str(problem) or type(problem).__name__
        return ""

    def silent(self, places: t.Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """Servers that cannot be reached, with the reason. Tried in parallel: each may need its whole timeout."""
        with concurrent.futures.ThreadPoolExecutor(10) as callers:
            problems = callers.map(lambda place: self.reaches(*place), places)
        return {place: problem for place, problem in zip(places, problems) if problem}


def program(command: str) -> str:
    """The program that a command line names; empty where it names none."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation that does not end
        words = command.split()
    return words[0] if words else ""


def some(items: t.Sequence[object], limit: int = 5) -> str:
    """The first items, and the number of the others: `a, b and 4 more`."""
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
