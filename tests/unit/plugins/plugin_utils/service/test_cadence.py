# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices about incidents: when people hear, what they read, and what is counted as late with which reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.kept import NO_CHANNEL, NOBODY_SENT
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import records
from unit.plugins.plugin_utils.service.site import BEGIN, MINUTE, Site

COORDINATOR = {"coordinator": (d.Way("mail", "olga@contractor.example"),)}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def minutes_of(site: Site, person: str, channel: str = "mail") -> list[int]:
    mine = [at for at, each, _message in site.said if person in each.people and each.way.channel == channel]
    return [round((at - BEGIN) / MINUTE) for at in mine]


@pytest.mark.parametrize(("kind", "expected"), [("critical", [0, 17, 34, 51, 60]), ("normal", [0, 25, 50, 60])])
def test_people_hear_at_once_then_within_the_cadence_and_that_it_is_over(
    site: Site, kind: str, expected: list[int]
) -> None:
    site.wish("open", title="Slow", kind=kind)
    site.look(60)
    site.wish("close", cause="a", cure="b")
    site.look(60)
    assert minutes_of(site, "coordinator") == expected
    assert minutes_of(site, "coordinator", "webhook") == expected
    ((_incident, kept),) = site.cadences()
    assert [each for each in kept.late if each.person != "commercial_owner"] == []
    assert kept.next == {}
    assert kept.sent["coordinator"] == 2 * len(expected)
    assert not Path(site.journal).exists(), "a move of its own is not made for an incident"


def test_whoever_heard_of_a_normal_incident_hears_at_once_and_oftener_that_it_is_critical(site: Site) -> None:
    site.reach_only(**{person: tuple(ways) for person, ways in site.ways.items() if person != "approver"})
    number = site.wish("open", title="Slow", kind="normal")
    site.look(28)
    site.wish("note", number=number, text="Now nobody can work.", raises=True)
    site.look(32)
    site.wish("note", number=number, told=("approver",))
    site.look(2)
    assert minutes_of(site, "coordinator") == [0, 25, 28, 45, 62]
    last = site.said[-1][2].body
    assert "Now nobody can work." in last and "13:00 CET" in last, "it has lasted since it was opened"
    ((incident, kept),) = site.cadences()
    assert incident.kind == "critical"
    mine = [each.due for each in kept.late if each.person == "approver"]
    # 5 minutes after the opening, then 5 and 25 minutes after it became critical.
    assert [round((each - BEGIN) / MINUTE) for each in mine] == [5, 33, 53]
    assert round((kept.next["approver"] - BEGIN) / MINUTE) == 80, "the call counts for what it is now"
    assert {each.person for each in kept.late} <= {"approver", "commercial_owner"}


def test_the_text_says_what_is_noticed_who_is_at_it_and_what_is_new_and_no_end(site: Site) -> None:
    site.wish("open", title="Mail does not leave", users="Invitations do not arrive.", owner="executor")
    site.look()
    site.now += 16 * MINUTE
    site.wish("note", text="The relay refuses us.")
    site.look(1)
    site.wish("close", cause="Its certificate had expired.", cure="It has a new one.")
    site.look()
    first, second, last = [message for _at, each, message in site.said if each.way == d.Way("mail", "anna@example.com")]
    assert first.subject == "Störung 1: Mail does not leave"
    assert first.body.splitlines()[1:] == [
        "Portal: portal.example.com.",
        "Seit 2026-11-28 13:00 CET, also seit 0 min.",
        "Was Sie bemerken können: Invitations do not arrive.",
        "Daran arbeiten Menschen: Ravi Kumar.",
        "Nächste Nachricht spätestens um 2026-11-28 13:20 CET.",
    ]
    assert "Neues von 2026-11-28 13:16 CET: The relay refuses us." in second.body
    assert last.body.splitlines() == [
        "Störung 1 ist behoben: Mail does not leave",
        "Portal: portal.example.com.",
        "Es dauerte 17 min.",
        "Was Sie bemerken können: Invitations do not arrive.",
        "Ursache: Its certificate had expired.",
        "Was getan wurde: It has a new one.",
        "Dies ist die letzte Nachricht dazu.",
    ]


