# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate rests on, seen in journal and plan. Nobody's word replaces it; what cannot be looked at is not met."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.grade import gate_input
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal, Step
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import MOVED
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import Decision, Gate, Input
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Moment, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import schedule

#: Of an input that no code here can look at; only such a one may be told by people.
UNSEEN = "nobody has looked, and this collection cannot"
#: The module whose findings an input is about.
FINDINGS = {
    "preflight": "preflight",
    "acceptance": "host_acceptance",
    "health": "portal_health",
    "name_ttl": "name_info",
    "entitlement": "entitlement_check",
}


def look(
    plan: Plan,
    gate: Gate,
    journal: Journal,
    decisions: t.Iterable[Decision],
    today: datetime.date,
    told: t.Mapping[str, Input],
    foresee: t.Callable[[], Forecast],
) -> list[Input]:
    """The gate's inputs, in its order. Only what was seen in the gate's own stage counts, and what was seen anew since.

    `foresee` makes the forecast of the final run. `told` are those that people answer for. Raises BoxliftError for one
    that is looked at here, or is none of the gate's.
    """
    seen = {
        name: _fits(foresee()) if name == "forecast" else _one(name, plan, gate, journal, decisions, today)
        for name in gate.inputs
    }
    for name in told:
        if name not in seen or seen[name].observed != UNSEEN:
            raise BoxliftError(
                f"The input {name} of the gate {gate.id} cannot be told: "
                + ("it is looked at." if name in seen else "the gate has no such input."),
                "Take it out of the option inputs. What is not in order may be waived, with a signature.",
            )
    return [told.get(name, found) for name, found in seen.items()]


def _one(
    name: str, plan: Plan, gate: Gate, journal: Journal, decisions: t.Iterable[Decision], today: datetime.date
) -> Input:
    if name in FINDINGS:
        return _findings(name, _last(journal, gate.stage, FINDINGS[name], "findings"))
    if name == "test_calls":
        return _calls(_last(journal, gate.stage, "telephony_check", "calls"))
    if name == "difference" and not _by_hand(plan):
        return _carried_over(_last(journal, gate.stage, "crm_transfer", "delta"))
    if name == "lead_items":
        dates = schedule(plan, today)
        if not dates.dated:
            return Input(name, False, "the plan has no cutover window yet")
        late = [order.item.title for order in dates.orders if order.state == "late"]
        return Input(name, not late, f"late: {', '.join(late)}" if late else "nothing is late")
    if name == "remarks":
        old = [each.text for found in decisions for each in found.remarks if each.due < today.isoformat()]
        return Input(name, not old, f"overdue: {'; '.join(old)}" if old else "none is overdue")
    return Input(name, False, UNSEEN)


def _fits(found: Forecast) -> Input:
    opening = datetime.datetime.fromtimestamp(found.opening.p80, tz=datetime.timezone.utc)
    seen = f"opening by {opening:%Y-%m-%d %H:%M} UTC in 8 of 10 cases ({found.opening.basis})"
    if found.fits is None:
        return Input("forecast", False, f"the plan has no cutover window yet; {seen}")
    decision = f"; {found.decision.text}" if found.decision else ""
    return Input("forecast", found.fits and not found.decision, f"{seen}{decision}")


def _last(journal: Journal, stage: str, module: str, key: str) -> list[t.Any] | None:
    """What the module told of each host when it was asked last, from the stage's last step that did; None if none did.

    A run of the same playbook by hand, after something was put in order, is a newer look at the same thing.
    """
    attempts = journal.attempts
    mine = [each for each in attempts if each.stage == stage and any(_tells(task, module, key) for task in each.tasks)]
    if not mine:
        return None
    last = max(mine, key=lambda each: each.start)
    elsewhere = {id(task) for each in attempts if each.stage != stage for task in each.tasks}
    by_hand = (task for run in journal.runs for play in run.plays for task in play if id(task) not in elsewhere)
    looks: dict[tuple[str, str], Step] = {}
    for task in sorted([*last.tasks, *by_hand], key=lambda task: task.start):
        if task.start >= last.start and _tells(task, module, key):
            looks[task.host, task.name] = task
    told = [result[key] for task in looks.values() for result in task.results if result.get(key)]
    return [each for value in told for each in (value if isinstance(value, list) else [value])]


def _tells(task: Step, module: str, key: str) -> bool:
    return task.module == module and any(result.get(key) is not None for result in task.results)


def _findings(name: str, found: list[t.Any] | None) -> Input:
    if not found:
        return Input(name, False, "nobody has looked in this stage")
    wrong = sorted({each["id"] for each in found if each["status"] == "fail"})
    blind = sorted({each["id"] for each in found if each["status"] == "unknown"})
    parts = [f"{len(ids)} {what}: {', '.join(ids)}" for ids, what in ((wrong, "fail"), (blind, "unknown")) if ids]
    return Input(name, not parts, "; ".join(parts) or f"{len(found)} findings, none fails")


def _by_hand(plan: Plan) -> bool:
    """Whether people carry the CRM's difference over, of which no code sees anything."""
    moved = plan.states.get(MOVED)
    return not isinstance(moved, Moment) or plan.steps[moved.step].manual


def _carried_over(found: list[t.Any] | None) -> Input:
    met, seen = gate_input(found[-1] if found else None)
    return Input("difference", met, seen)


def _calls(found: list[t.Any] | None) -> Input:
    if not found:
        return Input("test_calls", False, "no test call was made in this stage")
    wrong = [str(each["name"]) for each in found if each["status"] != "pass"]
    return Input("test_calls", not wrong, f"wrong: {', '.join(wrong)}" if wrong else f"{len(found)} calls are right")
