# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dump on its way into a staging database, and that database on its way into the live one's place."""

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
    """Connects when it is first needed, so that a run with nothing to do needs no server."""

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
        with connect(self._login) as conn:
            return schema.exists(conn, self._names.staging)

    def prepare(self, state: dict[str, t.Any] | None) -> None:
        """An empty staging database, or the one that an interrupted run has filled as far as `state` says."""
        with connect(self._login) as conn:
            staging.end_connections(conn, self._names.staging)
            if state is None:
                schema.create_empty(conn, self._names.staging)
        self._importer = Importer(self._connect, jobs=self._jobs, on_progress=self._rows.add, state=state)

    def _connect(self) -> Connection[t.Any]:
        return connect(self._login, self._names.staging)

    def feed(self, name: str, content: bytes) -> None:
        self._at_work.feed(name, content)

    def end_of_file(self) -> None:
        self._at_work.end_of_file()

    def complete(self) -> dict[str, t.Any]:
        """Rows counted, views made; what the importer says about it."""
        return dataclasses.asdict(self._at_work.finish())

    def state(self) -> dict[str, t.Any]:
        return self._at_work.state()

    def close(self) -> None:
        self._at_work.close()

    def switch_in(self, keep_previous: bool) -> None:
        with connect(self._login) as conn:
            staging.switch_in(conn, self._names.staging, self._names.live, self._names.previous)
            if not keep_previous:
                schema.drop(conn, self._names.previous)

    @property
    def _at_work(self) -> Importer:
        if self._importer is None:
            raise RuntimeError("prepare() comes first")
        return self._importer
