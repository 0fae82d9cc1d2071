# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the content of a report from journals: plain data for both the HTML page and the JSON file."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import WORST_FIRST, merge
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal, Run, Step
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import joined
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.verdict import NOBODY, stopped_by, verdict_of

VERSION = 1
BACKUP_MODULES, HEALTH_MODULES = ("backup_fetch", "backup_verify"), ("portal_health",)
TELEPHONY_MODULES, ENTITLEMENT_MODULES = ("telephony_check",), ("entitlement_check",)
# Each module, and the keys of its result with the timeline of parts and that of tables.
TIMELINES = (
    ("backup_fetch", "timeline", ""),
    ("backup_restore", "timeline", "import_timeline"),
    ("database_import", "", "timeline"),
)
FINDING_FIELDS = ("id", "area", "status", "observed", "before", "expected", "remedy", "owner", "reference", "blocks")
CALL_FIELDS = ("name", "direction", "line", "result", "queue", "recorded", "status", "talk", "code", "problems")
LICENCE_FIELDS = ("id", "path", "status", "reason", "features", "expires", "trial", "customer", "proven")
DEBT_FIELDS = ("feature", "reason", "owner", "until", "remedy")
STORE_FIELDS = (
    *("name", "repository", "reachable", "problem", "same_host", "last_good", "restorable_until", "unproven", "pruned"),
    "findings",
)
DRILL_FIELDS = (
    *(
        "copy",
        "host",
        "began",
        "ended",
        "passed",
        "phases",
        "rto_seconds",
        "rpo_seconds",
        "compared",
        "findings",
        "left",
    ),
)
STEP_STATUSES = ("ok", "changed", "failed", "unreachable", "skipped")
SLOWEST = 10
FEW_STEPS = 12  # a run of at most so many steps shows each of them
UNSEEN = "Whether people can work is not known: no health check was run yet. No step failed."
NEAR = 1.0  # seconds between two steps that are drawn as one bar
LONG_STEP, LONG_SHARE = 60.0, 0.05  # a task is long if it took a minute and a twentieth of its run

Data = dict[str, t.Any]


def build(journal: Journal, title: str = "") -> Data:
    """The whole report."""
    runs = journal.runs
    real = [run for run in runs if not run.check]
    steps = [step for run in runs for step in run.steps]
    findings, backup = findings_of(real), backup_of(real)
    site = next((run.site for run in reversed(runs) if run.site), "")
    return {
        "version": VERSION,
        "title": title or (f"The move of {site}" if site else "The move of the portal"),
        "site": site,
        "result": result_of(real, findings, backup),
        "started": min((run.start for run in runs), default=None),
        "finished": max((run.end for run in runs), default=None),
        "seconds": round(sum(run.end - run.start for run in runs), 3),
        "counts": {
            "steps": count((step.status for step in steps), STEP_STATUSES),
            "findings": count((finding["status"] for finding in findings or []), WORST_FIRST),
            "volumes": count((str(volume.get("status", "unknown")) for volume in backup.get("volumes", [])), ()),
        },
        "findings": findings,
        "areas": areas_of(findings or []),
        "calls": calls_of(real),
        "transfers": transfers_of(real),
        "copies": copies_of(real),
        "licences": licences_of(real),
        "debts": debts_of(real),
        "backup": backup,
        "restore": restore_of(real),
        "timelines": timelines_of(real),
        "portal": next(reversed([result["portal"] for _s, result in results(real, ("portal_info",), "portal")]), {}),
        "runs": [run_of(run, is_last=run is runs[-1]) for run in runs],
        "problems": [step_of(step) for step in steps if step.status in ("failed", "unreachable") or step.warnings],
        "slowest": [step_of(step) for step in sorted(steps, key=lambda step: -step.seconds)[:SLOWEST]],
        "steps": [step_of(step) for step in steps],
        "journals": journal.files,
        "damaged": journal.damaged,
        "move": None,  # what handover/ adds where there is a plan
    }


def count(statuses: t.Iterable[str], always: t.Sequence[str]) -> dict[str, int]:
    counter = collections.Counter(statuses)
    return {**{status: counter.pop(status, 0) for status in always}, **counter}


