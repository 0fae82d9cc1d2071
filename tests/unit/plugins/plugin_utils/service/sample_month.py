# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An invented month of operation, with the clock passed in: incidents, visits, and what Prometheus and hosts answer."""

from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import answers, page, records, report, visits
from unit.plugins.plugin_utils.service.site import DAY, HOUR, MINUTE, Site

#: The company works in Berlin; the portal was opened on Sunday, 2026-11-29.
OPENED = "2026-11-29"
BEGIN, END = moment("2026-11-30T23:00:00.000Z"), moment("2026-12-31T23:00:00.000Z")
NOW = END + 9 * HOUR

Data = dict[str, t.Any]
Hole = tuple[float, float]


def at(day: int, hour: float = 0.0) -> float:
    """A moment of December, in Berlin."""
    return BEGIN + (day - 1) * DAY + hour * HOUR


def prometheus(
    outages: t.Sequence[tuple[float, float]] = (),
    holes: t.Sequence[Hole] = (),
    nights: t.Collection[int] = range(1, 32),
    instants: t.Mapping[str, t.Any] | None = None,
    begin: float = BEGIN,
    end: float = END,
    now: float = NOW,
) -> Data:
    """What the task registers that asks Prometheus, each question answered by its own path."""
    values = {**INSTANTS, **(instants or {})}
    results = []
    for each in answers.questions(begin, end, now):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(each["path"]).query))
        found: list[Data] = []
        if each["name"] in answers.RANGES:
            moments = range(int(asked["start"]), int(asked["end"]) + 1, int(asked["step"]))
            told = _up(moments, outages) if each["name"] == answers.UP else _last_good(moments, nights)
            points = [[each_at, str(value)] for each_at, value in told if not any(a < each_at <= b for a, b in holes)]
            metric = {} if each["name"] == answers.UP else {"store": "main"}
            found = [{"metric": metric, "values": points}] if points else []
        elif values[each["name"]] is not None:
            series = values[each["name"]]
            series = series if isinstance(series, list) else [({}, series)]
            found = [{"metric": labels, "value": [now, str(value)]} for labels, value in series]
        told_json = {"status": "success", "data": {"resultType": "matrix", "result": found}}
        results.append({"item": each, "status": 200, "json": told_json})
    return {"results": results}


def _up(moments: t.Iterable[int], outages: t.Sequence[tuple[float, float]]) -> t.Iterator[tuple[int, float]]:
    for end in moments:
        lost = sum(max(min(end, b) - max(end - answers.SLOT, a), 0.0) for a, b in outages)
        yield end, 1 - lost / answers.SLOT


def _last_good(moments: t.Iterable[int], nights: t.Collection[int]) -> t.Iterator[tuple[int, float]]:
    good = [at(day, 2.6) for day in nights]
    for each in moments:
        past = [one for one in good if one <= each]
        if past:
            yield each, past[-1]


INSTANTS: Data = {
    "certificate": NOW + 61 * DAY,
    "licence": NOW + 210 * DAY,
    "disks": [({"host": "portal-prod", "path": "/"}, "+Inf"), ({"host": "portal-prod", "path": "/srv"}, 143.2)],
    "quota_status": 0,
    "quota": 500 * 2**30,
    "quota_used": 212 * 2**30,
    "quota_growth": 0.9 * 2**30,
    "checks": [],
    "checks_run": NOW - 200,
}


def drill(day: float, seconds: float, passed: bool = True) -> Data:
    return {
        "format": 1, "copy": "20261201T013000Z-ab12", "host": "portal-preprod", "began": day - seconds, "ended": day,
        "passed": passed, "rto_seconds": seconds, "rpo_seconds": 240, "findings": [],
    }  # fmt: skip


