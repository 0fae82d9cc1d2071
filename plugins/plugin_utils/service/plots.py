# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of the small drawings: a field for each day, a bar for each rehearsed restore. Templates make the SVG."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

WIDTH, FIELD_HEIGHT, GAP = 960, 34, 3
ROW = 31  # days in a row, which is a month
LABELS = 16  # below each row
BARS, BAR_HEIGHT, LEFT, RIGHT = 12, 20, 110, 120  # the last so many drills
KNOWN = 0.9  # a day of which less is known is not drawn as a good one
MOST = 0.01  # from this share of a day on, an outage is drawn as a bad day

Data = dict[str, t.Any]


def availability(days: t.Sequence[Data]) -> Data:
    """A field for each day: amber or red where it had an outage, hatched where a good part is not known, else green."""
    fields = []
    for each in days:
        if each["up"] is None:
            fields.append((each["day"], "blind", "not known"))
            continue
        lost = (1 - each["up"]) * each["known"] * 86400
        kind = "down" if lost >= MOST * 86400 else "part" if lost >= 60 else "up" if each["known"] >= KNOWN else "blind"
        text = "no outage" if lost < 60 else f"{duration(lost)} of outage"
        if each["known"] < KNOWN:
            text += f"; known for {each['known']:.1%} of the day"
        fields.append((each["day"], kind, text))
    return _strip(fields)


def nights(found: t.Sequence[Data]) -> Data:
    """A field for each night: with a proven copy, without one, or not known."""
    words = {True: ("up", "a proven copy"), False: ("down", "no proven copy"), None: ("blind", "not known")}
    return _strip([(each["day"], *words[each["copied"]]) for each in found])


def _strip(days: t.Sequence[tuple[str, str, str]]) -> Data:
    width = WIDTH / ROW
    fields = []
    for number, (day, kind, text) in enumerate(days):
        row, column = divmod(number, ROW)
        date = datetime.date.fromisoformat(day)
        fields.append(
            {
                "x": round(column * width, 1),
                "y": row * (FIELD_HEIGHT + LABELS + GAP),
                "width": round(width - GAP, 1),
                "kind": kind,
                "title": f"{day}: {text}",
                "label": str(date.day) if date.day > 1 and number else f"{date.day} {date:%b}",
            }
        )
    rows = -(-len(days) // ROW)
    height = rows * (FIELD_HEIGHT + LABELS + GAP)
    return {"width": WIDTH, "height": height, "field": FIELD_HEIGHT, "fields": fields}


def drills(found: t.Sequence[Data]) -> Data:
    """How long each of the last rehearsed restores took, the oldest first."""
    shown = list(found)[-BARS:]
    longest = max([float(each["rto_seconds"] or 0) for each in shown], default=0.0) or 1.0
    rows = []
    for number, each in enumerate(shown):
        seconds = each["rto_seconds"]
        took = duration(float(seconds)) if seconds else "time not known"
        rows.append(
            {
                "y": number * (BAR_HEIGHT + 6),
                "at": each["ended"],
                "width": round(max(float(seconds or 0) / longest * (WIDTH - LEFT - RIGHT), 2), 1),
                "kind": "up" if each["passed"] else "down",
                "text": took if each["passed"] else f"failed, {took}",
            }
        )
    return {"width": WIDTH, "height": len(rows) * (BAR_HEIGHT + 6), "bar": BAR_HEIGHT, "left": LEFT, "rows": rows}
