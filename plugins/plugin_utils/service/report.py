# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a period of operation was like: plain data for the page and the JSON file, with a first line for a manager.

Every figure comes from records, repositories and measurements. One that is not known says so, and why.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.due import SENT
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.kept import Kept
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.matters import NOTICE
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import availability as av
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import copies as cp
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import first_line
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import outlook as ahead
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import visits as vs
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.answers import Answers
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.desk import TELEPHONE, name_of
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.outlook import BAD, DAY, OK, UNKNOWN, WARN
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.records import Records

VERSION = 1
#: From this share of the time on, the availability is told without how much of it is known.
WELL_KNOWN = 0.995

Data = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Period:
    """From `begin` to `end`, as it is known at `now`; all are seconds since the epoch.

    `name` is what people call it, and `when` how a sentence ends that is about it.
    """

    name: str
    when: str
    begin: float
    end: float
    now: float

    @property
    def over(self) -> float:
        """Up to when something is known."""
        return min(self.end, self.now)


def month(plan: Plan, wanted: str, now: float) -> Period:
    """A calendar month of the plan's time zone, such as 2026-11; the one before now where none is named.

    Raises ValueError for what is no month.
    """
    zone = zoneinfo.ZoneInfo(plan.timezone)
    if wanted:
        first = datetime.datetime.strptime(wanted, "%Y-%m").date()
    else:
        this = datetime.datetime.fromtimestamp(now, tz=zone).date().replace(day=1)
        first = (this - datetime.timedelta(days=1)).replace(day=1)
    following = (first + datetime.timedelta(days=32)).replace(day=1)
    return Period(f"{first:%B %Y}", f" in {first:%B %Y}", midnight(first, zone), midnight(following, zone), now)


def midnight(day: datetime.date, zone: datetime.tzinfo) -> float:
    return datetime.datetime.combine(day, datetime.time(), zone).timestamp()


@dataclasses.dataclass(frozen=True)
class Site:
    """All that a report is made from. `cadences` are those at the end of the period."""

    plan: Plan
    records: Records
    cadences: t.Sequence[tuple[inc.Incident, Kept]]
    visits: t.Sequence[vs.Visit]
    answers: Answers
    remarks: t.Sequence[Data] = ()


def build(site: Site, period: Period) -> Data:
    """The report of a period."""
    zone = zoneinfo.ZoneInfo(site.plan.timezone)
    up = av.availability(site.answers, period.begin, period.over, zone)
    kept = cp.copies(site.answers, period.begin, period.end, period.now, zone)
    owed, licences = ahead.licences(site.answers)
    content: Data = {
        "version": VERSION,
        "title": f"Service report, {period.name}",
        "site": site.plan.site or site.plan.title,
        "timezone": site.plan.timezone,
        "period": {
            **{"name": period.name, "when": period.when},
            **{"from": period.begin, "to": period.end, "as_of": period.now},
        },
        "availability": _availability(up),
        "copies": _copies(kept, period),
        "incidents": [_incident(site, period, *each) for each in site.cadences if _touches(each[0], period)],
        "notices": _notices(site, period),
        "outlook": [*ahead.outlook(site.answers, period.now), *licences],
        "checks": ahead.checks(site.answers, period.now),
        "remarks": [*site.remarks],
        "debts": [{**each, "owner": name_of(site.plan, each["owner"])} for each in owed],
        "visits": _visits(site, period, zone),
        "records": {"path": site.records.path, "fault": site.records.fault, "head": site.records.head},
    }
    content["unknown"] = first_line.unknown(content)
    content["result"] = first_line.result(content)
    return content


# -- availability


def _availability(found: av.Availability) -> Data:
    known = av.percent(found.known)
    if found.up is None:
        return {
            "level": UNKNOWN, "up": None, "known": found.known, "text": "not known", "why": found.why,
            "down_seconds": None, "days": _days(found), "outages": [],
        }  # fmt: skip
    level = OK if found.up >= 0.995 else WARN if found.up >= 0.98 else BAD
    why = "" if found.known >= WELL_KNOWN else f"{known} of the time is known; of the rest there is no measurement"
    return {
        "level": WARN if level == OK and found.known < 0.9 else level,
        "up": found.up,
        "known": found.known,
        "text": av.percent(found.up),
        "why": why,
        "down_seconds": found.down_seconds,
        "days": _days(found),
        "outages": [{"from": begin, "to": end, "seconds": end - begin} for begin, end in found.outages],
    }


def _days(found: av.Availability) -> list[Data]:
    return [{"day": each.day.isoformat(), "up": each.up, "known": each.known} for each in found.days]


# -- copies and drills


def _copies(found: cp.Copies, period: Period) -> Data:
    nights = [{"day": each.day.isoformat(), "copied": each.copied} for each in found.nights]
    have = sum(each.copied is True for each in found.nights)
    missing = sum(each.copied is False for each in found.nights)
    blind = sum(each.copied is None for each in found.nights)
    last = [each for each in found.drills if each.get("passed")]
    return {
        "level": _copies_level(found, missing, blind, period),
        "why": found.why,
        "nights": nights,
        "with_copy": have,
        "without_copy": missing,
        "not_known": blind,
        "last_good": found.last_good,
        "restorable_until": found.restorable_until,
        "verified": found.verified,
        "stores": [_store(each) for each in found.stores],
        "drills": [_drill(each) for each in found.drills],
        "drills_in_period": [_drill(each) for each in found.drills if period.begin <= each["ended"] < period.end],
        "last_drill": _drill(last[-1]) if last else None,
        "drill_level": _drill_level(found, last, period),
        "promise": found.promise,
    }


