# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host under the portal: its clock, its disks, and what its last unattended update has left."""

from __future__ import annotations

import json

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.hardening import UPDATES, container
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

#: Where portal, database, logs and packages grow.
_GROWS = ("/", "/srv", "/var", "/var/lib", "/var/lib/mysql", "/var/log")
#: Percent that is left, of room or of files: little, and too little.
LITTLE, TOO_LITTLE = 15, 5


@check(
    "environment.time",
    why="Log-ins by code, certificates, agents and the order of records rest on a clock that is right.",
    expected="a time service runs, and has set the clock",
    remedy="Run role host, and see that the host reaches its time servers (host_time_servers); timedatectl "
    "timesync-status tells.",
    blocks="some",
)
def environment_time(context: Context) -> Verdict:
    if container(context):
        raise CannotLook(f"the clock belongs to the machine under this {container(context)}")
    printed = context.installed("timedatectl", "show")
    if printed is None:
        raise CannotLook("this host has no timedatectl")
    said = dict(line.partition("=")[::2] for line in printed.splitlines())
    if "NTPSynchronized" not in said:
        raise CannotLook("timedatectl does not say whether the clock is set")
    if said["NTPSynchronized"] == "yes":
        return passed("the clock is set by a time service")
    if said.get("NTP") == "yes":
        return warned("a time service runs, and has not set the clock")
    return failed("no time service runs")


@check(
    "environment.disk",
    why="A full disk stops the database in the middle of a write, and sessions, uploads and copies with it.",
    expected=f"at least {LITTLE} % of the room and of the files are free on every disk of the portal",
    remedy="See what grows (du -xh --max-depth=2 / | sort -h | tail), remove it, or enlarge the disk.",
    blocks="some",
)
def environment_disk(context: Context) -> Verdict:
    room = _left(context, "--block-size=1")
    files = _left(context, "--inodes")
    if not room:
        raise CannotLook("df names no disk")
    told = {f"{left} % of the room of {place}": left for place, left in room.items()}
    told.update({f"{left} % of the files of {place}": left for place, left in files.items()})
    short = sorted((left, text) for text, left in told.items() if left < LITTLE)
    if not short:
        return passed(f"at least {min(told.values())} % are free")
    text = f"free: {some([text for _left_, text in short])}"
    return failed(text) if short[0][0] < TOO_LITTLE else warned(text)


def _left(context: Context, unit: str) -> dict[str, int]:
    """Percent that is free, by the place where a disk is mounted. A file system without a count of files has none."""
    places = [place for place in _GROWS if context.host_file(place).exists()] or ["/"]
    free = {}
    for line in context.command("df", "--portability", unit, *places).splitlines()[1:]:
        words = line.split(None, 5)
        if len(words) == 6 and words[2].isdecimal() and words[3].isdecimal():
            used, available = int(words[2]), int(words[3])
            if used + available > 0:
                free[words[5]] = 100 * available // (used + available)
    return free


@check(
    "environment.last_update",
    why="What a nightly update has broken shows in the morning, when people come.",
    expected="the last update of packages left the portal as it was",
    remedy="See journalctl --unit=boxlift-updates-check; playbook update takes it back (update_back, docs/upkeep.md).",
    blocks="nobody",
)
def environment_last_update(context: Context) -> Verdict:
    lines = context.host_text(UPDATES).splitlines()
    if not lines:
        raise DoesNotApply(f"there is no {UPDATES}")
    try:
        last = json.loads(lines[-1])
        when, outcome, packages = str(last["time"]), last["outcome"], int(last["packages"])
        problems = [str(problem) for problem in last["problems"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise CannotLook(f"the last line of {UPDATES} is no record of an update") from problem
    if outcome == "done":
        return passed(f"{packages} packages at {when}")
    return failed(f"the update of {when} ({last.get('note', '')}): {some(problems) or outcome}")
