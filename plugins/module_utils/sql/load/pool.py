# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several connections that load at the same time, each with a thread that hands it its statements."""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import sys
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Session

Task = t.Callable[[Session], None]
# Statements that wait or are at work hold no more memory than this; a single larger one goes alone.
MOST_BYTES = 12 * 1024 * 1024
# The reader computes all the time, and a loader whose server is done must not stand behind it: the interpreter's
# own 5 ms, several times for each statement, would leave the server idle.
_SWITCH_SECONDS = 0.0003


class Loaders:
    """put() tasks; what one of them raises comes out of the next call, and nothing is run after it."""

    def __init__(self, sessions: t.Sequence[Session]) -> None:
        self._sessions = list(sessions)
        self._switch_before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._free: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._pool = concurrent.futures.ThreadPoolExecutor(len(sessions), thread_name_prefix="loader")
        self._change = threading.Condition()
        self._tasks = 0  # that wait or are at work
        self._bytes = 0  # that they hold
        self._error: BaseException | None = None
        self._closed = False

    def put(
        self, task: Task, size: int = 0, after: threading.Event | None = None, opens: threading.Event | None = None
    ) -> None:
        """Run the task in its turn, `after` an earlier one that `opens` it. Waits while too much waits already."""
        with self._change:
            self._change.wait_for(lambda: self._error or not self._tasks or self._bytes + size <= MOST_BYTES)
            self._raise()
            self._tasks += 1
            self._bytes += size
        self._pool.submit(self._run, task, size, after, opens)

    def drain(self) -> None:
        """Wait until everything is done."""
        with self._change:
            self._change.wait_for(lambda: self._error or not self._tasks)
            self._raise()

    @contextlib.contextmanager
    def session(self) -> t.Iterator[Session]:
        """A connection for the caller's own thread; waits until one has nothing to do."""
        session = self._free.get()
        try:
            yield session
        finally:
            self._free.put(session)

    def close(self) -> None:
        """End the connections; a statement at work is waited for, what waits in its turn is not run."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._pool.shutdown(cancel_futures=True)
        sys.setswitchinterval(self._switch_before)
        while self._sessions:
            self._sessions.pop().close()

    def _run(self, task: Task, size: int, after: threading.Event | None, opens: threading.Event | None) -> None:
        try:
            with self.session() as session:
                if after is not None:
                    # Tasks begin in their order, so the one that opens this one is at work already; but close() takes
                    # from the front what has not begun, and may take that one and leave this one.
                    with self._change:
                        self._change.wait_for(lambda: after.is_set() or self._closed)
                if self._error is None and not self._closed:
                    task(session)
        except BaseException as error:
            # Before others are let in; the earliest is the one to tell.
            self._error = self._error or error
        finally:
            if opens is not None:
                opens.set()
            with self._change:
                self._tasks -= 1
                self._bytes -= size
                self._change.notify_all()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
