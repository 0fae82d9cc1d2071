# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the portal's database: one for each thread that asks, handed on from check to check."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute

if t.TYPE_CHECKING:
    from pymysql.connections import Connection


class Connections:
    """`connect` opens a connection; what it raises is the caller's."""

    def __init__(self, connect: t.Callable[[], Connection[t.Any]]) -> None:
        self._connect = connect
        self._idle: list[Connection[t.Any]] = []
        self._borrowed = threading.local()
        self._lock = threading.Lock()

    def borrow(self) -> Connection[t.Any]:
        """This thread's own connection, the same one until release()."""
        mine: Connection[t.Any] | None = getattr(self._borrowed, "connection", None)
        if mine is None:
            with self._lock:
                mine = self._idle.pop() if self._idle else None
            mine = self._borrowed.connection = mine or self._read_only()
        return mine

    def release(self) -> None:
        """Leave this thread's connection to the next one that borrows; drop it if it is dead."""
        mine = getattr(self._borrowed, "connection", None)
        self._borrowed.connection = None
        if mine is not None and mine.open:
            with self._lock:
                self._idle.append(mine)

    def close(self) -> None:
        """Release this thread's connection and close all that are idle."""
        self.release()
        while self._idle:
            self._idle.pop().close()

    def _read_only(self) -> Connection[t.Any]:
        conn = self._connect()
        # A check must not change what it looks at.
        execute(conn, "SET SESSION TRANSACTION READ ONLY")
        return conn
