# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the database of another host as of one moment, through a command such as ssh."""

from __future__ import annotations

import contextlib
import functools
import socket
import tempfile
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.program import complained, start
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    STATEMENT_TIMEOUT,
    Login,
    connect,
    execute,
    hang_up,
    stream,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh import chunks

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

_SETTINGS = {
    **chunks.SETTINGS,
    # The other server may have to wait until its rows are loaded here.
    "net_write_timeout": str(STATEMENT_TIMEOUT),
    "wait_timeout": str(STATEMENT_TIMEOUT),
}
# Unknown column, no such table, definition changed since the snapshot.
_ALTERED = frozenset({1054, 1146, 1412})
_LOGIN_SECONDS = 60
_SAVEPOINT = "boxlift"


class Snapshot:
    """The connection to the other server, with errors that name the command that reaches it."""

    def __init__(self, conn: Connection[t.Any], command: t.Sequence[str], complaints: t.IO[bytes]) -> None:
        self.conn = conn
        self._command = command
        self._complaints = complaints

    @contextlib.contextmanager
    def reading(self) -> t.Iterator[None]:
        """Around reading some tables; frees their locks, so that ALTER need not wait for the snapshot's end."""
        with self.errors():
            execute(self.conn, f"SAVEPOINT {_SAVEPOINT}")
        yield
        with self.errors():
            execute(self.conn, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    def stream(self, sql: str) -> t.Iterator[tuple[t.Any, ...]]:
        """The rows of a query as they come; the server has begun to answer when this returns."""
        with self.errors():
            found = stream(self.conn, sql)
        return self._with_errors(found)

    def _with_errors(self, found: t.Iterator[tuple[t.Any, ...]]) -> t.Iterator[tuple[t.Any, ...]]:
        with self.errors():
            yield from found

    @contextlib.contextmanager
    def errors(self) -> t.Iterator[None]:
        """Around every use of `conn`: turns the server's errors into BoxliftError."""
        try:
            yield
        except DatabaseFailed as error:
            if error.code in _ALTERED:
                raise BoxliftError(
                    f"A table of the other server was altered meanwhile: {error.text}.",
                    "Run the same task again.",
                ) from error
            raise _failure(self._command, self._complaints, error) from error


@contextlib.contextmanager
def snapshot(command: t.Sequence[str], user: str, database: str) -> t.Iterator[Snapshot]:
    """A connection through the command's standard input and output, in a transaction that sees one moment.

    Raises BoxliftError, with the command's complaints, where the command fails or the server refuses the login.
    """
    with tempfile.TemporaryFile() as complaints, _started(command, complaints) as wire:
        timer = threading.Timer(_LOGIN_SECONDS, functools.partial(wire.shutdown, socket.SHUT_RDWR))
        timer.start()
        try:
            conn = connect(Login(user=user), database, wire=wire)
        except DatabaseFailed as error:
            raise _failure(command, complaints, error) from error
        finally:
            timer.cancel()
        source = Snapshot(conn, command, complaints)
        try:
            with source.errors():
                for name, value in _SETTINGS.items():
                    execute(conn, f"SET SESSION {name} = {value}")
                execute(conn, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                execute(conn, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield source
        finally:
            hang_up(conn)


@contextlib.contextmanager
def _started(command: t.Sequence[str], complaints: t.IO[bytes]) -> t.Iterator[socket.socket]:
    """Start the command; yields our end of its standard input and output. Leaving the context ends it."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = start(command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=complaints)
        with process:
            try:
                yield ours
            finally:
                ours.close()
                process.terminate()


def _failure(command: t.Sequence[str], complaints: t.IO[bytes], error: DatabaseFailed) -> BoxliftError:
    return BoxliftError(
        f"The database cannot be read through {command[0]}: {error.message} {complained(complaints)}".rstrip(),
        f"On the other server: {error.remedy} Then run the same task again.",
        **error.details,
    )
