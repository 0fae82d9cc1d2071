# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all database hosts say of themselves → which one is the primary, or why nobody can say."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import PRIMARY, REPLICA


class Seen(t.NamedTuple):
    """One host, as the module database_replication tells it; `reached` is false where Ansible did not get to it."""

    name: str
    reached: bool
    role: str = ""
    term: int = 0
    writable: bool | None = None  # None: its server does not answer
    position: str = ""
    tables: int | None = None
    lag: int | None = None
    problem: str = ""
    received: str = ""
    applying_stopped: bool = False
    receiving: bool = True

    @property
    def answers(self) -> bool:
        return self.writable is not None


class Judgement(t.NamedTuple):
    """`primary` is empty where nobody can say; `virgin` where nothing was ever decided, and the first one begins."""

    primary: str
    virgin: bool
    problem: str


def seen_of(name: str, told: t.Mapping[str, t.Any]) -> Seen:
    """From the result of the module; a result of Ansible alone is a host that was not reached."""
    if told.get("unreachable") or "role" not in told:
        return Seen(name, reached=False, problem=str(told.get("msg", "")).strip())
    following = told.get("following") or {}
    return Seen(
        name,
        reached=True,
        role=told["role"],
        term=int(told["term"]),
        writable=told["writable"],
        position=told["position"],
        tables=told.get("tables"),
        lag=following.get("lag"),
        problem=told.get("problem") or following.get("error") or "",
        received=following.get("received") or "",
        applying_stopped=bool(following) and following.get("applying") != "Yes",
        receiving=following.get("receiving") == "Yes",
    )


def judge(hosts: t.Sequence[Seen]) -> Judgement:
    """The hosts stand in the inventory's order, which decides only where nothing was ever decided."""
    lost = [host.name for host in hosts if not host.reached]
    writing = [host for host in hosts if host.writable and host.role == PRIMARY]
    if len(writing) > 1:
        names = " and ".join(host.name for host in writing)
        return Judgement("", False, f"{names} take writes: split brain.\n{table(hosts)}\n{SPLIT}")
    if writing:
        return Judgement(writing[0].name, False, "")
    waiting = latest(hosts)
    if len(waiting) == 1 and not lost:
        return Judgement(waiting[0], False, "")
    if any(host.role in (PRIMARY, REPLICA) for host in hosts):
        remedy = f"Bring {' and '.join(lost)} back. " if lost else ""
        text = f"No database host takes writes.\n{table(hosts)}\n{remedy}{_NOBODY}"
        return Judgement("", False, text)
    if lost:
        text = f"{' and '.join(lost)} cannot be asked, so nobody knows whether a primary is among them."
        return Judgement("", False, f"{text} Bring the host back, or take it out of the group database.")
    return _first(hosts)


def latest(hosts: t.Sequence[Seen]) -> list[str]:
    """Who is noted as the primary of the latest term that anybody knows."""
    term = max((host.term for host in hosts), default=0)
    return [host.name for host in hosts if host.role == PRIMARY and host.term == term]


def _first(hosts: t.Sequence[Seen]) -> Judgement:
    """Nothing was decided yet: whoever has the portal's tables, else the first one."""
    filled = [host.name for host in hosts if host.tables]
    if len(filled) > 1:
        text = (
            f"{' and '.join(filled)} have tables of the portal each, and none follows another one. Empty all but one."
        )
        return Judgement("", False, text)
    return Judgement((filled or [host.name for host in hosts] or [""])[0], True, "")


def table(hosts: t.Sequence[Seen]) -> str:
    """All hosts with their positions, one a line."""
    lines = [("host", "is", "writes", "term", "position", "behind", "")]
    for host in hosts:
        writes = {True: "yes", False: "no", None: "silent"}[host.writable] if host.reached else "unreachable"
        behind = "-" if host.lag is None else f"{host.lag} s"
        what = (host.name, host.role or "-", writes, str(host.term), host.position or "-", behind, host.problem[:200])
        lines.append(what)
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[6]]).rstrip() for line in lines
    )


SPLIT = (
    "Do nothing in haste: each has transactions that the other lacks. Stop the link on the web hosts"
    " (systemctl stop boxlift-link.socket boxlift-link), compare the newest orders on both, choose the one to keep,"
    " and run the playbook failover with -e failover_to=THAT_HOST -e failover_over='THE OTHER ONE'."
)
_NOBODY = (
    "Choose the host with the highest position among those of the latest term, and run: ansible-playbook"
    " boxlift.portal.failover -e failover_to=HOST"
)


def sequence(position: str) -> int:
    """The sequence number of a position in the first domain; 0 where it is empty."""
    return max((int(part.rsplit("-", 1)[1]) for part in position.split(",") if part.strip()), default=0)
