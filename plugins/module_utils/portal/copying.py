# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies a portal in service: the rows of one moment, and every file that they name."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.portal.rsync import Fetched, fetching
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import default_jobs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh import sync
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh.snapshot import snapshot


class Portal(t.NamedTuple):
    """The portal to copy: commands that reach its database and files, the account, and the database's name."""

    database_command: t.Sequence[str]
    files_command: t.Sequence[str]
    login_user: str
    name: str


def plan(portal: Portal, login: Login, database: str) -> tuple[sync.Done, Fetched]:
    """What `copy` would do, for check mode."""
    with snapshot(portal.database_command, portal.login_user, portal.name) as source:
        done = sync.plan(source, portal.name, login, database)
    with fetching(portal.files_command, lambda _size, _files: None, check=True) as files:
        return done, files.result()


def copy(portal: Portal, login: Login, database: str, progress: Progress) -> tuple[sync.Done, Fetched]:
    """Make the database equal, and fetch the files at the same time.

    Call it again after a kill. Raises BoxliftError where either fails, and ends the other.
    """
    rows = size = 0

    def on_rows(count: int) -> None:
        nonlocal rows
        rows = count
        if files.done():  # if it has failed, raise now instead of after the rows
            files.result()
        progress.tell(done=rows + size)

    def on_files(came: int, count: int) -> None:
        nonlocal size
        size = came
        progress.tell(done=rows + size, files=count)

    progress.tell(phase="copy")
    with contextlib.ExitStack() as stack:
        with snapshot(portal.database_command, portal.login_user, portal.name) as source:
            # Start after the snapshot: a file is written before the row that names it, so all named files are there.
            files = stack.enter_context(fetching(portal.files_command, on_files))
            done = sync.refresh(source, portal.name, login, database, jobs=default_jobs(), on_bytes=on_rows)
        return done, files.result()
