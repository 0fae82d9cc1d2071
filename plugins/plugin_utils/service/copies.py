# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights with a proven copy, what can be restored, and the drills: from the repositories, and from their history.

A repository keeps a copy of each night for a week. Of the nights before it, Prometheus remembers which copy was the
last good one, hour by hour.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.service.answers import COPIES, Answers, failure

KEPT_DAYS = 6  # before today, of which a repository still has the copy of each day
DRILL_DAYS = 90
AGE_WARN, AGE_FAIL = 26 * 3600.0, 50 * 3600.0
#: A moment of that long ago or longer stands for no copy at all.
NONE_YET = 1.0

Data = dict[str, t.Any]
DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Night:
    """`copied` says whether a proven copy ended on that day; None where nobody knows."""

    day: datetime.date
    copied: bool | None


@dataclasses.dataclass(frozen=True)
class Copies:
    """`stores` as backup_status tells of them, each with its `host`. `why` says why nothing is known of them."""

    nights: tuple[Night, ...]
    stores: tuple[Data, ...]
    drills: tuple[Data, ...]  # all that are known, by their end
    promise: Data | None
    last_good: float | None
    restorable_until: float | None
    verified: float | None  # the smallest share of the stores to which each night goes
    why: str = ""


def copies(answers: Answers, begin: float, end: float, now: float, zone: datetime.tzinfo) -> Copies:
    """What is known of the copies, of the nights from `begin` to `end`."""
    stores: list[Data] = []
    reasons: list[str] = []
    promises: list[Data] = []
    for host, result in answers.copies.items():
        why = failure(result)
        if why or not isinstance(result.get("stores"), list):
            reasons.append(f"{host}: {why or 'backup_status was not asked'}")
            continue
        stores += [{**store, "host": host} for store in result["stores"]]
        promises += [result["promise"]] if result.get("promise") else []
    reached = [store for store in stores if store.get("reachable")]
    reasons += [
        f"{store['name']}: {store.get('problem') or 'it cannot be reached'}" for store in stores if store not in reached
    ]
    drills = {(each["copy"], each["began"]): each for store in stores for each in store.get("drills") or []}
    restorable = [float(store["restorable_until"]) for store in reached if store.get("restorable_until")]
    near = [store for store in reached if not store.get("offsite")] or reached
    verified = [float((store.get("verified") or {}).get("ratio_7_days") or 0.0) for store in near]
    copied = [copy for store in reached for copy in store.get("copies") or [] if not copy.get("damaged")]
    moments = [float(copy["ended"]) for copy in copied]
    good = [float(store["last_good"]["ended"]) for store in reached if store.get("last_good")]
    why = "" if reached else "; ".join(reasons) or "no host that makes copies was asked"
    return Copies(
        nights=tuple(_nights(answers, moments, bool(reached), (begin, end, now), zone)),
        stores=tuple(stores),
        drills=tuple(sorted(drills.values(), key=lambda each: float(each["ended"]))),
        promise=promises[0] if promises else None,
        last_good=max(good, default=None),
        restorable_until=max(restorable, default=None),
        verified=min(verified, default=None),
        why=why,
    )


def _nights(
    answers: Answers,
    ended: t.Sequence[float],
    reached: bool,
    span: tuple[float, float, float],
    zone: datetime.tzinfo,
) -> t.Iterator[Night]:
    """Of each day that is over. Today counts only where its copy is there already."""
    begin, end, now = span
    history = answers.of(COPIES)
    points = [point for series in history.series for point in series.points]
    seen = {_day(at, zone) for at in ended} | {_day(value, zone) for _at, value in points if value > NONE_YET}
    # Where the last good copy is older than a night that is over, that night has none.
    without = [(_day(at, zone), _day(value, zone)) for at, value in points]
    today, day, last = _day(now, zone), _day(begin, zone), _day(end - 1, zone)
    while day <= min(last, today):
        known = any(value < day < at for at, value in without) or (reached and day >= today - KEPT_DAYS * DAY)
        if day in seen or day < today:
            yield Night(day, True if day in seen else False if known else None)
        day += DAY


def _day(at: float, zone: datetime.tzinfo) -> datetime.date:
    return datetime.datetime.fromtimestamp(at, tz=zone).date()
