# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to a replicated database, as the guard of a host sees them. See breaks.py."""

from __future__ import annotations

import json
import time
import typing as t

from unit.plugins.module_utils.health.breaks_security import missing

Change = t.Callable[[t.Any], t.Any]
SEEN = "/run/boxlift-database/guard.json"
WORKS = {"receiving": "Yes", "applying": "Yes", "lag": 0, "number": 0, "error": "", "received": "0-1-9", "port": 3311}
DIVERGED = {"receiving": "No", "number": 1236, "error": "Got fatal error 1236: slave has diverged"}


def primary(**values: t.Any) -> dict[str, t.Any]:
    return {"writable": True, "position": "0-1-9", "following": None, "replicas": 1, "semi_synchronous": True, **values}


def replica(**values: t.Any) -> dict[str, t.Any]:
    return {**primary(writable=False, replicas=0, semi_synchronous=False), "following": {**WORKS, **values}}


def seen(age: float = 1, disk: str = "50 100", **values: t.Any) -> Change:
    """db1 of two hosts, the primary if nothing else is said."""

    def change(world: t.Any) -> None:
        world.host.write("/etc/boxlift/database.json", "{}")
        told = {
            **{"time": time.time() - age, "host": "db1", "role": "primary", "decision": "keep", "why": "the primary"},
            **{"own": primary(), "peers": {"db2": replica()}, "semi_synchronous_wanted": True},
        }
        world.host.write(SEEN, json.dumps({**told, **values}))
        world.host.programs["stat"] = lambda *_arguments: (0, disk, "")

    return change


def follower(peer: t.Any = None, **values: t.Any) -> Change:
    """db1 as a replica of db2."""
    return seen(role="replica", own=replica(**values), peers={"db2": peer or primary()}, why="a replica")


def unread(world: t.Any) -> None:
    seen()(world)
    world.host.write(SEEN, "{")


NOBODY = {**primary(), "writable": False}
BREAKS: list[tuple[str, Change, str, str]] = [
    ("cluster.database_guard", seen(), "pass", "the primary"),
    ("cluster.database_guard", seen(age=120), "fail", "2 min ago"),
    ("cluster.database_guard", seen(decision="wait", why="db2 takes writes"), "fail", "no writes: db2 takes writes"),
    ("cluster.database_primary", seen(), "pass", "db1 takes writes"),
    ("cluster.database_primary", seen(peers={"db2": primary()}), "fail", "db1 and db2 take writes: split brain"),
    ("cluster.database_primary", follower(peer=NOBODY), "fail", "no database host takes writes"),
    ("cluster.database_replica", seen(), "pass", "1 of 1"),
    ("cluster.database_replica", seen(own=primary(replicas=0)), "fail", "0 of 1 replicas receive"),
    ("cluster.database_replica", follower(), "pass", "receives and applies"),
    ("cluster.database_replica", follower(applying="No", error="Duplicate entry"), "fail", "not applying: Duplicate"),
    ("cluster.database_replica", seen(role="replica", own=NOBODY), "fail", "follows no primary"),
    ("cluster.database_diverged", follower(), "pass", "at 0-1-9"),
    ("cluster.database_diverged", follower(**DIVERGED), "fail", "slave has diverged"),
    ("cluster.database_lag", follower(lag=3), "pass", "3 s"),
    ("cluster.database_lag", follower(lag=31), "warn", "31 s behind"),
    ("cluster.database_lag", follower(lag=301), "fail", "301 s behind"),
    ("cluster.database_disk", seen(), "pass", "50% free"),
    ("cluster.database_disk", seen(disk="14 100"), "warn", "14% free"),
    ("cluster.database_disk", seen(disk="4 100"), "fail", "4% free"),
    ("cluster.database_semi_synchronous", seen(), "pass", "on"),
    ("cluster.database_semi_synchronous", seen(own=primary(semi_synchronous=False)), "fail", "off"),
]

NAMES = ("guard", "primary", "replica", "diverged", "lag", "disk", "semi_synchronous")
BLINDS: list[tuple[str, Change, str]] = [
    *((f"cluster.database_{name}", seen(age=120), "looked 2 min ago") for name in NAMES[1:] if name != "lag"),
    ("cluster.database_primary", unread, "holds no JSON"),
    ("cluster.database_primary", seen(own=None, why="down"), "does not answer: down"),
    ("cluster.database_primary", seen(peers={"db2": None}), "db2 cannot be asked; db1 takes writes"),
    ("cluster.database_replica", seen(own=None, why="down"), "does not answer"),
    ("cluster.database_diverged", seen(role="replica", own=NOBODY), "follows no primary"),
    ("cluster.database_lag", follower(lag=None), "does not say how far"),
    ("cluster.database_disk", seen(disk="none"), "cannot be measured"),
]

SKIPS: list[tuple[str, Change, str]] = [
    *((f"cluster.database_{name}", missing(), "one host") for name in NAMES if name != "lag"),
    ("cluster.database_lag", seen(), "this host is the primary"),
    ("cluster.database_diverged", seen(), "this host is the primary"),
    ("cluster.database_semi_synchronous", seen(semi_synchronous_wanted=False), "has not asked for it"),
    ("cluster.database_semi_synchronous", follower(), "only the primary waits"),
]
