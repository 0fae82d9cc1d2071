# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be over before what may begin: occurrences of steps, gates and lead items as one graph."""

from __future__ import annotations

import dataclasses
import graphlib
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Moment, Plan

DAY = 86400


@dataclasses.dataclass(frozen=True)
class Node:
    """`kind` is `step`, `gate` or `lead`; a lead item has no stage. `seconds` is how long it takes at most."""

    kind: str
    id: str
    stage: str
    seconds: int

    @property
    def moment(self) -> Moment:
        return Moment(self.id, self.stage)


def step_node(plan: Plan, step: str, stage: str) -> Node:
    return Node("step", step, stage, plan.steps[step].estimate.seconds)


def gate_node(plan: Plan, gate: str) -> Node:
    """A gate may take as long as it is valid."""
    return Node("gate", gate, plan.gates[gate].stage, plan.gates[gate].timeout_minutes * 60)


def lead_node(plan: Plan, item: str) -> Node:
    lead = plan.lead_items[item]
    # A week has five working days; schedule counts the days one by one where it knows the date.
    days = -(-lead.lead_days * 7 // 5) if lead.working_days else lead.lead_days
    return Node("lead", item, "", (days + lead.buffer_days) * DAY)


def earlier(plan: Plan, step: str, stage: str) -> str | None:
    """In which stage the step is done for somebody who depends on it in `stage`: that one, or the last before it."""
    stages = list(plan.stages)
    before = stages[: stages.index(stage) + 1]
    return next((one for one in reversed(before) if one in plan.steps[step].stages), None)


@dataclasses.dataclass(frozen=True)
class Graph:
    """For each node those before it, each with the seconds that must lie between; `order` is a possible order."""

    before: dict[Node, dict[Node, int]]
    order: tuple[Node, ...]

    def after(self) -> dict[Node, dict[Node, int]]:
        """The other way round: for each node those behind it."""
        out: dict[Node, dict[Node, int]] = {node: {} for node in self.order}
        for node, others in self.before.items():
            for other, lag in others.items():
                out[other][node] = lag
        return out

    def behind(self, node: Node) -> set[Node]:
        """The node and everything that cannot begin without it."""
        return reach(node, self.after().__getitem__)


Place = t.TypeVar("Place", bound=t.Hashable)


def reach(start: Place, following: t.Callable[[Place], t.Iterable[Place]]) -> set[Place]:
    """The start and everything that is reached from it, step by step."""
    found, pending = {start}, [start]
    while pending:
        for other in following(pending.pop()):
            if other not in found:
                found.add(other)
                pending.append(other)
    return found


def build(plan: Plan) -> Graph:
    """The graph of a plan whose references are right. Raises graphlib.CycleError."""
    before: dict[Node, dict[Node, int]] = {}
    for stage in plan.stages:
        for step in plan.occurrences(stage):
            before[step_node(plan, step.id, stage)] = {
                **dict.fromkeys(_steps(plan, step.depends, stage), 0),
                **{gate_node(plan, gate): 0 for gate in step.gates},
            }
    for gate in plan.gates.values():
        before[gate_node(plan, gate.id)] = dict.fromkeys(_steps(plan, gate.after, gate.stage), 0)
    _put_stages_in_order(plan, before)
    for item in plan.lead_items.values():
        node = lead_node(plan, item.id)
        before[node] = {} if item.after is None else {step_node(plan, item.after.step, item.after.stage): 0}
        before[step_node(plan, item.need_by.step, item.need_by.stage)][node] = 0
    return Graph(before, tuple(graphlib.TopologicalSorter(before).static_order()))


def _steps(plan: Plan, names: tuple[str, ...], stage: str) -> list[Node]:
    return [step_node(plan, name, at) for name in names if (at := earlier(plan, name, stage)) is not None]


def _put_stages_in_order(plan: Plan, before: dict[Node, dict[Node, int]]) -> None:
    """The first steps of a stage wait for its gate, and for what ends the stage before it."""
    stages = list(plan.stages)
    within = {stage: [node for node in before if node.stage == stage] for stage in stages}
    needed = {one for others in before.values() for one in others}
    for number, stage in enumerate(stages):
        gate = plan.stages[stage].gate
        waits = [node for node in within[stages[number - 1]] if node not in needed] if number else []
        waits += [gate_node(plan, gate)] if gate else []
        for node in within[stage]:
            if node.kind == "step" and not any(one.stage == stage for one in before[node]):
                before[node].update(dict.fromkeys(waits, 0))
    final = _stage_of_cutover(plan)
    first = step_node(plan, plan.cutover.first, final)
    for stage in stages[: stages.index(final)]:
        lag = plan.stages[stage].end_days * DAY
        before[first].update({node: lag for node in within[stage] if lag})


def _stage_of_cutover(plan: Plan) -> str:
    """The last stage in which the cutover's first step is done."""
    return plan.steps[plan.cutover.first].stages[-1]
