# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing lost, nothing twice: the sender is killed at every point, and left without answers at every request."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import pathlib
import sqlite3
import struct
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import Portal, Reply, Unanswered, Wording
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.sender import Recordings, Sender
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store
from lab.exchange.events import CLIENT, EPOCH
from unit.plugins.module_utils.telephony.fake_portal import FakePortal, Killed, lost

WORDING = Wording(fallback_user=1)
USERS = {"101": 7, "102": 8}
RINGING = CallFact("pbx1-1.1", 2, CLIENT, "+74951000001", EPOCH, inner="101", ringing=("101",))
ENDED = dataclasses.replace(
    RINGING, ringing=(), ring_seconds=5.0, talk_seconds=30, status="200", recording="1.1.wav", stage="ended"
)
MISSED = dataclasses.replace(RINGING, ringing=(), status="304", stage="ended")
SOUND = b"RIFF" + struct.pack("<I", 36 + 8000) + bytes(32) + struct.pack("<I", 8000) + b"\x01" * 8000


class World:
    """One exchange, one portal, one disk; the connector's process may be killed and started again."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.now = folder, EPOCH + 1
        self.portal = FakePortal(lambda: self.now)
        self.points, self.kill_at = 0, 0
        self.errors: list[BoxliftError] = []
        self.steps: list[tuple[str, str]] = []
        folder.joinpath("1.1.wav").write_bytes(SOUND)
        os.utime(folder / "1.1.wav", (EPOCH, EPOCH))
        self.start()

    def start(self) -> None:
        self.store = Store(str(self.folder / "calls.db"), lambda: self.now)
        self.sender = Sender(
            self.store,
            Portal(self.portal),
            WORDING,
            lambda: USERS,
            Recordings(str(self.folder)),
            lambda: self.now,
            self,
        )

    def point(self, *_where: str) -> None:
        """A point at which the process may be killed."""
        self.points += 1
        if self.points == self.kill_at:
            raise Killed

    def sent(self, external_id: str, step: str) -> None:
        self.steps.append((external_id, step))

    def failed(self, external_id: str, error: BoxliftError) -> None:
        self.errors.append(error)

    def hear(self, *facts: CallFact) -> None:
        """The exchange tells something, and it is stored."""
        frozen = {fact.external_id: WORDING.registration(fact, USERS, not fact.ended) for fact in facts}
        for new in self.store.put(facts, frozen):
            self.sender.is_new(new)

    def send(self, rounds: int = 200) -> None:
        """Send until nothing is left that can be sent; time goes on while the sender waits."""
        for _round in range(rounds):
            due = self.store.due(50)
            for external_id in due:
                asyncio.run(self.sender.advance(external_id))
            if not due or self.sender.pause_until > self.now:
                following = self.store.next_due()
                if following is None:
                    return
                self.now = max(self.now, following, self.sender.pause_until)


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


def test_a_call_from_ring_to_recording(world: World) -> None:
    world.hear(RINGING)
    world.send()
    world.hear(ENDED)
    world.send()
    (row,) = world.portal.statistics
    assert (row["EXTERNAL_CALL_ID"], row["USER_ID"], row["DURATION"], row["STATUS_CODE"]) == ("pbx1-1.1", 7, 30, "200")
    assert (row["PHONE_NUMBER"], row["TYPE"], row["SHOW"], row["CRM_CREATE"]) == (CLIENT, 2, 1, 1)
    assert row["CALL_START_DATE"] == "2025-11-29T07:06:40+00:00"
    assert world.portal.recordings == {row["CALL_ID"]: SOUND}
    assert [method for method, _given in world.portal.requests] == [
        "telephony.externalCall.register",
        "telephony.externalCall.finish",
        "telephony.externalCall.attachRecord",
        "upload",
    ]
    assert world.store.counts()["closed"] == 1
    stored = world.store.get("pbx1-1.1")
    assert stored is not None and stored.record_size == len(SOUND)


class Mortal(sqlite3.Connection):
    """A connection whose process may be killed before and after each statement that changes something."""

    world: t.ClassVar[World]

    def execute(self, sql: str, *arguments: t.Any) -> sqlite3.Cursor:
        writing = sql.split()[0] in ("INSERT", "UPDATE", "DELETE", "COMMIT")
        if writing:
            self.world.point()
        cursor = super().execute(sql, *arguments)
        if writing:
            self.world.point()
        return cursor


def lives(world: World, monkeypatch: pytest.MonkeyPatch, kill_at: int) -> int:
    """Live through a call, killed at that point once; give how many points there were."""
    world.store.close()
    real = sqlite3.connect
    Mortal.world = world
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: real(path, factory=Mortal, **options))
    world.start()
    world.portal.around = world.point
    world.points, world.kill_at = 0, kill_at
    for facts in ((RINGING,), (ENDED,)):
        for _life in range(2):
            try:
                world.hear(*facts)  # after a kill, the exchange's records tell it again
                world.send()
                break
            except Killed:
                world.store.close()  # what was not committed is lost, as it is with the process
                world.start()
    return world.points


def test_killed_at_every_point(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "whole").mkdir()
    points = lives(World(tmp_path / "whole"), monkeypatch, 0)
    assert points > 20
    killed = 0
    for point in range(1, points + 1):
        folder = tmp_path / str(point)
        folder.mkdir()
        monkeypatch.undo()
        world = World(folder)
        killed += lives(world, monkeypatch, point) >= point
        assert len(world.portal.of("pbx1-1.1")) == 1 and len(world.portal.statistics) == 1, point
        assert world.portal.open == {}, point
        assert list(world.portal.recordings.values()) == [SOUND], point
        assert world.store.counts()["closed"] == 1, point
        world.store.close()
    assert killed == points


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["register", "finish", "attachRecord", "upload"])
@pytest.mark.parametrize("late", [False, True])
def test_no_answer(world: World, step: str, moment: str, late: bool) -> None:
    """Whether the request was carried out or not. Late: the call began hours ago, so nothing is found again."""
    world.now += 7200 if late else 0
    left = [2]

    def around(method: str, when: str) -> None:
        if method.endswith(step) and when == moment and left[0]:
            left[0] -= 1
            lost()

    world.portal.around = around
    world.hear(ENDED)
    world.send()
    # A finish that was carried out is found in the statistics, and never asked for again.
    tries = 1 if (step, moment) == ("finish", "after") else 2
    assert left == [2 - tries] and len(world.errors) == tries
    assert len(world.portal.statistics) == 1
    assert list(world.portal.recordings.values()) == [SOUND]
    assert world.store.counts()["closed"] == 1


def test_an_outage_of_a_minute_and_calls_in_it(world: World) -> None:
    began = world.now

    def around(method: str, when: str) -> None:
        if when == "before" and world.now - began < 60:
            lost()

    world.portal.around = around
    calls = [dataclasses.replace(MISSED, external_id=f"pbx1-1.{n}", started=EPOCH + n) for n in range(30)]
    world.hear(*calls)
    world.send(2000)
    assert sorted(row["EXTERNAL_CALL_ID"] for row in world.portal.statistics) == sorted(c.external_id for c in calls)
    # While the portal is away it is asked a few times, not for each call.
    asked = [method for method, _given in world.portal.requests if method.endswith("register")]
    assert len(asked) - 30 < 10
    assert world.now - began < 150


@pytest.mark.parametrize(
    "reply",
    [
        Reply(503, b"<html>Service Temporarily Unavailable</html>"),
        Reply(503, json.dumps({"error": "QUERY_LIMIT_EXCEEDED"}).encode()),
        Reply(429, json.dumps({"error": "OPERATION_TIME_LIMIT"}).encode()),
        Reply(500, json.dumps({"error": "INTERNAL_SERVER_ERROR"}).encode()),
        Reply(200, b"<html>login</html>"),
        Reply(401, json.dumps({"error": "expired_token"}).encode()),
        Reply(403, json.dumps({"error": "WRONG_AUTH_TYPE"}).encode()),
    ],
)
def test_what_says_nothing_of_the_call_is_tried_again(world: World, reply: Reply) -> None:
    world.portal.refusal = {"register": reply}
    world.hear(MISSED)
    world.send(20)
    assert world.store.counts()["stored"] == 1 and world.store.counts()["dead"] == 0
    world.portal.refusal = {}
    world.send()
    assert len(world.portal.statistics) == 1


def test_refused_is_a_dead_letter_with_its_reason_until_replayed(world: World) -> None:
    text = json.dumps({"error": "ERROR_CORE", "error_description": "Unknown TYPE"}).encode()
    world.portal.refusal = {"register": Reply(400, text)}
    other = dataclasses.replace(MISSED, external_id="pbx1-1.2")
    world.hear(MISSED, other)
    world.send()
    letters = world.store.dead_letters()
    assert [letter.reason for letter in letters] == ["telephony.externalCall.register: Unknown TYPE"] * 2
    world.portal.refusal = {}
    assert world.store.replay(["pbx1-1.2"]) == 1
    world.send()
    assert [row["EXTERNAL_CALL_ID"] for row in world.portal.statistics] == ["pbx1-1.2"]
    assert world.store.replay() == 1
    world.send()
    assert len(world.portal.statistics) == 2 and world.store.dead_letters() == []


def test_somebody_who_has_left_does_not_lose_the_call(world: World) -> None:
    del world.portal.users[7]
    world.hear(RINGING)
    world.send()
    world.hear(ENDED)
    world.send()
    assert [row["USER_ID"] for row in world.portal.statistics] == [1]


def test_a_queues_missed_call_goes_to_the_fallback(world: World) -> None:
    world.hear(RINGING)
    world.send()
    world.hear(dataclasses.replace(MISSED, inner=""))
    world.send()
    assert [(row["USER_ID"], row["STATUS_CODE"], row["DURATION"]) for row in world.portal.statistics] == [(1, "304", 0)]


def test_hold_keeps_and_release_sends_with_true_times(world: World) -> None:
    world.store.hold(True)
    world.hear(RINGING)
    world.send(3)
    world.hear(ENDED)
    world.send(3)
    world.store.close()
    world.start()  # the hold outlasts the process
    world.send(3)
    assert world.portal.requests == []
    world.now += 3 * 3600
    world.store.hold(False)
    world.send()
    (row,) = world.portal.statistics
    assert (row["CALL_START_DATE"], row["SHOW"], row["DURATION"]) == ("2025-11-29T07:06:40+00:00", 0, 30)


def test_another_user_by_now_makes_no_second_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is part of what a registration is found again by, so what was sent once is sent again."""
    world.store.hold(True)
    world.store.put([MISSED], {})
    world.store.hold(False)
    left = [1]

    def around(method: str, when: str) -> None:
        if method.endswith("register") and when == "after" and left[0]:
            left[0] = 0
            lost()

    world.portal.around = around
    asyncio.run(world.sender.advance(MISSED.external_id))
    monkeypatch.setitem(USERS, "101", 8)
    world.send()
    assert world.portal.open == {} and len(world.portal.statistics) == 1


