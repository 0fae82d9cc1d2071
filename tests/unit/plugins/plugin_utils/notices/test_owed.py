# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licences that are owed: the ladder before their day, what pays them and what does not, and ninety days of it."""

from __future__ import annotations

import datetime
import random
import typing as t
import zoneinfo
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import matters as m
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import owed, tell
from unit.plugins.plugin_utils.notices.world import BEGIN, HOUR, PLAN, Move, Outages, plan

DAY = 24 * HOUR
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
PEOPLE = {**PLAN["people"], "commercial_owner": {"email": "sales@example.com", "webhook": "sales"}}
WAYS = ("team", "office", "sales")


def trial(until: str = "2027-02-01", owner: str = "sales", feature: str = "fax") -> dict[str, t.Any]:
    return {"feature": feature, "reason": "it is a trial", "owner": owner, "until": until, "remedy": "Pay."}


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    return Move(tmp_path / "move.jsonl", monkeypatch, the_plan=plan(people=PEOPLE))


@pytest.fixture
def ways(move: Move) -> dict[str, tuple[d.Way, ...]]:
    return d.ways(move.plan, True, WAYS)


def berlin_day(days: float) -> str:
    return datetime.datetime.fromtimestamp(BEGIN + days * DAY, tz=BERLIN).date().isoformat()


def local(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, tz=BERLIN).strftime("%m-%d %H:%M")


def heard(move: Move, ways: d.Ways, until: float, person: str = "commercial_owner") -> list[tuple[str, str]]:
    """Look every hour, and send all that is due; (local time, kind) of what the person got by mail."""
    out = []
    while move.now < until:
        for each in move.due(ways, HOUR):
            move.note(m.NOTICE, d.line_of(each, d.SENT))
            if person in each.people and each.way.channel == "mail":
                out.append((local(move.now), each.span.kind))
        move.now += HOUR
    return out


def states(move: Move) -> list[tuple[str, str, bool, bool]]:
    """Feature, day, whether it is still owed, and whether it was paid."""
    return [(each.feature, str(each.day or ""), each.end is None, each.paid) for each in owed.debts(move.runs)]


# -- the ladder


def test_people_hear_of_a_debt_on_a_ladder_then_every_day_and_that_it_is_paid(move: Move, ways: d.Ways) -> None:
    move.entitlement(trial("2027-01-31"), fax="warn")  # 64 days before
    told = heard(move, ways, BEGIN + 67 * DAY)
    assert told == [
        ("11-28 13:00", m.OWED),
        *((f"{day} 08:00", m.OWED) for day in ("12-02", "01-01", "01-17", "01-24", "01-30")),
        *((f"{day} 08:00", m.OVERDUE) for day in ("02-01", "02-02", "02-03")),
    ]
    move.entitlement(fax="pass")
    assert heard(move, ways, BEGIN + 75 * DAY) == [("02-03 13:00", m.PAID)]
    assert {each.late for each in move.counts().values()} == {0}


def test_a_debt_without_a_day_is_told_of_every_week(move: Move, ways: d.Ways) -> None:
    move.entitlement(trial(""), fax="warn")
    told = heard(move, ways, BEGIN + 22 * DAY)
    assert told == [("11-28 13:00", m.OWED), *((f"12-{day} 08:00", m.OWED) for day in ("05", "12", "19"))]


def test_a_day_that_is_over_when_it_is_found_or_the_last_of_all(move: Move) -> None:
    move.entitlement(trial("2026-11-20"), trial("9999-12-31", feature="queue"), trial("0001-01-01", feature="crm"))
    zone = zoneinfo.ZoneInfo(move.plan.timezone)
    found = {each.feature: owed.hearings(each, zone, BEGIN + DAY) for each in owed.debts(move.runs)}
    assert [local(each) for each in found["fax"]] == ["11-28 13:00", "11-29 08:00", "11-30 08:00"]
    assert found["crm"] == found["fax"] and len(found["queue"]) == 2
    kinds = {each.id: each.spans[0].kind for each in m.matters(move.sight())}
    assert kinds == {"debt fax@pbx": m.OVERDUE, "debt crm@pbx": m.OVERDUE, "debt queue@pbx": m.OWED}


