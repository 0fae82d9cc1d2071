# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the move is, and what may begin next: folded from the journal's steps and gates, kept nowhere else."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import Decision
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate, Moment, Plan, Step

PLANNED, PROVISIONED, REHEARSED, ACCEPTED = "planned", "provisioned", "rehearsed", "accepted"
FROZEN, MOVED, OPEN, COMMITTED, ROLLED_BACK = "frozen", "moved", "open", "committed", "rolled_back"
#: What may follow a state. A rehearsal may be made again; after a rollback the move is accepted anew.
NEXT: dict[str, tuple[str, ...]] = {
    PLANNED: (PROVISIONED,),
    PROVISIONED: (REHEARSED,),
    REHEARSED: (REHEARSED, ACCEPTED),
    ACCEPTED: (REHEARSED, FROZEN),
    FROZEN: (MOVED, ROLLED_BACK),
    MOVED: (OPEN, ROLLED_BACK),
    OPEN: (COMMITTED, ROLLED_BACK),
    ROLLED_BACK: (REHEARSED, ACCEPTED),
    COMMITTED: (),
}
STATES = tuple(NEXT)
#: The step that takes the whole cutover back; it is in no stage's list, since nobody plans it.
ROLLBACK = "rollback"
DONE = "ok"


@dataclasses.dataclass(frozen=True)
class Course:
    """`done` are the occurrences that hold: what a rollback has taken back does not. `jumps` are what the journal says
    and no state admits."""

    state: str
    done: frozenset[Moment]
    jumps: tuple[str, ...] = ()


def course(plan: Plan, attempts: t.Iterable[Attempt], decisions: t.Iterable[Decision]) -> Course:
    """The state that steps and gates have led to, in the order of their ends."""
    ended = sorted((each for each in attempts if each.outcome == DONE and each.end is not None), key=_end)
    undone = stages_of_the_cutover(plan)
    # What people wrote down as done serves while nothing can be lost by it.
    told = {each: _midnight(day) for each, day in plan.done.items() if each.stage not in undone}
    marks: list[tuple[float, str, str]] = []
    for state, mark in plan.states.items():
        if isinstance(mark, Moment):
            seen = [_end(each) for each in ended if Moment(each.step, each.stage) == mark]
            marks += [(at, state, str(mark)) for at in seen or ([told[mark]] if mark in told else [])]
        else:
            marks += [
                (each.opened.timestamp(), state, f"gate {mark}")
                for each in decisions
                if each.gate == mark and each.opened is not None
            ]
    rollbacks = [_end(each) for each in ended if each.step == ROLLBACK]
    marks += [(at, ROLLED_BACK, ROLLBACK) for at in rollbacks]
    now, jumps = PLANNED, []
    for _at, state, by in sorted(marks):
        if state in NEXT[now]:
            now = state
        elif state != now:
            jumps.append(f"{by} would make the move {state}, and it was {now}")
    # A rollback takes back the stage that it ends.
    back = max(rollbacks, default=0.0)
    held = {Moment(each.step, each.stage) for each in ended if each.stage not in undone or _end(each) > back}
    held |= told.keys()
    return Course(now, frozenset(held - {Moment(ROLLBACK, each.stage) for each in ended}), tuple(jumps))


def obstacles(
    plan: Plan, where: Course, decisions: t.Mapping[tuple[str, str], Decision], step: str, stage: str
) -> list[str]:
    """Why this occurrence may not begin now, each with what is to be done; empty if it may."""
    if step == ROLLBACK:
        if ROLLED_BACK in NEXT[where.state]:
            return []
        return [f"The move is {where.state}: there is no cutover that could be taken back."]
    known = plan.steps.get(step)
    if known is None or stage not in known.stages:
        stages = ", ".join(known.stages) if known else ""
        return [f"The plan has no step {step} in stage {stage or '(none)'}{f'; it is in {stages}' if stages else ''}."]
    found = [_first(plan, each) for each in _before(plan, known, stage) if each not in where.done]
    before_all = plan.stages[stage].gate
    for name in (*known.gates, *([before_all] if before_all else [])):
        decision = decisions.get((name, plan.gates[name].stage))
        if decision is None or not decision.is_open:
            state = decision.state if decision else "closed"
            found.append(f"The gate {name} is {state}. Ask for it with boxlift.portal.ask -e gate={name}.")
    for state, mark in plan.states.items():
        if mark == Moment(step, stage) and state != where.state and state not in NEXT[where.state]:
            found.append(f"It would make the move {state}, and it is {where.state}: nothing between may be left out.")
    return found


def _first(plan: Plan, missing: Moment) -> str:
    step = plan.steps[missing.step]
    if not step.manual:
        return f"{missing} is not done yet ({step.title}). Do it first."
    owner = plan.organisations.get(step.owner, step.owner)
    return (
        f"{missing} is not done yet ({step.title}; {owner}). Tell its end with "
        f"boxlift.portal.done -e done_step={missing.step} -e migration_stage={missing.stage}."
    )


def _before(plan: Plan, step: Step, stage: str) -> list[Moment]:
    """What it depends on: in its own stage, or else in the last one that has it."""
    steps = [plan.steps[name] for name in step.depends]
    return [Moment(each.id, stage if stage in each.stages else each.stages[-1]) for each in steps]


def stages_of_the_cutover(plan: Plan) -> set[str]:
    return {
        mark.stage for state, mark in plan.states.items() if state in (FROZEN, MOVED, OPEN) and isinstance(mark, Moment)
    }


def is_decided_anew(plan: Plan, gate: Gate) -> bool:
    """Whether a rollback ends what was decided: the gates of the cutover, and the acceptance that leads into it."""
    return gate.stage in stages_of_the_cutover(plan) or plan.states.get(ACCEPTED) == gate.id


def ends_a_rollback(line: t.Mapping[str, t.Any]) -> bool:
    """Whether a line of the journal says that the cutover was taken back."""
    return (line.get("step"), line.get("state"), line.get("outcome")) == (ROLLBACK, "end", DONE)


def _midnight(day: datetime.date) -> float:
    return datetime.datetime.combine(day, datetime.time(), datetime.timezone.utc).timestamp()


def _end(attempt: Attempt) -> float:
    return attempt.end or attempt.start
