# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cache host after the other: what waits, what is handed over first, and what is refused."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster import resp
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.module_utils.cache_cluster.toy_redis import ToyHost, service


def test_a_whole_cache_is_not_waited_for() -> None:
    toy = ToyHost(["sessions"])
    toy.host().await_whole(60)
    assert toy.clock == 0


def test_waits_until_a_replica_is_back() -> None:
    toy = ToyHost(["sessions"])
    toy.good_replicas = 1
    toy.after.append((7, lambda: setattr(toy, "good_replicas", 2)))
    toy.host().await_whole(60)
    assert 7 <= toy.clock < 8


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("good_replicas", 1, "sessions is followed by 1 hosts of 2"),
        ("linked", False, "cache does not follow 192.0.2.2 yet"),
        ("flags", "master,o_down,s_down", "Sentinel says of sessions: o_down, s_down"),
        ("peers", 1, "Sentinel reaches 1 replicas of sessions, not 2"),
        ("silent", {"/run/sessions"}, "Nobody answers at /run/sessions"),
        ("silent", {"/run/sentinel"}, "Nobody answers at /run/sentinel"),
    ],
)
def test_says_what_is_missing_when_it_has_waited_enough(name: str, value: object, words: str) -> None:
    toy = ToyHost(["sessions"])
    setattr(toy, name, value)
    with pytest.raises(BoxliftError) as raised:
        toy.host().await_whole(30)
    assert "not whole after 30 s" in raised.value.message and words in raised.value.message
    assert "Nothing further is restarted" in raised.value.remedy and 30 <= toy.clock < 31


def test_hands_over_what_is_a_master_here() -> None:
    toy = ToyHost(["sessions"])
    assert toy.host().hand_over(60) == ["sessions"]
    assert toy.told == ["failover sessions", "sessions follows"] and (toy.masters, toy.paused) == (set(), set())


def test_a_replica_has_nothing_to_hand_over() -> None:
    toy = ToyHost()
    assert toy.host().hand_over(60) == [] and toy.told == []


def test_hands_over_one_after_the_other_and_asks_again_while_a_failover_is_under_way() -> None:
    toy = ToyHost(["sessions", "cache"])
    toy.refusals = ["INPROG Failover already in progress", "NOGOODSLAVE No suitable replica to promote"]
    assert toy.host().hand_over(60) == ["sessions", "cache"]
    assert toy.told == [*["failover sessions"] * 3, "sessions follows", "failover cache", "cache follows"]


def test_an_account_without_the_right_is_no_reason_to_ask_again() -> None:
    toy = ToyHost(["sessions"])
    toy.refusals = ["NOPERM this user has no permissions"] * 2
    with pytest.raises(resp.Refused) as raised:
        toy.host().hand_over(60)
    assert toy.told == ["failover sessions"] and "canary" not in str(raised.value)


def test_a_failover_that_never_comes_ends() -> None:
    toy = ToyHost(["sessions"])
    toy.failover_seconds = 1000
    with pytest.raises(BoxliftError, match="No other host has become the master of sessions, and writes waited"):
        toy.host().hand_over(60)
    assert toy.clock < 15 and toy.paused == set(), "Redis would let writes go on"


def test_no_failover_before_every_replica_has_everything() -> None:
    toy = ToyHost(["sessions"])
    toy.confirmed = [100, 99]
    toy.after.append((3, lambda: setattr(toy, "confirmed", [100, 100])))
    assert toy.host().hand_over(60) == ["sessions"] and toy.clock >= 3
    behind = ToyHost(["sessions"])
    behind.confirmed = [100, 99]
    with pytest.raises(BoxliftError, match="The replicas of sessions have not caught up"):
        behind.host().hand_over(60)
    assert (behind.told, behind.paused, behind.masters) == ([], set(), {"sessions"})


def test_nothing_is_handed_over_while_a_replica_is_missing() -> None:
    toy = ToyHost(["sessions"])
    toy.good_replicas = 1
    with pytest.raises(BoxliftError, match="not whole"):
        toy.host().hand_over(60)
    assert toy.told == []


@pytest.fixture
def written(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "portal.conf"
    path.touch()
    os.utime(path, (1000, 1000))
    return str(path)


def test_what_started_before_its_file_is_restarted_and_a_master_first_handed_over(written: str) -> None:
    toy = ToyHost(["sessions"])
    host = toy.host(service("sessions", written), service("cache", written))
    toy.since = {"redis-server@sessions.service": 999, "redis-server@cache.service": 1000}
    assert host.renew(True, 60) == ([], []), "a master waits for the second pass"
    assert host.renew(False, 60) == (["redis-server@sessions.service"], ["sessions"])
    assert toy.told == ["failover sessions", "sessions follows", "restart redis-server@sessions.service"]
    assert host.renew(False, 60) == ([], [])


def test_replicas_are_restarted_in_the_first_pass(written: str) -> None:
    toy = ToyHost(["sessions"])
    host = toy.host(service("sessions", written), service("cache", written))
    assert host.renew(True, 60) == (["redis-server@cache.service"], [])


def test_what_does_not_run_needs_no_restart(written: str) -> None:
    toy = ToyHost()
    toy.active = "inactive"
    assert toy.host(service("sessions", written)).outdated() == []


def test_stops_at_the_first_that_does_not_start(written: str) -> None:
    toy = ToyHost()
    toy.restart_code = 1
    with pytest.raises(BoxliftError, match=r"redis-server@sessions.service does not restart: Job failed"):
        toy.host(service("sessions", written), service("cache", written)).renew(False, 60)
    assert toy.told == ["restart redis-server@sessions.service"]