def test_who_hears_is_the_owner_and_the_coordinator(move: Move, ways: d.Ways) -> None:
    move.entitlement(
        trial(), trial(owner="customer", feature="a"), trial(owner="key_user", feature="b"),
        trial(owner="vendor", feature="c"),
    )  # fmt: skip
    people = {each.id: set(each.people) for each in m.matters(move.sight())}
    customer = {"coordinator", "approver", "executor", "key_user"}
    assert people == {
        "debt fax@pbx": {"coordinator", "commercial_owner"}, "debt a@pbx": customer, "debt b@pbx": customer,
        "debt c@pbx": {"coordinator"},
    }  # fmt: skip


def test_a_rung_that_nobody_was_told_of_is_late_in_the_evening_and_each_counts_once(move: Move, ways: d.Ways) -> None:
    move.due(ways)
    move.entitlement(trial("2027-01-31"))
    move.now = BEGIN + 12 * HOUR
    assert move.counts()["commercial_owner"].late == 0
    move.now += 1
    assert (move.counts()["commercial_owner"].late, move.counts()["commercial_owner"].overdue) == (1, True)
    move.now = BEGIN + 66.5 * DAY  # the rungs 60, 30, 14, 7 and 1, and two days that are over
    assert move.counts()["commercial_owner"].late == 8
    assert move.counts()["approver"].late == 0


# -- what pays a debt


def test_a_look_pays_what_it_finds_in_order(move: Move) -> None:
    move.entitlement(trial(), trial(feature="queue"), host="pbx -> localhost")
    move.entitlement(trial(), host="web")
    move.entitlement(host="pbx", check=True)  # only predicted
    move.now += DAY
    move.entitlement(trial(feature="queue"), fax="pass")
    assert states(move) == [
        ("fax", "2027-02-01", False, True), ("queue", "2027-02-01", True, False), ("fax", "2027-02-01", True, False),
    ]  # fmt: skip


def test_a_look_that_finds_the_same_again_is_no_news_and_brings_the_latest_words(move: Move, ways: d.Ways) -> None:
    move.entitlement(trial())
    heard(move, ways, BEGIN + HOUR)
    move.entitlement({**trial(), "remedy": "Pay at once."})
    assert heard(move, ways, BEGIN + 2 * HOUR) == []
    (debt,) = owed.debts(move.runs)
    assert (debt.since, debt.remedy) == (BEGIN, "Pay at once.")


@pytest.mark.parametrize("days", [("2026-12-01", "2027-01-01", ""), ("", "2027-01-01", "2026-12-01")])
def test_of_two_debts_of_one_name_the_first_day_counts(move: Move, days: tuple[str, ...]) -> None:
    move.entitlement(*map(trial, days))
    assert states(move) == [("fax", "2026-12-01", True, False)]


@pytest.mark.parametrize(
    ("statuses", "paid"),
    [
        ({"fax": "pass"}, True),
        ({"fax": "skip"}, True),  # the site says that it needs no licence
        ({"voice": "fail"}, True),  # nothing is said of it: it is not in use any more
        ({"file.other": "unknown"}, True),
        ({"fax": "fail"}, False),  # the trial has expired
        ({"fax": "unknown"}, False),
        ({"fax": "warn"}, False),
        ({"file.fax": "fail"}, False),
        ({"uses": "unknown"}, False),  # whether it is in use could not be seen
    ],
)
def test_a_debt_that_has_become_worse_is_not_paid(move: Move, statuses: dict[str, t.Any], paid: bool) -> None:
    move.entitlement(trial())
    move.now += DAY
    move.entitlement(**statuses)
    ((_feature, _day, is_owed, was_paid),) = states(move)
    assert (is_owed, was_paid) == (not paid, paid)
    (debt,) = owed.debts(move.runs)
    (wrong,) = statuses.items()
    assert (debt.reason, debt.remedy) == ("it is a trial" if paid else ": ".join(wrong), "Pay.")
    assert debt.since == BEGIN


def test_an_expired_trial_goes_on_alerting(move: Move, ways: d.Ways) -> None:
    move.entitlement(trial("2026-11-29"), fax="warn")
    heard(move, ways, BEGIN + 2 * DAY)
    move.entitlement(fax="fail")
    assert heard(move, ways, BEGIN + 4 * DAY) == [("12-01 08:00", m.OVERDUE), ("12-02 08:00", m.OVERDUE)]


