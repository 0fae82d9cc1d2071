# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections that load at the same time; a thread of its own hands each of them its statements."""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import sys
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import Session

Task = t.Callable[[Session], None]
# Memory that queued and running statements may hold together; a single larger one runs alone.
MOST_BYTES = 12 * 1024 * 1024
# The reading thread computes all the time. A thread whose server has answered must not wait for it as long as the
# interpreter lets it (5 ms, several times for each statement), or the server would be idle.
_SWITCH_SECONDS = 0.0003


class SessionPool:
    """Runs tasks, each with one of the sessions. After the first error no task runs; the next call raises it."""

    def __init__(self, sessions: t.Sequence[Session]) -> None:
        self._sessions = list(sessions)
        self._switch_before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._free: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._threads = concurrent.futures.ThreadPoolExecutor(len(sessions), thread_name_prefix="loader")
        self._change = threading.Condition()
        self._tasks = 0  # queued or running
        self._bytes = 0  # that they hold
        self._error: BaseException | None = None
        self._closed = False

    def put(
        self, task: Task, size: int = 0, after: threading.Event | None = None, opens: threading.Event | None = None
    ) -> None:
        """Queue a task; one with `after` waits for the earlier task that `opens` this event. Blocks at `MOST_BYTES`."""
        with self._change:
            self._change.wait_for(lambda: self._error or not self._tasks or self._bytes + size <= MOST_BYTES)
            self._raise()
            self._tasks += 1
            self._bytes += size
        self._threads.submit(self._run, task, size, after, opens)

    def drain(self) -> None:
        """Wait until every task is done."""
        with self._change:
            self._change.wait_for(lambda: self._error or not self._tasks)
            self._raise()

    @contextlib.contextmanager
    def session(self) -> t.Iterator[Session]:
        """A session for the caller's own thread; waits until one is free."""
        session = self._free.get()
        try:
            yield session
        finally:
            self._free.put(session)

    def close(self) -> None:
        """End the connections: running tasks are waited for, queued ones are dropped."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._threads.shutdown(cancel_futures=True)
        sys.setswitchinterval(self._switch_before)
        while self._sessions:
            self._sessions.pop().close()

    def _run(self, task: Task, size: int, after: threading.Event | None, opens: threading.Event | None) -> None:
        try:
            with self.session() as session:
                if after is not None:
                    # Tasks begin in order, so the one that opens this event runs already, unless close() has dropped
                    # it from the queue and a thread had taken this one before close() came to it.
                    with self._change:
                        self._change.wait_for(lambda: after.is_set() or self._closed)
                if self._error is None and not self._closed:
                    task(session)
        except BaseException as error:
            # Before another task begins; the first error is the one to raise.
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
