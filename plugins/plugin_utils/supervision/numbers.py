# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short numbers by which people speak of the plan's occurrences and gates: `3.2` is the second of the third stage.

The numbers hold for one version of the plan. Codes are bound to its checksum, so that no number of another version is
taken for one of this.
"""

from __future__ import annotations

import dataclasses
import graphlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan

PLAYBOOK, PEOPLE, GATE = "playbook", "people", "gate"
#: A read-back has 10 bits for the number's place in the list, and the last ones are kept for stop, rollback and resume.
MOST = 1000


@dataclasses.dataclass(frozen=True)
class Item:
    """`kind` is `playbook`, `people` or `gate`; `id` that of the step or the gate; `vars` go with the playbook."""

    number: str
    kind: str
    stage: str
    id: str
    playbook: str | None
    vars: t.Mapping[str, t.Any]

    @property
    def occurrence(self) -> str:
        return f"{self.id}@{self.stage}"


def items(plan: Plan) -> list[Item]:
    """Every occurrence and gate, what another one waits for before it; gates as late as possible.

    Raises BoxliftError for a plan with more of them than a read-back can name.
    """
    stages = list(plan.stages)
    steps = list(plan.steps)
    gates = list(plan.gates)

    def place(node: graph.Node) -> tuple[int, int, int]:
        """In the plan's order. People decide when everything else that can be done is done."""
        is_gate = node.kind == "gate"
        return (stages.index(node.stage), is_gate, (gates if is_gate else steps).index(node.id))

    before = graph.build(plan).before
    waits = {node: [one for one in others if one.kind != "lead"] for node, others in before.items()}
    sorter = graphlib.TopologicalSorter({node: others for node, others in waits.items() if node.kind != "lead"})
    sorter.prepare()
    found: list[Item] = []
    ready: list[graph.Node] = []
    count = dict.fromkeys(stages, 0)
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=place)
        node = ready.pop(0)
        sorter.done(node)
        count[node.stage] += 1
        found.append(_item(plan, node, f"{stages.index(node.stage) + 1}.{count[node.stage]}"))
    if len(found) > MOST:
        raise BoxliftError(
            f"The plan has {len(found)} steps and gates, and a read-back can name {MOST}.",
            "Make one step of several that nobody would do apart.",
        )
    return found


def _item(plan: Plan, node: graph.Node, number: str) -> Item:
    if node.kind == "gate":
        return Item(number, GATE, node.stage, node.id, None, {"gate": node.id, "ask_by": plan.supervision.operator})
    step = plan.steps[node.id]
    return Item(number, PEOPLE if step.manual else PLAYBOOK, node.stage, step.id, step.playbook, step.vars)
