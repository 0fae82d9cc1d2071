# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dates of a plan, computed from the cutover window: when each step begins at the latest, and what is late.

Before the window everything is computed backwards, so a date says "at the latest". From the window's start on, and in a
stage whose start was agreed, it is computed forwards. A plan without a window has relative dates: `Schedule.dated`.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.graph import Graph, Node
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import LeadItem, Plan

UTC = datetime.timezone.utc
# Stands for the window of a plan that has none: a Saturday night, as is usual.
NOMINAL = datetime.datetime(2001, 1, 6, 22, 0)


@dataclasses.dataclass(frozen=True)
class Slot:
    """A step's occurrence or a gate, with its times in the plan's zone.

    `latest` is when it must be over so that everything behind it is in time. `state` is `done`, `late` (it should be
    over), `now` (it should have begun) or `ahead`; without a given day, what is not done is `ahead`.
    """

    node: Node
    title: str
    owner: str
    begin: datetime.datetime
    end: datetime.datetime
    latest: datetime.datetime
    critical: bool
    state: str

    @property
    def too_late(self) -> bool:
        """It ends later than what comes behind it allows, by the plan itself."""
        return self.end > self.latest


@dataclasses.dataclass(frozen=True)
class Order:
    """A lead item with its days: order it on `order_by` at the latest, so that it is there on `there_by`.

    `there_by` is the buffer before `need`. `expected` is when it comes if it was ordered. `state` is `arrived`,
    `late` or else that of the item; `late_days` says by how many days.
    """

    item: LeadItem
    order_by: datetime.date
    there_by: datetime.date
    need: datetime.date
    expected: datetime.date | None
    state: str
    late_days: int
    critical: bool


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Everything in time order. `critical` is the longest chain up to the opening, `shortest` its seconds.

    `conflicts` are sentences about what cannot be by the plan itself.
    """

    dated: bool
    today: datetime.date | None
    zone: datetime.tzinfo
    slots: tuple[Slot, ...]
    orders: tuple[Order, ...]
    stages: t.Mapping[str, tuple[datetime.datetime, datetime.datetime]]
    window: tuple[datetime.datetime, datetime.datetime]
    point_of_no_return: datetime.datetime
    opening: datetime.datetime
    critical: tuple[Node, ...]
    shortest: int
    visits: t.Mapping[str, datetime.date]
    conflicts: tuple[str, ...]

    @property
    def late(self) -> list[Slot | Order]:
        orders: list[Slot | Order] = [order for order in self.orders if order.state == "late"]
        return orders + [slot for slot in self.slots if slot.state == "late"]

    @property
    def begin(self) -> datetime.date:
        """The day by which the whole must be begun."""
        return min([slot.begin.date() for slot in self.slots] + [order.order_by for order in self.orders])


def schedule(plan: Plan, today: datetime.date | None = None) -> Schedule:
    """The dates of the plan, and what is late on `today`; without a day, nothing is."""
    return _Scheduler(plan, today).schedule()


class _Scheduler:
    """Computes in UTC, in which a day always has 24 hours; calendar days are those of the plan's zone."""

    def __init__(self, plan: Plan, today: datetime.date | None) -> None:
        self.plan = plan
        self.zone = zoneinfo.ZoneInfo(plan.timezone)
        self.dated = plan.cutover.window_start is not None
        self.today = today if self.dated else None
        self.graph: Graph = graph.build(plan)
        self.after = self.graph.after()
        self.final = plan.steps[plan.cutover.first].stages[-1]
        self.first = graph.step_node(plan, plan.cutover.first, self.final)
        self.last = graph.step_node(plan, plan.cutover.last, self.final)
        self.start = (plan.cutover.window_start or NOMINAL.replace(tzinfo=self.zone)).astimezone(UTC)
        self.conflicts: list[str] = []

    def schedule(self) -> Schedule:
        fixed = self.forwards(self.graph.behind(self.first), self.start)
        latest = self.backwards(fixed, before_only=True)
        for stage in self.plan.stages.values():
            if stage.start is not None:
                own = {node for node in self.graph.order if node.stage == stage.id and node not in fixed}
                # What can be ordered only within the stage keeps the stage waiting.
                own |= {
                    node for node in self.graph.order if node.kind == "lead" and own & self.graph.before[node].keys()
                }
                fixed.update(self.forwards(own, stage.start.astimezone(UTC)))
        begins = self.backwards(fixed)
        critical, shortest = self.longest()
        slots = [self.slot(node, begins, latest, node in critical) for node in self.graph.order if node.kind != "lead"]
        orders = [self.order(node, begins, node in critical) for node in self.graph.order if node.kind == "lead"]
        places = {one: number for number, one in enumerate(self.graph.order)}
        slots.sort(key=lambda slot: (slot.begin, slot.end, places[slot.node]))
        orders.sort(key=lambda order: (order.order_by, places[graph.lead_node(self.plan, order.item.id)]))
        opening = begins[self.last] + datetime.timedelta(seconds=self.last.seconds)
        window = (self.start, self.window_end(opening))
        no_return = self.plan.cutover.point_of_no_return or window[1] - datetime.timedelta(
            seconds=self.plan.cutover.rollback.seconds
        )
        self.judge(slots, orders, window[1], no_return, opening)
        return Schedule(
            dated=self.dated,
            today=self.today,
            zone=self.zone,
            slots=tuple(slots),
            orders=tuple(orders),
            stages=self.spans(slots),
            window=(self.local(window[0]), self.local(window[1])),
            point_of_no_return=self.local(no_return),
            opening=self.local(opening),
            critical=tuple(node for node in self.graph.order if node in critical),
            shortest=shortest,
            visits={
                visit.id: self.local(opening).date() + datetime.timedelta(days=visit.days)
                for visit in self.plan.visits.values()
            },
            conflicts=tuple(self.conflicts),
        )

    def window_end(self, opening: datetime.datetime) -> datetime.datetime:
        """Without an agreed window: as long as the steps take and the rollback after them."""
        rollback = datetime.timedelta(seconds=self.plan.cutover.rollback.seconds)
        return (self.plan.cutover.window_end or opening + rollback).astimezone(UTC)

    def local(self, moment: datetime.datetime) -> datetime.datetime:
        return moment.astimezone(self.zone)

    def forwards(self, nodes: set[Node], start: datetime.datetime) -> dict[Node, datetime.datetime]:
        """When each of the nodes begins, at the earliest, if the first one begins at `start`."""
        begins: dict[Node, datetime.datetime] = {}
        for node in self.graph.order:
            if node in nodes:
                # A stage's distance to the cutover counts backwards from the window, so there is none here.
                ends = [self.over(one, begins[one]) for one in self.graph.before[node] if one in begins]
                begins[node] = max([start, *ends])
        return begins

    def over(self, node: Node, begin: datetime.datetime) -> datetime.datetime:
        """When a node is over, or a lead item can be used, that begins then."""
        if node.kind != "lead":
            return begin + datetime.timedelta(seconds=node.seconds)
        item = self.plan.lead_items[node.id]
        day = self.comes(item, self.local(begin).date()) + datetime.timedelta(days=item.buffer_days)
        return max(begin, datetime.datetime.combine(day, datetime.time(), self.zone).astimezone(UTC))

    def backwards(
        self, fixed: t.Mapping[Node, datetime.datetime], before_only: bool = False
    ) -> dict[Node, datetime.datetime]:
        """When each node begins at the latest; those that are fixed stay. A lead item begins with its order's day.

        With `before_only`, the result holds when each node that is not fixed must be over.
        """
        begins = dict(fixed)
        overs: dict[Node, datetime.datetime] = {}
        for node in reversed(self.graph.order):
            if node in fixed:
                continue
            over = min(
                (begins[one] - datetime.timedelta(seconds=lag) for one, lag in self.after[node].items()),
                default=self.start,
            )
            overs[node] = over
            if node.kind == "lead":
                order_by = self.days(self.plan.lead_items[node.id], self.local(over).date())[0]
                begins[node] = datetime.datetime.combine(order_by, datetime.time(), self.zone).astimezone(UTC)
                # Its day is no later than the moment that waits for it.
                begins[node] = min(begins[node], over)
            else:
                begins[node] = over - datetime.timedelta(seconds=node.seconds)
        return overs if before_only else begins

    def days(self, item: LeadItem, need: datetime.date) -> tuple[datetime.date, datetime.date]:
        """When it must be ordered and when it must be there, so that it can be used on day `need`."""
        there_by = need - datetime.timedelta(days=item.buffer_days)
        if not item.working_days:
            return there_by - datetime.timedelta(days=item.lead_days), there_by
        order_by, left = there_by, item.lead_days
        while left or not self.working(order_by):
            # What is to be there on a Sunday has come on Friday, and that Friday is the first day that counts.
            left -= 1 if self.working(order_by) else 0
            order_by -= datetime.timedelta(days=1)
        return order_by, there_by

    def comes(self, item: LeadItem, ordered: datetime.date) -> datetime.date:
        """The day on which it is there."""
        if not item.working_days:
            return ordered + datetime.timedelta(days=item.lead_days)
        day, left = ordered, item.lead_days
        while left:
            day += datetime.timedelta(days=1)
            left -= 1 if self.working(day) else 0
        return day

    def working(self, day: datetime.date) -> bool:
        return day.weekday() < 5 and day not in self.plan.holidays

    def longest(self) -> tuple[set[Node], int]:
        """The chain that takes longest up to the opening, and its seconds."""
        ends: dict[Node, int] = {}
        came: dict[Node, Node] = {}
        for node in self.graph.order:
            begin = 0
            for one, lag in self.graph.before[node].items():
                if ends[one] + lag > begin:
                    begin, came[node] = ends[one] + lag, one
            ends[node] = begin + node.seconds
        chain, node = {self.last}, self.last
        while node in came:
            node = came[node]
            chain.add(node)
        return chain, ends[self.last]

    def slot(
        self,
        node: Node,
        begins: t.Mapping[Node, datetime.datetime],
        latest: t.Mapping[Node, datetime.datetime],
        critical: bool,
    ) -> Slot:
        begin = begins[node]
        end = begin + datetime.timedelta(seconds=node.seconds)
        one = self.plan.steps[node.id] if node.kind == "step" else self.plan.gates[node.id]
        return Slot(
            node=node,
            title=one.title,
            owner=self.plan.steps[node.id].owner if node.kind == "step" else "",
            begin=self.local(begin),
            end=self.local(end),
            latest=self.local(latest.get(node, end)),
            critical=critical,
            state=self.state(node, self.local(begin).date(), self.local(end).date()),
        )

    def state(self, node: Node, begin: datetime.date, end: datetime.date) -> str:
        # Whether a gate is open is not for the plan to say, so a gate is never late here; what waits for it is.
        if node.kind == "step" and node.moment in self.plan.done:
            return "done"
        if self.today is None or node.kind == "gate":
            return "ahead"
        return "late" if end < self.today else "now" if begin <= self.today else "ahead"

    def order(self, node: Node, begins: t.Mapping[Node, datetime.datetime], critical: bool) -> Order:
        item = self.plan.lead_items[node.id]
        need = self.local(min(begins[one] for one in self.after[node])).date()
        order_by, there_by = self.days(item, need)
        expected = self.comes(item, item.ordered) if item.ordered else None
        late = 0
        if item.arrived is None and self.today is not None:
            late = (self.today - order_by if expected is None else max(expected, self.today) - there_by).days
        return Order(
            item=item,
            order_by=order_by,
            there_by=there_by,
            need=need,
            expected=expected,
            state="late" if late > 0 else item.state,
            late_days=max(late, 0),
            critical=critical,
        )

    def spans(self, slots: t.Sequence[Slot]) -> dict[str, tuple[datetime.datetime, datetime.datetime]]:
        out = {}
        for stage in self.plan.stages:
            own = [slot for slot in slots if slot.node.stage == stage]
            if own:
                out[stage] = (min(slot.begin for slot in own), max(slot.end for slot in own))
        return out

    def judge(
        self,
        slots: t.Sequence[Slot],
        orders: t.Sequence[Order],
        window_end: datetime.datetime,
        no_return: datetime.datetime,
        opening: datetime.datetime,
    ) -> None:
        """Say what cannot be, whatever the day is."""
        if not self.dated:
            return
        form = "%Y-%m-%d %H:%M"
        if opening > window_end:
            self.conflicts.append(
                f"The window is too short: it ends at {self.local(window_end).strftime(form)}, and by the estimates "
                f"the portal opens at {self.local(opening).strftime(form)}."
            )
        elif opening > no_return:
            self.conflicts.append(
                f"By the estimates the portal opens at {self.local(opening).strftime(form)}, after the point of no "
                f"return at {self.local(no_return).strftime(form)}: a rollback would not end within the window."
            )
        # What comes before such a stage is late with it; what was agreed is what can be changed.
        late = [slot for slot in slots if slot.too_late and self.plan.stages[slot.node.stage].start is not None]
        if late:
            worst = max(late, key=lambda slot: slot.end - slot.latest)
            stage = self.plan.stages[worst.node.stage]
            self.conflicts.append(
                f"{stage.title} begins too late: {worst.title.rstrip('.')} ends at {worst.end.strftime(form)}, and "
                f"must be over at {worst.latest.strftime(form)}."
            )
        ends = {slot.node: slot.end for slot in slots}
        for order in orders:
            after = order.item.after
            if after is not None:
                end = ends[graph.step_node(self.plan, after.step, after.stage)]
                if end.date() > order.order_by:
                    self.conflicts.append(
                        f"{order.item.title} would have to be ordered on {order.order_by}, but that cannot be before "
                        f"{end.strftime(form)}."
                    )
