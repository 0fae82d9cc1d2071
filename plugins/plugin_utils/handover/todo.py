# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to do, for each organisation, with the day by which."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Moment

Data = dict[str, t.Any]
NOW = "now"
#: A finding that keeps people from working is mended now; the others have no day.
URGENT = {"everybody": NOW, "some": NOW}


def todo(of: Evidence, findings: t.Sequence[Data], debts: t.Sequence[Data] = ()) -> list[Data]:
    """A list for each organisation that has something to do: what is late first, then by day."""
    lists: dict[str, list[Data]] = {org: [] for org in of.plan.organisations}
    owed = _owed(debts)
    rest = [each for each in findings if (each.get("host"), each["id"]) not in owed or each["status"] != "warn"]
    entries = (*_remarks(of), *_waivers(of), *_orders(of), *_signatures(of), *_steps(of), *_debts(of, debts))
    for org, entry in (*entries, *_findings(rest)):
        lists.setdefault(org, []).append(entry)
    names = {**of.plan.organisations, "vendor": "Vendor"}
    return [
        {
            "owner": names.get(org, org),
            "items": sorted(items, key=_urgency),
        }
        for org, items in lists.items()
        if items
    ]


Entry = tuple[str, Data]


def _urgency(item: Data) -> tuple[bool, bool, str]:
    """Of the same urgency, the plan's order and that of the findings stay."""
    return not item["late"], item["due"] != NOW, item["due"] or "no day"


def _entry(org: str, kind: str, what: str, due: str, late: bool = False, detail: str = "") -> Entry:
    """`due` is a day, NOW, or empty where nobody has set one."""
    return org, {"kind": kind, "what": what, "due": due, "late": late, "detail": detail}


def _org_of(of: Evidence, owner: str) -> tuple[str, str]:
    """Organisation and person, where the owner is a person."""
    person = of.plan.people.get(owner)
    return (person.org, person.name) if person else (owner, "")


def _remarks(of: Evidence) -> t.Iterator[Entry]:
    for name, decision in of.decisions.items():
        for remark in decision.remarks:
            org, person = _org_of(of, remark.owner)
            late = remark.due < of.today.isoformat()
            detail = f"gate {of.plan.gates[name].title}" + (f", {person}" if person else "")
            yield _entry(org, "remark", remark.text, remark.due, late, detail)


def _waivers(of: Evidence) -> t.Iterator[Entry]:
    for name in of.plan.gates:
        for waived in of.waivers(of.plan.gates[name]):
            org, person = _org_of(of, waived.person)
            until = waived.until.astimezone(of.zone).date().isoformat()
            what = f"Settle what was waived: {waived.input.replace('_', ' ')}"
            late = waived.until.timestamp() < of.now
            yield _entry(org, "waiver", what, until, late, f"gate {of.plan.gates[name].title}, {person}")


def _orders(of: Evidence) -> t.Iterator[Entry]:
    """What takes days and is not there, as long as the step that needs it is not done."""
    for order in of.dates.orders:
        item = order.item
        if order.state == "arrived" or item.need_by in of.course.done:
            continue
        verb = "Order or ask for" if item.ordered is None else "See that it comes"
        due = order.order_by if item.ordered is None else order.there_by
        needed = of.plan.steps[item.need_by.step].title
        what = f"{verb}: {item.title}"
        yield _entry(item.owner, "order", what, _day(of, due), order.state == "late", f"for: {needed}")


def _day(of: Evidence, day: datetime.date) -> str:
    return day.isoformat() if of.dates.dated else ""


def _signatures(of: Evidence) -> t.Iterator[Entry]:
    for name, decision in of.decisions.items():
        if decision.state not in ("requested", "expired"):
            continue
        for need in decision.missing:
            who = ", ".join(
                one.name for one in of.plan.people.values() if one.org == need.org and need.role in one.roles
            )
            due = decision.expires.astimezone(of.zone).date().isoformat() if decision.expires else ""
            expired = decision.state == "expired"
            what = f"{'Ask anew, then sign' if expired else 'Sign'}: {of.plan.gates[name].title}"
            yield _entry(need.org, "sign", what, due, expired, f"{who or need.role} ({need.role.replace('_', ' ')})")


def _steps(of: Evidence) -> t.Iterator[Entry]:
    """Open steps of the stages up to the first one that is not over."""
    for stage in of.plan.stages.values():
        open_ones = [step for step in of.plan.occurrences(stage.id) if Moment(step.id, stage.id) not in of.plan.done]
        slots = {
            slot.node.id: slot for slot in of.dates.slots if slot.node.kind == "step" and slot.node.stage == stage.id
        }
        for step in open_ones:
            slot = slots[step.id]
            detail = f"{stage.title.lower()}; {f'playbook {step.playbook}' if step.playbook else 'people'}"
            yield _entry(step.owner, "step", step.title, _day(of, slot.end.date()), slot.state == "late", detail)
        if open_ones:
            return


def _owed(debts: t.Sequence[Data]) -> set[tuple[t.Any, str]]:
    """Host and id of the findings that a debt says better, with its day."""
    ids = ("entitlement.{}", "entitlement.file.{}")
    return {(each.get("host"), name.format(each["feature"])) for each in debts for name in ids}


def _debts(of: Evidence, debts: t.Sequence[Data]) -> t.Iterator[Entry]:
    for each in debts:
        org, person = _org_of(of, each["owner"])
        late = bool(each["until"]) and each["until"] < of.today.isoformat()
        detail = f"{each['feature']}: {each['reason']}" + (f", {person}" if person else "")
        yield _entry(org, "debt", each["remedy"], each["until"], late, detail)


def _findings(findings: t.Sequence[Data]) -> t.Iterator[Entry]:
    for each in findings:
        if each["status"] in ("fail", "unknown", "warn"):
            due = URGENT.get(each["blocks"], "") if each["status"] == "fail" else ""
            what = each["remedy"] or each["observed"]
            yield _entry(
                each["owner"] or "contractor", "finding", what, due, False, f"{each['id']}: {each['observed']}"
            )
