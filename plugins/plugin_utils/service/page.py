# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report and the checklist of a visit, each as one self-contained HTML page that prints well."""

from __future__ import annotations

import datetime
import functools
import pathlib
import typing as t
import zoneinfo

import yaml
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import page, visible, when
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import plots
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.availability import percent

REPORT = pathlib.Path(__file__).with_name("report.html.j2")
VISIT = pathlib.Path(__file__).with_name("visit.html.j2")
CHECKLISTS = pathlib.Path(__file__).with_name("checklists.yml")
SERIES = "series"

Data = dict[str, t.Any]


def render(report: Data) -> str:
    return _page(REPORT, report, {})


def checklist(report: Data, visit: Data) -> str:
    """The page of one visit. `report` is about the time since the last one."""
    lists = yaml.safe_load(CHECKLISTS.read_text(encoding="utf-8"))
    items = lists.get(visit["id"], lists[SERIES])
    return _page(VISIT, report, {"visit": visit, "items": [_item(each, report) for each in items]})


def _page(template: pathlib.Path, report: Data, more: Data) -> str:
    zone = zoneinfo.ZoneInfo(report["timezone"])
    drawings = {
        "up": plots.availability(report["availability"]["days"]),
        "nights": plots.nights(report["copies"]["nights"]),
        "drills": plots.drills(report["copies"]["drills"]),
    }
    filters: dict[str, t.Callable[..., str]] = {
        "when": functools.partial(when, zone=zone),
        "day": lambda at: datetime.datetime.fromtimestamp(at, tz=zone).date().isoformat(),
        "percent": percent,
    }
    return page(template, visible({"report": report, **drawings, **more}), filters)


def _item(each: Data, report: Data) -> Data:
    figure = FIGURES[each["figure"]](report) if "figure" in each else ""
    return {"text": each["text"], "figure": figure}


def _of_incidents(report: Data) -> str:
    found, told = report["incidents"], report["notices"]
    if not found:
        return "none"
    open_ones = [str(each["number"]) for each in found if each["closed"] is None]
    still = f", still open: {', '.join(open_ones)}" if open_ones else ", none is open"
    return f"{len(found)}{still}; {told['late']} notices came late"


def _of_copies(report: Data) -> str:
    found = report["copies"]
    if found["last_good"] is None:
        return found["why"] or "there is no proven copy"
    last = when(found["last_good"], zoneinfo.ZoneInfo(report["timezone"]))
    count = f"{found['with_copy']} of {found['with_copy'] + found['without_copy']} nights"
    if found["not_known"]:
        count += f" ({found['not_known']} not known)"
    return f"{count}; the last one is of {last}"


def _of_the_drill(report: Data) -> str:
    last = report["copies"]["last_drill"]
    if last is None:
        return report["copies"]["why"] or "none has passed yet"
    zone = zoneinfo.ZoneInfo(report["timezone"])
    return f"the last that passed ended {when(last['ended'], zone)}"


def _of_checks(report: Data) -> str:
    found = report["checks"]
    failing = ", ".join(str(each.get("check", "")) for each in found["failing"])
    return f"not known: {found['why']}" if found["why"] else failing or "none"


def _of_outlook(report: Data) -> str:
    return "; ".join(f"{row['what']}: {row['text']}" for row in report["outlook"])


def _of_what_is_owed(report: Data) -> str:
    owed = [f"{each['feature']} until {each['until'] or 'no day'}" for each in report["debts"]]
    remarks = [f"{each['text']} ({each['owner']}, {each['due']})" for each in report["remarks"]]
    return "; ".join([*owed, *remarks]) or "nothing that is known"


def _of_the_next_visit(report: Data) -> str:
    following = report["visits"]["next"]
    return f"{following['title']}, {following['day']}" if following else "none is planned"


FIGURES: dict[str, t.Callable[[Data], str]] = {
    "availability": lambda report: str(report["availability"]["text"]),
    "incidents": _of_incidents,
    "copies": _of_copies,
    "drill": _of_the_drill,
    "checks": _of_checks,
    "outlook": _of_outlook,
    "owed": _of_what_is_owed,
    "next_visit": _of_the_next_visit,
}
