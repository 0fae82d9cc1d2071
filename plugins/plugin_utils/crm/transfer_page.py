# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a transfer, from its result: one HTML file that loads nothing, for managers first, then for engineers."""

from __future__ import annotations

import collections
import json
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import grade
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import grouped, page

TEMPLATE = Path(__file__).with_name("transfer.html.j2")

Data = dict[str, t.Any]

# Colours of grades. The word stands beside each.
LEVELS = {"perfect": "ok", "good": "ok", "investigate": "warn", "poor": "bad"}
MODES = {
    "begin": "The state from which the transfer begins",
    "warm": "Transfer while people work",
    "final": "Final transfer after the freeze",
    "reverse": "Transfer back, for the rollback",
}
WHAT = {
    "missing": "missing",
    "doubled": "doubled",
    "superfluous": "superfluous",
    "field": "differs",
    "count": "changed while it was read",
}
#: Of a list, so many rows are open on the page; the others fold.
SHOWN = 50

_WIDTH, _LABEL, _VALUE, _ROW, _TOP = 960, 210, 250, 26, 8


def parsed(text: str, path: str) -> Data:
    """A result as `crm_transfer` wrote it to `path`. Raises BoxliftError."""
    try:
        result = json.loads(text)
    except ValueError:
        result = None
    if not isinstance(result, dict) or result.get("format") != grade.FORMAT or "delta" not in result:
        raise BoxliftError(
            f"{path} is not the result of a transfer, or another version of the collection wrote it.",
            "Name the file that crm_transfer returned as result, with the collection that made it.",
        )
    return result


def render(result: Data) -> str:
    data = visible(view(result))
    return page(TEMPLATE, data, {"grade_level": level_of})


def level_of(word: str) -> str:
    return LEVELS.get(word, "quiet")


def kind_name(kind: str) -> str:
    """Of a kind, for people: Leads, Product rows, Smart process 128."""
    if kind.startswith("smart:"):
        return f"Smart process {kind.partition(':')[2]}"
    return grade.NAMES.get(kind, (kind, kind))[1].capitalize()


def view(result: Data) -> Data:
    """All that the page says, as plain data."""
    delta = result["delta"]
    counts = [{"name": kind_name(kind), "state": _state(each), **each} for kind, each in delta["counts"].items()]
    both = [each["new"] + each["changed"] for each in counts]
    return {
        "title": MODES.get(delta["mode"], delta["mode"]),
        "delta": delta,
        "level": LEVELS.get(delta["grade"], "unknown"),
        "counts": counts,
        "carried": sum(each["new"] for each in counts),
        "changed": sum(each["changed"] for each in counts),
        "deleted": sum(each["deleted"] for each in counts),
        "compared": sum(each["compared"] for each in counts),
        "drawing": _bars(counts) if any(both) else None,
        "mismatches": [_told(each) for each in result["mismatches"]],
        "explained": [_told(each) for each in result["explained"]],
        "reasons": sorted(result["explained_reasons"].items(), key=lambda pair: (-pair[1], pair[0])),
        "unread": [(kind_name(kind), reason) for kind, reason in sorted(result["unread"].items())],
        "skipped": [{**each, "name": kind_name(each["kind"])} for each in result["skipped"]],
        "codes": _by_code(result["skipped"]),
        "conflicts": [{**each, "name": kind_name(each["kind"])} for each in result["conflicts"]],
        "late": [{**each, "name": kind_name(each["kind"])} for each in result.get("late", [])],
        "phases": _phases(result["phases"]),
        "limits": sorted(result["limits"].items()),
        "proof": result["proof"],
        "former": result["former"],
        "shown": SHOWN,
    }


def _state(each: Data) -> str:
    return "differs" if each["lost"] or each["different"] else "explained" if each["explained"] else "equal"


def _told(each: Data) -> Data:
    return {**each, "name": kind_name(each["kind"]), "told": WHAT.get(each["what"], each["what"])}


def _by_code(skipped: t.Sequence[Data]) -> list[Data]:
    """What was left behind by its reason, the most frequent first, each with its kinds."""
    found: dict[tuple[str, str], collections.Counter[str]] = {}
    for each in skipped:
        found.setdefault(
            (each["code"], "part of a record" if each["fields"] else "whole record"), collections.Counter()
        )[each["kind"]] += 1
    rows = [
        {
            "code": code.replace("_", " "),
            "what": what,
            "number": sum(kinds.values()),
            "kinds": ", ".join(f"{kind_name(kind)} {grouped(number)}" for kind, number in kinds.most_common()),
        }
        for (code, what), kinds in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["number"], row["code"]))


def _bars(counts: t.Sequence[Data]) -> Data:
    """What was brought over, kind by kind: new records, and those brought up to date. The longest fills the width."""
    rows = [each for each in counts if each["new"] + each["changed"]]
    scale = (_WIDTH - _LABEL - _VALUE) / max(each["new"] + each["changed"] for each in rows)
    drawn = []
    for number, each in enumerate(rows):
        new, changed = each["new"] * scale, each["changed"] * scale
        words = [f"{grouped(each['new'])} new"] if each["new"] else []
        words += [f"{grouped(each['changed'])} brought up to date"] if each["changed"] else []
        drawn.append(
            {
                "y": _TOP + number * _ROW,
                "label": each["name"],
                "value": ", ".join(words),
                "new": {"x": _LABEL, "width": round(max(new, 2.0), 1)} if each["new"] else None,
                "changed": {"x": round(_LABEL + new, 1), "width": round(max(changed, 2.0), 1)}
                if each["changed"]
                else None,
                "end": round(
                    _LABEL + max(new, 2.0 if each["new"] else 0) + max(changed, 2.0 if each["changed"] else 0) + 8, 1
                ),
            }
        )
    return {"width": _WIDTH, "height": _TOP + len(rows) * _ROW, "rows": drawn}


def _phases(phases: t.Mapping[str, float]) -> Data | None:
    """The phases one after the other on one line, each as long as it took."""
    whole = sum(phases.values())
    if not whole:
        return None
    at, drawn = 0.0, []
    for number, (name, seconds) in enumerate(phases.items()):
        width = seconds / whole * _WIDTH
        drawn.append(
            {
                "name": name.replace("_", " "),
                "told": duration(seconds),
                "share": f"{100 * seconds / whole:.0f} %",
                "x": round(at, 1),
                "width": round(max(width - 1.5, 1.0), 1),
                "lane": number % 6,
            }
        )
        at += width
    return {"width": _WIDTH, "rows": drawn, "whole": whole}
