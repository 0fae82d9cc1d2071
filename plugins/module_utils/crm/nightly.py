# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nightly protection of a portal's CRM: a snapshot, what in it is odd, and what need not be kept any more."""

from __future__ import annotations

import dataclasses
import sqlite3
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds, retention
from ansible_collections.boxlift.portal.plugins.module_utils.crm.difference import (
    KindDifference,
    alerts_of,
    thresholds,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.settings import Settings
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import odd, refresh
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Snapshot, Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

DAY = 86400.0


def snapshot(
    settings: Settings, rest: Rest, store: Store, *, full: bool, now: t.Callable[[], float]
) -> dict[str, t.Any]:
    """Read the portal into the store; what was found, and its alerts."""
    full = full or _full_is_due(store.snapshots(), now(), settings.full_every_days)
    refresh(rest, store, settings.kinds or kinds.NAMES, full=full, files=settings.files)
    taken = store.snapshots()[-1]
    return _told(settings, store, taken)


def _full_is_due(before: t.Sequence[Snapshot], now: float, days: int) -> bool:
    last = [each.ended for each in before if each.full][-1:]
    # One that ended later than now was made while the host's clock was ahead.
    return not last or not 0 <= now - last[0] <= (days - 0.5) * DAY


def alerts(settings: Settings, taken: Snapshot) -> list[str]:
    """Kinds of which oddly many records changed or went away in this snapshot. The first one has nothing to compare."""
    given, found = thresholds(settings.thresholds), []
    for name, count in taken.kinds.items():
        before = count.records + count.deleted - count.added
        seen = KindDifference(name, before, count.records, count.added, count.changed, count.deleted)
        found += [alert.text for alert in alerts_of(seen, given)]
    return found


def status(settings: Settings, store: Store, *, prove: bool) -> dict[str, t.Any]:
    """What a store holds, since when, and whether it is sound if that is to be proven."""
    known = store.snapshots()
    size = retention.forecast(store)
    said: dict[str, t.Any] = {
        "snapshots": len(known),
        "first": known[0].ended if known else None,
        "bytes": size.bytes,
        "bytes_in_a_year": size.in_365_days,
    }
    if known:
        said["last"] = _told(settings, store, known[-1])
    if prove:
        said["problem"] = problem(store)
    return said


def _told(settings: Settings, store: Store, taken: Snapshot) -> dict[str, t.Any]:
    return {
        "number": taken.number,
        "portal": taken.portal,
        "full": taken.full,
        "began": taken.began,
        "ended": taken.ended,
        "requests": taken.requests,
        "records": sum(count.records for count in taken.kinds.values()),
        "added": sum(count.added for count in taken.kinds.values()),
        "changed": sum(count.changed for count in taken.kinds.values()),
        "deleted": sum(count.deleted for count in taken.kinds.values()),
        "alerts": [*alerts(settings, taken), *odd(store)],
    }


def problem(store: Store) -> str:
    """What is wrong with the store; empty where all of it can be read, and every record is the one that was put."""
    try:
        found = store.check()
    except (BoxliftError, sqlite3.DatabaseError) as error:
        return str(error)
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


def webhook_problem(rest: Rest) -> str:
    """Why the portal does not answer this webhook; empty where it does."""
    try:
        rest.call("profile")
    except BoxliftError as error:
        return f"{error.message} {error.remedy}".strip()
    return ""


def prune(settings: Settings, store: Store, now: t.Callable[[], float]) -> dict[str, t.Any]:
    """Remove the snapshots that the settings do not keep, and the versions that none of the others has."""
    known = store.snapshots()
    young = {each.number for each in known if each.began > now() - settings.keep_all_days * DAY}
    return dataclasses.asdict(store.prune(young | retention.kept(known, retention.Retention(**settings.keep))))
