# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a file system fills: a line fitted over samples of our own."""

from __future__ import annotations

import math
import os
import typing as t

#: A sample an hour is kept, for as long as the line looks back.
STEP, WINDOW = 3600.0, 14 * 86400.0
#: A shorter time says nothing of the days to come: a nightly copy alone makes a wave.
SHORTEST = 2 * 86400.0
FEWEST = 12
#: Growth below this part of the file system a day is none.
STANDING = 1e-5


class Room(t.NamedTuple):
    """A file system at a moment, in bytes."""

    at: float
    size: int
    free: int


class Outlook(t.NamedTuple):
    """What the samples say."""

    observed: float
    #: None while the samples span too short a time.
    growth_per_day: float | None
    #: Infinite where it does not fill; None while that is not known.
    days: float | None


def measured(path: str, now: float) -> Room:
    """Raises OSError."""
    found = os.statvfs(path)
    return Room(now, found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def kept(samples: t.Sequence[Room], newest: Room) -> list[Room]:
    """The samples with this one, at most one an hour. Those of a disk of another size, and of the future, are gone."""
    usable = [
        each for each in samples if each.size == newest.size and newest.at - WINDOW <= each.at <= newest.at - STEP * 0.9
    ]
    hourly: list[Room] = []
    for each in sorted(usable):
        if not hourly or each.at - hourly[-1].at >= STEP * 0.9:
            hourly.append(each)
    return [*hourly, newest]


def outlook(samples: t.Sequence[Room]) -> Outlook:
    """The line of least squares through what was free, and when it meets zero, seen from the last sample."""
    observed = samples[-1].at - samples[0].at
    if observed < SHORTEST or len(samples) < FEWEST:
        return Outlook(observed, None, None)
    middle_time = sum(each.at for each in samples) / len(samples)
    middle_free = sum(each.free for each in samples) / len(samples)
    spread = sum((each.at - middle_time) ** 2 for each in samples)
    growth = -86400 * sum((each.at - middle_time) * (each.free - middle_free) for each in samples) / spread
    last = samples[-1]
    if growth <= last.size * STANDING:
        return Outlook(observed, growth, math.inf)
    return Outlook(observed, growth, last.free / growth)
