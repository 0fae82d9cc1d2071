# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a schema cannot say: what a plan refers to is there, every gate can be signed, and the steps have an order."""

from __future__ import annotations

import graphlib
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.merge import Merged, near
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import (
    AUTONOMOUS,
    Gate,
    LeadItem,
    Moment,
    Plan,
    Signature,
    Step,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import Path, Problem, shown

#: What a sealed code may be for, beside an occurrence.
PURPOSES = ("stop", "rollback", "resume")
PLAYBOOKS = pathlib.Path(__file__).parents[3] / "playbooks"


def references(plan: Plan, merged: Merged) -> list[Problem]:
    """Everything in the plan that refers to what is not there, or contradicts itself."""
    return _Checker(plan, merged).all()


def order(plan: Plan, merged: Merged) -> list[Problem]:
    """Whether what depends on each other has an order; references must be right."""
    try:
        graph.build(plan)
    except graphlib.CycleError as error:
        names = [str(node.moment) if node.kind == "step" else f"{node.kind} {node.id}" for node in error.args[1]]
        kinds = {"step": "steps", "gate": "gates", "lead": "lead_items"}
        # Those of the site's own file first: there it can be mended.
        nodes = sorted(error.args[1], key=lambda node: node.id not in (merged.site.data.get(kinds[node.kind]) or {}))
        path: Path = (kinds[nodes[0].kind], nodes[0].id)
        circle = " → ".join(names)
        return [merged.problem(path, f"These wait for each other: {circle}.", "Take one of the dependencies out.")]
    return []


class _Checker:
    def __init__(self, plan: Plan, merged: Merged) -> None:
        self.plan = plan
        self.merged = merged
        self.problems: list[Problem] = []

    def all(self) -> list[Problem]:
        for person in self.plan.people.values():
            self.known("organisations", person.org, ("people", person.id, "org"))
        for stage in self.plan.stages.values():
            self.known("phases", stage.phase, ("stages", stage.id, "phase"))
            if stage.gate is not None:
                self.known("gates", stage.gate, ("stages", stage.id, "gate"))
        for step in self.plan.steps.values():
            self.step(step)
        for gate in self.plan.gates.values():
            self.gate(gate)
        for item in self.plan.lead_items.values():
            self.lead_item(item)
        for visit in self.plan.visits.values():
            self.known("organisations", visit.owner, ("visits", visit.id, "owner"))
        for moment in self.plan.done:
            name = next(key for key in self.merged.data["done"] if key in (str(moment), moment.step))
            self.moment(moment, ("done", name))
        for state, mark in self.plan.states.items():
            if isinstance(mark, Moment):
                self.moment(mark, ("states", state))
            else:
                self.known("gates", mark, ("states", state))
        self.cutover()
        self.supervision()
        self.signers()
        return self.problems

    def wrong(self, path: Path, message: str, remedy: str) -> None:
        self.problems.append(self.merged.problem(path, message, remedy))

    def names(self, kind: str) -> t.Collection[str]:
        """Those of the whole plan, also entries that are themselves not right."""
        return t.cast("dict[str, t.Any]", self.merged.data.get(kind) or {})

    def known(self, kind: str, name: str, path: Path) -> bool:
        if name in self.names(kind):
            return True
        if (kind, name) in self.merged.removed:
            # What is mended is the line that takes it out, or what still names it.
            place = shown(path)
            message = f"It is taken out, but {place} still names it."
            self.wrong((kind, name), message, f"Keep it, or give {place} another value in this file.")
            return False
        remedy = near(name, self.names(kind)) or f"Possible are {', '.join(self.names(kind))}."
        self.wrong(path, f"There is no {name} among {kind}.", remedy)
        return False

    def moment(self, moment: Moment, path: Path) -> bool:
        """Whether a step is done in the stage that a text names."""
        if not self.known("steps", moment.step, path):
            return False
        if moment.step not in self.plan.steps:
            return False  # not right itself, which is said already
        stages = self.plan.steps[moment.step].stages
        if moment.stage in stages:
            return True
        names = " or ".join(f"{moment.step}@{stage}" for stage in stages)
        message = f"{moment.step} is not done in a stage {moment.stage}." if moment.stage else "The stage is missing."
        self.wrong(path, message, f"Write {names}.")
        return False

    def playbook(self, name: str, path: Path) -> None:
        """One of this collection's playbooks is there; others are not looked for."""
        if "." not in name and not (PLAYBOOKS / f"{name}.yml").is_file():
            ours = sorted(file.stem for file in PLAYBOOKS.glob("*.yml"))
            remedy = near(name, ours) or "Another collection's playbook is written as namespace.collection.name."
            self.wrong(path, f"This collection has no playbook {name}.", remedy)

    def step(self, step: Step) -> None:
        path: Path = ("steps", step.id)
        self.known("phases", step.phase, (*path, "phase"))
        self.known("organisations", step.owner, (*path, "owner"))
        if (step.playbook is None) == (not self.merged.data["steps"][step.id].get("manual")):
            self.wrong(path, "A playbook does this step, or people do.", "Write either playbook or `manual: true`.")
        for name in filter(None, (step.playbook, step.undo.playbook)):
            self.playbook(name, path)
        for number, org in enumerate(step.notice.audience):
            self.known("organisations", org, (*path, "notice", "audience", number))
        sound = [stage for stage in step.stages if self.known("stages", stage, (*path, "stages"))]
        for stage in sound:
            if stage in self.plan.stages and self.plan.stages[stage].phase != step.phase:
                message = f"Stage {stage} is no part of phase {step.phase}."
                self.wrong((*path, "stages"), message, "Name stages of the step's own phase.")
        if not step.stages:
            self.wrong(path, f"Phase {step.phase} has no stage, so that the step is never done.", "Give it a stage.")
        for number, name in enumerate(step.depends):
            if self.known("steps", name, (*path, "depends", number)) and name in self.plan.steps:
                self.is_done_before(name, step, (*path, "depends", number))
        for number, name in enumerate(step.gates):
            self.known("gates", name, (*path, "gates", number))

    def is_done_before(self, name: str, step: Step, path: Path) -> None:
        stages = [stage for stage in step.stages if stage in self.plan.stages]
        if all(stage in self.plan.stages for stage in self.plan.steps[name].stages):
            late = [stage for stage in stages if graph.earlier(self.plan, name, stage) is None]
            if late:
                message = f"{name} is done only after stage {late[0]}, in which {step.id} waits for it."
                self.wrong(path, message, "Take it out of `depends`, or narrow the step's `stages`.")

    def gate(self, gate: Gate) -> None:
        path: Path = ("gates", gate.id)
        self.known("stages", gate.stage, (*path, "stage"))
        for number, name in enumerate(gate.after):
            if (
                self.known("steps", name, (*path, "after", number))
                and name in self.plan.steps
                and gate.stage in self.plan.stages
                and graph.earlier(self.plan, name, gate.stage) is None
            ):
                self.wrong(
                    (*path, "after", number), f"{name} is done only after stage {gate.stage}.", "Name an earlier step."
                )
        for number, need in enumerate(gate.needs):
            self.known("organisations", need.org, (*path, "needs", number, "org"))
        # Entries that are not right themselves count too: they are told of already.
        data = self.merged.data
        waiting = [one for one in data["steps"].values() if isinstance(one, dict) and gate.id in one.get("gates", [])]
        waiting += [one for one in data["stages"].values() if isinstance(one, dict) and one.get("gate") == gate.id]
        if not waiting and gate.id != self.plan.cutover.commit:
            message = f"Nothing waits for gate {gate.id}, so that it stops nobody."
            self.wrong(self.unhooked(gate), message, "Name it in the `gates` of a step, or take the gate out as well.")

    def unhooked(self, gate: Gate) -> Path:
        """The step of the site's file that waited for the gate in the default plan, else the gate itself."""
        usual = self.merged.default.data.get("steps") or {}
        ours = self.merged.site.data.get("steps") or {}
        names = [name for name, step in usual.items() if gate.id in step.get("gates", []) and name in ours]
        return ("steps", names[0], "gates") if names else ("gates", gate.id)

    def signers(self) -> None:
        """Whether each gate has enough people for its signatures, and a different one for each."""
        if len(self.plan.people) < len(self.names("people")):
            return  # who is missing is not known before their entries are right
        lacking: dict[tuple[str, str, int, int], list[Gate]] = {}
        for gate in self.plan.gates.values():
            able = [self.able(need) for need in gate.needs]
            short = [(need, people) for need, people in zip(gate.needs, able) if len(people) < need.count]
            for need, people in short:
                lacking.setdefault((need.role, need.org, need.count, len(people)), []).append(gate)
            if not short and len(set().union(*able)) < sum(need.count for need in gate.needs):
                message = f"For gate {gate.id}, the same person would have to sign for two."
                self.wrong(self.place(gate), message, "Name another person under `people` for one of the roles.")
        for (role, org, count, number), gates in lacking.items():
            names = ", ".join(gate.id for gate in gates)
            message = f"{count} of {org} must sign as {role} (gates: {names}), and {number} can."
            self.wrong(self.place(gates[0]), message, "Give somebody under `people` that role, or ask for fewer.")

    def able(self, need: Signature) -> set[str]:
        return {one.id for one in self.plan.people.values() if one.org == need.org and need.role in one.roles}

    def place(self, gate: Gate) -> Path:
        """Where the site can mend it: its own gate, else its people."""
        return ("gates", gate.id) if gate.id in (self.merged.site.data.get("gates") or {}) else ("people",)

    def lead_item(self, item: LeadItem) -> None:
        path: Path = ("lead_items", item.id)
        self.known("organisations", item.owner, (*path, "owner"))
        self.moment(item.need_by, (*path, "need_by"))
        if item.after is not None:
            self.moment(item.after, (*path, "after"))
        if item.ordered and item.arrived and item.arrived < item.ordered:
            self.wrong((*path, "arrived"), "It arrived before it was ordered.", "Correct one of the two days.")

    def cutover(self) -> None:
        cutover = self.plan.cutover
        self.known("gates", cutover.commit, ("cutover", "commit"))
        ends = [
            self.plan.steps[name]
            for field, name in (("first", cutover.first), ("last", cutover.last))
            if self.known("steps", name, ("cutover", field)) and name in self.plan.steps
        ]
        if len(ends) == 2 and ends[0].stages[-1:] != ends[1].stages[-1:]:
            message = f"{cutover.first} and {cutover.last} are not in the same stage."
            self.wrong(("cutover", "last"), message, "Name two steps of the final run.")
        if cutover.window_start is None or cutover.window_end is None or cutover.point_of_no_return is None:
            return
        if cutover.window_end <= cutover.window_start:
            self.wrong(("cutover", "window_end"), "The window ends before it begins.", "Give a later end.")
        elif not cutover.window_start <= cutover.point_of_no_return <= cutover.window_end:
            message = f"The point of no return, {cutover.point_of_no_return:%Y-%m-%d %H:%M}, is not within the window."
            remedy = "Give a longer window, a shorter estimate of `rollback`, or another point_of_no_return."
            self.wrong(("cutover", "point_of_no_return"), message, remedy)

    def supervision(self) -> None:
        what = self.plan.supervision
        for name, path in (
            (what.operator, ("supervision", "operator")),
            *((name, ("supervision", "watchers", number)) for number, name in enumerate(what.watchers)),
        ):
            if name:
                self.known("people", name, path)
        for purpose in what.envelopes:
            if purpose not in PURPOSES:
                step, _at, stage = purpose.partition("@")
                only = self.plan.steps[step].stages if step in self.plan.steps else ()
                stage = stage or (only[0] if len(only) == 1 else "")
                self.moment(Moment(step, stage), ("supervision", "envelopes", purpose))
        if what.mode == AUTONOMOUS:
            return
        if not what.operator or not what.watchers:
            remedy = "Name who types and who watches: operator: ID and watchers: [ID], each one of `people`."
            self.wrong(("supervision",), f"Mode {what.mode} needs an operator and a watcher.", remedy)
        elif what.operator in what.watchers:
            self.wrong(("supervision", "watchers"), f"{what.operator} would watch himself.", "Name somebody else.")
        elif what.count > len(what.watchers):
            message = f"{what.count} watchers must agree, and {len(what.watchers)} are named."
            self.wrong(("supervision", "count"), message, "Name more watchers, or ask for fewer.")