def test_another_day_is_told_of_at_once_and_another_owner_begins_anew(move: Move, ways: d.Ways) -> None:
    move.entitlement(trial("2026-11-27"))
    assert heard(move, ways, BEGIN + HOUR) == [("11-28 13:00", m.OVERDUE)]
    move.entitlement(trial("2026-12-31"))
    assert heard(move, ways, BEGIN + 4 * DAY) == [("11-28 14:00", m.OWED), ("12-01 08:00", m.OWED)]
    move.entitlement(trial("2026-12-31", owner="customer"))
    assert [each[1] for each in heard(move, ways, BEGIN + 5 * DAY, "approver")] == [m.OWED]
    assert heard(move, ways, BEGIN + 20 * DAY) == []
    assert {line["kind"] for line in move.lines if line["event"] == m.NOTICE} == {m.OWED, m.OVERDUE}  # nobody has paid
    move.entitlement(fax="pass")
    assert heard(move, ways, BEGIN + 21 * DAY) == []
    assert {each.late for each in move.counts().values()} == {0}  # whoever owes it now was not late before


def test_the_end_of_what_nobody_has_heard_of_is_no_news(move: Move, ways: d.Ways) -> None:
    move.entitlement(trial())
    move.now += HOUR
    move.entitlement(fax="pass")
    assert heard(move, ways, BEGIN + DAY) == []


def test_a_journal_with_a_look_alone_is_enough_for_a_sender(move: Move) -> None:
    took: list[tuple[str, str, str]] = []
    ways = d.ways(move.plan, True, ())
    teller = tell.Teller(
        move.plan, str(move.path), ways, lambda each, message: took.append((each.id, each.matter.id, message.subject)),
        HOUR, is_running=move.running.__contains__,
    )  # fmt: skip
    move.entitlement()
    assert teller.look(lambda: move.now).sent == [] and b"observed" not in move.path.read_bytes()
    move.entitlement(trial())
    assert len(teller.look(lambda: move.now).sent) == len(took) == 2
    before = move.path.read_bytes()
    assert teller.look(lambda: move.now).sent == [] and move.path.read_bytes() == before
    # Killed before the line of the last one: that one comes again, with the same identity.
    move.path.write_bytes(before[: before.rstrip(b"\n").rindex(b"\n") + 1])
    teller.look(lambda: move.now)
    assert took[2:] == took[1:2]
    (summary,) = tell.summary(move.plan, tell.count(move.plan, str(move.path), move.now, move.running.__contains__))
    assert summary == "Notices: 2 sent, 0 late, 0 attempts of a channel failed."


def test_whoever_has_heard_by_one_channel_is_not_told_by_the_other_later(move: Move, ways: d.Ways) -> None:
    move.entitlement(trial())
    for each in move.due(ways):
        move.note(m.NOTICE, d.line_of(each, d.FAILED if each.way.channel == "mail" else d.SENT))
    move.now += HOUR
    assert move.due(ways) == []


# -- ninety days


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 10))])
def test_in_ninety_days_nobody_who_has_a_channel_hears_late_or_twice(seed: int, move: Move, ways: d.Ways) -> None:
    """Mail fails for a third of the time, and the sender is killed now and then."""
    dice = random.Random(seed)
    outages = {"mail": Outages(dice, 90 * 24), "webhook": Outages(dice, 90 * 24, never=True)}
    features = ("fax", "queue", "voice", "editor")
    until = {each: berlin_day(dice.uniform(5, 85)) for each in features[:3]} | {"editor": ""}
    paid = {each: BEGIN + dice.uniform(60, 89) * DAY for each in features[:3]}
    delivered: dict[str, tuple[str, float]] = {}
    twice = kills = 0
    move.due(ways)
    move.entitlement(*(trial(day, feature=each) for each, day in until.items()))
    while move.now < BEGIN + 90 * DAY:
        begun = move.now
        over = [each for each, at in paid.items() if at <= move.now]
        for feature in over:
            del paid[feature]
        if over:
            move.entitlement(
                *(trial(until[each], feature=each) for each in features if each in paid or not until[each])
            )
        for each in move.due(ways, 2 * HOUR):
            works = outages[each.way.channel].works(move.now)
            if works:
                twice += each.id in delivered
                delivered[each.id] = (each.matter.id, move.now)
            if dice.random() < 0.02:
                kills += 1
                break  # before the line was written
            move.note(m.NOTICE, d.line_of(each, d.SENT if works else d.FAILED))
        move.now = begun + 2 * HOUR
    counts = move.counts()
    assert counts["commercial_owner"].failed["mail"] > 5
    assert {person: each.late for person, each in counts.items() if each.late} == {}
    assert 0 < twice <= kills
    assert paid == {} and len(delivered) > 60
    for feature in features:
        spans = next(each for each in m.matters(move.sight()) if each.id == f"debt {feature}@pbx").spans
        assert [each.kind for each in spans].count(m.PAID) == (feature != "editor")
