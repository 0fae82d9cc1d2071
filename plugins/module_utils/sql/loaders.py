# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several connections that load at the same time, each with a thread that hands it its statements."""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.session import Session

Task = t.Callable[[Session], None]
# Statements that wait or are at work hold no more memory than this; a single larger one goes alone.
MOST_BYTES = 12 * 1024 * 1024


class Loaders:
    """put() tasks; what one of them raises comes out of the next call, and nothing is run after it."""

    def __init__(self, sessions: t.Sequence[Session]) -> None:
        self._sessions = list(sessions)
        self._free: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._pool = concurrent.futures.ThreadPoolExecutor(len(sessions), thread_name_prefix="loader")
        self._running: dict[concurrent.futures.Future[None], int] = {}
        self._bytes = 0
        self._error: BaseException | None = None

    def put(
        self, task: Task, size: int = 0, after: threading.Event | None = None, opens: threading.Event | None = None
    ) -> None:
        """Run the task in its turn, `after` an earlier one that `opens` it. Waits while too much waits already."""
        self._collect(room=size)
        self._running[self._pool.submit(self._run, task, after, opens)] = size
        self._bytes += size

    def drain(self) -> None:
        """Wait until everything is done."""
        while self._running:
            self._collect(room=MOST_BYTES)
        self._collect()

    @contextlib.contextmanager
    def session(self) -> t.Iterator[Session]:
        """A connection for the caller's own thread; waits until one has nothing to do."""
        session = self._free.get()
        try:
            yield session
        finally:
            self._free.put(session)

    def close(self) -> None:
        """End the connections; a statement at work is waited for."""
        self._pool.shutdown(cancel_futures=True)
        while self._sessions:
            self._sessions.pop().close()

    def _run(self, task: Task, after: threading.Event | None, opens: threading.Event | None) -> None:
        with self.session() as session:
            try:
                if after is not None:
                    after.wait()  # tasks begin in their order: the one that opens this one is at work already
                if self._error is None:
                    task(session)
            except BaseException as error:
                # Before others are let in; the earliest is the one to tell.
                self._error = self._error or error
                raise
            finally:
                if opens is not None:
                    opens.set()

    def _collect(self, room: int = 0) -> None:
        """Forget what is done, waiting until `room` bytes more may be taken in."""
        while True:
            for future in [future for future in self._running if future.done()]:
                self._bytes -= self._running.pop(future)
            if self._error is not None:
                raise self._error
            if not self._running or self._bytes + room <= MOST_BYTES:
                return
            concurrent.futures.wait(self._running, return_when=concurrent.futures.FIRST_COMPLETED)