def test_not_found_and_not_in_the_statistics_is_registered_anew_but_not_at_once(world: World) -> None:
    """A finish may still be at work. A portal that was restored has lost the registration."""
    world.hear(RINGING)
    world.send()
    world.portal.open.clear()
    began = world.now
    world.hear(ENDED)
    world.send()
    assert [row["DURATION"] for row in world.portal.statistics] == [30]
    assert world.now - began >= 120


def test_a_finish_that_was_slow_is_no_second_call(world: World) -> None:
    """The first finish is carried out half a minute after its request was given up."""
    world.hear(RINGING)
    world.send()
    hidden: list[dict[str, t.Any]] = []

    def around(method: str, when: str) -> None:
        if method.endswith("finish") and when == "after" and not hidden:
            hidden.append(world.portal.statistics.pop())
            hidden.append({"at": world.now + 30})
            raise Unanswered("no answer within 30 s")
        if hidden and world.now >= hidden[1]["at"] and not world.portal.statistics:
            world.portal.statistics.append(hidden[0])

    world.portal.around = around
    world.hear(ENDED)
    world.send()
    assert len(world.portal.statistics) == 1 and world.portal.open == {}
    assert [method for method, _given in world.portal.requests if method.endswith("register")] == [
        "telephony.externalCall.register"
    ]


