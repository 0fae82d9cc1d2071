# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite files in which several writes are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import typing as t


@contextlib.contextmanager
def transaction(database: sqlite3.Connection, lock: threading.RLock) -> t.Iterator[None]:
    """What is written inside is on the disk as a whole or not at all. One inside of another is a part of it.

    `database` commits nothing by itself (isolation_level None).
    """
    with lock:
        if database.in_transaction:
            yield
            return
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # On a full disk the database has done it itself, and refuses a second time.
            with contextlib.suppress(sqlite3.OperationalError):
                database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
