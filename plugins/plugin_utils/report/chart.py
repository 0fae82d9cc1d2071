# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of the report's bar charts, in the units of the drawing; the template turns it into SVG."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

WIDTH = 960
LABEL = 270  # the left column, for names
VALUE = 96  # the right column, for durations
ROW = 24
TOP = 26  # above the rows, for the time axis
ROWS = 40  # at most; the shortest are gathered in one
SHORTEST_BAR = 2.0
LONGEST_LABEL = 40

# Readable distances between the lines of the time axis, in seconds.
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)


def shortened(text: str, longest: int = LONGEST_LABEL) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def chart(groups: t.Sequence[dict[str, t.Any]], seconds: float) -> dict[str, t.Any]:
    """Rows with their bars, and the lines of the time axis."""
    span = max(seconds, 0.001)
    scale = (WIDTH - LABEL - VALUE) / span
    rows = []
    for number, group in enumerate(gathered(groups)):
        label = group["task"] or group["role"] or group["play"]
        rows.append(
            {
                "label": shortened(label),
                "title": ": ".join(part for part in (group["play"], group["role"], group["task"]) if part),
                "value": duration(group["seconds"]),
                "level": level_of(group["statuses"]),
                "y": TOP + number * ROW,
                "bars": [
                    {
                        "x": round(LABEL + start * scale, 1),
                        "width": round(max((end - start) * scale, SHORTEST_BAR), 1),
                    }
                    for start, end in group["spans"]
                ],
            }
        )
    return {
        "width": WIDTH,
        "height": TOP + len(rows) * ROW + 6,
        "rows": rows,
        "ticks": [{"x": round(LABEL + at * scale, 1), "text": duration(at) if at else "0"} for at in ticks(span)],
        "row": ROW,
        "top": TOP,
        "right": WIDTH - VALUE,
    }


def level_of(statuses: t.Mapping[str, int]) -> str:
    if statuses.get("failed") or statuses.get("unreachable"):
        return "bad"
    return "changed" if statuses.get("changed") else "ok"


def joined(spans: t.Iterable[list[float]], gap: float = 0.0) -> list[list[float]]:
    """Spans in order; those that overlap, or are at most `gap` apart, as one."""
    out: list[list[float]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1] + gap:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return out


def ticks(seconds: float, most: int = 8) -> list[float]:
    step = next((tick for tick in _TICKS if seconds / tick <= most), _TICKS[-1])
    return [float(at) for at in range(0, int(seconds) + 1, step)]


def gathered(groups: t.Sequence[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """At most ROWS rows: the longest in their own order, the others as one row."""
    if len(groups) <= ROWS:
        return list(groups)
    longest = sorted(groups, key=lambda group: -group["seconds"])[: ROWS - 1]
    kept = [group for group in groups if any(group is one for one in longest)]
    others = [group for group in groups if not any(group is one for one in longest)]
    statuses: collections.Counter[str] = collections.Counter()
    for group in others:
        statuses.update(group["statuses"])
    rest = {
        "play": f"{len(others)} shorter steps",
        "role": "",
        "task": "",
        "spans": sorted(span for group in others for span in group["spans"]),
        "seconds": sum(group["seconds"] for group in others),
        "statuses": dict(statuses),
    }
    return [*kept, rest]