def test_the_portals_own_call_is_not_registered_again(world: World) -> None:
    call_id = "externalCall.click"
    world.portal.open[call_id] = {"CALL_ID": call_id, "EXTERNAL_CALL_ID": None}
    world.hear(dataclasses.replace(ENDED, kind=1, portal_call_id=call_id))
    world.send()
    assert [row["CALL_ID"] for row in world.portal.statistics] == [call_id]
    assert not [method for method, _given in world.portal.requests if method.endswith("register")]


def test_a_recording_without_sound_is_not_sent(world: World) -> None:
    (world.folder / "1.1.wav").write_bytes(bytes(44))
    os.utime(world.folder / "1.1.wav", (EPOCH - 60, EPOCH - 60))
    world.hear(ENDED)
    world.send()
    assert world.portal.recordings == {} and world.store.counts()["closed"] == 1


def test_a_recording_that_still_grows_is_waited_for(world: World) -> None:
    path = world.folder / "1.1.wav"
    path.write_bytes(SOUND[:3000])
    os.utime(path, (world.now, world.now))
    world.hear(ENDED)
    world.send(4)
    assert world.portal.recordings == {}
    path.write_bytes(SOUND)
    os.utime(path, (world.now, world.now))
    world.send()
    assert list(world.portal.recordings.values()) == [SOUND]


