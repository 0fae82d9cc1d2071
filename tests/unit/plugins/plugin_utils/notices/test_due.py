# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who hears what when: single cases, and days on a simulated clock with channels that fail."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import matters as m
from unit.plugins.plugin_utils.notices.world import BEGIN, HOUR, LOOK, MINUTE, Move, Outages, plan, story

WEBHOOKS = ("team", "office")


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    return Move(tmp_path / "move.jsonl", monkeypatch)


@pytest.fixture
def ways(move: Move) -> dict[str, tuple[d.Way, ...]]:
    return d.ways(move.plan, True, WEBHOOKS)


def send(move: Move, each: d.Due, outcome: str = d.SENT) -> None:
    move.note(m.NOTICE, d.line_of(each, outcome, "" if outcome == d.SENT else "421 busy"))


def heard(move: Move, ways: d.Ways, minutes: float) -> list[tuple[int, str, str]]:
    """Look every minute, and send all that is due; (minute, kind, channel) of what the coordinator heard."""
    out = []
    begun = move.now
    while move.now <= begun + minutes * MINUTE:
        for each in move.due(ways):
            send(move, each)
            if "coordinator" in each.people:
                out.append((round((move.now - begun) / MINUTE), each.span.kind, each.way.channel))
        move.now += MINUTE
    return out


def by(channel: str, told: t.Iterable[tuple[int, str, str]]) -> list[tuple[int, str]]:
    return [(minute, kind) for minute, kind, way in told if way == channel]


def test_a_long_step_is_told_of_at_once_and_then_within_its_cadence(move: Move, ways: d.Ways) -> None:
    move.begin("move.fetch")
    told = heard(move, ways, 100)
    # Every 30 minutes at the latest, so five minutes before: that is kept for trying again.
    assert by("mail", told) == by("webhook", told) == [(minute, "running") for minute in (0, 25, 50, 75, 100)]
    move.end("move.fetch")
    assert by("mail", heard(move, ways, 60)) == [(0, "ended")]
    assert {each.late for each in move.counts().values()} == {0}


def test_a_short_step_is_told_of_when_it_is_not_over_after_five_minutes(move: Move, ways: d.Ways) -> None:
    move.begin("move.health")  # estimated to take five minutes
    assert by("mail", heard(move, ways, 10)) == [(3, "running")]
    move.end("move.health")
    assert by("mail", heard(move, ways, 5)) == [(0, "ended")]
    move.begin("move.report")
    move.now += 2 * MINUTE
    move.end("move.report")
    assert heard(move, ways, 60) == []  # it began and ended, and nobody was kept waiting


def test_an_incident_is_told_of_at_once_then_every_20_minutes_and_that_it_is_over(move: Move, ways: d.Ways) -> None:
    move.begin("move.restore")
    heard(move, ways, 10)
    move.end("move.restore", "failed", "the disk is full")
    assert by("mail", heard(move, ways, 44)) == [(0, "incident"), (17, "incident"), (34, "incident")]
    move.begin("move.restore")
    again = by("mail", heard(move, ways, 30))
    assert again == [(0, "running"), (25, "running")]
    move.end("move.restore")
    assert by("mail", heard(move, ways, 90)) == [(0, "ended")]
    assert {each.late for each in move.counts().values()} == {0}


def test_a_killed_run_is_an_incident_from_when_it_is_seen(move: Move, ways: d.Ways) -> None:
    move.begin("move.restore")
    heard(move, ways, 10)
    move.kill()
    assert by("mail", heard(move, ways, 4)) == [(0, "killed")]
    assert [line["what"] for line in move.lines if line["event"] == m.OBSERVED] == ["channels", "killed"]


def test_what_a_later_stage_has_left_behind_is_nobodys_trouble(move: Move, ways: d.Ways) -> None:
    move.stage = "rehearsal"
    move.begin("move.restore")
    move.end("move.restore", "failed")
    assert by("mail", heard(move, ways, 1)) == [(0, "incident")]
    move.stage = "final"
    move.begin("move.order_backup")
    move.end("move.order_backup")
    assert heard(move, ways, 60) == []


