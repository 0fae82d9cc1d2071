# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan's dates as an iCalendar file (RFC 5545), for the calendars of everybody who takes part."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import Order, Schedule, Slot
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.view import words

try:
    import icalendar
except ImportError as missing:
    ABSENT: ImportError | None = missing
else:
    ABSENT = None

DAY = datetime.timedelta(days=1)
UTC = datetime.timezone.utc
# A calendar program wants to know when an entry was made. The plan's own date, or this one, keeps the file the same.
NEVER = datetime.date(1970, 1, 1)


def calendar(plan: Plan, of: Schedule) -> bytes:
    """Order-by dates, cutover window, gates and visits. The dates of the schedule must be real ones.

    Raises BoxliftError where the controller has no icalendar.
    """
    library()
    return _Calendar(plan, of).whole()


def library() -> t.Any:
    """The module icalendar. Raises BoxliftError where the controller has none."""
    if ABSENT is not None:
        raise BoxliftError(
            f"The calendar cannot be made: {ABSENT}.",
            "Install what the collection needs on the controller: pip install -r requirements.txt.",
        ) from ABSENT
    return icalendar


def uid(key: str, plan: Plan) -> str:
    """The name of an entry. The same plan gives the same names, so that a new file replaces what a calendar has."""
    return f"{key}.{plan.id}.{plan.site or 'portal'}@boxlift.portal"


class _Calendar:
    def __init__(self, plan: Plan, of: Schedule) -> None:
        self.plan = plan
        self.of = of
        self.stamp = datetime.datetime.combine(plan.issued or NEVER, datetime.time(), UTC)
        self.out = icalendar.Calendar()

    def whole(self) -> bytes:
        self.out.add("prodid", "-//boxlift.portal//plan//EN")
        self.out.add("version", "2.0")
        self.out.add("x-wr-calname", self.plan.title)
        for order in self.of.orders:
            if order.item.arrived is None:
                self.order(order)
        start, end = self.of.window
        site = f" of {self.plan.site}" if self.plan.site else ""
        opening = f"The portal opens at {self.of.opening:%H:%M} by the estimates."
        self.event("cutover", f"Cutover{site}: nobody can work in the portal", start, end, opening)
        back = "A rollback that begins later does not end within the window."
        moment = self.of.point_of_no_return
        self.event("point-of-no-return", f"Point of no return of the cutover{site}", moment, moment, back)
        for slot in self.of.slots:
            if slot.node.kind == "gate":
                self.gate(slot)
        for name, day in self.of.visits.items():
            visit = self.plan.visits[name]
            owner = self.plan.organisations[visit.owner]
            self.event(
                f"visit-{name}", f"{visit.title} ({owner})", day, day + DAY, f"{visit.days} days after the opening."
            )
        result: bytes = self.out.to_ical()
        return result

    def order(self, order: Order) -> None:
        item = order.item
        owner = self.plan.organisations[item.owner]
        there = f"To be there on {order.there_by}. {item.provide}"
        if item.ordered is None:
            self.event(
                f"lead-{item.id}",
                f"{owner}: last day to order: {item.title}",
                order.order_by,
                order.order_by + DAY,
                there,
            )
        else:
            self.event(
                f"lead-{item.id}", f"{owner}: to be there: {item.title}", order.there_by, order.there_by + DAY, there
            )

    def gate(self, slot: Slot) -> None:
        gate = self.plan.gates[slot.node.id]
        signers = ", ".join(
            f"{need.count} × {words(need.role)} of {self.plan.organisations[need.org]}" for need in gate.needs
        )
        commit = "This is the commit window. " if gate.id == self.plan.cutover.commit else ""
        text = f"{commit}To be signed by {signers}. What is not decided at the end has expired."
        self.event(f"gate-{gate.id}", f"Gate: {gate.title}", slot.begin, slot.end, text)

    def event(self, key: str, summary: str, begin: datetime.date, end: datetime.date, description: str) -> None:
        """A `date` makes an entry of a whole day, a `datetime` one with hours, which are written in UTC."""
        event = icalendar.Event()
        event.add("uid", uid(key, self.plan))
        event.add("dtstamp", self.stamp)
        event.add("summary", summary)
        event.add("dtstart", begin.astimezone(UTC) if isinstance(begin, datetime.datetime) else begin)
        event.add("dtend", end.astimezone(UTC) if isinstance(end, datetime.datetime) else end)
        event.add("description", description)
        self.out.add_component(event)
