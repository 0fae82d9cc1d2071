# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visits after the opening: those of the plan (days 3, 8 and 15), then each month or quarter by the customer's class.

A visit of the series is named by its month, so that another class or another opening adds and takes away visits, and
never makes one of them another one. It falls on a working day.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import DONE, ROLLBACK
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.desk import REGULAR, VIP
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.records import VISIT, Line, Records

#: So many months lie between two visits of the series.
MONTHS = {VIP: 1, REGULAR: 3}
TITLES = {VIP: "Monthly visit", REGULAR: "Quarterly visit"}
#: Later than this after its day, a visit that nobody noted as held was missed.
GRACE = datetime.timedelta(days=7)
HELD, MOVED = "held", "moved"
AHEAD, DUE, MISSED = "ahead", "due", "missed"

DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Visit:
    """`id` is one of the plan's visits, or a month such as 2027-03. `by` held it, and `text` was noted then."""

    id: str
    title: str
    owner: str
    day: datetime.date
    state: str
    held: datetime.date | None = None
    by: str = ""
    text: str = ""

    @property
    def is_open(self) -> bool:
        return self.state in (AHEAD, DUE)


def opening(plan: Plan, attempts: t.Sequence[Attempt], told: str, zone: datetime.tzinfo) -> datetime.date:
    """The day on which the portal was opened: by the journals of the move, else as the inventory tells it.

    Raises BoxliftError where neither says it.
    """
    last = plan.cutover.last
    stage = plan.steps[last].stages[-1]
    back = max((each.start for each in attempts if (each.step, each.outcome) == (ROLLBACK, DONE)), default=0.0)
    ends = [
        each.end
        for each in attempts
        if (each.step, each.stage, each.outcome) == (last, stage, DONE) and each.end is not None and each.end > back
    ]
    if ends:
        return datetime.datetime.fromtimestamp(ends[-1], tz=zone).date()
    try:
        return datetime.date.fromisoformat(told)
    except ValueError as error:
        wrong = f"site_opened is {told!r}." if told else "No journal says when the portal was opened."
        raise BoxliftError(
            wrong, "Keep the journal of the move beside the records, or set site_opened to the day, such as 2026-12-06."
        ) from error


def visits(
    plan: Plan, records: Records, opened: datetime.date, customer_class: str, today: datetime.date, months: int = 12
) -> list[Visit]:
    """All visits from the opening until so many months from today, by their days."""
    planned = [
        (each.id, each.title, each.owner, opened + datetime.timedelta(days=each.days)) for each in plan.visits.values()
    ]
    after = max((day for _id, _title, _owner, day in planned), default=opened)
    owner = next((each.owner for each in plan.visits.values()), "contractor")
    end = _month_later(max(today, opened), months)
    number = MONTHS[customer_class]
    while (nominal := _month_later(opened, number)) <= end:
        day = working_day(plan, nominal)
        if day > after:
            planned.append((f"{nominal:%Y-%m}", TITLES[customer_class], owner, day))
        number += MONTHS[customer_class]
    noted = _noted(records)
    # One that was held or moved is a fact, also where the class has changed since.
    known = {name for name, *_rest in planned}
    for name, lines in noted.items():
        if name not in known:
            planned.append((name, lines[-1].get("title") or "Visit", owner, _day(lines[-1])))
    found = [_visit(name, title, owner, day, noted.get(name, []), today) for name, title, owner, day in planned]
    return sorted(found, key=lambda each: (each.day, each.id))


def _noted(records: Records) -> dict[str, list[Line]]:
    out: dict[str, list[Line]] = {}
    for line in records.of(VISIT):
        out.setdefault(str(line["visit"]), []).append(line)
    return out


def _day(line: Line) -> datetime.date:
    return datetime.date.fromisoformat(str(line["day"]))


def _visit(
    name: str, title: str, owner: str, day: datetime.date, lines: t.Sequence[Line], today: datetime.date
) -> Visit:
    moved = [line for line in lines if line["what"] == MOVED]
    held = [line for line in lines if line["what"] == HELD]
    day = _day(moved[-1]) if moved else day
    if held:
        last = held[-1]
        by, text = str(last.get("operator") or ""), str(last.get("text") or "")
        return Visit(name, title, owner, day, HELD, _day(last), by, text)
    state = AHEAD if day > today else DUE if today <= day + GRACE else MISSED
    return Visit(name, title, owner, day, state)


def _month_later(day: datetime.date, months: int) -> datetime.date:
    """The same day of a later month; its last one where it is shorter."""
    number = day.year * 12 + day.month - 1 + months
    first = datetime.date(number // 12, number % 12 + 1, 1)
    last = (first + 31 * DAY).replace(day=1) - DAY
    return first.replace(day=min(day.day, last.day))


def working_day(plan: Plan, day: datetime.date) -> datetime.date:
    """The day itself, or the next one on which people work."""
    while day.weekday() >= 5 or day in plan.holidays:
        day += DAY
    return day


def line_for(
    found: t.Sequence[Visit], wanted: str, what: str, day: datetime.date, text: str, today: datetime.date
) -> Line | None:
    """The line that says that a visit was held or moved; None if the records say it already. Raises BoxliftError."""
    mine = [each for each in found if each.id == wanted]
    if not mine:
        raise BoxliftError(
            f"There is no visit {wanted}.", f"Possible are {', '.join(each.id for each in found if each.is_open)}."
        )
    visit = mine[0]
    if what == HELD and day > today:
        raise BoxliftError(f"A visit of {day} cannot have been held on {today}.", "Note it when it was held.")
    if visit.state == HELD:
        if what == HELD and (day, text) == (visit.held, visit.text):
            return None
        raise BoxliftError(
            f"The visit {wanted} was held on {visit.held}.", "What was held is not changed any more; note the next one."
        )
    if what == MOVED and day == visit.day:
        return None
    if what == MOVED and day < today:
        raise BoxliftError(f"A visit cannot be moved to {day}, which is over.", "Give a day from today on.")
    return {"visit": wanted, "what": what, "day": day.isoformat(), "title": visit.title, "text": text}


def next_ones(found: t.Sequence[Visit]) -> list[Visit]:
    """Those to prepare: what is due now, and the next one."""
    ahead = [each for each in found if each.state == AHEAD]
    return [*(each for each in found if each.state == DUE), *ahead[:1]]


def last_before(found: t.Sequence[Visit], opened: datetime.date, day: datetime.date) -> datetime.date:
    """When somebody was there last before a day; the opening where nobody was."""
    return max((each.held for each in found if each.held is not None and each.held < day), default=opened)