def _copies_level(found: cp.Copies, missing: int, blind: int, period: Period) -> str:
    if found.why and not found.stores:
        return UNKNOWN
    severities = {one.get("severity") for store in found.stores for one in store.get("findings") or []}
    if "fail" in severities:
        return BAD
    if found.last_good is None or period.now - found.last_good > cp.AGE_FAIL:
        return UNKNOWN if found.why else BAD
    if missing or severities or period.now - found.last_good > cp.AGE_WARN or (found.verified or 0.0) < 1.0:
        return WARN
    return UNKNOWN if blind > len(found.nights) / 10 else OK


def _drill_level(found: cp.Copies, passed: t.Sequence[Data], period: Period) -> str:
    if found.why:
        return UNKNOWN
    if not passed or period.now - float(passed[-1]["ended"]) > cp.DRILL_DAYS * DAY:
        return BAD
    return OK if found.drills[-1].get("passed") else WARN


def _store(each: Data) -> Data:
    good = each.get("last_good") or {}
    return {
        "name": each["name"],
        "host": each["host"],
        "offsite": bool(each.get("offsite")),
        "same_host": bool(each.get("same_host")),
        "reachable": bool(each.get("reachable")),
        "problem": str(each.get("problem") or ""),
        "last_good": good.get("ended"),
        "restorable_until": each.get("restorable_until"),
        "verified": (each.get("verified") or {}).get("ratio_7_days") if each.get("reachable") else None,
        "findings": [str(one.get("text") or "") for one in each.get("findings") or []],
    }


def _drill(each: Data) -> Data:
    return {
        "ended": float(each["ended"]),
        "passed": bool(each.get("passed")),
        "rto_seconds": each.get("rto_seconds"),
        "rpo_seconds": each.get("rpo_seconds"),
        "findings": [str(one.get("text") if isinstance(one, dict) else one) for one in each.get("findings") or []],
    }


# -- incidents


def _touches(incident: inc.Incident, period: Period) -> bool:
    return incident.opened < period.end and (incident.closed is None or incident.closed >= period.begin)


def _incident(site: Site, period: Period, incident: inc.Incident, kept: Kept) -> Data:
    late = [each for each in kept.late if period.begin <= each.due < period.over]
    end = incident.closed if incident.closed is not None and incident.closed < period.over else None
    return {
        "number": incident.number,
        "title": incident.title,
        "class": incident.kind,
        "owner": name_of(site.plan, incident.owner),
        "opened": incident.opened,
        "closed": end,
        "seconds": (end if end is not None else period.over) - incident.opened,
        "users": incident.users,
        "cause": incident.cause if end is not None else "",
        "cure": incident.cure if end is not None else "",
        "late": len(late),
        "reasons": list(dict.fromkeys(f"{name_of(site.plan, each.person)}: {each.reason}" for each in late)),
    }


def _notices(site: Site, period: Period) -> Data:
    lines = [line for line in site.records.of(NOTICE) if period.begin <= moment(line["time"]) < period.over]
    late = [each for _incident, kept in site.cadences for each in kept.late if period.begin <= each.due < period.over]
    in_time = [at for _incident, kept in site.cadences for at in kept.in_time if period.begin <= at < period.over]
    reasons: dict[str, int] = {}
    for each in late:
        reasons[each.reason] = reasons.get(each.reason, 0) + 1
    return {
        "sent": sum(len(line["people"]) for line in lines if line["outcome"] == SENT),
        "by_telephone": sum(len(line["people"]) for line in lines if line["channel"] == TELEPHONE),
        "failed": sum(line["outcome"] != SENT for line in lines),
        "in_time": len(in_time),
        "late": len(late),
        "reasons": dict(sorted(reasons.items(), key=lambda pair: -pair[1])),
    }


# -- visits


def _visits(site: Site, period: Period, zone: datetime.tzinfo) -> Data:
    first, last = (datetime.datetime.fromtimestamp(at, tz=zone).date() for at in (period.begin, period.end - 1))
    mine = [each for each in site.visits if first <= each.day <= last or (each.held and first <= each.held <= last)]
    later = [each for each in site.visits if each.state == vs.AHEAD and each.day > last]
    return {
        "held": sum(each.state == vs.HELD for each in mine),
        "missed": sum(each.state == vs.MISSED for each in mine),
        "list": [_visit(site, each) for each in mine],
        "next": _visit(site, later[0]) if later else None,
    }


def _visit(site: Site, each: vs.Visit) -> Data:
    return {
        "id": each.id,
        "title": each.title,
        "owner": site.plan.organisations.get(each.owner, each.owner),
        "day": each.day.isoformat(),
        "state": each.state,
        "held": each.held.isoformat() if each.held else None,
        "by": each.by,
        "text": each.text,
    }
