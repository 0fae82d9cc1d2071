# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates and people who are waited for, and a whole look at a journal."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import due as d
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import matters as m
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell, text
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate as g
from unit.plugins.plugin_utils.notices.world import BEGIN, HOUR, MINUTE, Move

ACCOUNT = {"by": "operator", "account": "li"}


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    return Move(tmp_path / "move.jsonl", monkeypatch)


class Sender:
    """Keeps what it is given; fails where it is told to."""

    def __init__(self) -> None:
        self.took: list[tuple[str, str, str, text.Message]] = []
        self.fails: set[str] = set()

    def __call__(self, each: d.Due, message: text.Message) -> None:
        if each.way.channel in self.fails:
            raise BoxliftError(f"{each.way.channel} said 421", "Wait.")
        self.took.append((each.span.kind, each.language, each.way.channel, message))


def teller(move: Move, send: Sender, **more: t.Any) -> tell.Teller:
    ways = d.ways(move.plan, True, ("team", "office"))
    return tell.Teller(move.plan, str(move.path), ways, send, 60.0, is_running=move.running.__contains__, **more)


def ask(move: Move, gate: str = "go") -> dict[str, t.Any]:
    """Asks for a gate, as the action does it."""
    of = move.plan.gates[gate]
    fields = g.request(move.plan, of, **ACCOUNT, inputs=[], now=move.now)
    move.write(g.REQUEST, **fields)
    return fields


def sign(move: Move, gate: str, request: str, person: str, verdict: str = g.APPROVE) -> None:
    move.write(g.SIGNATURE, **{
        "gate": gate, "stage": move.plan.gates[gate].stage, "request": request, "person": person, "account": person,
        "verdict": verdict, "remarks": [], "method": g.TYPED, "plan": move.plan.sha256,
    })  # fmt: skip


def test_a_gate_that_waits_is_told_to_those_who_may_sign_and_its_end_to_all(move: Move) -> None:
    asked = {"event": g.REQUEST, **ask(move)}
    waiting = g.Decision("go", "final", "requested", missing=move.plan.gates["go"].needs)
    lines = [asked]

    def sight(decision: g.Decision) -> m.Sight:
        return dataclasses.replace(move.sight(), gate_lines=lines, decisions={("go", "final"): decision})

    (matter,) = m.matters(sight(waiting))
    assert matter.people == ("coordinator", "approver", "key_user", "operator")
    (span,) = matter.spans
    assert (span.kind, span.since, span.first, span.every) == (m.ASKED, move.now, 5 * MINUTE, 30 * MINUTE)
    about = text.Known(move.plan, tell.read([str(move.path)]), str(move.path), move.now)
    way = d.Way(d.MAIL, "anna@example.com")
    said = text.message(d.Due("id", matter, span, way, "en", ("approver",), 0.0), about)
    assert said.subject == "Decision awaited: Go or no-go: work in the cloud portal stops"
    assert "Still to sign: 1 × Olga Petrova (Contractor), 1 × Anna Schmidt (Customer), 1 × Fatima Haddad" in said.body

    later = datetime.datetime.fromtimestamp(move.now + 600, tz=datetime.timezone.utc)
    move.now += 700
    (matter,) = m.matters(sight(dataclasses.replace(waiting, state="open", opened=later, signers=("approver",))))
    assert [(each.kind, each.until) for each in matter.spans] == [(m.ASKED, later.timestamp()), (m.DECIDED, None)]
    # A gate that nobody decided is over too, and a new request begins anew.
    (matter,) = m.matters(sight(dataclasses.replace(waiting, state="expired", expires=later)))
    assert matter.spans[-1].facts["state"] == "expired"
    lines.append({"event": g.REQUEST, **ask(move)})
    (matter,) = m.matters(sight(waiting))
    assert [(each.kind, each.since) for each in matter.spans] == [(m.ASKED, BEGIN), (m.ASKED, move.now)]


def test_a_gate_of_a_week_is_not_told_of_every_half_an_hour(move: Move) -> None:
    line = {"event": g.REQUEST, **ask(move, "accepted")}
    (matter,) = m.matters(dataclasses.replace(move.sight(), gate_lines=[line]))
    assert matter.spans[0].every == 14 * HOUR


