# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository read in slices, one a night, so that all of it is read in so many nights as there are slices.

What was read when stands in the repository itself, so it does not matter from which host the next slice is read.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import (
    CHECK,
    Contents,
    Slice,
    contents,
    tags_of_check,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Fault, Restic, ResticFailed
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

WEEK = 7 * 86400.0


def next_slice(slices: t.Sequence[Slice], of: int) -> int:
    """The slice that was read longest ago, or never."""
    read = {each.number: each.ended for each in slices if each.of == of}
    return min(range(1, of + 1), key=lambda number: (read.get(number, float("-inf")), number))


def ratio(slices: t.Sequence[Slice], of: int, now: float, within: float = WEEK) -> float:
    """The share of the repository that was read without a fault within this time."""
    sound = {each.number for each in slices if each.of == of and not each.faults and 0 <= now - each.ended <= within}
    return len(sound) / of


def verify(restic: Restic, of: int, now: t.Callable[[], float], number: int | None = None) -> dict[str, t.Any]:
    """Read the slice that is due, or `number`, and note in the repository what was found. Its note."""
    known = contents(restic)
    number = number or next_slice(known.slices, of)
    if not 1 <= number <= of:
        raise BoxliftError(f"There is no slice {number} of {of}.", f"Name one of 1 to {of}.")
    began = now()
    faults = restic.check((number, of), lock=False)
    if faults:
        # Others may have written meanwhile; with the lock, nobody does.
        faults = restic.check((number, of))
    hurt, copies = _hurt(restic, known, faults)
    note: dict[str, t.Any] = {
        "format": 1,
        "slice": number,
        "of": of,
        "began": began,
        "ended": now(),
        "faults": [fault._asdict() for fault in faults],
        "snapshots": sorted(hurt),
        "copies": copies,
    }
    restic.save_text(CHECK, json.dumps(note), tags_of_check(number, of, len(faults)))
    return note


def _hurt(restic: Restic, known: Contents, faults: t.Sequence[Fault]) -> tuple[t.Collection[str], list[str]]:
    """The snapshots that need what is broken, and the copies that they are parts of."""
    hurt: set[str] = set()
    for fault in faults:
        hurt.update(each.id for each in known.snapshots if fault.tree and each.tree == fault.tree)
        if not fault.pack and not fault.tree:
            continue
        try:
            hurt.update(restic.touched_by(fault))
        except ResticFailed:
            # A damaged folder keeps restic from looking further: then nothing of what is there can be trusted.
            hurt.update(each.id for each in known.snapshots)
    parts = {part["snapshot"]: copy.id for copy in known.good for part in copy.parts.values()}
    manifests = {copy.manifest_snapshot: copy.id for copy in known.good}
    return hurt, sorted({parts.get(each, manifests.get(each, "")) for each in hurt} - {""})


def repair(restic: Restic, aside: str) -> list[str]:
    """Take every pack file out of service that the last checks found damaged; their names."""
    packs = sorted({fault["pack"] for each in contents(restic).slices for fault in each.faults if fault["pack"]})
    if packs:
        restic.repair(packs, aside)
    return packs
