# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies sent on to a second repository, so that they outlive the place of the first one."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import retention
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import DRILL, contents
from ansible_collections.boxlift.portal.plugins.module_utils.backup.night import look_at_mount
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Keep


def send(main: Restic, other: Restic, keep: Keep, now: float) -> dict[str, t.Any]:
    """Bring there what is kept here and is not there yet; manifests last, so that none names what is missing.

    Copies that a check has found damaged stay here.
    """
    look_at_mount(other.store)
    if not other.exists():
        other.init(main)
    other.unlock()
    known, there = contents(main), {each.original or each.id for each in other.snapshots()}
    decided = retention.plan(known, keep, now)
    copies = [copy for copy in known.good if copy.id in decided.keep and not copy.damaged]
    parts = [str(part["snapshot"]) for copy in copies for part in copy.parts.values()]
    logs = [run.snapshot for run in known.binlogs if run.until >= decided.binlogs_since]
    drills = [each.id for each in known.tagged(DRILL) if each.id not in decided.snapshots]
    manifests = [copy.manifest_snapshot for copy in copies]
    origin = {each.id: each.original or each.id for each in known.snapshots}
    sent = 0
    for row in (parts + logs + drills, manifests):
        missing = [each for each in row if origin[each] not in there]
        other.copy_from(main, missing)
        sent += len(missing)
    return {"store": other.store.name, "copies": len(copies), "sent_snapshots": sent}
