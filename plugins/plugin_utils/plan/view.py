# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages say of a plan and its dates, as plain data with every date written out."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.graph import Node
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import default
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.merge import BY_ID, Merged
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate, Plan, Step
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import Order, Schedule, Slot

Data = dict[str, t.Any]
UTC = datetime.timezone.utc
# strftime would name them in the language of whoever runs it, and the page must be the same for everybody.
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
POLICIES = {
    "propose_rollback": "a rollback is proposed",
    "propose_commit": "it is proposed to stay",
    "none": "nothing is proposed",
}


class Dates:
    """Writes moments and days, as dates or, where the window has none, as distances from it: T-12 d 3 h."""

    def __init__(self, of: Schedule) -> None:
        self.dated = of.dated
        self.start = of.window[0]

    def moment(self, moment: datetime.datetime) -> str:
        if self.dated:
            return f"{self.day(moment.date())} {moment:%H:%M}"
        seconds = (moment - self.start).total_seconds()
        return f"T{'+' if seconds > 0 else '−'}{duration(abs(seconds))}" if seconds else "T"

    def day(self, day: datetime.date) -> str:
        if self.dated:
            return f"{WEEKDAYS[day.weekday()]} {day.isoformat()}"
        days = (day - self.start.date()).days
        return f"T{'+' if days > 0 else '−'}{abs(days)} d" if days else "T"

    def tick(self, moment: datetime.datetime, clock: bool) -> str:
        """For the axis of a drawing: the hour, or the day."""
        if clock and (not self.dated or moment.hour or moment.minute):
            return f"{moment:%H:%M}" if self.dated else self.moment(moment)
        return f"{moment.day} {MONTHS[moment.month - 1]}" if self.dated else self.day(moment.date())


def view(plan: Plan, of: Schedule, merged: Merged) -> Data:
    """Everything that the plan's page and the letter show."""
    return _View(plan, of, merged).whole()


