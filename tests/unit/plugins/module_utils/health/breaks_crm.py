# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to the nightly protection of the CRM. See breaks.py."""

from __future__ import annotations

import time
import typing as t

from unit.plugins.module_utils.health.breaks_security import missing, prints

Change = t.Callable[[t.Any], t.Any]
PROGRAM = "/usr/local/bin/boxlift-crm"


def crm(**values: t.Any) -> Change:
    return lambda world: world.host.crm.update(values)


def hours(age: float) -> Change:
    return lambda world: world.host.crm["last"].update(ended=time.time() - age * 3600)


def alerts(*found: str) -> Change:
    return lambda world: world.host.crm["last"].update(alerts=list(found))


def nothing(world: t.Any) -> None:
    world.host.crm.clear()


BREAKS: list[tuple[str, Change, str, str]] = [
    ("crm.nightly", hours(31), "warn", "31 hours ago"),
    ("crm.nightly", hours(79), "fail", "79 hours ago"),
    ("crm.nightly", crm(last=None), "fail", "no snapshot yet"),
    ("crm.store", crm(problem="row 7 missing from index"), "fail", "row 7 missing from index"),
    ("crm.alerts", alerts("30 of 90 records of kind lead were deleted (33 %)"), "warn", "30 of 90 records"),
    ("crm.webhook", crm(webhook="The portal refuses the webhook."), "fail", "refuses the webhook"),
]

BLINDS: list[tuple[str, Change, str]] = [
    ("crm.nightly", prints(PROGRAM, "no"), "says no JSON"),
    ("crm.nightly", prints(PROGRAM, "settings.json: portals is missing.", 1), "failed with status 1"),
    ("crm.webhook", nothing, "hold no webhook"),
]

SKIPS: list[tuple[str, Change, str]] = [
    *((f"crm.{name}", missing(PROGRAM), "no snapshots of the CRM") for name in ("nightly", "store", "webhook")),
    ("crm.store", nothing, "there is no store yet"),
]
