# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database beside the live one: filled from the dump, then switched in. What this adds to sql/load/ is one object
that can be passed in, and that connects late.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load import staging
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer, RowsSoFar, default_jobs

if t.TYPE_CHECKING:
    from pymysql.connections import Connection


class StagedDatabase:
    """The staging database of the live database `name`, loaded over `jobs` connections.

    It connects when it is first needed: a run with nothing to do needs no server. First `prepare`, then `feed` and
    `end_of_file` for each file of the dump, `complete`, `switch_in`; `close` however it ends. All of them raise
    BoxliftError. `on_rows` is told the rows that are loaded so far.
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

    def switch_in(self, keep_previous: bool) -> None:
        """Make it the live database. Can be called again after a kill."""
        with connect(self._login) as conn:
            staging.switch_in(conn, self._names.staging, self._names.live, self._names.previous)
            if not keep_previous:
                schema.drop(conn, self._names.previous)

    @property
    def _at_work(self) -> Importer:
        if self._importer is None:
            raise RuntimeError("prepare() comes first")
        return self._importer
