# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planned against actual, step by step, and who waited for whom."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Step

Data = dict[str, t.Any]
PLANNED = ""  # no stage has this name
SHORTEST_WAIT = 60.0
#: People tell the end of a step, not its beginning. What ends within a day of the moment it could begin is drawn from
#: then on; what ends later was not waited for all that time.
LONGEST_MANUAL = 86400.0


def phases(of: Evidence) -> list[Data]:
    """For each phase that has begun its lanes, and its steps with the spans of each lane, in seconds of the epoch."""
    out = []
    for phase in of.plan.phases.values():
        stages = [stage.id for stage in of.plan.stages.values() if stage.phase == phase.id]
        steps = [step_of(of, step, stages) for step in of.plan.steps.values() if step.phase == phase.id]
        if not any(lane["spans"] for step in steps for lane in step["lanes"].values()):
            continue
        steps.sort(key=lambda step: step["planned"]["span"])
        titles = {stage: of.plan.stages[stage].title for stage in stages}
        out.append({"id": phase.id, "title": phase.title, "stages": titles, "steps": steps})
    return out


def step_of(of: Evidence, step: Step, stages: t.Sequence[str]) -> Data:
    """A step with what was planned for it, and what it took in each stage. `seconds` is None for what was not done."""
    slots = {slot.node.stage: slot for slot in of.dates.slots if slot.node.kind == "step" and slot.node.id == step.id}
    last = slots[[stage for stage in stages if stage in slots][-1]]
    return {
        "id": step.id,
        "title": step.title,
        "owner": of.plan.organisations[step.owner],
        "manual": step.manual,
        "planned": {"seconds": step.estimate.seconds, "span": [last.begin.timestamp(), last.end.timestamp()]},
        "lanes": {stage: lane_of(of, step, stage) for stage in stages if stage in step.stages},
    }


def lane_of(of: Evidence, step: Step, stage: str) -> Data:
    attempts = [one for one in of.attempts if (one.step, one.stage) == (step.id, stage) and one.outcome != "skipped"]
    held = of.held(step.id, stage)
    spans = [[begin_of(of, step, one), end_of(one), one.outcome] for one in attempts]
    return {
        "spans": spans,
        "attempts": len(attempts),
        "seconds": end_of(held) - begin_of(of, step, held) if held else None,
    }


def begin_of(of: Evidence, step: Step, attempt: Attempt) -> float:
    """When it began; of a step of people whose end alone was told, when it could begin."""
    if not step.manual or (attempt.seconds or 0.0) > SHORTEST_WAIT:
        return attempt.start
    could = possible_since(of, step, attempt.stage)
    return could if could is not None and 0 <= attempt.start - could <= LONGEST_MANUAL else attempt.start


def end_of(attempt: Attempt) -> float:
    """Its end; of an attempt without one, the last that is known of it."""
    return attempt.end if attempt.end is not None else max([attempt.start, *(task.end for task in attempt.tasks)])


def possible_since(of: Evidence, step: Step, stage: str) -> float | None:
    """When everything before the step was over; None if something was not, or nothing is before it."""
    before_all = of.plan.stages[stage].gate
    gates = [of.decisions[name].opened for name in (*step.gates, *([before_all] if before_all else []))]
    ends = [opened.timestamp() if opened else None for opened in gates]
    for name in step.depends:
        where = graph.earlier(of.plan, name, stage)
        held = of.held(name, where) if where else None
        ends.append(end_of(held) if held else None)
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def waits(of: Evidence) -> list[Data]:
    """Each pair of organisations with the time that one waited for the other, and for what; the longest first."""
    pairs: dict[tuple[str, str], list[Data]] = {}
    for who, whom, what, seconds in (*_waits_for_steps(of), *_waits_for_signatures(of)):
        if who != whom and seconds >= SHORTEST_WAIT:
            pairs.setdefault((who, whom), []).append({"what": what, "seconds": round(seconds, 3)})
    name = of.plan.organisations
    out = [
        {
            "who": name.get(who, who),
            "whom": name.get(whom, whom),
            "seconds": round(sum(one["seconds"] for one in items), 3),
            "items": sorted(items, key=lambda one: -one["seconds"]),
        }
        for (who, whom), items in pairs.items()
    ]
    return sorted(out, key=lambda pair: -pair["seconds"])


Wait = tuple[str, str, str, float]


def _waits_for_steps(of: Evidence) -> t.Iterator[Wait]:
    """Those who come next waited from the moment a step could begin until it was over; and what a step says itself."""
    for step in of.plan.steps.values():
        for stage in step.stages:
            held = of.held(step.id, stage)
            if held is None:
                continue
            what = f"{step.title} ({of.plan.stages[stage].title.lower()})"
            if held.waiting_for:
                yield step.owner, held.waiting_for, what, held.seconds or 0.0
            if step.manual:
                next_ones = {other.owner for other in of.plan.steps.values() if step.id in other.depends}
                for who in sorted(next_ones):
                    yield who, step.owner, what, end_of(held) - begin_of(of, step, held)


def _waits_for_signatures(of: Evidence) -> t.Iterator[Wait]:
    """Whose request it was waited for each organisation's last signature."""
    for gate in of.plan.gates.values():
        asked = of.asked(gate.id)
        if asked is None:
            continue
        last: dict[str, float] = {}
        for line in of.signatures(gate.id):
            org = of.plan.people[line["person"]].org
            last[org] = max(last.get(org, 0.0), line["at"])
        for org, at in last.items():
            yield of.plan.people[asked["by"]].org, org, f"Gate: {gate.title}", at - asked["asked"]
