# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH session that a program runs in: where it comes from, and as whom it logged in."""

from __future__ import annotations

import typing as t


class Process(t.NamedTuple):
    """What the kernel says of a process."""

    parent: int  # its number; 0 for none
    account: str
    environment: t.Mapping[str, str]


class Session(t.NamedTuple):
    address: str  # the client's, as this host sees it
    port: int  # the one that this host listens on
    account: str  # who logged in, before sudo


def session_of(pid: int, process: t.Callable[[int], Process]) -> Session | None:
    """The session above process `pid`, or None where there is none.

    sudo drops the variable that sshd sets, so that the processes above are asked too; the uppermost one that has it
    runs as the account that logged in. `process` raises PermissionError where it may not look: that is sshd itself, or
    the first process of a container.
    """
    found: Session | None = None
    while pid > 0:
        try:
            seen = process(pid)
        except PermissionError:
            break
        given = seen.environment.get("SSH_CONNECTION", "").split()
        if len(given) == 4 and given[3].isdecimal():
            found = Session(given[0].split("%")[0], int(given[3]), seen.account)
        pid = seen.parent
    return found


def parsed(status: bytes, environ: bytes, name_of: t.Callable[[int], str]) -> Process:
    """A process from its /proc/PID/status and /proc/PID/environ."""
    lines = dict(line.split(":", 1) for line in status.decode("utf-8", "replace").splitlines() if ":" in line)
    pairs = (pair.partition("=") for pair in environ.decode("utf-8", "replace").split("\0") if "=" in pair)
    return Process(
        int(lines["PPid"]), name_of(int(lines["Uid"].split()[0])), {name: value for name, _equals, value in pairs}
    )
