# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From dump files to the live database: loaded into staging, proven, switched in. Run it again after a kill."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files import check_whole, feed_files
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load import staging
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import (
    Importer,
    OnProgress,
    default_jobs,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.notes import read_note, write_note
from ansible_collections.boxlift.portal.plugins.module_utils.state import LOCK_PATIENCE

# Seconds between two saved states: what a kill costs at most. A table that takes longer is loaded again.
SAVE_EVERY = 10.0
_IMPORT = "import"


class FilesImport(t.NamedTuple):
    """`imported` is an ImportResult as a dictionary; `resumed` says whether an earlier run had begun the import."""

    imported: dict[str, t.Any]
    switch: staging.SwitchResult
    resumed: bool


def fingerprint(files: t.Sequence[str]) -> list[list[t.Any]]:
    """Paths, sizes and times of the files: a run resumes only what was begun with the very same ones."""
    return [[file, *stamp(file)] for file in files]


def import_files(
    login: Login,
    live: str,
    files: t.Sequence[str],
    *,
    keep_previous: bool = True,
    jobs: int | None = None,
    clock: t.Callable[[], float] = time.monotonic,
    on_progress: OnProgress | None = None,
) -> FilesImport:
    """Import into the staging database, then switch it in for the live one.

    `on_progress` counts bytes from the beginning of the dump, also where a killed run is resumed.
    """
    check_whole(files)
    names = staging.Names.of(live)
    conn = connect(login)
    try:
        _take_lock(conn, live)
        imported, resumed = _stage(conn, login, names, files, jobs or default_jobs(), clock, on_progress)
        switch = staging.switch_in(conn, names.staging, names.live, names.previous)
        if not keep_previous:
            schema.drop(conn, names.previous)
        return FilesImport(imported, switch, resumed)
    finally:
        conn.close()


def _take_lock(conn: t.Any, live: str) -> None:
    """One import of a database at a time; the server frees the lock when the connection ends, however it ends.

    Of a killed run it notices that a moment later.
    """
    name = f"boxlift:{live}"[:64]
    if rows(conn, "SELECT GET_LOCK(%s, %s) AS got", (name, LOCK_PATIENCE))[0]["got"] != 1:
        owner = rows(conn, "SELECT IS_USED_LOCK(%s) AS id", (name,))[0]["id"]
        raise BoxliftError(
            f"Another import into {live} is at work: connection {owner} of the database server.",
            "Wait for it, or end it.",
        )


def _stage(
    conn: t.Any,
    login: Login,
    names: staging.Names,
    files: t.Sequence[str],
    jobs: int,
    clock: t.Callable[[], float],
    on_progress: OnProgress | None,
) -> tuple[dict[str, t.Any], bool]:
    """Fill the staging database, from where a killed run left off; the result, and whether there was such a run."""
    mark = fingerprint(files)
    staging.end_connections(conn, names.staging)
    note = read_note(conn, names.staging, _IMPORT)
    resumed = note is not None and note["files"] == mark
    if not resumed:
        schema.create_empty(conn, names.staging)
        note = {"files": mark, "state": None, "result": None}
        write_note(conn, names.staging, _IMPORT, note)
    if note["result"] is None:
        note["result"] = _import(conn, login, names.staging, files, note, jobs, clock, on_progress)
        write_note(conn, names.staging, _IMPORT, note)
    return note["result"], resumed


def _import(
    conn: t.Any,
    login: Login,
    database: str,
    files: t.Sequence[str],
    note: dict[str, t.Any],
    jobs: int,
    clock: t.Callable[[], float],
    on_progress: OnProgress | None,
) -> dict[str, t.Any]:
    before = 0

    def tell(table: str, table_rows: int, size: int) -> None:
        if on_progress is not None:
            on_progress(table, table_rows, before + size)

    importer = Importer(lambda: connect(login, database), jobs=jobs, on_progress=tell, state=note["state"])
    try:
        position = importer.safe_position
        if position is not None:
            passed = files[: list(files).index(position[0])]
            before = position[1] + sum(os.path.getsize(file) for file in passed)
        saved_at = clock()

        def save() -> None:
            nonlocal saved_at
            if clock() - saved_at >= SAVE_EVERY:
                write_note(conn, database, _IMPORT, {**note, "state": importer.state()})
                saved_at = clock()

        feed_files(importer, files, importer.safe_position, save)
        result = importer.finish()
        return dataclasses.asdict(result)
    finally:
        importer.close()
