# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licences that are owed: by whom, since when, until which day, when paid, and when people hear of each.

Folded from what entitlement_check found on each host, run by run. A trial that has expired, or whose file cannot be
read any more, is no debt to that module, but a finding; here it stays owed until its finding is in order.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import itertools
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Run

MODULE, FIELDS = "entitlement_check", ("feature", "reason", "owner", "until", "remedy")
#: So many days before its day people hear again; after it every day, and where it has no day every week.
LADDER, WEEK = (60, 30, 14, 7, 1), 7
#: At this hour of such a day, in the plan's time zone.
MORNING = 8
SETTLED = ("pass", "skip")
FINDING, OF_FILE = "entitlement.{}", "entitlement.file.{}"

Data = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Debt:
    """What is owed by one owner until one day. With another owner or another day it is a new one, of the same name."""

    host: str
    feature: str
    owner: str  # an organisation or a person
    day: datetime.date | None  # the last on which it is in time; None where nobody has set one
    since: float
    reason: str
    remedy: str
    end: float | None = None
    paid: bool = False  # by its end; else a new one has followed it


@dataclasses.dataclass
class _Look:
    """What one run has found on one host, at the end of the first task that looked."""

    host: str
    at: float
    debts: list[Data] = dataclasses.field(default_factory=list)
    findings: list[Data] = dataclasses.field(default_factory=list)


def debts(runs: t.Iterable[Run]) -> list[Debt]:
    """All that was ever owed, in the order of its end; what is still owed comes last."""
    owed: dict[tuple[str, str], Debt] = {}
    over: list[Debt] = []
    for look in sorted((look for run in runs if not run.check for look in _looks(run)), key=lambda look: look.at):
        found = {(debt.host, debt.feature): debt for debt in map(functools.partial(_debt, look), look.debts)}
        for key, debt in [(key, debt) for key, debt in owed.items() if key[0] == look.host]:
            new, wrong = found.pop(key, None), _wrong(look, debt.feature)
            if new is not None and (new.owner, new.day) == (debt.owner, debt.day):
                owed[key] = dataclasses.replace(new, since=debt.since)
            elif new is not None:
                over.append(dataclasses.replace(debt, end=look.at))
                owed[key] = new
            elif wrong is not None:
                remedy = wrong.get("remedy") or debt.remedy
                owed[key] = dataclasses.replace(debt, reason=wrong.get("observed") or debt.reason, remedy=remedy)
            else:
                over.append(dataclasses.replace(owed.pop(key), end=look.at, paid=True))
        owed |= found
    return [*over, *owed.values()]


def _looks(run: Run) -> list[_Look]:
    looks: dict[str, _Look] = {}
    for step in run.steps:
        for result in step.results if step.module == MODULE else []:
            if result.get("debts") is not None:
                host = step.host.partition(" -> ")[0]  # a delegated task is about the host that it was run for
                look = looks.setdefault(host, _Look(host, step.end))
                look.debts += [{**dict.fromkeys(FIELDS, ""), **each} for each in result["debts"]]
                look.findings += result.get("findings") or []
    for look in looks.values():
        # Of two of one name, the one that is due first is the last.
        look.debts.sort(key=lambda each: each["until"] or "no day", reverse=True)
    return list(looks.values())


def _debt(look: _Look, said: Data) -> Debt:
    feature, reason, owner, until, remedy = (str(said[name]) for name in FIELDS)
    return Debt(look.host, feature, owner, _day(until), look.at, reason, remedy)


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def _wrong(look: _Look, feature: str) -> Data | None:
    """Why a look that does not find the debt does not settle it; None if it does.

    Where nothing is said of the licence, it is not needed any more, unless the look could not see what is in use.
    """
    names = (FINDING.format(feature), OF_FILE.format(feature))
    mine = [each for each in look.findings if each["id"] in names]
    blind = [each for each in look.findings if each["status"] == "unknown"]
    blind = [each for each in blind if not each["id"].startswith(OF_FILE.format(""))]
    return next((each for each in mine or blind if each["status"] not in SETTLED), None)


def hearings(debt: Debt, zone: datetime.tzinfo, now: float) -> list[float]:
    """When people hear of it: once it is found, then in the morning of each day of the ladder. The last is to come."""
    out = [debt.since]
    for number in _days(debt, day_of(debt.since, zone).toordinal()):
        morning = datetime.datetime.combine(datetime.date.fromordinal(number), datetime.time(MORNING), zone)
        out.append(morning.timestamp())
        if out[-1] > now:
            break
    return out


def _days(debt: Debt, found: int) -> t.Iterator[int]:
    """Those of the ladder after the day on which it was found, without an end."""
    if debt.day is None:
        yield from itertools.count(found + WEEK, WEEK)
        return
    last = debt.day.toordinal()
    yield from (last - before for before in LADDER if last - before > found)
    yield from itertools.count(max(last, found) + 1)


def day_of(moment: float, zone: datetime.tzinfo) -> datetime.date:
    return datetime.datetime.fromtimestamp(moment, tz=zone).date()