def test_a_task_that_a_rescue_has_mended_is_no_incident(move: Move, ways: d.Ways) -> None:
    move.begin("move.restore")
    heard(move, ways, 10)
    for name, status in (("break", "failed"), ("mend", "ok")):
        move.write(
            "task", start=f"2026-11-28T12:{11 + (status == 'ok')}:00.000Z", seconds=1.0, play="", role="", name=name,
            action="command", host="box", status=status,
        )  # fmt: skip
        kinds = {kind for _minute, kind in by("mail", heard(move, ways, 1))}
        assert kinds == ({"incident"} if status == "failed" else set())
        (matter,) = m.matters(move.sight())
        assert [span.kind for span in matter.spans] == (["running", "incident"] if status == "failed" else ["running"])


def test_people_who_share_an_address_and_a_language_get_one_message(move: Move) -> None:
    ways = d.ways(move.plan, True, WEBHOOKS)
    assert ways["operator"] == (d.Way("webhook", "team"),)
    assert ways["commercial_owner"] == ()
    move.begin("move.fetch")
    told = {(each.way.target, each.language): each.people for each in move.due(ways)}
    assert told == {
        ("olga@contractor.example", "ru"): ("coordinator",),
        ("team", "ru"): ("coordinator",),
        ("team", "zh"): ("operator",),
        ("anna@example.com", "de"): ("approver",),
        ("it@example.com", "hi"): ("executor",),
        ("office", "hi"): ("executor",),
        ("it@example.com", "ar"): ("key_user",),
    }
    shared = Move(move.path.with_name("second.jsonl"), pytest.MonkeyPatch(), the_plan=plan(people={
        "approver": {"email": "it@example.com"}, "key_user": {"email": "it@example.com"},
    }))  # fmt: skip
    shared.begin("move.fetch")
    (only,) = shared.due(d.ways(shared.plan, True, ()))
    assert only.people == ("approver", "key_user")


def test_a_channel_that_fails_is_tried_again_and_what_was_left_out_is_counted(move: Move, ways: d.Ways) -> None:
    move.begin("move.fetch")
    tries = []
    while move.now <= BEGIN + 100 * MINUTE:
        for each in move.due(ways):
            send(move, each, d.FAILED if each.way.channel == "mail" else d.SENT)
            if each.people == ("approver",):
                tries.append(round((move.now - BEGIN) / MINUTE))
        move.now += MINUTE
    # At each look while it may still come in time, then every five minutes.
    assert tries[:14] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25]
    counts = move.counts()
    assert (counts["approver"].late, counts["approver"].overdue) == (4, True)  # 5, 35, 65 and 95 minutes
    assert counts["approver"].failed == {"mail": len(tries)}
    assert counts["approver"].reasons == {"mail": "421 busy"}
    assert (counts["coordinator"].late, counts["coordinator"].overdue) == (0, False)  # the webhook works
    assert counts["coordinator"].sent == {"webhook": 5}


def test_without_a_sender_every_notice_is_late_once_it_was_promised(move: Move, ways: d.Ways) -> None:
    move.due(ways)  # says who can be told
    move.begin("move.fetch")
    move.now += 66 * MINUTE
    assert move.counts()["approver"].late == 3
    move.end("move.fetch")
    move.now += HOUR
    assert {each.late for each in move.counts().values()} == {3}  # the end of what nobody heard of is no news
    # What was before anybody could be told counts for nobody.
    other = Move(move.path.with_name("second.jsonl"), pytest.MonkeyPatch())
    other.begin("move.fetch")
    other.now += HOUR
    other.due(ways)
    assert {each.late for each in other.counts().values()} == {0}


def test_troubled_channels_come_last(move: Move, ways: d.Ways) -> None:
    move.begin("move.fetch")
    for each in move.due(ways):
        send(move, each, d.FAILED if each.way.channel == "mail" else d.SENT)
    move.now += 26 * MINUTE
    channels = [each.way.channel for each in move.due(ways)]
    assert channels == sorted(channels, reverse=True) and set(channels) == {"mail", "webhook"}


# -- whole days


def seeds(first: int) -> list[t.Any]:
    """One for every run of the tests, and more for a night."""
    return [first, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(first + 1, first + 20))]


