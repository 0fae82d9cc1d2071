# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a difference, and that of one record's history, from what crm_diff returns."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import grouped, page

TEMPLATE = Path(__file__).with_name("difference.html.j2")
HISTORY = Path(__file__).with_name("history.html.j2")
Data = dict[str, t.Any]

WHATS = ("added", "changed", "deleted")
# Colours; the word stands beside each.
LEVELS = {"added": "ok", "changed": "changed", "deleted": "bad"}
ORDER = {"deleted": 0, "changed": 1, "added": 2}
WIDTH, LABEL, VALUE, ROW, TOP = 960, 210, 150, 26, 6
TREND_HEIGHT, TREND_LEFT, TREND_FOOT, TREND_TOP = 190, 64, 30, 12
LEAST = 2.0  # of a bar that stands for something
FIELDS = 8  # of a kind, in the list of those that changed most
LONGEST = 240


def render(difference: Data) -> str:
    """The page of a difference."""
    data = visible(difference)
    kinds = [each for each in data["kinds"] if each["before"] or each["after"]]
    moved = [each for each in kinds if any(each[what] for what in WHATS)]
    sums = {what: sum(each[what] for each in kinds) for what in WHATS}
    titles = {each["kind"]: each["title"] for each in data["kinds"]}
    groups = []
    for each in moved:
        records = [one for one in data["records"] if one["kind"] == each["kind"]]
        records.sort(key=lambda one: (ORDER[one["what"]], one["id"]))
        total = sum(each[what] for what in WHATS)
        groups.append({**each, "records": records, "left_out": total - len(records)})
    filters: dict[str, t.Callable[..., t.Any]] = {"change": change, "moment": moment, "what_level": LEVELS.__getitem__}
    content = {
        "difference": data,
        "kinds": kinds,
        "groups": groups,
        "sums": sums,
        "titles": titles,
        "banner": banner(data, sums),
        "bars": bars(moved),
        "trend": columns(data.get("trend") or []),
        "fields": [
            {"title": each["title"], "fields": list(each["fields"].items())[:FIELDS], "of": each["changed"]}
            for each in moved
            if each["fields"]
        ],
    }
    return page(TEMPLATE, content, filters)


def render_history(record: Data, history: t.Sequence[Data]) -> str:
    """The page of one record: its newest version first."""
    content = {"record": visible(record), "history": visible(list(reversed(history)))}
    return page(HISTORY, content, {"change": change, "moment": moment, "what_level": LEVELS.__getitem__})


def banner(data: Data, sums: t.Mapping[str, int]) -> dict[str, str]:
    """One sentence, and its colour."""
    if data["alerts"]:
        worst = max(data["alerts"], key=lambda alert: (alert["what"] == "deleted", alert["percent"]))
        more = len(data["alerts"]) - 1
        titles = {each["kind"]: each["title"] for each in data["kinds"]}
        text = f"{titles[worst['kind']]}: {grouped(worst['records'])} of {grouped(worst['of'])} were {worst['what']}"
        others = f", and {more} more alert{'' if more == 1 else 's'}" if more else ""
        return {"level": "bad", "text": f"{text}, more than is usual{others}."}
    if data["same"]:
        return {"level": "ok", "text": "Nothing differs."}
    words = ", ".join(f"{grouped(sums[what])} {what}" for what in WHATS if sums[what])
    return {"level": "ok", "text": f"{words}. No kind of record changed more than is usual."}


def told(value: t.Any) -> str:
    """A value in one line."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, list) and all(isinstance(each, dict) and "value" in each for each in value):
        text = ", ".join(str(each["value"]) for each in value)
    elif isinstance(value, list) and all(isinstance(each, (str, int, float)) for each in value):
        text = ", ".join(map(str, value))
    elif isinstance(value, dict) and value.get("file"):
        text = f"file {value.get('id')}"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def change(field: Data, side: str) -> str:
    """What a field was or is, by name where the value is a number or a code."""
    return str(field.get(f"{side}_name") or "") or told(field[side])


def moment(text: str) -> str:
    """A moment of the portal as people read it; the offset stays, since the portal's zone is theirs."""
    try:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text or "–"
    return f"{at:%Y-%m-%d %H:%M}"


def bars(kinds: t.Sequence[Data]) -> Data:
    """Of each kind a bar of what was added, changed and deleted, all on one scale."""
    longest = max((sum(each[what] for what in WHATS) for each in kinds), default=0)
    scale = (WIDTH - LABEL - VALUE) / max(longest, 1)
    rows = []
    for number, each in enumerate(kinds):
        x, parts = float(LABEL), []
        for what in WHATS:
            if each[what]:
                width = max(each[what] * scale, LEAST)
                parts.append({"x": round(x, 1), "width": round(width, 1), "what": what, "number": each[what]})
                x += width
        share = 100.0 * sum(each[what] for what in WHATS) / max(each["before"], 1)
        text = f"{share:.1f} %" if each["before"] else "new"
        rows.append(
            {"label": each["title"], "y": TOP + number * ROW, "parts": parts, "end": round(x + 8, 1), "text": text}
        )
    return {"width": WIDTH, "height": TOP + len(rows) * ROW + 6, "left": LABEL, "row": ROW, "rows": rows}


def columns(trend: t.Sequence[Data]) -> Data | None:
    """Of each snapshot a column of what it found; the first one of a store, which found everything, is left out."""
    shown = [each for each in trend if each["changed"] or each["deleted"] or each["added"] < each["records"]]
    if len(shown) < 2:
        return None
    highest = max(sum(each[what] for what in WHATS) for each in shown) or 1
    scale = (TREND_HEIGHT - TREND_TOP - TREND_FOOT) / highest
    step = (WIDTH - TREND_LEFT) / len(shown)
    base = TREND_HEIGHT - TREND_FOOT
    found = []
    for number, each in enumerate(shown):
        y, parts = float(base), []
        for what in WHATS:
            if each[what]:
                height = max(each[what] * scale, LEAST)
                y -= height
                parts.append({"y": round(y, 1), "height": round(height, 1), "what": what})
        at = datetime.datetime.fromtimestamp(each["began"], datetime.timezone.utc)
        words = ", ".join(f"{grouped(each[what])} {what}" for what in WHATS if each[what]) or "nothing"
        every = max(1, -(-len(shown) // 12))
        found.append(
            {
                "x": round(TREND_LEFT + number * step + step * 0.15, 1),
                "middle": round(TREND_LEFT + number * step + step / 2, 1),
                "width": round(min(step * 0.7, 46.0), 1),
                "parts": parts,
                "label": f"{at:%d %b}" if number % every == 0 else "",
                "title": f"Snapshot {each['snapshot']}, {at:%Y-%m-%d %H:%M} UTC: {words}",
            }
        )
    return {
        "width": WIDTH,
        "height": TREND_HEIGHT,
        "left": TREND_LEFT,
        "base": base,
        "columns": found,
        "lines": [
            {"y": round(base - value * scale, 1), "text": grouped(value)}
            for value in sorted({0, highest // 2, highest})
        ],
    }