def test_a_recording_that_never_comes_is_a_dead_letter_and_the_call_is_told(world: World) -> None:
    (world.folder / "1.1.wav").unlink()
    world.hear(ENDED)
    world.send(1000)
    assert len(world.portal.statistics) == 1
    (letter,) = world.store.dead_letters()
    assert "1.1.wav is not there" in letter.reason
    (world.folder / "1.1.wav").write_bytes(SOUND)
    os.utime(world.folder / "1.1.wav", (EPOCH, EPOCH))
    world.store.replay()
    world.send()
    assert list(world.portal.recordings.values()) == [SOUND] and len(world.portal.statistics) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd.wav", "/etc/shadow.wav", "1.1.exe"])
def test_a_recording_elsewhere_is_refused(world: World, name: str) -> None:
    world.hear(dataclasses.replace(ENDED, recording=name))
    world.send()
    assert world.portal.recordings == {}
    assert name.rpartition("/")[2] in world.store.dead_letters()[0].reason


def test_how_long_a_portal_is_left_alone(world: World) -> None:
    """What fails together counts once; a failure alone makes no other call wait; a success ends the count."""
    world.hear(*(dataclasses.replace(RINGING, external_id=f"pbx1-{number}") for number in range(5)))
    world.portal.around = lost

    async def together() -> None:
        await asyncio.gather(*(world.sender.advance(f"pbx1-{number}") for number in range(5)))

    pauses = []
    for _round in range(9):
        asyncio.run(together())
        pauses.append(world.sender.pause_until - world.now)
        world.now = world.sender.pause_until + 0.1
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])
    world.portal.around = lambda method, moment: None
    asyncio.run(world.sender.advance("pbx1-0"))
    world.portal.around = lost
    asyncio.run(world.sender.advance("pbx1-1"))
    assert world.sender.pause_until <= world.now


def test_a_limit_makes_all_calls_wait(world: World) -> None:
    world.hear(RINGING)
    limit = json.dumps({"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}).encode()
    world.portal.refusal["register"] = Reply(503, limit)
    asyncio.run(world.sender.advance("pbx1-1.1"))
    assert world.sender.pause_until == world.now + 1
