# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a move: none is left out, a rollback takes back what it must, and what was interrupted is not done."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import course
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import Decision
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import (
    Cutover,
    Estimate,
    Gate,
    Moment,
    Notice,
    Plan,
    Stage,
    Step,
    Undo,
)


def step(name: str, stages: tuple[str, ...], depends: tuple[str, ...] = (), gates: tuple[str, ...] = ()) -> Step:
    return Step(
        name, name, "move", stages, "contractor", "high", depends, gates, None, Estimate(1, "model"), None,
        Notice((), 5, 20), (), Undo(None, "none"),
    )  # fmt: skip


STEPS = (
    step("build", ("prepare",)),
    step("restore", ("rehearsal", "final"), ("build",)),
    step("freeze", ("final",), ("restore",), ("go",)),
    step("delta", ("final",), ("freeze",)),
    step("open", ("final",), ("delta",)),
)
STAGES = (
    Stage("prepare", "Prepare", "prepare"),
    Stage("rehearsal", "R", "move"),
    Stage("final", "F", "move", "rehearsed"),
)
GATES = tuple(
    Gate(name, name, stage, (), (), (), 60)
    for name, stage in (("rehearsed", "rehearsal"), ("go", "final"), ("commit", "final"))
)
NOTHING: dict[str, t.Any] = {}
PLAN = Plan(
    "move", "Move", "site", None, "Etc/UTC", frozenset(), NOTHING, NOTHING, NOTHING, {each.id: each for each in STAGES},
    {each.id: each for each in STEPS}, {each.id: each for each in GATES}, NOTHING, NOTHING,
    Cutover("freeze", "open", None, None, None, Estimate(1, "model"), "commit", 60, "none"), NOTHING, "a" * 64,
    {
        "provisioned": Moment("build", "prepare"),
        "rehearsed": Moment("restore", "rehearsal"),
        "accepted": "rehearsed",
        "frozen": Moment("freeze", "final"),
        "moved": Moment("delta", "final"),
        "open": Moment("open", "final"),
        "committed": "commit",
    },
)  # fmt: skip
NIGHT = (
    "build@prepare", "restore@rehearsal", "rehearsed!", "restore@final", "go!", "freeze@final", "delta@final",
    "open@final",
)  # fmt: skip


def told(*events: str, outcome: str = "ok") -> tuple[list[Attempt], dict[tuple[str, str], Decision]]:
    """Steps (`NAME@STAGE`) and gates that opened (`NAME!`), a minute apart."""
    attempts: list[Attempt] = []
    decisions = {}
    for number, event in enumerate(events, start=1):
        name, _at, stage = event.partition("@")
        if name.endswith("!"):
            gate = PLAN.gates[name[:-1]]
            opened = datetime.datetime.fromtimestamp(60 * number, tz=datetime.timezone.utc)
            decisions[gate.id, gate.stage] = Decision(gate.id, gate.stage, "open", opened=opened)
        else:
            attempts.append(Attempt(name, 1, 60 * number - 30, stage, 60 * number, outcome))
    return attempts, decisions


def found(*events: str) -> course.Course:
    attempts, decisions = told(*events)
    return course.course(PLAN, attempts, decisions.values())


def obstacles(events: t.Sequence[str], name: str, stage: str) -> list[str]:
    attempts, decisions = told(*events)
    return course.obstacles(PLAN, course.course(PLAN, attempts, decisions.values()), decisions, name, stage)


def test_a_whole_move() -> None:
    states = [found(*NIGHT[:count]).state for count in range(len(NIGHT) + 1)]
    assert states == [
        "planned", "provisioned", "rehearsed", "accepted", "accepted", "accepted", "frozen", "moved", "open",
    ]  # fmt: skip
    assert found(*NIGHT, "commit!").state == "committed"


def tried(events: t.Iterable[str]) -> list[str]:
    """What comes about of it: a step that may not begin does not."""
    came: list[str] = []
    for event in events:
        name, _at, stage = event.partition("@")
        if not stage or not obstacles(came, name, stage):
            came.append(event)
    return came


