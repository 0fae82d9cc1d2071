# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch over a job, with an invented job on an invented clock."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.follow import Follower
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.probe import HostState, Run
from unit.plugins.plugin_utils.progress.progress_states import BEGIN, Told


class Host:
    """A job: 60 s of `fetch` at 1000 bytes a second, then 100 s of `verify`. Time passes by sleep."""

    def __init__(self, **ways: t.Any) -> None:
        self.now = 0.0
        self.said: list[tuple[float, str]] = []
        self.told = Told()
        self.tells = ways.get("tells", True)
        self.killed_at = ways.get("killed_at", float("inf"))  # the process
        self.silent_after = ways.get("silent_after", float("inf"))
        self.lost = ways.get("lost", ())  # from, to
        self.ends_at = ways.get("ends_at", 160.0)
        self.result: dict[str, t.Any] = ways.get("result", {"changed": True, "msg": "fetched"})
        self.looks = 0
        self.recorded: list[tuple[float, str, int]] = []

    def record(self, state: t.Mapping[str, t.Any]) -> None:
        self.recorded.append((round(self.now, 1), state["phase"], state["done"]))

    def watch(self, limit: float = 3600.0, terminal: bool = True) -> Follower:
        return Follower(self.look, self.say, limit, terminal, self.record, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now <= min(self.killed_at, self.silent_after):
            self.told.now = BEGIN + self.now
            if self.now < 60:
                self.told.progress.tell(phase="fetch", done=int(1000 * self.now), total=60_000)
            else:
                self.told.progress.tell(phase="verify")
            if self.now >= self.ends_at:
                self.told.progress.close("done")

    def say(self, text: str) -> None:
        self.said.append((round(self.now, 1), text))

    def reach(self) -> None:
        if self.lost and self.lost[0] <= self.now < self.lost[1]:
            raise AnsibleConnectionFailure("Connection timed out\nsecond line")

    def look(self, wait: float) -> HostState:
        self.looks += 1
        self.reach()
        while wait > 0 and self.now < self.ends_at:
            self.sleep(0.5)
            self.reach()
            wait -= 0.5
        alive = self.now < min(self.ends_at, self.killed_at)
        runs = [Run("/run/boxlift/f.json", alive, self.told.state, None)] if self.tells else []
        if self.now < self.ends_at:
            return HostState("/run/boxlift", BEGIN + self.now, "running", runs)
        return HostState("/run/boxlift", BEGIN + self.now, "ended", runs, dict(self.result))


def test_the_result_is_the_modules_own() -> None:
    assert Host().watch().result() == {"changed": True, "msg": "fetched"}
    failed = {"failed": True, "changed": False, "msg": "Part 3 is damaged.", "remedy": "Fetch it again."}
    assert Host(result=failed).watch().result() == failed


def test_how_far_it_is_is_kept_every_two_minutes() -> None:
    host = Host(ends_at=400.0)
    host.watch().result()
    assert [at for at, _phase, _done in host.recorded] == [1.0, 123.0, 243.0, 363.0]
    assert [phase for _at, phase, _done in host.recorded] == ["fetch", "verify", "verify", "verify"]


def test_a_short_job_is_not_waited_for_long() -> None:
    host = Host(ends_at=0.7)
    host.watch().result()
    assert host.now <= 1.0


def test_the_end_of_a_long_job_is_noticed_at_once() -> None:
    host = Host(ends_at=157.5)
    host.watch().result()
    assert host.now <= 158.0


def test_a_line_every_few_seconds_on_a_terminal() -> None:
    host = Host()
    host.watch(terminal=True).result()
    moments = [moment for moment, _text in host.said]
    gaps = [after - before for before, after in zip(moments, moments[1:])]
    assert 3 <= min(gaps) <= max(gaps) < 7.5
    assert len(moments) > 25
    assert "fetch 37 %, 22.0 KiB of 58.6 KiB, 1000 B/s, about 40 s left" in [text for _moment, text in host.said]


def test_in_a_log_a_line_every_minute_and_at_every_change_of_phase() -> None:
    host = Host()
    host.watch(terminal=False).result()
    assert [text.split()[0].rstrip(",") for _moment, text in host.said] == ["fetch", "verify", "verify"]
    first, change, minute = (moment for moment, _text in host.said)
    assert first < 5
    assert 60 <= change <= 65
    assert 60 <= minute - change <= 65


def test_a_lost_connection_is_waited_for() -> None:
    host = Host(lost=(20, 140))
    assert host.watch().result()["msg"] == "fetched"
    lost, again = (text for _moment, text in host.said if text.startswith("the host"))
    assert lost == ("the host cannot be asked (Connection timed out). The work goes on there; trying to reach it again")
    assert again == "the host answers again after 2 min 15 s"


def test_a_host_that_stays_away_is_unreachable_when_the_time_is_over() -> None:
    host = Host(lost=(20, 1e9), ends_at=1e9)
    with pytest.raises(AnsibleConnectionFailure):
        host.watch(limit=3600).result()
    assert 3600 <= host.now <= 3660
    assert host.looks < 80  # not every five seconds for ever


def test_a_killed_job_is_noticed() -> None:
    host = Host(killed_at=30, ends_at=1e9)
    with pytest.raises(BoxliftError, match="The work in process .* ended without a result: it was killed") as caught:
        host.watch().result()
    assert "fetch 4" in caught.value.message
    assert "Run the same task again" in caught.value.remedy
    assert 40 <= host.now <= 50


def test_a_restart_of_the_host_is_noticed() -> None:
    host = Host(lost=(20, 80), ends_at=1e9)
    watch = host.watch()
    look = host.look

    def after_the_restart(wait: float) -> HostState:
        seen = look(wait)
        if host.now >= 80:
            seen.runs = []  # /run is empty, but the job's own file says that it runs
        return seen

    watch._probe = after_the_restart
    with pytest.raises(BoxliftError, match="ended without a result"):
        watch.result()
    assert host.now < 130


def test_a_job_that_never_told_anything_is_given_up_after_five_minutes() -> None:
    host = Host(tells=False, ends_at=1e9)
    with pytest.raises(BoxliftError, match="The work ended without a result"):
        host.watch().result()
    assert 300 <= host.now <= 310


def test_a_module_that_fails_before_it_tells_anything_is_heard() -> None:
    wrong = {"failed": True, "msg": "missing required arguments: dest"}
    assert Host(tells=False, ends_at=2.0, result=wrong).watch().result() == wrong


def test_a_moment_without_a_process_is_no_death() -> None:
    """The process is gone, and its result comes nine seconds later."""
    host = Host(killed_at=30, ends_at=38)
    assert host.watch().result()["msg"] == "fetched"


def test_silence_is_said() -> None:
    host = Host(silent_after=50, ends_at=500)
    host.watch(terminal=False).result()
    silent = [(moment, text) for moment, text in host.said if "nothing new" in text]
    assert silent[0][0] >= 350
    assert "fetch 8" in silent[0][1]
    assert "it has told nothing new for 5 min" in silent[0][1]
    assert not [text for moment, text in host.said if moment < 350 and "nothing new" in text]


def test_a_job_that_outlives_its_time_is_not_waited_for() -> None:
    host = Host(ends_at=1e9)
    with pytest.raises(BoxliftError, match="The work did not end within 5 min") as caught:
        host.watch(limit=300).result()
    assert "Raise the task's timeout" in caught.value.remedy
    assert 300 < host.now < 320