def test_a_sender_that_is_started_again_sends_nothing_twice_and_needs_no_journal(site: Site) -> None:
    site.wish("open", title="Slow")
    site.look(1)
    before = len(site.said)
    site.journal = str(Path(site.journal).with_name("another.jsonl"))  # a year later there is another journal
    site.reach_only(**{person: tuple(ways) for person, ways in site.ways.items()})
    site.look(5)
    assert len(site.said) == before


def test_each_late_notice_is_counted_with_its_reason(site: Site) -> None:
    site.reach_only(**COORDINATOR)
    site.broken = {"mail"}
    site.wish("open", title="Slow", audience=("contractor",))  # the coordinator, and the operator whom nothing reaches
    site.look(30)
    site.broken = set()
    site.look(6)  # what has failed for long is tried every five minutes
    ((_incident, kept),) = site.cadences()
    late = {(each.person, round((each.due - BEGIN) / MINUTE), each.reason) for each in kept.late}
    assert late == {
        ("coordinator", 5, "mail: 421 busy"), ("coordinator", 25, "mail: 421 busy"),
        ("operator", 5, NO_CHANNEL), ("operator", 25, NO_CHANNEL),
    }  # fmt: skip
    assert set(kept.next) == {"coordinator", "operator"}
    assert kept.next["operator"] == BEGIN + 5 * MINUTE  # so long he has been waiting
    site.now += 45 * MINUTE  # nobody looks
    site.wish("close", cause="a", cure="b")
    ((_incident, kept),) = site.cadences()
    mine = [(round((each.due - BEGIN) / MINUTE), each.reason) for each in kept.late if each.person == "coordinator"]
    assert mine == [
        (5, "mail: 421 busy"), (25, "mail: 421 busy"), (55, NOBODY_SENT), (75, NOBODY_SENT),
    ]  # fmt: skip


def test_an_incident_that_nobody_was_told_of_is_late_though_no_sender_ever_ran(site: Site) -> None:
    site.wish("open", title="Slow", audience=("contractor",))
    site.now += 46 * MINUTE
    site.wish("close", cause="a", cure="b")
    ((_incident, kept),) = site.cadences()
    assert [round((each.due - BEGIN) / MINUTE) for each in kept.late] == [5, 5, 25, 25, 45, 45]
    assert {each.reason for each in kept.late} == {NOBODY_SENT}


def test_a_late_word_that_it_is_over_counts_once(site: Site) -> None:
    site.reach_only(**COORDINATOR)
    site.wish("open", title="Slow", audience=("contractor",), owner="coordinator")
    site.look(1)
    site.wish("close", cause="a", cure="b")
    site.broken = {"mail"}
    site.look(60)
    site.broken = set()
    site.look(1)
    ((_incident, kept),) = site.cadences()
    mine = [(round((each.due - BEGIN) / MINUTE), each.reason) for each in kept.late if each.person == "coordinator"]
    assert mine == [(6, "mail: 421 busy")]


def test_a_word_by_telephone_is_in_time_and_mail_is_tried_all_the_same(site: Site) -> None:
    site.reach_only(**COORDINATOR)
    site.broken = {"mail"}
    site.wish("open", title="Slow", audience=("contractor",), owner="coordinator")
    site.look(4)
    site.wish("note", told=("coordinator", "operator"))
    site.look(19)
    ((_incident, kept),) = site.cadences()
    assert kept.late == () and kept.sent == {"coordinator": 1, "operator": 1}
    failed = [line for line in site.records.of("notice") if line["outcome"] == "failed"]
    assert len(failed) >= 5


def test_whoever_heard_by_telephone_alone_hears_by_mail_that_it_is_over(site: Site) -> None:
    number = site.wish("open", title="Slow")
    site.wish("note", number=number, told=("coordinator",))
    site.wish("close", cause="a", cure="b")
    site.look(10)
    assert {person for _at, each, _message in site.said for person in each.people} == {"coordinator"}
    assert minutes_of(site, "coordinator") == [0]
    ((_incident, kept),) = site.cadences()
    assert kept.late == ()


def test_whoever_joins_the_plan_later_has_missed_nothing(site: Site, tmp_path: Path) -> None:
    site.wish("open", title="Slow", audience=("contractor",))
    site.look(1)
    site.wish("close", cause="a", cure="b")
    assert records.read(site.path).incidents[0].people == ("coordinator", "operator")
    site.now += 500 * MINUTE
    ((_incident, kept),) = site.cadences()
    assert {each.person for each in kept.late} <= {"coordinator", "operator"}
