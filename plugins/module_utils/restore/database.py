# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database beside the live one: filled from the dump, then switched in. What this adds to sql/load/ is one object
that can be passed in, and that connects late.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.portal import life
from ansible_collections.boxlift.portal.plugins.module_utils.portal.info import gather
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    Login,
    asking,
    connect,
    execute,
    quote_name,
    rows,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import sessions
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load import staging
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer, RowsSoFar, default_jobs

if t.TYPE_CHECKING:
    from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
    from pymysql.connections import Connection

_LOOK_SECONDS = 0.1


class Look(t.NamedTuple):
    """What a database says of its portal. `filled` says whether it has tables; `marks` and `signs` are of life.py."""

    domain: str
    filled: bool
    marks: dict[str, t.Any]
    signs: list[life.Sign]


class StagedDatabase:
    """The staging database of the live database `name`, loaded over `jobs` connections.

    It connects when it is first needed: a run with nothing to do needs no server. First `prepare`, then `feed` and
    `end_of_file` for each file of the dump, `complete`, `switch_in`; `close` however it ends. All of them raise
    BoxliftError. `on_rows` is told the rows that are loaded so far. What was live is kept under the number of its
    generation (`generations`), and `exchange` makes one of them live again.
    """

    def __init__(
        self,
        login: Login,
        name: str,
        jobs: int | None = None,
        on_rows: t.Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._login = login
        self._rows = RowsSoFar(on_rows)
        self._jobs = jobs or default_jobs()
        self._names = staging.Names.of(name)
        self._importer: Importer | None = None

    def exists(self) -> bool:
        """Whether an earlier run left its staging database."""
        with connect(self._login) as conn:
            return schema.exists(conn, self._names.staging)

    def prepare(self, state: dict[str, t.Any] | None) -> None:
        """Create it empty; with the `state()` of a killed run, keep what that run has loaded."""
        with connect(self._login) as conn:
            staging.end_connections(conn, self._names.staging)
            if state is None:
                schema.create_empty(conn, self._names.staging)
        self._importer = Importer(self._connect, jobs=self._jobs, on_progress=self._rows.add, state=state)

    def _connect(self) -> Connection[t.Any]:
        return connect(self._login, self._names.staging)

    def feed(self, name: str, content: bytes) -> None:
        """The next bytes of the dump's file `name`. Blocks while the server is behind."""
        self._at_work.feed(name, content)

    def end_of_file(self) -> None:
        self._at_work.end_of_file()

    def complete(self) -> dict[str, t.Any]:
        """Count the rows, make the views, and return the `ImportResult` as a dictionary."""
        return dataclasses.asdict(self._at_work.finish())

    def state(self) -> dict[str, t.Any]:
        """What a later run can resume from, fit for JSON; its `position` is the dump's file, the byte in it, the line.

        `position` is None where nothing can be skipped yet.
        """
        return self._at_work.state()

    def close(self) -> None:
        """End the connections; what is not done is left undone."""
        self._at_work.close()

    def directory(self) -> str:
        """Where the server keeps its databases, empty where that is another host, or nothing is said of it."""
        if not self._login.unix_socket:
            return ""
        with connect(self._login) as conn:
            found = str(rows(conn, "SELECT @@datadir AS d")[0]["d"])
        return found if os.path.isdir(found) else ""

    def refuse_early(self, number: int) -> None:
        """Log in, and prove that the switch will be allowed to keep what is live as generation `number`."""
        with connect(self._login) as conn:
            staging.refuse_early(conn, self._names.staging, self._names.live, self.generation(number))

    def switch_in(self, number: int) -> None:
        """Make it the live database; what was live becomes generation `number`. Can be called again after a kill."""
        with connect(self._login) as conn:
            staging.switch_in(conn, self._names.staging, self._names.live, self.generation(number))

    def refuse_exchange(self, incoming: int, outgoing: int) -> None:
        """Raise BoxliftError for what would stop `exchange`."""
        with connect(self._login) as conn:
            staging.refuse_early(conn, self.generation(incoming), self._names.live, self.generation(outgoing))

    def exchange(self, incoming: int, outgoing: int) -> None:
        """Generation `incoming` becomes live, what was live becomes `outgoing`. Can be called again after a kill."""
        with connect(self._login) as conn:
            staging.switch_in(conn, self.generation(incoming), self._names.live, self.generation(outgoing))

    def exchanged(self, incoming: int) -> bool:
        """Whether the tables of this generation have left it."""
        with connect(self._login) as conn:
            return not schema.tables(conn, self.generation(incoming))

    def make_ready(self, number: int) -> None:
        """Let what the portal keeps outside of its database be made anew for this generation, before it is live.

        Browsers then ask again where the push server is. Sphinx holds the texts of another database: its row goes, and
        role portal takes Sphinx into use again and builds the index.
        """
        self._make_ready(self.generation(number))

    def make_staged_ready(self) -> None:
        """The same for what is staged."""
        self._make_ready(self._names.staging)

    def _make_ready(self, database: str) -> None:
        with connect(self._login) as conn:
            table = f"{quote_name(database)}.b_option"
            if "b_option" not in schema.tables(conn, database):
                return
            execute(
                conn,
                f"UPDATE {table} SET VALUE = UNIX_TIMESTAMP() WHERE MODULE_ID = 'pull' AND NAME = 'config_timestamp'",
            )
            where = "WHERE MODULE_ID = 'search' AND NAME = 'full_text_engine' AND VALUE = 'sphinx'"
            execute(conn, f"DELETE FROM {table} {where}")

    def wait_for_requests(self, seconds: float) -> None:
        """Wait until the sessions that are in the live database now have ended, at most so long."""
        with connect(self._login) as conn:
            until, live = time.monotonic() + seconds, self._names.live.lower()
            held = {each.id for each in sessions(asking(conn), [live]) if each.database.lower() == live}
            while held and time.monotonic() < until:
                time.sleep(_LOOK_SECONDS)
                held &= {each.id for each in sessions(asking(conn), [live]) if each.database.lower() == live}

    def generation(self, number: int) -> str:
        """The name of the database of this generation."""
        return staging.generation(self._names.live, number)

    def generations(self) -> list[int]:
        """The numbers of the generations that have tables."""
        with connect(self._login) as conn:
            return staging.generations(conn, self._names.live)

    def drop_generation(self, number: int) -> None:
        """Drop its database, if it has one."""
        with connect(self._login) as conn:
            schema.drop(conn, self.generation(number))

    def look(self, which: str, known: dict[str, t.Any] | None) -> Look:
        """What people have done in the `live` or the `staging` database since `known` (see portal/life.py)."""
        name = self._names.live if which == "live" else self._names.staging
        with connect(self._login) as conn:
            if not schema.exists(conn, name):
                return Look("", False, {"last": {}, "logins": {"sum": 0, "latest": ""}}, [])
            filled = bool(schema.tables(conn, name))
            seen = (conn, name, life.tables_of(conn, name))
            signs = life.signs_of_records(*seen, known)
            return Look(life.domain_of(*seen), filled, life.marks(*seen), signs)

    def describe(self, files: PortalFiles | None) -> dict[str, t.Any]:
        """What portal_info says of the live portal, without `files` of its database alone."""
        with connect(self._login, self._names.live) as conn:
            return gather(files, conn)

    @property
    def _at_work(self) -> Importer:
        if self._importer is None:
            raise RuntimeError("prepare() comes first")
        return self._importer
