# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to the portal's own copies. See breaks.py."""

from __future__ import annotations

import time
import typing as t

from unit.plugins.module_utils.health.breaks_security import missing, prints

Change = t.Callable[[t.Any], t.Any]
PROGRAM = "/usr/local/bin/boxlift-backup"
DAY = 86400.0


def stores(**values: t.Any) -> Change:
    """Other words on every store."""
    return lambda world: [store.update(values) for store in world.host.backup["stores"]]


def ago(name: str, seconds: float) -> Change:
    """This moment of the repositories lies so far back: at the test's own time, which may come long after this line."""
    return lambda world: [store.update({name: time.time() - seconds}) for store in world.host.backup["stores"]]


def near(**values: t.Any) -> Change:
    """Other words on the store that the night writes to."""
    return lambda world: world.host.backup["stores"][0].update(values)


def aged(seconds: float, **values: t.Any) -> Change:
    """Everything in the repositories is older by so much."""

    def change(world: t.Any) -> None:
        for store in world.host.backup["stores"]:
            for thing in [*store["copies"], *store["drills"]]:
                thing["ended"] -= seconds
            store.update({"restorable_until": store["restorable_until"] - seconds, **values})

    return change


def drill(**values: t.Any) -> Change:
    return lambda world: [store["drills"][-1].update(values) for store in world.host.backup["stores"]]


def newest(**sizes: float) -> Change:
    """Other sizes of the newest copy's parts."""
    return lambda world: world.host.backup["stores"][0]["copies"][-1]["bytes"].update(sizes)


def full(**sizes: float) -> Change:
    """The same of a newest copy that is a full one."""

    def change(world: t.Any) -> None:
        last = world.host.backup["stores"][0]["copies"][-1]
        last.update(kind="full")
        last["bytes"].update(sizes)

    return change


def only(*copies: int) -> Change:
    """The repositories hold these copies only."""
    return lambda world: [
        store.update(copies=[store["copies"][each] for each in copies]) for store in world.host.backup["stores"]
    ]


def both(*changes: Change) -> Change:
    return lambda world: [change(world) for change in changes]


def trouble(code: str, text: str) -> list[dict[str, str]]:
    return [{"code": code, "severity": "fail", "text": text, "remedy": "do this"}]


def working(world: t.Any) -> None:
    """The copy of the night is being made."""
    world.host.units["boxlift-backup.service"].update(ActiveState="activating")


def lies_ahead(world: t.Any) -> None:
    world.host.backup["stores"][0]["last_good"]["ended"] = time.time() + 7200


UNREAD = {"reachable": False, "problem": "wrong password"}
BREAKS: list[tuple[str, Change, str, str]] = [
    ("backup.reachable", near(**UNREAD), "fail", "near: wrong password"),
    ("backup.last_good", aged(26.5 * 3600), "warn", "near: 28 hours ago"),
    ("backup.last_good", aged(49.8 * 3600), "fail", "near: 51 hours ago (incremental copy copy-0); far: 51"),
    ("backup.last_good", near(last_good=None), "fail", "near: there is no good copy yet"),
    ("backup.last_good", both(aged(2 * DAY), lambda world: world.host.backup.update(age_fail_hours=72)), "warn", "49"),
    ("backup.place", stores(same_host=True), "warn", "own host"),
    ("backup.place", lambda world: world.host.backup["stores"][1].update(last_good=None), "warn", "own host"),
    ("backup.verified", near(verified={"slices": {}, "ratio_7_days": 0.86}), "warn", "near: 86 % in 7 days"),
    ("backup.verified", near(verified={"slices": {}, "ratio_7_days": 0.4}), "fail", "near: 40 %"),
    ("backup.verified", both(only(-1), near(verified={"slices": {}, "ratio_7_days": 0.14})), "warn", "14 %"),
    ("backup.verified", near(verified={"slices": {}, "ratio_7_days": None}), "warn", "nothing was read again"),
    ("backup.verified", near(findings=trouble("damaged", "pack 1f2e is damaged")), "fail", "pack 1f2e is damaged"),
    ("backup.drill", aged(61 * DAY), "fail", "passed 91 days ago"),
    ("backup.drill", drill(passed=False, findings=trouble("left", "a database is left")), "fail", "a database is left"),
    ("backup.drill", stores(drills=[]), "warn", "no drill was made yet"),
    ("backup.drill", both(aged(90 * DAY), stores(drills=[])), "fail", "no drill was ever made"),
    ("backup.binlogs", ago("restorable_until", 1000), "warn", "recovered to 1"),
    ("backup.binlogs", ago("restorable_until", 3700), "fail", "recovered to 1 h"),
    ("backup.binlogs", near(binlogs_until=None), "warn", "to its copies only"),
    ("backup.binlogs", near(restorable_until=None), "fail", "does not say to which moment"),
    (
        "backup.binlogs",
        near(findings=trouble("binlog_gap", "mysql-bin.000007 is missing")),
        "fail",
        "000007 is missing",
    ),
    ("backup.size", newest(files=5e8), "warn", "files 477 MiB, usually 954 MiB"),
    ("backup.size", newest(database=6e7), "warn", "database 57.2 MiB"),
    ("backup.size", newest(database=9e8), "pass", "as usual"),  # a busy week, not a broken copy
    ("backup.size", full(database=9e9), "warn", "database 8.4 GiB, usually 3.7 GiB"),
    ("backup.unproven", near(unproven=2), "warn", "near: 2 unproven"),
    ("backup.unproven", both(near(unproven=1), working), "pass", "none"),
    ("backup.unproven", both(near(unproven=2), working), "warn", "near: 1 unproven"),
    ("backup.pruned", ago("pruned", 9 * DAY), "warn", "9 days ago"),
    ("backup.pruned", ago("pruned", 16 * DAY), "fail", "16 days ago"),
    ("backup.pruned", stores(pruned=None), "warn", "never, and the first copy is 10 days old"),
    ("backup.pruned", stores(pruned=None, copies=[]), "pass", "nothing to prune yet"),
]

CHECKS = ("reachable", "last_good", "place", "verified", "drill", "binlogs", "size", "unproven", "pruned")
BLINDS: list[tuple[str, Change, str]] = [
    ("backup.reachable", prints(PROGRAM, "no"), "says no JSON"),
    ("backup.reachable", prints(PROGRAM, "[]"), "names no stores"),
    ("backup.reachable", prints(PROGRAM, '{"stores": []}'), "hold no store"),
    ("backup.reachable", prints(PROGRAM, "settings.json: stores is missing.", 1), "failed with status 1"),
    *((f"backup.{name}", stores(**UNREAD), "wrong password") for name in ("last_good", "place", "verified", "drill")),
    *((f"backup.{name}", stores(**UNREAD), "wrong password") for name in ("unproven", "pruned")),
    *((f"backup.{name}", near(**UNREAD), "store near could not be read") for name in ("binlogs", "size")),
    ("backup.last_good", lies_ahead, "ahead of this host's clock"),
]

SKIPS: list[tuple[str, Change, str]] = [
    *((f"backup.{name}", missing(PROGRAM), "no copies are made") for name in CHECKS if name not in ("binlogs", "size")),
    ("backup.size", only(-1), "not two copies to compare"),
]
