# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of the plan's drawings: the whole move by days, and each stage by hours; the template makes SVG of it."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import Schedule, Slot
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.view import Dates
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import (
    LABEL,
    ROW,
    SHORTEST_BAR,
    TOP,
    VALUE,
    WIDTH,
    shortened,
)

Data = dict[str, t.Any]
DAY = datetime.timedelta(days=1)
# Steps that lie further apart than this get drawings of their own, or the hours between them could not be seen.
APART = DAY
_DAYS = (1, 2, 7, 14, 28, 56, 112)
_HOURS = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96)
MOST_TICKS = 9


class Axis:
    """From moments to positions. Computes in UTC, in which the night of a change of clocks has its true length."""

    def __init__(self, begin: datetime.datetime, end: datetime.datetime) -> None:
        self.begin = begin.astimezone(datetime.timezone.utc)
        self.seconds = max((end - self.begin).total_seconds(), 1.0)

    def x(self, moment: datetime.datetime) -> float:
        share = (moment.astimezone(datetime.timezone.utc) - self.begin).total_seconds() / self.seconds
        return round(LABEL + share * (WIDTH - LABEL - VALUE), 1)

    def span(self, begin: datetime.datetime, end: datetime.datetime, level: str) -> Data:
        left = self.x(begin)
        return {"x": left, "width": max(round(self.x(end) - left, 1), SHORTEST_BAR), "level": level}


def overview(plan: Plan, of: Schedule) -> Data:
    """The whole move: lead items with their buffers, stages, gates, visits."""
    dates = Dates(of)

    def noon(day: datetime.date, hour: int = 0) -> datetime.datetime:
        return datetime.datetime.combine(day, datetime.time(hour), of.zone)

    last = max([end for _begin, end in of.stages.values()] + [noon(day, 23) for day in of.visits.values()])
    axis = Axis(noon(of.begin), last)
    rows = []
    for order in of.orders:
        level = level_of(order.state, order.critical)
        # At the end of its last day it is there; then comes the buffer.
        there = noon(order.there_by) if order.there_by < order.need else noon(order.need)
        bars = [axis.span(noon(order.order_by), there, level)]
        if order.there_by < order.need:
            bars.append(axis.span(there, noon(order.need), "buffer"))
        text = f"order by {dates.day(order.order_by)}, there by {dates.day(order.there_by)}"
        rows.append(row(order.item.title, text, f"{order.item.lead_days} d", bars))
    for name, (begin, end) in of.stages.items():
        level = "bad" if any(slot.state == "late" and slot.node.stage == name for slot in of.slots) else "stage"
        text = f"{dates.moment(begin)} to {dates.moment(end)}"
        rows.append(
            row(plan.stages[name].title, text, duration((end - begin).total_seconds()), [axis.span(begin, end, level)])
        )
    gates = [slot for slot in of.slots if slot.node.kind == "gate"]
    marks = [{"x": axis.x(slot.begin), "title": f"{slot.title}: {dates.moment(slot.begin)}"} for slot in gates]
    rows.append({**row("Gates", "", "", []), "marks": marks})
    marks = [
        {"x": axis.x(noon(day, 12)), "title": f"{plan.visits[name].title}: {dates.day(day)}"}
        for name, day in of.visits.items()
    ]
    rows.append({**row("Visits", "", "", []), "marks": marks})
    lines = [{"x": axis.x(of.window[0]), "class": "cutover", "text": "cutover"}]
    if of.today is not None and of.begin <= of.today <= last.date():
        lines.append({"x": axis.x(noon(of.today, 12)), "class": "today", "text": "today"})
    days = (last.date() - of.begin).days + 1
    step = next((one for one in _DAYS if days / one <= MOST_TICKS), _DAYS[-1])
    ticks = [noon(of.begin + number * DAY) for number in range(0, days, step)]
    return drawing("The whole move", rows, lines, [(axis.x(tick), dates.tick(tick, False)) for tick in ticks])


def stages(plan: Plan, of: Schedule) -> list[Data]:
    """For each stage its drawings, one for every group of steps that lie close together. One alone needs none."""
    out = []
    for name in of.stages:
        own = [slot for slot in of.slots if slot.node.stage == name]
        out += [group(plan, of, name, slots) for slots in groups(own) if len(slots) > 1]
    return out


def groups(slots: t.Sequence[Slot]) -> list[list[Slot]]:
    out: list[list[Slot]] = []
    for slot in slots:
        if out and slot.begin - max(one.end for one in out[-1]) <= APART:
            out[-1].append(slot)
        else:
            out.append([slot])
    return out


def group(plan: Plan, of: Schedule, stage: str, slots: t.Sequence[Slot]) -> Data:
    dates = Dates(of)
    first, last = slots[0].begin, max(slot.end for slot in slots)
    moments: list[tuple[datetime.datetime, str, str]] = []
    if first <= of.window[0] <= last:
        last = max(last, of.point_of_no_return)
        moments = [(of.window[0], "cutover", "work stops"), (of.point_of_no_return, "no_return", "no return")]
    axis = Axis(first, last)
    rows = []
    for slot in slots:
        text = f"{dates.moment(slot.begin)} to {dates.moment(slot.end)}"
        took = duration(slot.node.seconds)
        if slot.node.kind == "gate":
            marks = [{"x": axis.x(slot.begin), "title": f"{slot.title}: {text}"}]
            one = row(f"Gate: {slot.title}", text, took, [axis.span(slot.begin, slot.end, "buffer")])
            rows.append({**one, "marks": marks})
        else:
            level = level_of(slot.state, slot.critical)
            rows.append(row(slot.title, text, took, [axis.span(slot.begin, slot.end, level)]))
    hours = axis.seconds / 3600
    step = next((one for one in _HOURS if hours / one <= MOST_TICKS), _HOURS[-1])
    marked = [
        (axis.x(moment), dates.tick(moment, step < 24)) for moment in ticks(first, last, datetime.timedelta(hours=step))
    ]
    lines = [{"x": axis.x(moment), "class": kind, "text": text} for moment, kind, text in moments]
    return drawing(f"{plan.stages[stage].title}, from {dates.moment(first)}", rows, lines, marked)


def ticks(first: datetime.datetime, last: datetime.datetime, step: datetime.timedelta) -> list[datetime.datetime]:
    """Round hours of the local clock, from midnight before on."""
    zone = first.tzinfo
    moment = first.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(datetime.timezone.utc)
    out = []
    while moment <= last:
        if moment >= first:
            out.append(moment.astimezone(zone))
        moment += step
    return out


def level_of(state: str, critical: bool) -> str:
    """The class of a bar."""
    if state in ("late", "done", "arrived"):
        return "bad" if state == "late" else "done"
    return "bar" if critical else "ok"


def row(label: str, text: str, value: str, bars: list[Data]) -> Data:
    title = f"{label}: {text}" if text else label
    return {"label": shortened(label), "title": title, "value": value, "bars": bars, "marks": []}


def drawing(title: str, rows: list[Data], lines: list[Data], ticks_at: list[tuple[float, str]]) -> Data:
    for number, one in enumerate(rows):
        one["y"] = TOP + number * ROW
    return {
        "title": title,
        "width": WIDTH,
        "bottom": TOP + len(rows) * ROW + 6,
        # What the lines are called stands below them.
        "height": TOP + len(rows) * ROW + (22 if lines else 6),
        "top": TOP,
        "rows": rows,
        "lines": lines,
        "ticks": [{"x": x, "text": text} for x, text in ticks_at],
    }
