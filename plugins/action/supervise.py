# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.supervise: begins an item of the plan by its number and its code, and shows read-backs."""

from __future__ import annotations

import re
import typing as t

from ansible import constants, context
from ansible.utils.vars import load_extra_vars
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place, process
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import ROLLBACK
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import AUTONOMOUS, Moment, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import closing, codes, detours, numbers, screen
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import following
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import Item
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Refused, Site
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.summary import is_done, summary

Data = dict[str, t.Any]
JOURNAL = "boxlift.portal.journal"


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "state": {"type": "str", "default": "begin", "choices": ["begin", "show"]},
        "number": {"type": "str", "default": ""},
        "code": {"type": "str", "default": ""},
        "outcome": {"type": "str", "choices": ["ok", "failed"]},
        "message": {"type": "str", "default": ""},
        "plan": {"type": "raw"},
        "journal": {"type": "path"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        plan, journal = load(options["plan"]), place.required(options["journal"])
        site = Site(plan, journal, process.parent_process())
        if options["state"] == "show":
            return self._show(site)
        if not options["number"]:
            raise BoxliftError("No number of a step is given.", "Type mig NUMBER CODE; mig alone shows what is next.")
        item = site.items.get(options["number"])
        if site.dictated:
            self._refuse_detours(item, task_vars)
        if item is not None:
            found = {name: self._templar.template(task_vars[name]) for name in task_vars if _is_of(item, name)}
            detours.refuse_another_step(plan, item, found)
        if options["outcome"]:
            return self._tell(site, options)
        return self._begin(site, item, options)

    def _begin(self, site: Site, item: Item | None, options: Data) -> Data:
        number, code = options["number"], options["code"]
        recorded = site.dictated or site.plan.supervision.mode != AUTONOMOUS
        out: Data = {"changed": True, "begun": True, "done": False, "recorded": recorded, "title": site.title(number)}
        if not site.dictated and item is not None and is_done(Proceedings(site.plan, site.journal), item):
            return {**out, "changed": False, "begun": False, "done": True}
        if self._task.check_mode:
            # The code is not judged: whether it is right would be told as often as somebody guesses.
            found = obstacles(site, item, number)
            if found:
                raise BoxliftError(f"Step {number} may not begin.", " ".join(found))
            return {**out, "begun": False}
        begun = site.begin(number, code, lambda: obstacles(site, item, number), **process.operator(None))
        out["attempt"] = begun.attempt
        done = item is not None and is_done(Proceedings(site.plan, site.journal), item)
        if done or number in (codes.STOP, codes.RESUME):
            ended = site.end(codes.OK, 0.0, "It was done before." if done else "", item=number)
            return {**out, "begun": False, "last_words": site.shown(ended), **_said(site)}
        if item is not None and item.kind == numbers.PEOPLE:
            out["last_words"] = screen.begun_by_people(number, site.title(number))
        return out

    def _tell(self, site: Site, options: Data) -> Data:
        number = options["number"]
        begun = site.state.open
        if begun is None or begun.item != number or site.items[number].kind != numbers.PEOPLE:
            raise Refused(
                f"Step {number} has not begun, or is none of people.", f"what is next? Step {number} is not open here."
            )
        out: Data = {"changed": True, "begun": False, "done": True, "recorded": True, "title": site.title(number)}
        if self._task.check_mode:
            return out
        ended = closing.tell(site, options["outcome"], options["message"])
        return {**out, "last_words": site.shown(ended), **_said(site)}

    def _show(self, site: Site) -> Data:
        """The state, and every read-back that may not have been heard; what was broken off is ended first."""
        changed = False
        if not self._task.check_mode:
            changed = closing.close_broken(site) is not None
        lines = summary(site.plan, site.journal).lines
        for ended in site.state.unread or site.state.ended[-1:]:
            lines += site.shown(ended)
        begun = site.state.open
        if begun is not None:
            lines += at_work(site, begun.item)
        return {"changed": changed, "begun": False, "recorded": site.dictated, "last_words": lines, **_said(site)}

    def _refuse_detours(self, item: Item | None, task_vars: Data) -> None:
        if JOURNAL not in constants.CALLBACKS_ENABLED:
            raise BoxliftError(
                "The callback boxlift.portal.journal is not enabled, so no read-back could be shown.",
                "Write callbacks_enabled = boxlift.portal.journal into ansible.cfg.",
            )
        if constants.DEFAULT_LOG_PATH:
            raise BoxliftError(
                "log_path is set, and what it writes is not masked.",
                "Take log_path out of ansible.cfg: the run is recorded beside the journal anyway.",
            )
        detours.refuse_options(context.CLIARGS)
        detours.refuse_variables(load_extra_vars(self._loader), item)


def obstacles(site: Site, item: Item | None, number: str) -> list[str]:
    """Why the plan does not let it begin now. Raises Refused for what is done."""
    if number in (codes.STOP, codes.RESUME):
        return []
    proceedings = Proceedings(site.plan, site.journal)
    if item is None:
        return proceedings.obstacles(ROLLBACK, site.plan.steps[site.plan.cutover.first].stages[-1])
    if is_done(proceedings, item):
        # What was signed, or done, without a code is told to the other side with its own code.
        if number in following(site.plan, site.items, site.state):
            return []
        raise Refused(f"Step {number} is done already.", f"step {number} is done already. Which one do you want?")
    if item.kind == numbers.GATE:
        gate = site.plan.gates[item.id]
        before = [Moment(name, _stage_of(site.plan, name, gate.stage)) for name in gate.after]
        found = [f"{each} is not done yet." for each in before if each not in proceedings.course.done]
    else:
        found = proceedings.obstacles(item.id, item.stage)
    return [in_numbers(site, text) for text in found]


def in_numbers(site: Site, text: str) -> str:
    """What keeps an item from beginning, as it can be told by telephone: no command of another site is of use here."""
    numbered = {each.occurrence: each.number for each in site.items.values() if each.kind != numbers.GATE}
    gates = {f"gate {each.id}": each.number for each in site.items.values() if each.kind == numbers.GATE}
    step = re.match(r"(\S+@\S+) is not done yet", text)
    if step and step[1] in numbered:
        return f"Step {numbered[step[1]]} is not done yet."
    gate = re.match(r"The (gate \S+) is (\w+)", text)
    if gate and gate[1] in gates:
        return f"Gate {gates[gate[1]]} is not open, it is {gate[2]}."
    return text


def at_work(site: Site, number: str) -> list[str]:
    item = site.items.get(number)
    if item is not None and item.kind == numbers.PEOPLE:
        return screen.begun_by_people(number, site.title(number))
    return [f"{number} {site.title(number)} is at work. Wait for its end."]


def _stage_of(plan: Plan, step: str, stage: str) -> str:
    stages = plan.steps[step].stages
    return stage if stage in stages else stages[-1]


def _is_of(item: Item, name: str) -> bool:
    return name == "migration_stage" or name.startswith("supervise_") or name in item.vars


def _said(site: Site) -> Data:
    return {"head": site.state.head, "read_back": site.state.ended[-1].read_back if site.state.ended else ""}
