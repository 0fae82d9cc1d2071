# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool of loading connections, with sessions that only count."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.pool import MOST_BYTES, Loaders

SECONDS = 10


class Idle:
    """Stands for a session."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture()
def sessions() -> list[t.Any]:
    return [Idle(), Idle()]


@pytest.fixture()
def loaders(sessions: list[t.Any]) -> t.Iterator[Loaders]:
    pool = Loaders(sessions)
    yield pool
    pool.close()


def test_as_many_tasks_as_sessions_run_at_the_same_time_each_with_its_own(
    loaders: Loaders, sessions: list[t.Any]
) -> None:
    meeting = threading.Barrier(2)
    seen: list[t.Any] = []

    def task(session: t.Any) -> None:
        meeting.wait(SECONDS)  # passes only if the other is there too
        seen.append(session)
        meeting.wait(SECONDS)

    for _task in range(4):
        loaders.put(task)
    loaders.drain()
    assert [set(seen[:2]), set(seen[2:])] == [set(sessions), set(sessions)]


def test_put_waits_while_too_much_waits_already(loaders: Loaders) -> None:
    gate, done = threading.Event(), threading.Event()

    def put_more() -> None:
        loaders.put(lambda _session: None, size=MOST_BYTES)  # larger than what is left: waits
        done.set()

    loaders.put(lambda _session: gate.wait(SECONDS) and None, size=1)
    feeder = threading.Thread(target=put_more)
    feeder.start()
    assert not done.wait(0.3)
    gate.set()
    feeder.join(SECONDS)
    assert done.is_set()


def test_a_single_task_beyond_the_limit_goes_alone(loaders: Loaders) -> None:
    ran: list[int] = []
    for number in range(3):
        loaders.put(lambda _session, number=number: ran.append(number), size=MOST_BYTES * 2)
    loaders.drain()
    assert ran == [0, 1, 2]


def test_a_task_waits_for_the_one_that_opens_it(loaders: Loaders) -> None:
    ran: list[str] = []
    gate, opened = threading.Event(), threading.Event()

    def first(_session: t.Any) -> None:
        gate.wait(SECONDS)
        ran.append("first")

    loaders.put(first, opens=opened)
    loaders.put(lambda _session: ran.append("second"), after=opened)
    assert not opened.wait(0.2) and not ran
    gate.set()
    loaders.drain()
    assert ran == ["first", "second"]


def test_an_error_comes_out_of_the_next_call_and_nothing_runs_after_it(loaders: Loaders) -> None:
    ran: list[str] = []
    opened, gate = threading.Event(), threading.Event()

    def fail(_session: t.Any) -> None:
        gate.wait(SECONDS)
        raise LookupError("the first")

    loaders.put(fail, opens=opened)
    loaders.put(lambda _session: ran.append("behind it"), after=opened)
    gate.set()
    with pytest.raises(LookupError, match="the first"):
        loaders.drain()
    for call in (loaders.drain, lambda: loaders.put(lambda _session: ran.append("later"))):
        with pytest.raises(LookupError, match="the first"):
            call()
    loaders.close()
    assert not ran


def test_closing_ends_every_session_once(sessions: list[t.Any]) -> None:
    loaders = Loaders(sessions)
    loaders.put(lambda _session: None)
    loaders.close()
    loaders.close()
    assert [session.closed for session in sessions] == [1, 1]


def test_closing_does_not_wait_for_a_task_whose_turn_will_never_come(sessions: list[t.Any]) -> None:
    loaders = Loaders(sessions)
    ran: list[str] = []
    gate, opened = threading.Event(), threading.Event()
    for _session in sessions:
        loaders.put(lambda _session: gate.wait(SECONDS) and None)
    loaders.put(lambda _session: ran.append("first"), opens=opened)
    loaders.put(lambda _session: ran.append("second"), after=opened)
    # As when close() has taken the one, and a free thread the other before close() came to it.
    loaders._pool._work_queue.get_nowait().future.cancel()
    gate.set()
    closing = threading.Thread(target=loaders.close)
    closing.start()
    closing.join(SECONDS)
    try:
        assert not closing.is_alive() and not ran
    finally:
        opened.set()  # the run of the tests shall end all the same
