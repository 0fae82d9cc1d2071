# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dumps that went wrong somewhere (tests/unit/faults), and any dump loaded by a real server."""

from __future__ import annotations

import contextlib
import gzip
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer, ImportResult

FAULTS = pathlib.Path(__file__).parents[3] / "faults"


def fault(name: str) -> bytes:
    """The dump of this name; one that is no text in any character set lies there compressed."""
    packed = FAULTS / f"{name}.sql.gz"
    return gzip.decompress(packed.read_bytes()) if packed.exists() else (FAULTS / f"{name}.sql").read_bytes()


def load(mariadb: t.Any, text: bytes) -> tuple[t.Any, ImportResult]:
    """Import a dump into a new database; a connection to it, and the result."""
    database = mariadb.fresh_database("staging")
    with contextlib.closing(Importer(lambda: mariadb.connect(database), jobs=2)) as importer:
        importer.feed("d.sql", text)
        importer.end_of_file()
        return mariadb.connect(database), importer.finish()
