# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A portal in service copied: the rows of one moment, and every file that they name."""

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
    """Where the rows and files come from: commands, the account, and the database's name, as the module's options."""

    database_command: t.Sequence[str]
    files_command: t.Sequence[str]
    login_user: str
    name: str


def plan(portal: Portal, login: Login, database: str) -> tuple[sync.Done, Fetched]:
    """What copy() would do."""
    with snapshot(portal.database_command, portal.login_user, portal.name) as source:
        done = sync.plan(source, portal.name, login, database)
    with fetching(portal.files_command, lambda _size, _files: None, check=True) as files:
        return done, files.result()


def copy(portal: Portal, login: Login, database: str, progress: Progress) -> tuple[sync.Done, Fetched]:
    """Make the database equal, and let the command fetch the files meanwhile.

    Killed at any moment, it is completed by the next call. Raises BoxliftError where either fails; the other is ended.
    """
    rows = size = 0

    def on_rows(count: int) -> None:
        nonlocal rows
        rows = count
        if files.done():  # it may have failed, and nobody shall wait for the rows then
            files.result()
        progress.tell(done=rows + size)

    def on_files(came: int, count: int) -> None:
        nonlocal size
        size = came
        progress.tell(done=rows + size, files=count)

    progress.tell(phase="copy")
    with contextlib.ExitStack() as stack:
        with snapshot(portal.database_command, portal.login_user, portal.name) as source:
            # Not before the moment of which the rows are: a file is there before the row that names it.
            files = stack.enter_context(fetching(portal.files_command, on_files))
            done = sync.refresh(source, portal.name, login, database, jobs=default_jobs(), on_bytes=on_rows)
        return done, files.result()
