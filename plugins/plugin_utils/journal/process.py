# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wrote a line: the person, and the ansible-playbook, and whether it still runs."""

from __future__ import annotations

import getpass
import multiprocessing
import os
from pathlib import Path

ENDED = ("Z", "X")  # states of a process that has ended, and whose parent has not asked for it yet
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def token(pid: int) -> str:
    """The process by its host's start, its number and the moment of its birth; empty if it has ended, or without /proc.

    A number alone may be given to another process, and a copy of the journal may be read on another host.
    """
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        # The name in the second field may hold anything; the moment of birth is the 20th after it.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return f"{boot[:8]}-{pid}-{fields[19]}" if fields[0] not in ENDED else ""


def own_process() -> str:
    return token(os.getpid())


def is_orphan() -> bool:
    """Whether this is a worker whose ansible-playbook was killed: it outlives it, in a session of its own."""
    began = multiprocessing.parent_process()
    return began is not None and began.pid != os.getppid()


def parent_process() -> str:
    """ansible-playbook itself, for code in one of its forked workers; empty if it has ended.

    An orphan is given another parent, which runs as long as the host does.
    """
    return "" if is_orphan() else token(os.getppid())


def is_running(process: str) -> bool:
    """Whether the process that a token names runs on this host, since the same start of it."""
    parts = process.split("-")
    return len(parts) == 3 and parts[1].isdigit() and token(int(parts[1])) == process


def operator(told: str | None) -> dict[str, str]:
    """Who types, and from which address: what the system says, or what was told. A claim, not a proof."""
    name = told or os.environ.get("SUDO_USER") or getpass.getuser()
    came_from = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    return {"operator": name, **({"operator_from": came_from} if came_from else {})}
