# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of copies and drills: medians, what is promised, and what is odd."""

from __future__ import annotations

import math
import statistics
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import PARTS, Copy
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

#: A part outside these shares of the median of earlier ones is worth a warning.
SMALLEST, LARGEST = 0.7, 1.5
#: So many earlier copies are compared with.
EARLIER = 7
#: A table that had so many rows is not emptied without somebody wanting it.
EMPTIED = 100
#: Drills that a promise is made of, and what is added to it.
DRILLS, MARGIN = 8, 1.25


def odd_sizes(parts: t.Mapping[str, t.Any], kind: str, earlier: t.Sequence[Copy]) -> list[str]:
    """Warnings on parts that are much smaller or larger than those of earlier copies.

    Databases are compared among copies of one kind. Increments since one full copy grow, so only small ones are odd.
    """
    found = []
    for name in PARTS:
        if name not in parts:
            continue
        alike = [copy for copy in earlier if name in copy.parts and (name != "database" or copy.kind == kind)]
        sizes = [copy.bytes(name) for copy in alike[-EARLIER:]]
        if not sizes or name == "database" and kind != "full":
            continue
        usual, now = statistics.median(sizes), parts[name]["bytes"]
        if not SMALLEST * usual <= now <= LARGEST * usual:
            share = f"{100 * now / usual:.0f} %" if usual else "more than"
            found.append(f"{name}: {size(now)}, which is {share} of what is usual ({size(usual)})")
    return found


def odd_rows(rows: t.Mapping[str, int], earlier: t.Sequence[Copy]) -> list[str]:
    """Warnings where the database has lost a good part of its rows, or one of its tables has lost all of many."""
    found = []
    before = [copy.noted.get("tables") or {} for copy in earlier[-EARLIER:]]
    totals = [sum(counts[0] for counts in tables.values()) for tables in before if tables]
    now = sum(rows.values())
    if totals and now < SMALLEST * statistics.median(totals):
        found.append(f"database: {now} rows, where {statistics.median(totals):.0f} are usual")
    for table, counts in sorted(before[-1].items() if before else ()):
        if counts[0] >= EMPTIED and not rows.get(table):
            found.append(f"table {table}: {'no rows' if table in rows else 'gone'}, where {counts[0]} were before")
    return found


def percentile(values: t.Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed. There must be one."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def promise(drills: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any] | None:
    """What the last drills that passed allow to promise: P80 and a quarter more; None where none has passed."""
    passed = [drill for drill in drills if drill.get("passed")][-DRILLS:]
    if not passed:
        return None
    told: dict[str, t.Any] = {"of_drills": len(passed)}
    for name in ("rto_seconds", "rpo_seconds"):
        values = [float(drill[name]) for drill in passed if drill.get(name) is not None]
        told[name] = math.ceil(percentile(values, 0.8) * MARGIN) if values else None
    return told
