# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status as Prometheus reads it from a text file."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

FILE = "boxlift_backup.prom"
#: A matter of how the site is built, which health tells; an alert would never end.
_NO_ALERT = ("same_host",)

_HELP = {
    "boxlift_backup_last_good_timestamp_seconds": "End of the newest proven copy",
    "boxlift_backup_oldest_good_timestamp_seconds": "End of the oldest proven copy",
    "boxlift_backup_restorable_until_timestamp_seconds": "Last moment to which the portal can be brought",
    "boxlift_backup_bytes": "Size of each part of the newest proven copy",
    "boxlift_backup_stored_bytes": "What the newest proven copy added to the repository",
    "boxlift_backup_duration_seconds": "How long the newest proven copy took",
    "boxlift_backup_verified_ratio": "Share of the repository that was read without a fault in seven days",
    "boxlift_backup_pruned_timestamp_seconds": "When copies were last removed by the retention",
    "boxlift_binlog_shipped_timestamp_seconds": "Moment up to which binary logs are stored",
    "boxlift_drill_last_good_timestamp_seconds": "End of the last drill that passed",
    "boxlift_drill_rto_seconds": "How long the last drill that passed took",
    "boxlift_drill_rpo_seconds": "What the last drill that passed would have lost",
    "boxlift_backup_problem": "1 for each finding, by its code",
    "boxlift_backup_status_timestamp_seconds": "When this file was written",
}


def text(status: t.Mapping[str, t.Any], now: float) -> str:
    """A figure that is not known is left out."""
    found: dict[str, list[str]] = {name: [] for name in _HELP}

    def add(name: str, value: float | None, **labels: str) -> None:
        if value is not None:
            said = ",".join(f'{label}="{_escaped(each)}"' for label, each in labels.items())
            found[f"boxlift_{name}"].append(f"{{{said}}} {value:.17g}" if said else f" {value:.17g}")

    for store in status["stores"]:
        name, last = store["name"], store["last_good"]
        if last is not None:
            add("backup_last_good_timestamp_seconds", last["ended"], store=name)
            add("backup_oldest_good_timestamp_seconds", store["copies"][0]["ended"], store=name)
            add("backup_duration_seconds", last["ended"] - last["began"], store=name)
            add("backup_stored_bytes", last["stored"], store=name)
            for part, size in sorted(last["bytes"].items()):
                # An increment is no measure of the database, so it is a series of its own.
                part = f"{part}_incremental" if part == "database" and last["kind"] == "incremental" else part
                add("backup_bytes", size, store=name, part=part)
        add("backup_restorable_until_timestamp_seconds", store["restorable_until"], store=name)
        # No timer reads an off-site store again; whoever does so by hand is judged.
        if store["reachable"] and (store["verified"]["slices"] or not store["offsite"]):
            add("backup_verified_ratio", store["verified"]["ratio_7_days"], store=name)
        add("backup_pruned_timestamp_seconds", store["pruned"], store=name)
        if not store["offsite"]:
            # To an off-site store they come once a night, with the copies; an alert on their age would never end.
            add("binlog_shipped_timestamp_seconds", store["binlogs_until"], store=name)
        worst: dict[str, str] = {}
        for finding in store["findings"]:
            if finding["code"] not in _NO_ALERT:
                worst[finding["code"]] = (
                    "fail" if "fail" in (finding["severity"], worst.get(finding["code"])) else "warn"
                )
        for code, severity in sorted(worst.items()):
            add("backup_problem", 1, store=name, code=code, severity=severity)
    passed = [drill for store in status["stores"] for drill in store["drills"] if drill.get("passed")]
    if passed:
        last_drill = max(passed, key=lambda drill: float(drill["ended"]))
        add("drill_last_good_timestamp_seconds", last_drill["ended"])
        add("drill_rto_seconds", last_drill.get("rto_seconds"))
        add("drill_rpo_seconds", last_drill.get("rpo_seconds"))
    add("backup_status_timestamp_seconds", now)
    lines = []
    for name, series in found.items():
        if series:
            lines += [f"# HELP {name} {_HELP[name]}.", f"# TYPE {name} gauge", *(name + each for each in series)]
    return "\n".join(lines) + "\n"


def write(folder: str, status: t.Mapping[str, t.Any], now: float) -> str:
    """Replace the file in one step, readable for the node exporter; its path."""
    path = os.path.join(folder, FILE)
    replace_file(path, text(status, now).encode(), 0o644, durable=False)
    return path


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
