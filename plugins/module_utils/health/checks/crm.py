# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nightly protection of the CRM: whether there would be something to bring a record back from."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

PROGRAM = "/usr/local/bin/boxlift-crm"
#: A night, the spread of the timer, and the repetitions of a run that failed.
LATE_HOURS, LOST_HOURS = 30, 78


def _status(context: Context) -> dict[str, t.Any]:
    """What the program says of the box's store."""

    def ask() -> dict[str, t.Any]:
        said = context.installed(PROGRAM, "status", "--prove")
        if said is None:
            raise DoesNotApply("no snapshots of the CRM are taken on this host (playbook crm_nightly)")
        try:
            box = json.loads(said).get("box")
        except (ValueError, AttributeError) as problem:
            raise CannotLook(f"{PROGRAM} status says no JSON") from problem
        return box if isinstance(box, dict) else {}

    return context.once("crm status", ask)


@check(
    "crm.nightly",
    why="Whatever people or robots delete or spoil can be brought back from the last snapshot, not from later.",
    expected=f"the last snapshot of the CRM is less than {LATE_HOURS} hours old",
    remedy="journalctl -u boxlift-crm says why; then systemctl start boxlift-crm.service.",
    blocks="nobody",
)
def crm_nightly(context: Context) -> Verdict:
    last = _status(context).get("last")
    if not last:
        return failed("there is no snapshot yet")
    hours = (context.now() - float(last["ended"])) / 3600
    observed = f"{hours:.0f} hours ago, {last['records']} records"
    if hours >= LOST_HOURS:
        return failed(observed)
    return warned(observed) if hours >= LATE_HOURS else passed(observed)


@check(
    "crm.store",
    why="A damaged store brings no record back, and nobody notices before somebody needs one.",
    expected="the store of snapshots can be read as a whole",
    remedy="Put back a copy of the store, or move it away and run boxlift-crm snapshot --full.",
    blocks="nobody",
)
def crm_store(context: Context) -> Verdict:
    said = _status(context)
    if "problem" not in said:
        raise DoesNotApply("there is no store yet")
    if said["problem"]:
        return failed(str(said["problem"])[:300])
    return passed(f"{said['snapshots']} snapshots, no damage")


@check(
    "crm.alerts",
    why="A robot, an import or a person who left may have changed or deleted much of a kind in one night.",
    expected="no kind of record changed or shrank oddly in the last snapshot",
    remedy="Playbook crm_diff shows the records; crm_restore brings back those that should not have gone.",
    blocks="nobody",
    owner="customer",
    needs=("crm.nightly",),
)
def crm_alerts(context: Context) -> Verdict:
    last = _status(context).get("last")
    if not last:
        raise DoesNotApply("there is no snapshot yet")
    found = [str(alert) for alert in last.get("alerts") or []]
    return warned(some(found)) if found else passed("nothing odd in the last snapshot")


@check(
    "crm.webhook",
    why="The webhook dies with its owner's account, and with it the nightly snapshots.",
    expected="the box answers the webhook",
    remedy="Make an incoming webhook as an administrator who stays, and set site_crm_box_webhook (docs/crm.md).",
    blocks="nobody",
)
def crm_webhook(context: Context) -> Verdict:
    said = _status(context)
    if "webhook" not in said:
        raise CannotLook("the settings of boxlift-crm hold no webhook of the box")
    return failed(str(said["webhook"])[:300]) if said["webhook"] else passed("the webhook works")
