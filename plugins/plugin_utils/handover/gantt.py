# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of the drawing of a phase: for each step what was planned, and what it took each time, one below the other.

Each lane has its own beginning, so that they can be compared. Where nothing was done for long, the lane is cut: a
night's work would be a hair's breadth beside the days of waiting for a backup.
"""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.course_of_time import PLANNED
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import (
    LABEL,
    SHORTEST_BAR,
    TOP,
    VALUE,
    WIDTH,
    joined,
    shortened,
    ticks,
)

Data = dict[str, t.Any]
LANE = 13
GAP = 8  # between two steps
LONGEST_IDLE = 0.03  # of the time worked in a lane; longer idle time is cut to it


def drawn(move: Data) -> list[Data]:
    return [drawing(phase) for phase in move["phases"]]


def drawing(phase: Data) -> Data:
    lanes = [PLANNED, *phase["stages"]]
    titles = {PLANNED: "planned", **phase["stages"]}
    spans = {lane: [span for step in phase["steps"] for span in spans_of(step, lane)] for lane in lanes}
    cuts = {lane: Cut(found) for lane, found in spans.items()}
    length = max([cut.length for cut in cuts.values()] + [1.0])
    scale = (WIDTH - LABEL - VALUE) / length
    rows, y = [], TOP
    for step in phase["steps"]:
        mine = [lane for lane in lanes if lane == PLANNED or lane in step["lanes"]]
        bars, texts, told = [], [], []
        for number, lane in enumerate(mine):
            top = y + number * LANE
            own = bars_of(step, lane, class_of(lane, lanes), cuts[lane], scale, top)
            right = max([drawn["x"] + drawn["width"] for drawn in own], default=LABEL)
            text = text_of(step, lane)
            bars += own
            texts.append({"x": round(right + 5, 1), "y": top + 10, "text": text})
            told.append(f"{titles[lane]}: {text or 'not done'}")
        rows.append(
            {
                "label": shortened(step["title"]),
                "owner": step["owner"],
                "title": f"{step['title']}: {'; '.join(told)}",
                "y": y,
                "bars": bars,
                "texts": texts,
            }
        )
        y += max(len(mine), 2) * LANE + GAP
    return {
        "title": phase["title"],
        "legend": [{"lane": class_of(lane, lanes), "text": titles[lane]} for lane in lanes],
        "width": WIDTH,
        "height": y,
        "top": TOP,
        "ticks": [{"x": round(LABEL + at * scale, 1), "text": duration(at) if at else "0"} for at in ticks(length)],
        "rows": rows,
    }


def spans_of(step: Data, lane: str) -> list[list[float]]:
    if lane == PLANNED:
        return [step["planned"]["span"]]
    return [[begin, end] for begin, end, _outcome in step["lanes"].get(lane, {"spans": []})["spans"]]


def bars_of(step: Data, lane: str, good: str, cut: Cut, scale: float, y: float) -> list[Data]:
    outcomes = ["ok"] if lane == PLANNED else [one[2] for one in step["lanes"][lane]["spans"]]
    out = []
    for (begin, end), outcome in zip(spans_of(step, lane), outcomes):
        left = LABEL + cut.at(begin) * scale
        width = max((cut.at(end) - cut.at(begin)) * scale, SHORTEST_BAR)
        level = {"ok": good, "unknown": "unknown", "undone": "unknown"}.get(outcome, "bad")
        out.append({"x": round(left, 1), "y": y + 1, "width": round(width, 1), "level": level})
    return out


def class_of(lane: str, lanes: t.Sequence[str]) -> str:
    return f"lane{lanes.index(lane)}"


def text_of(step: Data, lane: str) -> str:
    """How long it took, and in how many attempts if it were several; empty for what was not done."""
    if lane == PLANNED:
        return duration(step["planned"]["seconds"])
    mine = step["lanes"][lane]
    if mine["seconds"] is None:
        return "not done" if mine["attempts"] else ""
    again = f", {mine['attempts']} attempts" if mine["attempts"] > 1 else ""
    if step["manual"] and not mine["seconds"]:
        return f"done{again}"  # people told its end alone
    within = "within " if step["manual"] else ""
    return f"{within}{duration(mine['seconds'])}{again}"


class Cut:
    """Positions in a lane, in seconds from its beginning, where long idle time is cut."""

    def __init__(self, spans: t.Sequence[list[float]]) -> None:
        self.busy = joined([list(span) for span in spans])
        idle = LONGEST_IDLE * sum(end - begin for begin, end in self.busy)
        self.places: list[float] = []
        at = 0.0
        for number, (begin, end) in enumerate(self.busy):
            at += min(begin - self.busy[number - 1][1], idle) if number else 0.0
            self.places.append(at)
            at += end - begin
        self.length = at

    def at(self, moment: float) -> float:
        """The place of a moment that lies within one of the lane's spans."""
        found = max(number for number, (begin, _end) in enumerate(self.busy) if begin <= moment)
        return self.places[found] + moment - self.busy[found][0]
