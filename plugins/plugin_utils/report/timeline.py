# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of the report's timelines: when each part was fetched, proven and placed, and each table loaded."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import (
    LABEL,
    ROW,
    SHORTEST_BAR,
    TOP,
    VALUE,
    WIDTH,
    joined,
    shortened,
    ticks,
)

Data = dict[str, t.Any]
KINDS = ("fetched", "proven", "placed")
LINES = 20  # of one chart, so that it fits on a page
LANE = 6  # height of one of the three lanes of a row


def drawn(line: Data) -> list[Data]:
    """The charts of one run, of its parts and of its tables, on the same time scale."""
    spans = [part[kind] for part in line["parts"] for kind in KINDS if part.get(kind)]
    spans += [[table["begin"], table["end"]] for table in line["tables"]]
    end = max((span[1] for span in spans), default=0.0)
    charts = [chart("parts", rows_of_parts(line["parts"]), end)] if line["parts"] else []
    return [*charts, chart("tables", rows_of_tables(line["tables"]), end)] if line["tables"] else charts


def rows_of_parts(parts: t.Sequence[Data]) -> list[Data]:
    """One row for each part, or for several successive parts if there are more than LINES."""
    ordered = sorted(parts, key=lambda part: part["index"])
    together = -(-len(ordered) // LINES)
    rows = []
    for at in range(0, len(ordered), together):
        some = ordered[at : at + together]
        first, last = some[0]["index"], some[-1]["index"]
        lanes = {kind: joined([part[kind] for part in some if part.get(kind)]) for kind in KINDS}
        rows.append(
            {
                "label": f"part {first}" if first == last else f"parts {first} to {last}",
                "name": some[0]["name"] if first == last else f"{some[0]['name']} to {some[-1]['name']}",
                "lanes": [(kind, number * LANE, spans) for number, (kind, spans) in enumerate(lanes.items())],
            }
        )
    return rows


def rows_of_tables(tables: t.Sequence[Data]) -> list[Data]:
    """The tables that took longest, by their start; the others together in the last row."""
    longest = sorted(tables, key=lambda table: table["begin"] - table["end"])
    kept, others = (longest, []) if len(longest) <= LINES else (longest[: LINES - 1], longest[LINES - 1 :])
    rows = [
        {
            "label": table["table"],
            "name": f"{table['table']}: {table['rows']} rows",
            "lanes": [("loaded", LANE, [[table["begin"], table["end"]]])],
        }
        for table in sorted(kept, key=lambda table: (table["begin"], table["end"]))
    ]
    if others:
        spans = joined([[table["begin"], table["end"]] for table in others])
        name = f"{len(others)} tables, {sum(table['rows'] for table in others)} rows"
        rows.append({"label": f"{len(others)} shorter tables", "name": name, "lanes": [("loaded", LANE, spans)]})
    return rows


def chart(kind: str, rows: t.Sequence[Data], seconds: float) -> Data:
    """Rows of bars below a time axis."""
    span = max(seconds, 0.001)
    scale = (WIDTH - LABEL - VALUE) / span
    return {
        "kind": kind,
        "width": WIDTH,
        "height": TOP + len(rows) * ROW + 6,
        "top": TOP,
        "ticks": [{"x": round(LABEL + at * scale, 1), "text": duration(at) if at else "0"} for at in ticks(span)],
        "rows": [row_of(row, TOP + number * ROW, scale) for number, row in enumerate(rows)],
    }


def row_of(row: Data, y: float, scale: float) -> Data:
    busy = joined(span for _kind, _down, spans in row["lanes"] for span in spans)
    took = sum(end - begin for begin, end in busy)
    return {
        "label": shortened(row["label"]),
        "title": f"{row['name']}, {duration(took)}",
        "value": duration(took),
        "y": y,
        "bars": [
            {
                "kind": kind,
                "x": round(LABEL + begin * scale, 1),
                "y": y + 4 + down,
                "width": round(max((end - begin) * scale, SHORTEST_BAR), 1),
            }
            for kind, down, spans in row["lanes"]
            for begin, end in spans
        ],
    }