def results(runs: t.Sequence[Run], modules: t.Sequence[str], key: str) -> list[tuple[Step, Data]]:
    """Results of these modules that have the key, oldest first, each with its step.

    What the health check saw within a drill is of a recovered portal on a drill host, and says nothing of this one.
    """
    return [
        (step, result)
        for run in runs
        for step in run.steps
        if step.module in modules and not (step.module in HEALTH_MODULES and step.role.endswith("drill"))
        for result in step.results
        if result.get(key) is not None
    ]


def findings_of(runs: t.Sequence[Run]) -> list[Data] | None:
    """The findings of the last run of each kind, the most urgent first; None if no run had any."""
    latest: dict[tuple[str, str, str], Data] = {}
    looked = False
    healthy = any(results([run], HEALTH_MODULES, "findings") for run in runs)
    # Once the portal itself was checked, the findings of preflight are history.
    proofs = (
        *(BACKUP_MODULES, ("host_acceptance",), TELEPHONY_MODULES, ENTITLEMENT_MODULES),
        HEALTH_MODULES if healthy else ("preflight",),
    )
    for modules in proofs:
        last = next((run for run in reversed(runs) if results([run], modules, "findings")), None)
        for step, result in results([last], modules, "findings") if last else []:
            looked = True
            host = step.host.partition(" -> ")[0]  # a delegated task is about the host that it was run for
            for finding in result["findings"]:
                # A journal holds what each task found, so both vantage points come together here, as in role health.
                whole = {**dict.fromkeys(FINDING_FIELDS, ""), **finding, "host": host}
                # Nobody has weighed a site's own checks; what was looked at before there was a portal blocks nobody.
                whole["blocks"] = whole["blocks"] or (
                    "some" if modules in (HEALTH_MODULES, TELEPHONY_MODULES) else "nobody"
                )
                key = modules[0], host, whole["id"]
                if result.get("vantage") == "outside" and key in latest:
                    whole = merge([latest[key]], [whole])[0]
                latest[key] = whole
    if not looked:
        return None
    order = {status: place for place, status in enumerate(WORST_FIRST)}
    return sorted(latest.values(), key=lambda f: (order.get(f["status"], 1), f["host"], f["area"], f["id"]))


def transfers_of(runs: t.Sequence[Run]) -> list[Data]:
    """What the last pass of each mode said of the CRM, oldest first, and on which host it ran."""
    latest = {
        result["delta"]["mode"]: {**result["delta"], "host": step.host}
        for step, result in results(runs, ("crm_transfer",), "delta")
        if result["delta"].get("mode")
    }
    return sorted(latest.values(), key=lambda delta: float(delta.get("ended") or 0))


def copies_of(runs: t.Sequence[Run]) -> Data:
    """What the last look at the repositories of the portal's own copies saw, and all drills; empty where nobody looked.

    `verified` is the share of a store that was read again within seven days. Nothing here is typed by anybody: time and
    loss of a recovery are those of the last drill that passed, and the promise is what the drills allow.
    """
    stores: dict[tuple[str, str], Data] = {}
    promise: Data | None = None
    drills: dict[tuple[t.Any, ...], Data] = {}
    for step, result in results(runs, ("backup_status",), "stores"):
        host = step.host.partition(" -> ")[-1] or step.host
        promise = result.get("promise")
        for store in result["stores"]:
            stores[host, store["name"]] = {
                **{key: store.get(key) for key in STORE_FIELDS},
                **{"host": host, "looked": step.start, "verified": (store.get("verified") or {}).get("ratio_7_days")},
                "copies": len(store.get("copies") or []),
            }
            _note(drills, store.get("drills") or [])
    _note(drills, [result["drill"] for _step, result in results(runs, ("backup_drill",), "drill")])
    if not stores and not drills:
        return {}
    made = sorted(drills.values(), key=lambda drill: -float(drill["began"] or 0))
    return {
        "stores": [store for _key, store in sorted(stores.items())],
        "promise": promise,
        "drills": made,
        "last_passed": next((drill for drill in made if drill["passed"]), None),
    }


def _note(drills: dict[tuple[t.Any, ...], Data], found: t.Sequence[Data]) -> None:
    """The same drill stands in each store and in the journal."""
    for drill in found:
        drills[drill.get("host"), drill.get("began")] = {key: drill.get(key) for key in DRILL_FIELDS}


