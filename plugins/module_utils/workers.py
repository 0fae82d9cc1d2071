# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes, so that several parts are processed at a time in spite of Python's interpreter lock.

Workers are forked from the process that makes the crew: make it before any thread is started. They end when that
process ends, also when it is killed, and hold its locks (state.Lock) until then.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
import struct
import sys
import traceback
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


_LENGTH = struct.Struct("<I")
# A worker's function: it gets a task and a function that sends a note to the parent, and returns the task's result.
Work = t.Callable[[t.Any, t.Callable[[t.Any], None]], t.Any]


class Told(t.NamedTuple):
    """A message from a worker; `kind` is `note` (the task goes on), `result`, or `error` (an exception ended it)."""

    kind: str
    task: t.Any
    value: t.Any


class Crew:
    """`give` tasks while workers are `idle`, and `listen` to their messages. Leaving the context ends the workers."""

    def __init__(self, size: int, work: Work) -> None:
        self._members: dict[int, _Member] = {}
        self._poll = select.poll()
        for _number in range(max(1, size)):
            self._hire(work)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; tasks that are not done are given up."""
        for member in self._members.values():
            member.wire.close()
        for member in self._members.values():
            os.waitpid(member.process, 0)
        self._members.clear()

    @property
    def idle(self) -> int:
        """Number of workers without a task."""
        return sum(1 for member in self._members.values() if not member.busy)

    @property
    def busy(self) -> int:
        return len(self._members) - self.idle

    def give(self, task: t.Any) -> None:
        member = next(member for member in self._members.values() if not member.busy)
        member.task, member.busy = task, True
        member.wire.send(task)

    def listen(self, seconds: float | None = None) -> list[Told]:
        """Messages from the workers, after at most `seconds` (None: no limit). Errors are returned, not raised.

        Raises BoxliftError where a worker was killed.
        """
        ready = self._poll.poll(None if seconds is None else seconds * 1000)
        return [self._hear(self._members[descriptor]) for descriptor, _event in ready]

    def map(
        self, tasks: t.Iterable[t.Any], on_note: t.Callable[[t.Any], None] = lambda note: None
    ) -> dict[t.Any, t.Any]:
        """Run all tasks and return the result of each. Raises the first error at once."""
        results: dict[t.Any, t.Any] = {}
        waiting = list(tasks)
        while waiting or self.busy:
            while waiting and self.idle:
                self.give(waiting.pop(0))
            for told in self.listen():
                if told.kind == "error":
                    raise told.value
                if told.kind == "note":
                    on_note(told.value)
                else:
                    results[told.task] = told.value
        return results

    def _hear(self, member: _Member) -> Told:
        try:
            kind, value = member.wire.receive()
        except EOFError:
            self._poll.unregister(member.wire.fileno())
            raise BoxliftError(
                "A worker process was killed.",
                "Look into the host's log for a lack of memory, and run again: it goes on where it stopped.",
            ) from None
        task = member.task
        if kind != "note":
            member.task, member.busy = None, False
        return Told(kind, task, value)

    def _hire(self, work: Work) -> None:
        parent = os.getpid()
        ours, theirs = socket.socketpair()
        process = os.fork()
        if not process:
            # Whatever happens, the child must not return into the parent's code.
            try:
                for member in self._members.values():
                    member.wire.close()
                ours.close()
                _serve(_Wire(theirs), work, parent)
                os._exit(0)
            except BaseException:
                traceback.print_exc(file=sys.stderr)
                os._exit(1)
        theirs.close()
        self._members[ours.fileno()] = _Member(process, _Wire(ours))
        self._poll.register(ours.fileno(), select.POLLIN)


class Orphaned(Exception):
    """The parent process is gone."""


def _serve(wire: _Wire, work: Work, parent: int) -> None:
    """The loop of a worker: receive a task, run it, send its result."""

    def note(value: t.Any) -> None:
        if os.getppid() != parent:
            raise Orphaned
        if value is not None:
            wire.send(("note", value))

    while True:
        try:
            task = wire.receive()
        except (EOFError, ConnectionResetError):
            return
        try:
            answer = ("result", work(task, note))
        except (Orphaned, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            error.__traceback__ = None
            answer = ("error", error)
        try:
            wire.send(answer)
        except BrokenPipeError:
            return


class _Wire:
    """Sends and receives objects over a socket. Pickle is safe here: both ends are this program."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()

    def send(self, value: t.Any) -> None:
        content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._connection.sendall(_LENGTH.pack(len(content)) + content)

    def receive(self) -> t.Any:
        return pickle.loads(self._exactly(_LENGTH.unpack(self._exactly(_LENGTH.size))[0]))

    def _exactly(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            piece = self._connection.recv(size - len(content))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)


class _Member:
    def __init__(self, process: int, wire: _Wire) -> None:
        self.process = process
        self.wire = wire
        self.busy = False
        self.task: t.Any = None