def test_people_are_told_that_the_night_waits_for_them(move: Move) -> None:
    """Between the end of work and the opening nobody can work: then steps of people are told of too."""
    for step in ("move.freeze", "move.delta"):
        move.begin(step)
        move.now += 10 * MINUTE
        move.end(step)
        move.now += 3 * MINUTE
    found = {matter.id: matter for matter in m.matters(move.sight())}
    assert set(found) == {"move.freeze@final", "move.delta@final", "move.switch_domain@final"}
    (waiting,) = found["move.switch_domain@final"].spans
    assert (waiting.kind, waiting.since, waiting.until) == (m.WAITING, BEGIN + 23 * MINUTE, None)
    # Between freeze and delta it waited three minutes for the contractor.
    assert [(each.kind, each.since - BEGIN) for each in found["move.delta@final"].spans] == [
        (m.WAITING, 600.0), (m.RUNNING, 780.0), (m.ENDED, 1380.0),
    ]  # fmt: skip
    # A rollback takes the night back, and nobody is waited for.
    move.begin("rollback")
    move.end("rollback")
    found = {matter.id: matter for matter in m.matters(move.sight())}
    assert found["rollback@final"].subject == "Rollback"
    assert "move.switch_domain@final" not in found


def test_a_look_sends_writes_and_is_not_repeated(move: Move) -> None:
    send = Sender()
    teller(move, send).look(lambda: move.now)
    assert (send.took, move.path.exists()) == ([], False)  # without a journal there is nothing to tell
    move.begin("move.fetch")
    assert len(teller(move, send).look(lambda: move.now, check=True).waiting) == 7
    assert send.took == []
    looked = teller(move, send, mask=lambda value: value.replace("12 h", "**")).look(lambda: move.now)
    assert len(looked.sent) == len(send.took) == 7
    assert teller(move, send).look(lambda: move.now).sent == []
    (german,) = [message for _kind, language, _channel, message in send.took if language == "de"]
    assert "Das Portal öffnet um 2026-11-29" in german.body  # the forecast of the final run


def test_a_failed_look_is_a_line_with_the_masked_reason(move: Move) -> None:
    send = Sender()
    send.fails = {"mail"}
    move.begin("move.fetch")
    looked = teller(move, send, mask=lambda value: value.replace("421", "***")).look(lambda: move.now)
    assert {reason for _each, reason in looked.failed} == {"mail said ***"}
    counts = {each.person: each for each in tell.count(move.plan, str(move.path), move.now, move.running.__contains__)}
    assert counts["approver"].reasons == {"mail": "mail said ***"}
    assert tell.summary(move.plan, list(counts.values()))[0] == (
        "Notices: 3 sent, 0 late, 4 attempts of a channel failed."
    )
    send.fails = set()
    move.now += MINUTE
    # Those who heard by the webhook are in no hurry.
    assert len(teller(move, send).look(lambda: move.now).sent) == 2
    move.now += 4 * MINUTE
    assert len(teller(move, send).look(lambda: move.now).sent) == 2


def test_slow_failures_do_not_hold_up_the_next_look(move: Move) -> None:
    """Each mail takes its 20 seconds to fail: after two, the others are left to the next look, and come first."""
    send = Sender()
    tried: list[str] = []

    def slow(each: d.Due, message: text.Message) -> None:
        if each.way.channel == "mail":
            tried.append(each.people[0])
            move.now += 20
            raise BoxliftError("timed out", "Wait.")
        send(each, message)

    move.begin("move.fetch")
    ways = d.ways(move.plan, True, ("team", "office"))
    looks = tell.Teller(move.plan, str(move.path), ways, slow, 60.0, is_running=move.running.__contains__)
    looks.look(lambda: move.now)
    first = list(tried)
    move.now += 20
    looks.look(lambda: move.now)
    assert len(first) == 2 and len(tried) == 4 and len(set(tried)) == 4
    assert len(send.took) == 3


def test_an_edited_journal_opens_no_gate_and_people_still_hear(move: Move) -> None:
    send = Sender()
    move.begin("move.fetch")
    content = move.path.read_text(encoding="utf-8")
    move.path.write_text(content.replace('"playbook":"cutover"', '"playbook":"Cutover"'), encoding="utf-8")
    looked = teller(move, send).look(lambda: move.now)
    assert "is not as it was written" in looked.blind and len(looked.sent) == 7


def test_a_line_that_was_cut_off_says_nothing(move: Move) -> None:
    send = Sender()
    move.begin("move.fetch")
    teller(move, send).look(lambda: move.now)
    whole = move.path.read_bytes()
    last = whole.rstrip(b"\n").rpartition(b"\n")[2]
    for cut in (20, len(last) - 1):
        move.path.write_bytes(whole[: -len(last) - 1] + last[:cut])
        assert len(teller(move, Sender()).look(lambda: move.now).sent) == 1
    assert moment("2026-11-28T12:00:00.000Z") == BEGIN