def calls_of(runs: t.Sequence[Run]) -> list[Data]:
    """The test calls of the last run that made any, in their order."""
    last = next((run for run in reversed(runs) if results([run], TELEPHONY_MODULES, "calls")), None)
    if last is None:
        return []
    return [
        {**dict.fromkeys(CALL_FIELDS, ""), **call, "host": step.host}
        for step, result in results([last], TELEPHONY_MODULES, "calls")
        for call in result["calls"]
    ]


def licences_of(runs: t.Sequence[Run]) -> list[Data]:
    """What stood in each licence file when each host was looked at last."""
    return _entitlements(runs, "files", LICENCE_FIELDS)


def debts_of(runs: t.Sequence[Run]) -> list[Data]:
    """What works by a licence that must be replaced: whatever the last look at each host has still found."""
    found = _entitlements(runs, "debts", DEBT_FIELDS)
    return sorted(found, key=lambda each: (each["until"] or "no day", each["host"], each["feature"]))


def _entitlements(runs: t.Sequence[Run], key: str, fields: t.Sequence[str]) -> list[Data]:
    """What was found on each host, by the last run that looked at it."""
    latest: dict[str, list[Data]] = {}
    for run in runs:
        mine: dict[str, list[Data]] = {}
        for step, result in results([run], ENTITLEMENT_MODULES, key):
            host = step.host.partition(" -> ")[0]
            mine.setdefault(host, []).extend(
                {**dict.fromkeys(fields, ""), **each, "host": host} for each in result[key]
            )
        latest |= mine
    return [each for _host, found in sorted(latest.items()) for each in found]


def areas_of(findings: t.Sequence[Data]) -> list[Data]:
    """The state of each area, the worst area first; `worst` is the id of its worst finding. `findings` are sorted."""
    areas: dict[str, list[Data]] = {}
    for finding in findings:  # sorted, so the first finding of an area is its worst
        areas.setdefault(finding["area"], []).append(finding)
    return [
        {
            "area": area,
            "status": _area_status(mine[0]["status"], mine),
            "worst": mine[0]["id"],
            "counts": count((finding["status"] for finding in mine), WORST_FIRST),
        }
        for area, mine in areas.items()
    ]


def _area_status(worst: str, findings: t.Sequence[Data]) -> str:
    """Skipped checks do not spoil an area in which others passed; an area with skipped ones only is `skip`."""
    return "pass" if worst == "skip" and any(finding["status"] == "pass" for finding in findings) else worst


def backup_of(runs: t.Sequence[Run]) -> Data:
    """The parts as last seen, and the totals of all fetches and repairs."""
    backup: Data = {}
    seen = results(runs, BACKUP_MODULES, "volumes")
    if seen:
        step, last = seen[-1]
        backup = {key: last[key] for key in ("volumes", "format", "encrypted", "files", "entries") if key in last}
        backup["checked_by"] = step.module
        whole = bool(last["volumes"]) and all(v.get("status") == "intact" for v in last["volumes"])
        backup["whole"] = whole and last.get("intact") is not False
    fetched = results(runs, ("backup_fetch",), "bytes_fetched")
    if fetched:
        backup["bytes_fetched"] = sum(result["bytes_fetched"] for _step, result in fetched)
        backup["bytes_refetched"] = sum(result.get("bytes_refetched") or 0 for _step, result in fetched)
        backup["repairs"] = [repair for _step, result in fetched for repair in result.get("repairs") or []]
    return backup


def restore_of(runs: t.Sequence[Run]) -> Data:
    """The last restore that changed something, else the last one."""
    seen = results(runs, ("backup_restore",), "files")
    if not seen:
        return {}
    did = [pair for pair in seen if pair[0].status == "changed"] or seen
    step, result = did[-1]
    told = {key: value for key, value in result.items() if key not in ("timeline", "import_timeline")}
    return {**told, "host": step.host, "seconds": step.seconds, "warnings": step.warnings}


