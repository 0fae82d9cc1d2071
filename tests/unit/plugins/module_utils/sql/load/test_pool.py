# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool of loading connections, with sessions that only count."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.pool import MOST_BYTES, SessionPool

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
def pool(sessions: list[t.Any]) -> t.Iterator[SessionPool]:
    made = SessionPool(sessions)
    yield made
    made.close()


def test_as_many_tasks_as_sessions_run_at_the_same_time_each_with_its_own(
    pool: SessionPool, sessions: list[t.Any]
) -> None:
    meeting = threading.Barrier(2)
    seen: list[t.Any] = []

    def task(session: t.Any) -> None:
        meeting.wait(SECONDS)  # passes only if the other is there too
        seen.append(session)
        meeting.wait(SECONDS)

    for _task in range(4):
        pool.put(task)
    pool.drain()
    assert [set(seen[:2]), set(seen[2:])] == [set(sessions), set(sessions)]


def test_put_waits_while_too_much_waits_already(pool: SessionPool) -> None:
    gate, done = threading.Event(), threading.Event()

    def put_more() -> None:
        pool.put(lambda _session: None, size=MOST_BYTES)  # larger than what is left: waits
        done.set()

    pool.put(lambda _session: gate.wait(SECONDS) and None, size=1)
    feeder = threading.Thread(target=put_more)
    feeder.start()
    assert not done.wait(0.3)
    gate.set()
    feeder.join(SECONDS)
    assert done.is_set()


def test_a_single_task_beyond_the_limit_goes_alone(pool: SessionPool) -> None:
    ran: list[int] = []
    for number in range(3):
        pool.put(lambda _session, number=number: ran.append(number), size=MOST_BYTES * 2)
    pool.drain()
    assert ran == [0, 1, 2]


def test_a_task_waits_for_the_one_that_opens_it(pool: SessionPool) -> None:
    ran: list[str] = []
    gate, opened = threading.Event(), threading.Event()

    def first(_session: t.Any) -> None:
        gate.wait(SECONDS)
        ran.append("first")

    pool.put(first, opens=opened)
    pool.put(lambda _session: ran.append("second"), after=opened)
    assert not opened.wait(0.2) and not ran
    gate.set()
    pool.drain()
    assert ran == ["first", "second"]


def test_an_error_comes_out_of_the_next_call_and_nothing_runs_after_it(pool: SessionPool) -> None:
    ran: list[str] = []
    opened, gate = threading.Event(), threading.Event()

    def fail(_session: t.Any) -> None:
        gate.wait(SECONDS)
        raise LookupError("the first")

    pool.put(fail, opens=opened)
    pool.put(lambda _session: ran.append("behind it"), after=opened)
    gate.set()
    with pytest.raises(LookupError, match="the first"):
        pool.drain()
    for call in (pool.drain, lambda: pool.put(lambda _session: ran.append("later"))):
        with pytest.raises(LookupError, match="the first"):
            call()
    pool.close()
    assert not ran


def test_closing_ends_every_session_once(sessions: list[t.Any]) -> None:
    pool = SessionPool(sessions)
    pool.put(lambda _session: None)
    pool.close()
    pool.close()
    assert [session.closed for session in sessions] == [1, 1]


def test_closing_does_not_wait_for_a_task_whose_turn_will_never_come(sessions: list[t.Any]) -> None:
    pool = SessionPool(sessions)
    ran: list[str] = []
    gate, opened = threading.Event(), threading.Event()
    for _session in sessions:
        pool.put(lambda _session: gate.wait(SECONDS) and None)
    pool.put(lambda _session: ran.append("first"), opens=opened)
    pool.put(lambda _session: ran.append("second"), after=opened)
    # As when close() has taken the one, and a free thread the other before close() came to it.
    pool._threads._work_queue.get_nowait().future.cancel()
    gate.set()
    closing = threading.Thread(target=pool.close)
    closing.start()
    closing.join(SECONDS)
    try:
        assert not closing.is_alive() and not ran
    finally:
        opened.set()  # the run of the tests shall end all the same
