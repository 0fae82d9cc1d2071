# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damages to a storage that three hosts keep. See breaks.py."""

from __future__ import annotations

import json
import typing as t

from unit.plugins.module_utils.health.breaks_security import host_file
from unit.plugins.module_utils.toy_gluster import HOSTS, ToyGluster

Change = t.Callable[[t.Any], t.Any]
SETTINGS = "/etc/boxlift/storage.json"
NAMES = ("store1", "store2", "store3")


def storage(away: t.Sequence[str] = (), room: t.Mapping[str, int] | None = None, deaf: t.Sequence[str] = ()) -> Change:
    """Three hosts, of which some are away, and some do not answer; `room` is how much of 1000 is free."""

    def change(world: t.Any) -> None:
        toy = ToyGluster()
        toy.started = True
        toy.away.update(away)
        toy.room.update({host: (1000, free) for host, free in (room or {}).items()})

        def run(*arguments: str) -> tuple[int, str, str]:
            toy.silent = any(f"--remote-host={host}" in arguments for host in deaf)
            return toy.run(["timeout", *arguments])

        world.host.write(SETTINGS, json.dumps({"volume": "portal", "hosts": dict(zip(NAMES, HOSTS))}))
        world.host.programs["timeout"] = run

    return change


def without_the_program(world: t.Any) -> None:
    storage()(world)
    missing = "timeout: failed to run command 'gluster': No such file or directory"
    world.host.programs["timeout"] = lambda *_arguments: (127, "", missing)


BREAKS: list[tuple[str, Change, str, str]] = [
    ("cluster.storage", storage(), "pass", "store1, store2, store3 are there"),
    ("cluster.storage", storage(deaf=HOSTS[:1], away=HOSTS[:1]), "fail", "away: store1; 2 of 3 are there"),
    ("cluster.storage_room", storage(), "pass", "40% free on store1"),
    ("cluster.storage_room", storage(room={HOSTS[2]: 100}), "warn", "10% free on store3, which has the least"),
    ("cluster.storage_room", storage(room={HOSTS[1]: 20}), "fail", "2% free on store2"),
]
BLINDS: list[tuple[str, Change, str]] = [
    (f"cluster.{name}", change, text)
    for name in ("storage", "storage_room")
    for change, text in (
        (storage(deaf=HOSTS), "no storage host answers: timeout failed with status 1"),
        (without_the_program, "failed to run command 'gluster'"),
        (host_file(SETTINGS, "{"), "does not say which storage hosts"),
    )
]
SKIPS: list[tuple[str, Change, str]] = []
