# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the agents ends with its lease, whatever the database does; time is the test's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web import agents
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.agents import guarded, turn
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.lease import LEASE_SECONDS, Standing
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT

MINE = Standing(True, "web1", LEASE_SECONDS)


def others(seconds: float) -> Standing:
    return Standing(False, "web2", seconds)


class World:
    """A clock, a database that answers in turn, and a child that runs so long."""

    def __init__(self, *answers: Standing | BoxliftError, child_seconds: float = 1e9) -> None:
        self.now = 0.0
        self.answers = list(answers)
        self.asked: list[float] = []
        self.paused: list[float] = []
        self.child_ends, self.ended_at = child_seconds, -1.0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += seconds

    def ask(self) -> Standing:
        self.asked.append(self.now)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BoxliftError):
            raise answer
        return answer

    # The child.
    def wait(self, seconds: float) -> int | None:
        self.now += seconds
        return 0 if self.now >= self.child_ends else None

    def end(self) -> None:
        self.ended_at = self.now

    def guarded(self, apart: agents.Apart = lambda work: work(), **more: t.Any) -> int:
        return guarded(self, 0.0, self.ask, self.clock, apart, **more)


def test_who_has_the_lease_begins_at_once() -> None:
    assert turn(World(MINE).ask, lambda: 7.0) == 7.0


def test_who_may_have_it_within_the_minute_waits_for_it() -> None:
    world = World(others(20.0), others(0.05), MINE)
    proven = turn(world.ask, world.clock, world.pause)
    assert world.paused == [pytest.approx(20.1), pytest.approx(0.15)]
    assert proven == world.asked[-1]


def test_who_would_wait_longer_leaves_it_to_the_next_run() -> None:
    world = World(others(75.0))
    assert turn(world.ask, world.clock, world.pause) is None and world.paused == []
    # Somebody else renews it again and again.
    world = World(others(30.0))
    assert turn(world.ask, world.clock, world.pause) is None
    assert world.now < agents.PATIENCE_SECONDS


def test_what_ends_in_time_is_not_asked_for() -> None:
    world = World(MINE, child_seconds=5)
    assert world.guarded() == 0 and world.asked == []


def test_the_lease_is_renewed_while_the_agents_run() -> None:
    world = World(MINE, child_seconds=600)
    assert world.guarded() == 0
    assert world.asked == [10.0 * number for number in range(1, 60)] and world.ended_at < 0


def test_whoever_lost_it_stops_at_once() -> None:
    world = World(MINE, others(70.0))
    with pytest.raises(BoxliftError, match="The agents were ended: web2 has the lease now"):
        world.guarded()
    assert world.ended_at == 20.0


def test_nobody_having_it_is_a_loss_too() -> None:
    world = World(Standing(False, "", LEASE_SECONDS))
    with pytest.raises(BoxliftError, match="nobody has the lease now"):
        world.guarded()


def test_a_database_that_is_away_for_a_moment_ends_nothing() -> None:
    world = World(MINE, BoxliftError("no route"), BoxliftError("no route"), MINE, child_seconds=120)
    assert world.guarded() == 0
    assert world.asked[:4] == [10.0, 20.0, 22.0, 24.0]


def test_a_database_that_stays_away_ends_them_before_the_lease_ends() -> None:
    world = World(MINE, BoxliftError("no route"))
    with pytest.raises(BoxliftError, match=r"could not be renewed for 45 s \(no route\)"):
        world.guarded()
    granted = 10.0  # by the last good answer
    assert world.ended_at == granted + agents.STOP_SECONDS


def test_a_question_that_hangs_does_not_hold_up_the_end() -> None:
    hung: list[t.Callable[[], None]] = []
    world = World(MINE)
    with pytest.raises(BoxliftError, match=r"could not be renewed for 45 s \(no answer\)"):
        world.guarded(apart=hung.append)
    assert len(hung) == 1 and world.ended_at == agents.STOP_SECONDS


def test_a_host_that_is_set_aside_ends_its_run() -> None:
    world = World(MINE)
    with pytest.raises(BoxliftError, match="this host was set aside"):
        world.guarded(aside=lambda: world.now >= 3)
    assert world.ended_at == 3.0


def test_the_agents_have_ended_before_anybody_else_may_begin() -> None:
    # The step in which it is seen, two signals with their waiting, and a second for a slow host.
    slowest = agents.STOP_SECONDS + agents._STEP + 2 * agents.END_SECONDS + 1
    assert slowest < LEASE_SECONDS
    # cron's minute fits into a lease, and two minutes are enough for the next host.
    assert LEASE_SECONDS > 60 and LEASE_SECONDS < 120


FAMILY = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
pathlib.Path(sys.argv[1], "child" if child == 0 else "parent").write_text(str(os.getpid()))
while True:
    time.sleep(60)
"""


def numbers(folder: Path) -> list[int]:
    """The processes of FAMILY, once both have said who they are."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        said = [path.read_text() for path in folder.iterdir()]
        if len(said) == 2 and all(said):
            return [int(number) for number in said]
        os.sched_yield()
    raise AssertionError("the program has not begun")


def gone(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_whole_family_is_ended_even_if_it_does_not_want_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "END_SECONDS", 0.05)
    process = agents.Process([sys.executable, "-c", FAMILY, str(tmp_path)])
    family = numbers(tmp_path)
    assert process.wait(0) is None
    process.end()
    assert process.wait(60) == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while not all(map(gone, family)) and time.monotonic() < deadline:
        os.sched_yield()
    assert all(map(gone, family))


def test_agents_die_with_their_guard(tmp_path: Path) -> None:
    """Else they would go on without anybody who knows of the lease."""
    script = (
        "import sys, time\n"
        "from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web import agents\n"
        "agents.Process([sys.executable, '-c', *sys.argv[1:]])\n"
        "time.sleep(60)\n"
    )
    alone = (
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1], 'one').write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    guard = subprocess.Popen([sys.executable, "-c", script, alone, str(tmp_path)], env=ENVIRONMENT)
    deadline = time.monotonic() + 60
    said = ""
    while not said and time.monotonic() < deadline:
        said = "".join(path.read_text() for path in tmp_path.iterdir())
        os.sched_yield()
    guard.kill()
    guard.wait()
    while not gone(int(said)) and time.monotonic() < deadline:
        os.sched_yield()
    assert gone(int(said))