def test_without_one_of_its_steps_or_gates_the_night_does_not_come_to_its_end() -> None:
    assert tuple(tried(NIGHT)) == NIGHT
    for number in range(len(NIGHT) - 1):
        came = tried(NIGHT[:number] + NIGHT[number + 1 :])
        # The gate go may open before its turn, and lets nothing through by itself.
        assert "open@final" not in came and "delta@final" not in came, NIGHT[number]


def test_hosts_that_stood_before_the_plan_need_not_be_built_again() -> None:
    plan = dataclasses.replace(PLAN, done={Moment("build", "prepare"): datetime.date(1970, 1, 1)})
    attempts, decisions = told("restore@rehearsal", "rehearsed!")
    where = course.course(plan, attempts, decisions.values())
    assert (where.state, where.jumps) == ("accepted", ())
    # The journal knows better when it was, and once is enough.
    late = dataclasses.replace(PLAN, done={Moment("build", "prepare"): datetime.date(2100, 1, 1)})
    attempts, decisions = told("build@prepare", "restore@rehearsal")
    assert course.course(late, attempts, decisions.values()).jumps == ()
    # Of the cutover itself only the journal tells.
    frozen = dataclasses.replace(plan, done={**plan.done, Moment("freeze", "final"): datetime.date(2100, 1, 1)})
    assert course.course(frozen, attempts, decisions.values()).state == "rehearsed"


def test_what_was_killed_or_failed_is_not_done() -> None:
    for outcome, end in (("unknown", None), ("failed", 90.0), ("skipped", 90.0)):
        attempts, _decisions = told("build@prepare")
        attempts = [dataclasses.replace(attempts[0], outcome=outcome, end=end)]
        where = course.course(PLAN, attempts, [])
        assert (where.state, where.done) == ("planned", frozenset())


@pytest.mark.parametrize("after", [6, 7, 8])
def test_a_rollback_takes_the_cutover_back(after: int) -> None:
    where = found(*NIGHT[:after], "rollback@final")
    assert where.state == "rolled_back"
    assert where.done == {Moment("build", "prepare"), Moment("restore", "rehearsal")}
    # The next attempt needs its own acceptance and begins with the restore.
    again = (*NIGHT[:after], "rollback@final")
    assert any("freeze@final is not done" in each for each in obstacles(again, "delta", "final"))
    assert any("it is rolled_back" in each for each in obstacles((*again, "restore@final"), "freeze", "final"))


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5])
def test_without_a_cutover_there_is_nothing_to_roll_back(after: int) -> None:
    (why,) = obstacles(NIGHT[:after], "rollback", "final")
    assert "no cutover that could be taken back" in why


def test_after_the_commit_there_is_no_way_back() -> None:
    assert obstacles((*NIGHT, "commit!"), "rollback", "final")


def test_a_jump_is_named_and_leads_nowhere() -> None:
    where = found("build@prepare", "open@final")
    assert where.state == "provisioned"
    assert where.jumps == ("open@final would make the move open, and it was provisioned",)


def test_no_order_of_events_leaves_a_state_out() -> None:
    """Whatever the journal says, each state that is reached follows one that admits it."""
    events = ("build@prepare", "restore@rehearsal", "rehearsed!", "freeze@final", "delta@final", "open@final")
    way = ("planned", "provisioned", "rehearsed", "accepted", "frozen", "moved", "open")
    for order in itertools.permutations(events):
        state = found(*order).state
        reached = [event for event in order if event in events[: way.index(state)]]
        assert reached == list(events[: way.index(state)])


def test_a_step_that_the_plan_does_not_have() -> None:
    assert obstacles((), "nothing", "final") == ["The plan has no step nothing in stage final."]
    assert obstacles((), "freeze", "rehearsal") == ["The plan has no step freeze in stage rehearsal; it is in final."]
