# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to the host's clock, disks and updates. See breaks.py."""

from __future__ import annotations

import json
import typing as t

from unit.plugins.module_utils.health.breaks_security import container, host_file, missing, no_file, prints
from unit.plugins.module_utils.health.toy_host import df

Change = t.Callable[[t.Any], t.Any]
HISTORY = "/var/lib/boxlift/updates/history.jsonl"


def clock(*lines: str) -> Change:
    return prints("timedatectl", "\n".join(lines))


def disks(*lines: tuple[str, int, int, str]) -> Change:
    return lambda world: setattr(world.host, "disks", df(*lines))


def inodes(*lines: tuple[str, int, int, str]) -> Change:
    return lambda world: setattr(world.host, "inodes", df(*lines))


def update(**values: t.Any) -> Change:
    good = {"time": "2026-11-30T04:31:00Z", "note": "20261130T043000Z-night", "packages": 2, "problems": []}
    return host_file(HISTORY, "\n".join(["{}", json.dumps({**good, "outcome": "failed", **values}), ""]))


BREAKS: list[tuple[str, Change, str, str]] = [
    ("environment.time", clock("NTP=yes", "NTPSynchronized=no"), "warn", "has not set the clock"),
    ("environment.time", clock("NTP=no", "NTPSynchronized=no"), "fail", "no time service runs"),
    ("environment.disk", disks(("/dev/vda1", 860, 140, "/")), "warn", "14 % of the room of /"),
    ("environment.disk", disks(("/dev/vda1", 850, 150, "/")), "pass", "at least 15 %"),
    ("environment.disk", disks(("a", 500, 500, "/"), ("b", 960, 40, "/srv/a b")), "fail", "4 % of the room of /srv/a"),
    ("environment.disk", inodes(("/dev/vda1", 970, 30, "/")), "fail", "3 % of the files of /"),
    ("environment.last_update", update(problems=["nginx.service has failed"]), "fail", "night): nginx.service has"),
    ("environment.last_update", update(outcome="done"), "pass", "2 packages at 2026-11-30"),
    ("environment.last_update", update(outcome="begun"), "fail", "night): begun"),
]  # fmt: skip

BLINDS: list[tuple[str, Change, str]] = [
    ("environment.time", container, "belongs to the machine under this docker"),
    ("environment.time", missing("timedatectl"), "has no timedatectl"),
    ("environment.time", clock("NTP=yes"), "does not say whether the clock is set"),
    ("environment.disk", prints("df", "Filesystem\n"), "df names no disk"),
    ("environment.disk", prints("df", "", 1), "df failed with status 1"),
    ("environment.last_update", host_file(HISTORY, "half of a li"), "is no record of an update"),
]

SKIPS: list[tuple[str, Change, str]] = [
    ("security.updates_automatic", host_file("/var/lib/boxlift/upkeep.json", '{"updates": "the customer has his own"}'),
     "switched off by upkeep_skip: the customer has his own"),
    ("environment.last_update", no_file(HISTORY), f"there is no {HISTORY}"),
]  # fmt: skip