def timelines_of(runs: t.Sequence[Run]) -> list[Data]:
    """When each part was fetched, proven and placed, and each table loaded, in the last such run of each module."""
    latest: dict[tuple[str, str], Data] = {}
    for module, parts, tables in TIMELINES:
        for step, result in [pair for key in (parts, tables) if key for pair in results(runs, (module,), key)]:
            line = {
                "module": module,
                "host": step.host,
                "started": step.start,
                "seconds": step.seconds,
                "parts": result.get(parts) or [],
                "tables": result.get(tables) or [],
            }
            former = latest.get((module, step.host))
            if (line["parts"] or line["tables"]) and (former is None or former["started"] <= step.start):
                latest[module, step.host] = line
    return sorted(latest.values(), key=lambda line: (line["started"], line["host"]))


def result_of(runs: t.Sequence[Run], findings: list[Data] | None, backup: Data) -> Data:
    """Whether people can work, in the first sentence: the worst that is known."""
    if not runs:
        return {"level": "unknown", "text": "Nothing was done yet; only check mode ran, or no step was recorded."}
    last = runs[-1]
    step = next((s for s in reversed(last.steps) if s.status in ("failed", "unreachable") and not s.ignored), None)
    looked = next((run for run in reversed(runs) if results([run], HEALTH_MODULES, "findings")), None)
    if last.failed and step and step.message.startswith(NOBODY):
        return {"level": "bad", "text": step.message}
    if looked is not None and (looked is last or not last.failed) and stopped_by(findings or []):
        return verdict_of(findings or [])
    if last.failed and not (step and step.results):  # a failed check has findings, which are judged below
        where = f' at "{step.name}" on {step.host}' if step else ""
        return {"level": "bad", "text": f"{last.playbook} stopped{where}."}
    if backup and not backup.get("whole", True):
        damaged = sum(volume.get("status") != "intact" for volume in backup["volumes"])
        text = f"{damaged} of {len(backup['volumes'])} parts are damaged." if damaged else "see the findings."
        return {"level": "bad", "text": f"The backup is not whole: {text}"}
    if last.failed and not any(finding["status"] == "fail" for finding in findings or []):
        return {"level": "bad", "text": f"{last.playbook} failed."}
    if looked is not None or any(finding["status"] == "fail" for finding in findings or []):
        return verdict_of(findings or [])
    return {"level": "unknown", "text": UNSEEN}


def run_of(run: Run, is_last: bool) -> Data:
    unfinished = "in progress" if is_last else "interrupted"
    finished = "failed" if run.failed else "finished"
    return {
        "playbook": run.playbook,
        "check": run.check,
        "state": finished if run.finished else unfinished,
        "started": run.start,
        "finished": run.end,
        "seconds": round(run.end - run.start, 3),
        "hosts": run.hosts or {},
        "groups": groups_of(run),
    }


def groups_of(run: Run) -> list[Data]:
    """Tasks grouped by play and role, with the spans of time they took; a long task is a group of its own."""
    worked = [step for step in run.steps if step.status != "skipped"]
    long = 0.0 if len(worked) <= FEW_STEPS else max(LONG_STEP, LONG_SHARE * (run.end - run.start))
    groups: dict[tuple[str, str, str], Data] = {}
    for step in worked:
        task = step.name if step.seconds >= long else ""
        group = groups.setdefault(
            (step.play, step.role, task),
            {"play": step.play, "role": step.role, "task": task, "hosts": [], "spans": [], "statuses": []},
        )
        if step.host not in group["hosts"]:
            group["hosts"].append(step.host)
        group["statuses"].append(step.status)
        group["spans"].append([step.start - run.start, step.end - run.start])
    for group in groups.values():
        group["spans"] = [[round(start, 3), round(end, 3)] for start, end in joined(group["spans"], NEAR)]
        group["seconds"] = round(sum(end - start for start, end in group["spans"]), 3)
        group["statuses"] = count(group["statuses"], ())
    return list(groups.values())


def step_of(step: Step) -> Data:
    return {
        "start": step.start,
        "seconds": step.seconds,
        "play": step.play,
        "role": step.role,
        "name": step.name,
        "action": step.action,
        "host": step.host,
        "status": step.status,
        "message": step.message,
        "ignored": step.ignored,
        "warnings": step.warnings,
        "attempts": step.attempts,
    }
