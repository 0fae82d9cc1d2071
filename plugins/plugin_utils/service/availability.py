# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a period the portal answered, of the part that is known, day by day, with each outage."""

from __future__ import annotations

import dataclasses
import datetime
import math
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.service.answers import SLOT, UP, Answers

#: At least this share of the portal's probes in a slot has to fail before the slot belongs to an outage.
DOWN = 0.5


@dataclasses.dataclass(frozen=True)
class Day:
    """`up` is None where nothing of the day is known. Both are shares from 0 to 1."""

    day: datetime.date
    up: float | None
    known: float


@dataclasses.dataclass(frozen=True)
class Availability:
    """`up` is the share of the known time in which the portal answered, None where none is known, with `why`.

    `outages` are spans in which it did not: a gap in the measurements ends one, and nobody knows when it was over.
    """

    up: float | None
    known: float
    down_seconds: float
    days: tuple[Day, ...]
    outages: tuple[tuple[float, float], ...]
    why: str = ""


def availability(answers: Answers, begin: float, end: float, zone: datetime.tzinfo) -> Availability:
    """From `begin` to `end`. Each point that came is about the slot before it; a point that is missing is a hole."""
    answer = answers.of(UP)
    slots = max(int((end - begin) // SLOT), 0)
    values: dict[int, float] = {}
    for series in answer.series:
        for at, value in series.points:
            number = round((at - begin) / SLOT) - 1
            if 0 <= number < slots and not math.isnan(value):
                values[number] = min(values.get(number, 1.0), max(value, 0.0))
    why = answer.why
    if not values and not why:
        why = "Prometheus has no measurement of the portal in this time"
    up = sum(values.values()) / len(values) if values else None
    return Availability(
        up=up,
        known=len(values) / slots if slots else 0.0,
        down_seconds=sum(1 - value for value in values.values()) * SLOT,
        days=tuple(_days(values, slots, begin, zone)),
        outages=tuple(_outages(values, slots, begin)),
        why=why,
    )


def _days(values: t.Mapping[int, float], slots: int, begin: float, zone: datetime.tzinfo) -> t.Iterator[Day]:
    by_day: dict[datetime.date, list[float | None]] = {}
    for number in range(slots):
        day = datetime.datetime.fromtimestamp(begin + number * SLOT, tz=zone).date()
        by_day.setdefault(day, []).append(values.get(number))
    for day, found in by_day.items():
        known = [value for value in found if value is not None]
        yield Day(day, sum(known) / len(known) if known else None, len(known) / len(found))


def _outages(values: t.Mapping[int, float], slots: int, begin: float) -> t.Iterator[tuple[float, float]]:
    since: int | None = None
    for number in range(slots + 1):
        down = values.get(number, 1.0) <= DOWN
        if down and since is None:
            since = number
        elif not down and since is not None:
            yield begin + since * SLOT, begin + number * SLOT
            since = None


def percent(share: float) -> str:
    """Rounded down: what was not whole is not shown as 100 %."""
    hundredths = math.floor(share * 10000 + 1e-9)
    return f"{hundredths // 100}.{hundredths % 100:02d} %".replace(".00 %", " %")
