# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copies stay. It runs where the repository is: the host that writes the copies can remove none."""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import (
    DRILL,
    GOOD,
    PRUNED,
    VERIFIED,
    Contents,
    Copy,
    contents,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.night import CLOCK_TOLERANCE
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import OURS, Restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Keep
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

DAY = 86400.0
#: What was begun and is not proven may be a copy in the making for so long.
UNPROVEN_DAYS = 2
#: Drills stay, since a promise is made of them; checks while they say something.
DRILL_DAYS, CHECK_DAYS = 400, 35
#: A check may be wrong, or the copy may still give most of what is wanted.
DAMAGED_DAYS = 35
NOTE = "pruned.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What stays and what goes: ids of copies, and of the snapshots that are removed."""

    keep: tuple[str, ...]
    copies: tuple[str, ...]
    snapshots: tuple[str, ...]
    binlogs_since: float


def kept(copies: t.Sequence[Copy], keep: Keep, now: float) -> set[str]:
    """The ids of the copies that stay: of each day, week and month the newest, and the full ones that they need.

    Damaged ones are not counted, and stay for a while. A copy from the future is neither counted nor removed.
    """
    past = sorted((copy for copy in copies if copy.ended <= now), key=lambda copy: copy.ended, reverse=True)
    stay = {copy.id for copy in copies if copy.ended > now}
    stay.update(copy.id for copy in past if copy.damaged and copy.ended > now - DAMAGED_DAYS * DAY)
    past = [copy for copy in past if not copy.damaged]
    stay.update(copy.id for copy in past[:2])
    for count, form in ((keep.daily, "%Y-%m-%d"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m")):
        seen: dict[str, str] = {}
        for copy in past:
            seen.setdefault(time.strftime(form, time.gmtime(copy.ended)), copy.id)
        stay.update(list(seen.values())[:count])
    base = copy_before(past, now - keep.binlog_days * DAY)
    if base is not None:
        stay.add(base.id)
    return stay | {copy.base for copy in copies if copy.id in stay and copy.base is not None}


def copy_before(copies: t.Sequence[Copy], moment: float) -> Copy | None:
    """From which every moment since `moment` can be reached: the newest one before, or else the oldest of all."""
    usable = [copy for copy in copies if not copy.damaged]
    before = [copy for copy in usable if copy.ended <= moment]
    if before:
        return max(before, key=lambda copy: copy.ended)
    return min(usable, key=lambda copy: copy.ended, default=None)


def believed(known: Contents, now: float) -> float:
    """The moment by which ages are counted: never later than the last thing that the portal's host has stored.

    A clock that is ahead would make copies and logs old that are needed; and of a portal that stores nothing any more
    nothing gets too old.
    """
    stored = [each.time for each in known.snapshots if each.tagged("copy-") or each.tagged("until-")]
    return max((moment for moment in stored if moment <= now), default=now)


def plan(known: Contents, keep: Keep, now: float) -> Plan:
    """What a prune at this moment removes."""
    clock, now = now, believed(known, now)
    stay = kept(known.good, keep, now)
    base = copy_before([copy for copy in known.good if copy.ended <= now], now - keep.binlog_days * DAY)
    since = base.began if base is not None else now - keep.binlog_days * DAY
    good = {copy.id for copy in known.good}
    # Proven, but not for this version: a newer one has written it, or something of it is gone.
    declared = {each.tagged("copy-") for each in known.snapshots if GOOD in each.tags}
    there = {each.id for each in known.snapshots}
    gone = []
    for each in known.snapshots:
        copy = each.tagged("copy-")
        if copy:
            days = DAMAGED_DAYS if copy in declared else UNPROVEN_DAYS
            old = copy not in stay if copy in good else each.time < now - days * DAY
        elif each.tagged("until-"):
            old = each.id in known.void
        elif each.tagged("void-"):
            old = each.tagged("void-") not in there
        elif DRILL in each.tags:
            old = each.time < now - DRILL_DAYS * DAY
        elif VERIFIED in each.tags or PRUNED in each.tags:
            # One from the future was noted by a clock that has been set right since.
            old = each.time < now - CHECK_DAYS * DAY or each.time > clock + CLOCK_TOLERANCE
        else:
            old = False  # not of a kind that this version knows
        if old:
            gone.append(each.id)
    gone += [run.snapshot for run in known.binlogs if run.until < since]
    return Plan(tuple(sorted(stay)), tuple(sorted(good - stay)), tuple(gone), since)


def prune(restic: Restic, keep: Keep, now: t.Callable[[], float]) -> dict[str, t.Any]:
    """Remove what does not stay, free its room, and note in the repository that it was done. Its note."""
    restic.unlock()
    began = now()
    decided = plan(contents(restic), keep, began)
    restic.forget(decided.snapshots)
    restic.prune()
    note: dict[str, t.Any] = {
        "format": 1,
        "began": began,
        "ended": now(),
        "removed_copies": list(decided.copies),
        "removed_snapshots": len(decided.snapshots),
        "kept_copies": list(decided.keep),
        "binlogs_since": decided.binlogs_since,
    }
    restic.save_text(NOTE, json.dumps(note), (OURS, PRUNED))
    return note


def forget(restic: Restic, ids: t.Sequence[str]) -> list[str]:
    """Remove these copies, and the incremental ones that need them; their ids. Raises BoxliftError."""
    known = contents(restic)
    wanted = set(ids)
    unknown = wanted - {copy.id for copy in known.good} - set(known.unproven)
    if unknown:
        raise BoxliftError(f"There is no copy {', '.join(sorted(unknown))}.", "boxlift-backup list shows the copies.")
    wanted |= {copy.id for copy in known.good if copy.base in wanted}
    if any(not copy.damaged for copy in known.good) and all(copy.damaged or copy.id in wanted for copy in known.good):
        raise BoxliftError(
            "That would remove every undamaged copy.", "Take another one first: boxlift-backup now --full."
        )
    restic.forget([each.id for each in known.snapshots if each.tagged("copy-") in wanted])
    return sorted(wanted)
