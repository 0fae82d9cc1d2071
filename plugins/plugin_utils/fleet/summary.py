# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run over all sites came to: a line for each site, the bad ones first."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

#: Worst first.
ORDER = ("refused", "unreachable", "timed out", "failed", "lost", "done")
Data = dict[str, t.Any]
LOST: Data = {"state": "lost", "failures": [{"host": "", "task": "", "message": "its run gave no result"}]}


def summary(sites: t.Mapping[str, t.Any]) -> Data:
    """Of the results of all sites by their name; a site without a result counts as lost."""
    found = {
        name: result if isinstance(result, t.Mapping) and "state" in result else LOST for name, result in sites.items()
    }
    ordered = sorted(found, key=lambda name: (ORDER.index(str(found[name]["state"])), name))
    bad = [name for name in ordered if found[name]["state"] != "done"]
    counts = {state: sum(one["state"] == state for one in found.values()) for state in ORDER}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return {
        "ok": bool(found) and not bad,
        "bad": bad,
        "counts": counts,
        "text": [
            *(line for name in ordered for line in _lines(name, found[name])),
            f"{len(found)} sites: {said}." if found else "No site was run.",
        ],
    }


def _lines(name: str, result: t.Mapping[str, t.Any]) -> list[str]:
    took = f" in {duration(result['seconds'])}" if result.get("seconds") else ""
    if result["state"] == "done":
        return [f"{name}: done{took}, {result['tasks']} tasks"]
    reached = f", reached: {result['reached']} ({result['tasks']} tasks)" if result.get("reached") else ""
    status = f", exit status {result['status']}" if result.get("status") is not None else ""
    out = [f"{name}: {str(result['state']).upper()}{took}{status}{reached}"]
    for failure in result["failures"]:
        where = ", ".join(part for part in (failure["host"], failure["task"]) if part)
        out.append(f"  {where + ': ' if where else ''}{failure['message'].splitlines()[0]}")
    return [*out, *([f"  output: {result['log']}"] if result.get("log") else [])]
