# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots are kept, and how large the store becomes."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Pruned, Snapshot, Store

DAY = 86400.0
_MEASURED_DAYS = 30.0


@dataclasses.dataclass(frozen=True)
class Retention:
    """The newest snapshot of each of the last so many days, weeks and months that have one."""

    daily: int = 14
    weekly: int = 8
    monthly: int = 12


def kept(snapshots: t.Sequence[Snapshot], retention: Retention) -> set[int]:
    """Numbers of the snapshots to keep. Days are those of UTC."""
    found: set[int] = set()
    for most, period in ((retention.daily, "%Y-%m-%d"), (retention.weekly, "%G-%V"), (retention.monthly, "%Y-%m")):
        newest: dict[str, int] = {}
        for each in snapshots:
            begun = datetime.datetime.fromtimestamp(each.began, datetime.timezone.utc)
            newest[begun.strftime(period)] = each.number
        found.update(list(newest.values())[-most:] if most else ())
    return found


def prune(store: Store, retention: Retention) -> Pruned:
    """Remove the snapshots that the retention does not keep."""
    return store.prune(kept(store.snapshots(), retention))


@dataclasses.dataclass(frozen=True)
class Forecast:
    """Of the store's size. `per_day` is None until two snapshots are some hours apart."""

    bytes: int
    per_day: int | None
    in_30_days: int | None
    in_365_days: int | None
    measured_days: float
    snapshots: int


def forecast(store: Store) -> Forecast:
    """By what the passes of the last 30 days stored. Retention removes some of it again, so this is the upper bound."""
    passes = store.passes()
    size, number = store.size(), len(store.snapshots())
    recent = [each for each in passes[1:] if each.began > passes[-1].began - _MEASURED_DAYS * DAY]
    days = (recent[-1].began - passes[len(passes) - len(recent) - 1].began) / DAY if recent else 0.0
    if days < 0.2:
        return Forecast(size, None, None, None, round(days, 2), number)
    added = sum(count.bytes for each in recent for count in each.kinds.values())
    everything = sum(count.bytes for each in passes for count in each.kinds.values())
    # The database needs some room beside the contents, and files lie beside it.
    share = size / everything if everything and number == len(passes) else 1.25
    per_day = int(added * share / days)
    return Forecast(size, per_day, size + 30 * per_day, size + 365 * per_day, round(days, 2), number)