def day(move: Move, ways: d.Ways, dice: random.Random, outages: t.Mapping[str, Outages], hours: float = 24.0) -> int:
    """Play a day, with a sender that is killed now and then; how many messages came twice."""
    events = story(dice, hours)
    delivered: dict[str, int] = {}
    twice, end = 0, BEGIN + hours * HOUR
    look_at = BEGIN
    while look_at < end:
        while events and events[0][0] <= look_at:
            move.now, what, step = events.pop(0)
            if what == "begin":
                move.begin(step)
            elif what == "kill":
                move.kill()
            else:
                move.end(step, "ok" if what == "end" else "failed", "broken")
        move.now = look_at
        for each in move.due(ways):
            works = outages[each.way.channel].works(move.now)
            move.now += dice.uniform(0.2, 2) if works else 4.0  # a failing one takes its time
            if works:
                twice += each.id in delivered
                delivered[each.id] = delivered.get(each.id, 0) + 1
            if dice.random() < 0.01:
                break  # killed before the line was written; the next look begins where the journal is
            send(move, each, d.SENT if works else d.FAILED)
        look_at = max(look_at + LOOK, move.now)
    move.now = end
    assert len(delivered) > 50
    return twice


@pytest.mark.parametrize("seed", seeds(0))
def test_nobody_hears_late_where_a_channel_works(seed: int, move: Move, ways: d.Ways) -> None:
    """Mail fails for a third of the day, the webhooks work: whoever has one hears everything in time."""
    dice = random.Random(seed)
    outages = {"mail": Outages(dice, 24), "webhook": Outages(dice, 24, never=True)}
    day(move, ways, dice, outages)
    counts = move.counts()
    failed = sum(count for each in counts.values() for count in each.failed.values())
    assert failed > 20
    assert {person: counts[person].late for person in ("coordinator", "operator", "executor")} == {
        "coordinator": 0, "operator": 0, "executor": 0,
    }  # fmt: skip
    assert counts["approver"].late + counts["key_user"].late > 0  # they have mail alone


@pytest.mark.parametrize("seed", seeds(100))
def test_whoever_hears_late_had_no_channel_in_the_time_kept_for_it(seed: int, move: Move, ways: d.Ways) -> None:
    """Both channels fail. Gaps are measured here from the lines alone, each against when a channel worked."""
    dice = random.Random(seed)
    outages = {"mail": Outages(dice, 24), "webhook": Outages(dice, 24)}
    day(move, ways, dice, outages)
    late = {person: 0 for person in ways}
    for matter in m.matters(move.sight()):
        for person in matter.people:
            for span in (each for each in matter.spans if each.is_open):
                mine = [line for line in move.lines if line["event"] == m.NOTICE and person in line["people"]]
                mine = [
                    line for line in mine if (line["matter"], line["kind"], line["since"]) == (matter.id, *span.mark)
                ]
                times = [m.moment(line["time"]) for line in mine if line["outcome"] == d.SENT]
                edges = [span.since, *times, min(span.until or move.now, move.now)]
                for number, (before, after) in enumerate(zip(edges, edges[1:])):
                    allowed = span.every if number else span.first
                    if after - before > allowed and ways[person]:
                        late[person] += 1 + int((after - before - allowed) // span.every)
                        opened = before + (allowed * 5 / 6 if number else 0.0)
                        looks = range(int(opened + LOOK), int(before + allowed - LOOK), 5)
                        assert not any(outages[way.channel].works(at) for way in ways[person] for at in looks)
    told = {person: count.late for person, count in move.counts().items()}
    # The end of a step has a deadline too, which is not measured here.
    assert all(late[person] <= told[person] <= late[person] + 20 for person in told)
    assert sum(late.values()) > 0


def test_a_killed_sender_loses_nothing_and_repeats_only_what_was_on_its_way(move: Move, ways: d.Ways) -> None:
    dice = random.Random(1)
    outages = {"mail": Outages(dice, 24, never=True), "webhook": Outages(dice, 24, never=True)}
    twice = day(move, ways, dice, outages)
    assert 0 < twice < 20
    assert {each.late for each in move.counts().values()} == {0}
