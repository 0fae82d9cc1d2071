# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the report that a plan adds, and the first line that answers by the state of the move."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import WORST_FIRST
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.course_of_time import end_of, phases, waits
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.protocol import protocol
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.todo import todo
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import course
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import AUTONOMOUS, DICTATED, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import (
    HEALTH_MODULES,
    backup_of,
    calls_of,
    count,
    findings_of,
    restore_of,
    results,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.verdict import NOBODY
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.summary import summary

Data = dict[str, t.Any]
#: States in which the company works in the cloud portal, as before.
BEFORE = (course.PLANNED, course.PROVISIONED, course.REHEARSED, course.ACCEPTED)


def with_plan(report: Data, journal: Journal, plan: Plan, today: datetime.date | None = None) -> Data:
    """The report of the journal, with what its plan adds. `today` is the day from which lateness is judged."""
    of = Evidence(plan, journal, today)
    closed = closure(of)
    return {
        **report,
        "result": first_line(of, report["result"], closed),
        "move": {
            "title": plan.title,
            "timezone": plan.timezone,
            "as_of": of.now,
            "state": of.course.state.replace("_", " "),
            "faults": faults(of),
            "waivers": waivers(of),
            "closure": closed,
            "todo": todo(of, report["findings"] or [], report["debts"]),
            "phases": phases(of),
            "waits": waits(of),
            "errors": errors(of),
            "remarks": remarks(of),
            "notices": notices(of),
            "supervision": supervision(of),
            "stages": stages(of),
            "compared": compared(of),
            "visits": visits(of, closed),
            "protocol": protocol(of),
        },
    }


def first_line(of: Evidence, result: Data, closed: Data) -> Data:
    """Whether people can work: in the cloud until the freeze, nowhere until the opening, then by the findings."""
    wrong = faults(of)
    if wrong:
        found = result["text"][0].lower() + result["text"][1:]
        text = f"Whether people can work is not proven. {wrong[0]} By the findings: {found}"
        return {"level": "bad", "text": text}
    state = of.course.state
    if state in BEFORE:
        new = result["text"][0].lower() + result["text"][1:]
        text = f"People work in the cloud portal as before. On the new one ({state}): {new}"
        return {"level": result["level"], "text": text}
    if state in (course.FROZEN, course.MOVED):
        end = of.plan.cutover.window_end
        late = end is not None and of.now > end.timestamp()
        since = datetime.datetime.fromtimestamp(closed["from"], tz=of.zone).strftime("%Y-%m-%d %H:%M %Z")
        over = " The window is over." if late else ""
        text = f"{NOBODY} since {since}: work in the cloud portal has stopped, and the new one is not open yet.{over}"
        return {"level": "bad" if late else "warn", "text": text}
    if state == course.ROLLED_BACK:
        text = "The cutover was taken back: people work in the cloud portal."
        return {"level": "warn", "text": text}
    return result


def faults(of: Evidence) -> list[str]:
    """Why the journals do not prove what this report says: each needs the one before to be in order."""
    broken = [head.fault for head in of.heads if head.fault]
    asked = {name: of.asked(name) for name in of.plan.gates}
    other = [
        f"The gate {name} was asked for with another version of the plan ({line['plan'][:12]}), and does not count. "
        "Give the plan that was signed, or ask for the gate anew."
        for name, line in asked.items()
        if line is not None and line["plan"] != of.plan.sha256
    ]
    return broken or other or [f"{each}." for each in of.course.jumps]


def waivers(of: Evidence) -> list[Data]:
    """Those that gates rest on or could rest on, those in force first."""
    out = [
        {
            "gate": wanted.title,
            "input": each.input.replace("_", " "),
            "observed": each.observed,
            "person": of.plan.people[each.person].name,
            "reason": each.reason,
            "until": each.until.timestamp(),
            "in_force": each.until.timestamp() >= of.now,
        }
        for wanted in of.plan.gates.values()
        for each in of.waivers(wanted)
    ]
    return sorted(out, key=lambda each: (not each["in_force"], each["until"]))


def closure(of: Evidence) -> Data:
    """How long nobody could work, as planned and as measured; the rehearsal has no freeze and no opening."""
    cutover = of.plan.cutover
    stage = of.plan.steps[cutover.first].stages[-1]
    first, last = of.held(cutover.first, stage), of.held(cutover.last, stage)
    begin, end = (first.start if first else None), (end_of(last) if last else None)
    window, opening = of.dates.window, of.dates.opening
    utc = datetime.timezone.utc
    return {
        "planned": (opening.astimezone(utc) - window[0].astimezone(utc)).total_seconds(),
        "window": [window[0].timestamp(), window[1].timestamp()] if of.dates.dated else None,
        "from": begin,
        "to": end,
        "seconds": round(end - begin, 3) if begin is not None and end is not None else None,
    }


def errors(of: Evidence) -> list[Data]:
    """What went wrong during steps of the plan, with its cures."""
    return [
        {
            "at": failure.at,
            "step": failure.step,
            "stage": one.stage,
            "where": ", ".join(part for part in (failure.task, failure.host) if part),
            "message": failure.message,
            "cures": [{"text": cure.text, "seconds": cure.seconds, "by": cure.operator} for cure in failure.cures],
            "until_next": failure.until_next,
        }
        for one in of.attempts
        for failure in one.failures
    ]


def remarks(of: Evidence) -> list[Data]:
    """What signers want done."""
    names = {**of.plan.organisations, **{one.id: one.name for one in of.plan.people.values()}}
    return [
        {
            "gate": of.plan.gates[name].title,
            "text": each.text,
            "owner": names.get(each.owner, each.owner),
            "due": each.due,
            "late": each.due < of.today.isoformat(),
        }
        for name, decision in of.decisions.items()
        for each in decision.remarks
    ]


def notices(of: Evidence) -> list[Data]:
    """What became of the notices to each person; empty where nobody was to be told by this collection."""
    return [
        {
            "person": of.plan.people[each.person].name if each.person in of.plan.people else each.person,
            "sent": sum(each.sent.values()),
            "failed": sum(each.failed.values()),
            "late": each.late,
        }
        for head in of.heads
        for each in tell.count(of.plan, head.path, of.now, process.is_running)
    ]


def supervision(of: Evidence) -> Data | None:
    """How the operator was watched; None for a move that went by itself."""
    told = [summary(of.plan, head.path) for head in of.heads if not head.fault]
    told = [each for each in told if each.mode != AUTONOMOUS]
    if not told:
        return None
    return {
        "mode": told[-1].mode,
        "head": told[-1].head if told[-1].mode == DICTATED else "",
        "opened": [purpose for each in told for purpose in each.opened],
        "refused": sum(each.refused for each in told),
    }


def stages(of: Evidence) -> list[Data]:
    """What each stage has moved and seen, as the journal states it."""
    out = []
    for stage in of.plan.stages.values():
        runs = of.stage_runs(stage.id)
        backup, restore, calls = backup_of(runs), restore_of(runs), calls_of(runs)
        findings = findings_of(runs) if results(runs, HEALTH_MODULES, "findings") else None
        if not (backup or restore or calls or findings):
            continue
        volumes = backup.get("volumes")
        out.append(
            {
                "id": stage.id,
                "title": stage.title,
                "parts": len(volumes) if volumes is not None else None,
                "intact": sum(each.get("status") == "intact" for each in volumes or []),
                "bytes_fetched": backup.get("bytes_fetched"),
                "files": restore.get("files"),
                "bytes": restore.get("bytes"),
                "tables": len(restore["tables"]) if restore.get("tables") else None,
                "rows": restore.get("rows"),
                "checks": count((each["status"] for each in findings), WORST_FIRST) if findings else None,
                "calls": [sum(each["status"] == "pass" for each in calls), len(calls)] if calls else None,
            }
        )
    return out


def compared(of: Evidence) -> Data:
    """The findings of rehearsal and final run beside each other; of what was always in order only the number."""
    phase = of.plan.steps[of.plan.cutover.last].phase
    names = [stage.id for stage in of.plan.stages.values() if stage.phase == phase]
    seen: dict[str, dict[tuple[str, str], str]] = {}
    for name in names:
        runs = of.stage_runs(name)
        if results(runs, HEALTH_MODULES, "findings"):
            seen[name] = {(each["host"], each["id"]): each["status"] for each in findings_of(runs) or []}
    keys = sorted({key for statuses in seen.values() for key in statuses})
    rows = [
        {"host": key[0], "id": key[1], "statuses": [statuses.get(key, "") for statuses in seen.values()]}
        for key in keys
    ]
    rows.sort(key=lambda row: len(set(row["statuses"])) == 1)  # what has changed comes first
    calm = {"pass", "skip", ""}
    return {
        "stages": [of.plan.stages[stage].title for stage in seen],
        "rows": [row for row in rows if not calm.issuperset(row["statuses"])],
        "calm": sum(calm.issuperset(row["statuses"]) for row in rows),
    }


def visits(of: Evidence, closed: Data) -> list[Data]:
    """The calendar of visits, counted from the opening; from the planned one as long as there was none."""
    opened = datetime.datetime.fromtimestamp(closed["to"], tz=of.zone).date() if closed["to"] else None
    out = []
    for name, planned in of.dates.visits.items():
        visit = of.plan.visits[name]
        day = opened + datetime.timedelta(days=visit.days) if opened else planned
        known = opened is not None or of.dates.dated
        out.append(
            {
                "title": visit.title,
                "owner": of.plan.organisations[visit.owner],
                "days": visit.days,
                "day": day.isoformat() if known else "",
            }
        )
    return out
