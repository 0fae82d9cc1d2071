# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The visits as an iCalendar file (RFC 5545). A later file changes the entries of an earlier one, and doubles none.

What each entry has said last stands in the site's records. By that its number SEQUENCE rises where it says something
else now, also when the file itself was lost. A visit that is not held any more becomes a cancelled entry, since a
calendar keeps what it is not told of. The names (UID) of the plan's own visits are those of the plan's calendar, so
that they replace what was planned before the opening.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.ics import DAY, library, uid
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.records import CALENDAR, Line, Records
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.visits import Visit

CONFIRMED, CANCELLED = "CONFIRMED", "CANCELLED"
#: The plan's calendar has none, which is 0.
FIRST_SEQUENCE = 1

Entry = dict[str, t.Any]


def entries(plan: Plan, records: Records, found: t.Sequence[Visit], now: float) -> tuple[dict[str, Entry], Line | None]:
    """All entries by their names, and the line that notes those which say something new; None if none does."""
    before = _before(records)
    wanted = {uid(f"visit-{each.id}", plan): _said(plan, each) for each in found}
    gone = {name: {**_told(entry), "status": CANCELLED} for name, entry in before.items() if name not in wanted}
    out: dict[str, Entry] = {}
    changed: dict[str, Entry] = {}
    for name, said in {**wanted, **gone}.items():
        former = before.get(name)
        if former is not None and _told(former) == said:
            out[name] = former
            continue
        sequence = former["sequence"] + 1 if former is not None else FIRST_SEQUENCE
        out[name] = changed[name] = {**said, "sequence": sequence, "stamp": int(now)}
    return out, ({"entries": changed} if changed else None)


def _before(records: Records) -> dict[str, Entry]:
    out: dict[str, Entry] = {}
    for line in records.of(CALENDAR):
        out.update(line["entries"])
    return out


def _told(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name not in ("sequence", "stamp")}


def _said(plan: Plan, visit: Visit) -> Entry:
    site = f" of {plan.site}" if plan.site else ""
    owner = plan.organisations.get(visit.owner, visit.owner)
    note = f" Held on {visit.held} by {visit.by}." if visit.held is not None else ""
    return {
        "day": visit.day.isoformat(),
        "summary": f"{visit.title} ({owner})",
        "description": f"Visit after the opening{site}: {visit.id}.{note}",
        "status": CONFIRMED,
    }


def calendar(plan: Plan, of: t.Mapping[str, Entry]) -> bytes:
    """The file. The same entries give the same bytes. Raises BoxliftError where the controller has no icalendar."""
    icalendar = library()
    out = icalendar.Calendar()
    out.add("prodid", "-//boxlift.portal//visits//EN")
    out.add("version", "2.0")
    out.add("method", "PUBLISH")
    out.add("x-wr-calname", f"Visits: {plan.site or plan.title}")
    for name, entry in sorted(of.items(), key=lambda each: (each[1]["day"], each[0])):
        day = datetime.date.fromisoformat(entry["day"])
        stamp = datetime.datetime.fromtimestamp(entry["stamp"], tz=datetime.timezone.utc)
        event = icalendar.Event()
        event.add("uid", name)
        event.add("sequence", entry["sequence"])
        event.add("dtstamp", stamp)
        event.add("last-modified", stamp)
        event.add("summary", entry["summary"])
        event.add("description", entry["description"])
        event.add("dtstart", day)
        event.add("dtend", day + DAY)
        event.add("status", entry["status"])
        event.add("transp", "TRANSPARENT")  # the whole day is not taken by it
        out.add_component(event)
    result: bytes = out.to_ical()
    return result