class _View:
    def __init__(self, plan: Plan, of: Schedule, merged: Merged) -> None:
        self.plan = plan
        self.of = of
        self.merged = merged
        self.dates = Dates(of)
        self.slots = {slot.node: slot for slot in of.slots}
        self.gates = {gate: self.slots[graph.gate_node(plan, gate)] for gate in plan.gates}

    def whole(self) -> Data:
        plan, of, dates = self.plan, self.of, self.dates
        commit = self.gates[plan.cutover.commit]
        return {
            "title": plan.title,
            "site": plan.site,
            "id": plan.id,
            "sha256": plan.sha256,
            "issued": dates.day(plan.issued) if plan.issued and of.dated else "",
            "timezone": plan.timezone,
            "today": dates.day(of.today) if of.today else "",
            "dated": of.dated,
            "result": self.result(),
            "conflicts": list(of.conflicts),
            "late": [self.late(one) for one in of.late],
            "begin": dates.day(of.begin),
            "shortest": duration(of.shortest),
            "window": {"start": dates.moment(of.window[0]), "end": dates.moment(of.window[1])},
            "opening": dates.moment(of.opening),
            "closed": self.closed(),
            "no_return": dates.moment(of.point_of_no_return),
            "commit": dates.moment(commit.end),
            "night": self.night(commit),
            "critical": [self.critical(node) for node in of.critical],
            "leads": [self.lead(order) for order in of.orders],
            "gates": [
                self.gate(gate) for gate in sorted(plan.gates.values(), key=lambda one: self.gates[one.id].begin)
            ],
            "stages": [self.stage(stage) for stage in plan.stages],
            "owners": [self.owner(org) for org in plan.organisations],
            "people": [
                {"name": one.name, "org": plan.organisations[one.org], "roles": list(map(words, one.roles))}
                for one in plan.people.values()
            ],
            "visits": [
                {
                    "title": plan.visits[name].title,
                    "day": dates.day(day),
                    "owner": plan.organisations[plan.visits[name].owner],
                }
                for name, day in of.visits.items()
            ],
            "differences": self.differences(),
        }

    def result(self) -> dict[str, str]:
        """The first line: whether the plan holds, and what is next."""
        if not self.of.dated:
            text = (
                "The cutover has no date yet. Set its window in the plan; until then times count from its beginning, T."
            )
            return {"level": "warn", "text": text}
        late, conflicts = len(self.of.late), len(self.of.conflicts)
        if late or conflicts:
            told = [f"{late} {'thing is' if late == 1 else 'things are'} late"] if late else []
            told += [f"{conflicts} cannot be as planned"] if conflicts else []
            return {"level": "bad", "text": f"{' and '.join(told)}."}
        start = self.dates.moment(self.of.window[0])
        if self.of.today is None:
            return {"level": "ok", "text": f"Work in the cloud portal stops on {start}."}
        ahead = [(order.order_by, f"order: {order.item.title}") for order in self.of.orders if order.state == "open"]
        ahead += [(slot.end.date(), slot.title) for slot in self.of.slots if slot.state in ("ahead", "now")]
        days = (self.of.window[0].date() - self.of.today).days
        text = f"Nothing is late, {days} days before the cutover." if days > 0 else "Nothing is late."
        if ahead:
            day, what = min(ahead)
            text += f" Next, until {self.dates.day(day)}: {lowered(what)}."
        return {"level": "ok", "text": text}

    def closed(self) -> str:
        return duration((self.of.opening.astimezone(UTC) - self.of.window[0]).total_seconds())

    def night(self, commit: Slot) -> list[dict[str, str]]:
        """What happens between the freeze and the decision to stay, in time order."""
        cutover, start, end = self.plan.cutover, *self.of.window
        back = f"{duration(cutover.rollback.seconds)} ({cutover.rollback.source})"
        rows = [
            (start, "Work in the cloud portal stops."),
            (self.of.opening, f"The new portal opens, by the estimates. Nobody could work for {self.closed()}."),
            (commit.begin, f"The commit window begins: {duration(commit.node.seconds)} to decide whether to stay."),
            (
                commit.end,
                "End of the commit window. If nobody has decided by then, "
                f"{POLICIES[cutover.policy]}. Nothing is decided by silence.",
            ),
            (
                self.of.point_of_no_return,
                f"Point of no return. A rollback takes {back}: begun later, it would not end within the window. "
                "If the portal is not open by then, people decide whether to go back or to go on.",
            ),
            (end, "End of the window."),
        ]
        return [{"when": self.dates.moment(at), "text": text} for at, text in sorted(rows, key=lambda row: row[0])]

    def late(self, one: Slot | Order) -> Data:
        if isinstance(one, Order):
            days = "a day" if one.late_days == 1 else f"{one.late_days} days"
            if one.expected is None:
                due, text = one.order_by, f"not ordered, {days} late"
            elif self.of.today is not None and one.expected < self.of.today:
                due, text = one.there_by, f"ordered, but not there; {days} late"
            else:
                due, text = one.there_by, f"comes on {self.dates.day(one.expected)}, {days} late"
            return {
                "title": one.item.title,
                "owner": self.plan.organisations[one.item.owner],
                "due": self.dates.day(due),
                "text": text,
            }
        return {
            "title": one.title,
            "owner": self.plan.organisations[one.owner],
            "due": self.dates.moment(one.end),
            "text": "should be done",
        }

    def title_of(self, node: Node) -> str:
        if node.kind == "lead":
            return self.plan.lead_items[node.id].title
        return self.slots[node].title

    def critical(self, node: Node) -> Data:
        kinds = {"lead": "waiting for", "gate": "gate", "step": ""}
        owner = self.plan.lead_items[node.id].owner if node.kind == "lead" else self.slots[node].owner
        return {
            "title": self.title_of(node),
            "kind": kinds[node.kind],
            "stage": self.plan.stages[node.stage].title if node.stage else "",
            "owner": self.plan.organisations[owner] if owner else "signers",
            "takes": duration(node.seconds),
        }

    def lead(self, order: Order) -> Data:
        item = order.item
        need = self.plan.steps[item.need_by.step]
        days = f"{item.lead_days} {'working ' if item.working_days else ''}{'day' if item.lead_days == 1 else 'days'}"
        return {
            "title": item.title,
            "provide": item.provide,
            "owner": self.plan.organisations[item.owner],
            "org": item.owner,
            "takes": days,
            "buffer": item.buffer_days,
            "order_by": self.dates.day(order.order_by),
            "there_by": self.dates.day(order.there_by),
            "need": f"{need.title} ({self.plan.stages[item.need_by.stage].title.lower()})",
            "state": order.state,
            "expected": self.dates.day(order.expected) if order.expected and self.of.dated else "",
            "late_days": order.late_days,
            "critical": order.critical,
        }

    def gate(self, gate: Gate) -> Data:
        slot = self.gates[gate.id]
        waiting = [step.title for step in self.plan.steps.values() if gate.id in step.gates]
        waiting += [f"{stage.title} (all of it)" for stage in self.plan.stages.values() if stage.gate == gate.id]
        return {
            "id": gate.id,
            "title": gate.title,
            "from": self.dates.moment(slot.begin),
            "until": self.dates.moment(slot.end),
            "timeout": duration(gate.timeout_minutes * 60),
            "inputs": list(map(words, gate.inputs)),
            "waiting": waiting,
            "needs": [
                {
                    "count": need.count,
                    "role": words(need.role),
                    "org": self.plan.organisations[need.org],
                    "people": [
                        one.name for one in self.plan.people.values() if self.may_sign(one.id, need.role, need.org)
                    ],
                }
                for need in gate.needs
            ],
        }

    def may_sign(self, person: str, role: str, org: str) -> bool:
        one = self.plan.people[person]
        return one.org == org and role in one.roles

    def stage(self, name: str) -> Data:
        begin, end = self.of.stages.get(name, (self.of.window[0], self.of.window[0]))
        stage = self.plan.stages[name]
        own = [slot for slot in self.of.slots if slot.node.stage == name and slot.node.kind == "step"]
        return {
            "title": stage.title,
            "phase": self.plan.phases[stage.phase].title,
            "urgency": self.plan.phases[stage.phase].urgency,
            "begin": self.dates.moment(begin),
            "end": self.dates.moment(end),
            "agreed": stage.start is not None,
            "steps": [self.step(slot, self.plan.steps[slot.node.id]) for slot in own],
        }

    def step(self, slot: Slot, step: Step) -> Data:
        return {
            "id": step.id,
            "title": step.title,
            "begin": self.dates.moment(slot.begin),
            "end": self.dates.moment(slot.end),
            "owner": self.plan.organisations[step.owner],
            "by": f"playbook {step.playbook}" if step.playbook else "people",
            "takes": duration(step.estimate.seconds),
            "source": step.estimate.source,
            "urgency": step.urgency,
            "critical": slot.critical,
            "state": slot.state,
            "undo": f"playbook {step.undo.playbook}" if step.undo.playbook else step.undo.reason,
            "evidence": list(step.evidence),
            "gates": [self.plan.gates[gate].title for gate in step.gates],
            "notice": self.notice(step),
            "not_yet": step.not_yet,
        }

    def notice(self, step: Step) -> str:
        """Nothing for a step that is over before the first notice."""
        if step.estimate.seconds <= step.notice.first_minutes * 60:
            return ""
        audience = ", ".join(self.plan.organisations[org] for org in step.notice.audience)
        return f"{audience}, after {step.notice.first_minutes} min and then every {step.notice.every_minutes} min"

    def owner(self, org: str) -> Data:
        """What an organisation has to do, in time order."""
        todo: list[tuple[datetime.datetime, Data]] = []
        zone = self.of.zone
        for order in self.of.orders:
            if order.item.owner == org:
                at = datetime.datetime.combine(order.order_by, datetime.time(), zone)
                text = f"Order or ask for: {lowered(order.item.title)}"
                entry = {
                    "kind": "order",
                    "when": f"by {self.dates.day(order.order_by)}",
                    "what": text,
                    "state": order.state,
                }
                todo.append((at, {**entry, "detail": f"to be there by {self.dates.day(order.there_by)}"}))
        for slot in self.of.slots:
            if slot.node.kind == "step" and slot.owner == org:
                detail = self.plan.stages[slot.node.stage].title.lower()
                entry = {"kind": "step", "when": self.dates.moment(slot.begin), "what": slot.title, "state": slot.state}
                todo.append((slot.begin, {**entry, "detail": f"{detail}, {duration(slot.node.seconds)}"}))
            elif slot.node.kind == "gate":
                signers = [need for need in self.plan.gates[slot.node.id].needs if need.org == org]
                for need in signers:
                    people = "person" if need.count == 1 else "people"
                    text = f"Sign: {lowered(slot.title)} ({need.count} {people} as {words(need.role)})"
                    until = f"until {self.dates.moment(slot.end)}"
                    entry = {"kind": "sign", "when": self.dates.moment(slot.begin), "what": text, "state": slot.state}
                    todo.append((slot.begin, {**entry, "detail": until}))
        for name, day in self.of.visits.items():
            visit = self.plan.visits[name]
            if visit.owner == org:
                at = datetime.datetime.combine(day, datetime.time(9), zone)
                entry = {"kind": "visit", "when": self.dates.day(day), "what": visit.title, "state": "ahead"}
                todo.append((at, {**entry, "detail": f"{visit.days} days after the opening"}))
        return {
            "id": org,
            "name": self.plan.organisations[org],
            "people": [one.name for one in self.plan.people.values() if one.org == org],
            "todo": [entry for _at, entry in sorted(todo, key=lambda one: one[0])],
        }

    def differences(self) -> list[Data]:
        """What the site took out, added and changed, so that whoever signs sees it."""
        site, usual = self.merged.site.data, default().data
        out = []
        for kind in (*(kind for kind in BY_ID if kind != "done"), "cutover"):
            ours, theirs = site.get(kind) or {}, usual.get(kind) or {}
            now = self.merged.data.get(kind) or {}
            lists = {
                "taken out": [name for name in ours if ours[name] is None],
                "added": [name for name in ours if ours[name] is not None and name not in theirs],
                "changed": [name for name in ours if name in theirs and name in now and now[name] != theirs[name]],
            }
            out += [{"kind": words(kind), "how": how, "names": names} for how, names in lists.items() if names]
        return out


def words(name: str) -> str:
    return name.replace("_", " ")


def lowered(text: str) -> str:
    """For the middle of a sentence; what begins with an abbreviation stays."""
    return text[0].lower() + text[1:] if text[:1].isupper() and text[1:2].islower() else text
