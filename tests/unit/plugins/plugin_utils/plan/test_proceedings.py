# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback ends: nobody's word of that night opens a gate for the next one."""

from __future__ import annotations

import itertools
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import reader, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import course, gate
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings

OPEN_GATES: dict[str, t.Any] = {
    "gates": {name: {"inputs": []} for name in ("prepared", "rehearsed", "go", "commit", "accepted")}
}


class Move:
    """A journal as a move writes it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.plan: Plan = load(OPEN_GATES)

    def step(self, name: str, stage: str) -> None:
        common = {"step": name, "stage": stage}
        writer.append(self.path, "step", {**common, "state": "begin", "operator": "olga", "process": "1"})
        writer.append(self.path, "step", {**common, "state": "end", "outcome": "ok"})

    def decide(self, name: str) -> None:
        """Ask for a gate, and have everybody sign who has to."""
        wanted, now = self.plan.gates[name], time.time()
        asked = gate.request(self.plan, wanted, "operator", "olga", [], now)
        writer.append(self.path, gate.REQUEST, asked)
        for need in wanted.needs:
            person = next(
                one.id for one in self.plan.people.values() if (one.org, need.role) == (need.org, one.roles[0])
            )
            signature = {
                "gate": name, "stage": wanted.stage, "plan": self.plan.sha256, "request": asked["request"],
                "person": person, "verdict": gate.APPROVE, "method": gate.TYPED, "account": person, "at": time.time(),
            }  # fmt: skip
            writer.append(self.path, gate.SIGNATURE, signature)

    def night(self) -> None:
        """From the acceptance of the rehearsal to a cloud in which nobody works."""
        self.decide("rehearsed")
        for step in self.plan.occurrences("final"):
            if step.id == "move.freeze":
                break
            self.step(step.id, "final")
        self.decide("go")
        self.step("move.freeze", "final")

    @property
    def now(self) -> Proceedings:
        return Proceedings(self.plan, self.path)


@pytest.fixture
def move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    # Each look at the clock is a second later: the order of what happens is that of its times.
    seconds = itertools.count(1_790_000_000)
    monkeypatch.setattr(time, "time", lambda: float(next(seconds)))
    move = Move(tmp_path / "move.jsonl")
    for step in move.plan.occurrences("prepare"):
        move.step(step.id, "prepare")
    move.decide("prepared")
    for step in move.plan.occurrences("rehearsal"):
        move.step(step.id, "rehearsal")
    move.night()
    return move


def test_before_a_rollback_everything_is_as_it_was_decided(move: Move) -> None:
    assert (move.now.course.state, move.now.course.jumps) == (course.FROZEN, ())
    assert move.now.decisions["go", "final"].is_open
    assert move.now.decisions == move.now.last_decisions


def test_after_a_rollback_the_gates_of_the_night_are_closed(move: Move) -> None:
    move.step(course.ROLLBACK, "final")
    now = move.now
    assert (now.course.state, now.course.jumps) == (course.ROLLED_BACK, ())
    states = {name: found.state for (name, _stage), found in now.decisions.items()}
    assert (states["prepared"], states["rehearsed"], states["go"]) == ("open", "closed", "closed")
    assert any("The gate rehearsed is closed" in each for each in now.obstacles("move.order_backup", "final"))
    # People and the report are told of the night as it was.
    assert now.last_decisions["go", "final"].is_open


def test_the_next_night_has_its_own_acceptance_and_its_own_go(move: Move) -> None:
    move.step(course.ROLLBACK, "final")
    move.decide("rehearsed")
    assert (move.now.course.state, move.now.course.jumps) == (course.ACCEPTED, ())
    assert move.now.obstacles("move.order_backup", "final") == []
    for step in move.plan.occurrences("final"):
        if step.id == "move.freeze":
            break
        move.step(step.id, "final")
    assert any("The gate go is closed" in each for each in move.now.obstacles("move.freeze", "final"))
    move.decide("go")
    assert move.now.obstacles("move.freeze", "final") == []
    move.step("move.freeze", "final")
    assert (move.now.course.state, move.now.course.jumps) == (course.FROZEN, ())
    evidence = Evidence(move.plan, reader.read([move.path]))
    assert (evidence.course.state, evidence.course.jumps) == (course.FROZEN, ())


def test_a_waiver_of_the_night_that_was_taken_back_does_not_count(move: Move) -> None:
    wanted = move.plan.gates["go"]
    waiver = {
        "gate": "go", "stage": "final", "plan": move.plan.sha256, "person": "approver", "input": "health",
        "reason": "seen by hand", "until": time.time() + 86400, "at": time.time(), "method": gate.TYPED,
        "account": "anna",
    }  # fmt: skip
    writer.append(move.path, gate.WAIVER, waiver)
    assert [each.input for each in move.now.waivers(wanted)[0]] == ["health"]
    move.step(course.ROLLBACK, "final")
    assert move.now.waivers(wanted)[0] == ()