def copies(**more: t.Any) -> Data:
    """As backup_status of one host."""
    good = {"id": "20261231T013000Z-0001", "began": at(31, 2.5), "ended": at(31, 2.6), "kind": "incremental"}
    store = {
        "name": "main", "repository": "rclone:", "offsite": False, "reachable": True, "problem": "", "same_host": False,
        "last_good": {**good, "ended": NOW - 6.4 * HOUR}, "copies": [good], "unproven": 0,
        "restorable_until": NOW - 3 * MINUTE, "verified": {"slices": {}, "ratio_7_days": 1.0},
        "drills": [drill(at(1, 10) - 40 * DAY, 2820), drill(at(1, 10), 2460), drill(at(15, 11), 2310)],
        "pruned": at(27), "findings": [],
    }  # fmt: skip
    far = {
        **store, "name": "far", "repository": "s3:https://s3.example.com/copies", "offsite": True,
        "restorable_until": NOW - 8 * MINUTE, "verified": {"slices": {}, "ratio_7_days": 1.0}, "drills": [],
    }  # fmt: skip
    return {
        "portal-prod": {
            "stores": [{**store, **more}, far],
            "promise": {"of_drills": 3, "rto_seconds": 3525, "rpo_seconds": 300},
        }
    }


ENTITLEMENTS: Data = {
    "portal-prod": {
        "findings": [
            {"id": "entitlement.fax", "status": "warn", "observed": "fax.lic: it is a trial, valid until 2027-01-31"},
            {"id": "entitlement.editor", "status": "pass", "observed": "editor.lic grants it"},
        ],
        "debts": [{
            "feature": "fax", "owner": "sales", "until": "2027-01-31", "reason": "it is a trial",
            "remedy": "Replace the trial of the fax by a full licence.",
        }],
    }
}  # fmt: skip
REMARKS: list[Data] = [
    {
        "gate": "Go",
        "text": "The intranet's links still lead to the cloud.",
        "owner": "Ravi Kumar",
        "due": "2026-12-18",
        "late": True,
    }
]


def lived(site: Site) -> None:
    """Three incidents and the visits, with channels that work."""
    site.now = at(3, 9.2)
    site.wish(
        "open", title="Messages do not appear", users="The messenger stands still; a new page shows the messages.",
        began=at(3, 9.1),
    )  # fmt: skip
    site.look(4)
    site.wish("note", text="The push server does not answer. It is being started again.")
    site.look(38)
    site.wish("close", cause="The push server had run out of file handles.", cure="It has ten times as many.")
    site.look(1)
    site.now = at(11, 14.5)
    site.wish(
        "open", title="Search is slow", kind="normal", users="Results come after half a minute.", owner="executor"
    )
    site.look(130)
    site.wish("close", cause="The index was built anew.", cure="That is done at night from now on.")
    site.look(1)
    for visit, day, text in (("d3", 2, "Two departments miss their bookmarks."), ("d8", 7, ""), ("d15", 14, "")):
        site.now = at(day, 17)
        line = {"visit": visit, "what": visits.HELD, "day": f"2026-12-{day:02d}", "title": "", "text": text}
        records.add(site.path, records.VISIT, {**line, "operator": "Olga Petrova"})


def lived_through(site: Site) -> tuple[str, str]:
    """The report of this month, and the page of the visit at its end: for pictures, and for tests of both."""
    lived(site)
    outages = [(at(3, 9.15), at(3, 9.85)), (at(19, 3.1), at(19, 3.2))]
    asked = prometheus(outages, [(at(24), at(24, 11))], [night for night in range(1, 32) if night != 20])
    content = report.build(told(site, prometheus=asked, remarks=REMARKS), MONTH)
    return page.render(content), page.checklist(content, content["visits"]["list"][-1])


def told(site: Site, now: float = NOW, customer_class: str = "vip", until: float = END, **given: t.Any) -> report.Site:
    """The site as the report takes it in."""
    found = records.read(site.path)
    day = visits.datetime.date
    every = visits.visits(
        site.plan, found, day.fromisoformat(OPENED), customer_class, visits.datetime.datetime.fromtimestamp(now).date()
    )
    asked = answers.Answers(
        given.get("prometheus", prometheus()), given.get("copies", copies()), given.get("entitlements", ENTITLEMENTS)
    )
    return report.Site(
        site.plan, found, tell.cadences(site.path, min(now, until)), every, asked, given.get("remarks", [])
    )


MONTH = report.Period("December 2026", " in December 2026", BEGIN, END, NOW)
