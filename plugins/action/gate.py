# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.gate: asks for a gate of the plan, and waits for those who have to sign."""

from __future__ import annotations

import datetime
import time
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import known, place, process
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate, ssh_signature
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Forecast, forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.inputs import look
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Site, is_dictated

Data = dict[str, t.Any]
LOOK_EVERY, SAY_EVERY = 2.0, 60.0  # seconds


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "gate": {"type": "str", "required": True},
        "requested_by": {"type": "str", "required": True},
        "inputs": {"type": "dict", "default": {}},
        "wait_minutes": {"type": "float", "default": 0},
        "plan": {"type": "raw"},
        "journal": {"type": "path"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        plan, journal = load(options["plan"]), place.required(options["journal"])
        proceedings = Proceedings(plan, journal)
        wanted = proceedings.gate_of(options["gate"])
        found = proceedings.decision(wanted)
        if found.is_open:
            return {"changed": False, **told(found)}
        if is_dictated(plan, journal) and not self._task.check_mode:
            Site(plan, journal, process.parent_process()).leave(wanted.id, wanted.stage)
        account = process.operator(None)["operator"]
        told_of = {name: given(name, value, account) for name, value in options["inputs"].items()}
        today = datetime.datetime.now(tz=zoneinfo.ZoneInfo(plan.timezone)).date()
        decisions = proceedings.decisions.values()

        def foresee() -> Forecast:
            past = known.gathered(journal, [])
            last = plan.steps[plan.cutover.last].stages[-1]
            return forecast(plan, past, journal, last, proceedings.now, process.is_running)

        inputs = look(plan, wanted, proceedings.told, decisions, today, told_of, foresee)
        refuse_unmet(proceedings, wanted, inputs)
        changed = asks_anew(proceedings, wanted, found, inputs)
        if self._task.check_mode:
            return {"changed": changed, **told(found)}
        if changed:
            proceedings.write(
                gate.REQUEST, gate.request(plan, wanted, options["requested_by"], account, inputs, proceedings.now)
            )
        found = self._wait(plan, journal, wanted, options["wait_minutes"])
        if not found.is_open:
            raise BoxliftError(f"The gate {wanted.id} is {found.state}.", "\n".join(what_to_do(plan, wanted, found)))
        return {"changed": changed, **told(found)}

    def _wait(self, plan: Plan, journal: str, wanted: Gate, minutes: float) -> gate.Decision:
        """Until it is decided, or the time is over. Says now and then who is awaited."""
        end, said = time.monotonic() + 60 * minutes, 0.0
        while True:
            found = Proceedings(plan, journal).decision(wanted)
            if found.state != "requested" or time.monotonic() >= end:
                return found
            if time.monotonic() - said >= SAY_EVERY:
                said = time.monotonic()
                for line in what_to_do(plan, wanted, found):
                    self._display.display(line)
            time.sleep(LOOK_EVERY)


def given(name: str, value: t.Any, account: str) -> gate.Input:
    """One input that somebody answers for. Raises BoxliftError for anything but `met` and `observed`."""
    if not isinstance(value, dict) or not isinstance(value.get("met"), bool):
        raise BoxliftError(
            f"The input {name} of the gate says neither that it is met nor that it is not.",
            f"Give inputs as {name}: {{met: true, observed: what was seen}}.",
        )
    return gate.Input(str(name), value["met"], f"told by {account}: {value.get('observed') or 'no more was said'}")


def refuse_unmet(proceedings: Proceedings, wanted: Gate, inputs: t.Sequence[gate.Input]) -> None:
    """Raises BoxliftError with every input that is neither met nor waived."""
    waived, _ignored = proceedings.waivers(wanted)
    lacking = gate.unmet(wanted, inputs, {each.input for each in waived})
    if lacking:
        raise BoxliftError(
            f"The gate {wanted.id} cannot be asked for: "
            + " ".join(f"{each.id} is not met ({each.observed})." for each in lacking),
            "Put it in order. Or somebody who may sign this gate answers for going on without it: "
            f"ansible-playbook boxlift.portal.waive -e gate={wanted.id} -e waive_input={lacking[0].id} "
            "-e sign_person=… -e waive_reason='…' -e waive_days=…",
        )


def asks_anew(proceedings: Proceedings, wanted: Gate, found: gate.Decision, inputs: t.Sequence[gate.Input]) -> bool:
    """Whether a new request is needed: none is there, it is over, or an input is met now that was not, or no longer.

    What was observed may be worded anew at each look, such as a forecast's hour: that takes back no signature.
    """
    if found.state != "requested":
        return True
    asked = next(
        line for line in reversed(proceedings.lines) if line["event"] == gate.REQUEST and line["gate"] == wanted.id
    )
    return {each["id"]: each["met"] for each in asked["inputs"]} != {each.id: each.met for each in inputs}


def what_to_do(plan: Plan, wanted: Gate, found: gate.Decision) -> list[str]:
    """Who is awaited, and how they sign."""
    lines = [*found.ignored]
    for need in found.missing:
        able = [each.id for each in plan.people.values() if each.org == need.org and need.role in each.roles]
        able = [name for name in able if name not in (found.requested_by, *found.signers)]
        lines.append(
            f"{need.count} {need.role} of {need.org} must sign: {' or '.join(able) or 'nobody in the plan can'}."
        )
    if found.state == "requested" and found.expires:
        lines.append(
            f"Each signs from his own account: ansible-playbook boxlift.portal.sign -e gate={wanted.id} "
            f"-e sign_person=NAME -e 'sign_text=\"NAME approves {wanted.id} {found.request}\"', until "
            f"{found.expires:%Y-%m-%d %H:%M} UTC. With a key: -e sign_write=FILE, then "
            f"{ssh_signature.command('KEY', 'FILE')}, then -e sign_signature=FILE.sig. Then run this again."
        )
    elif not found.is_open:
        lines.append(f"Run this again: it asks for the gate {wanted.id} anew.")
    return lines


def told(found: gate.Decision) -> Data:
    return {
        "gate": found.gate,
        "text": lines_of(found),
        "decision": found.state,
        "request": found.request,
        "signers": list(found.signers),
        "missing": [f"{need.count} {need.role} of {need.org}" for need in found.missing],
        "remarks": [{"text": each.text, "owner": each.owner, "due": each.due} for each in found.remarks],
        "waived": [
            {"input": each.input, "observed": each.observed, "person": each.person, "reason": each.reason,
             "until": each.until.strftime("%Y-%m-%d")}
            for each in found.waived
        ],
        "ignored": list(found.ignored),
    }  # fmt: skip


def lines_of(found: gate.Decision) -> list[str]:
    """The decision for people: who has signed, what they want, and what goes on without being in order."""
    lines = [
        f"The gate {found.gate} is {found.state.replace('_', ' ')}: {', '.join(found.signers) or 'nobody'} signed."
    ]
    lines += [f"Remark: {each.text} ({each.owner}, until {each.due})" for each in found.remarks]
    lines += [
        f"Waived by {each.person} until {each.until:%Y-%m-%d}: {each.input} ({each.observed}). {each.reason}"
        for each in found.waived
    ]
    return lines
