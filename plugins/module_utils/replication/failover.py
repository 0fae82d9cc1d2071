# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failover to one host would be, by the states of all: planned, unplanned, none, or refused with the reason."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.replication import judgement
from ansible_collections.boxlift.portal.plugins.module_utils.replication.judgement import Seen
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import PRIMARY

#: Nothing to do; both ends answer; the old primary is gone; writes have ended already, and nobody took over.
NONE, PLANNED, UNPLANNED, RESUMED = "none", "planned", "unplanned", "resumed"
_PLAYBOOK = "ansible-playbook boxlift.portal.failover"

_ALL_THAT_IS_LEFT = "Choose another replica. If this one is all that is left: -e failover_accept_loss=true."


class Plan(t.NamedTuple):
    """`old` hands over or is given up, `gone` do not answer, `followers` follow the new primary afterwards.

    `split`: both have written, and the target has nothing to wait for. `above` is the latest term of the others.
    `problem` is why it is refused; `text` says what will be done, and `loss` what may be lost.
    """

    kind: str = NONE
    target: str = ""
    old: str = ""
    gone: tuple[str, ...] = ()
    followers: tuple[str, ...] = ()
    split: bool = False
    above: int = 0
    problem: str = ""
    text: str = ""
    loss: str = ""


def plan(hosts: t.Sequence[Seen], target: str, over: str = "", accept_loss: bool = False) -> Plan:
    """`over` is the host whose own writes are given up where two have written; `accept_loss` takes a broken replica."""
    above = max((host.term for host in hosts if host.name != target), default=0)
    return _plan(hosts, target, over, accept_loss)._replace(above=above)


def _plan(hosts: t.Sequence[Seen], target: str, over: str, accept_loss: bool) -> Plan:
    by_name = {host.name: host for host in hosts}
    table = judgement.table(hosts)
    if target not in by_name:
        known = " or ".join(by_name)
        return _refused(f"failover_to is '{target}', and no database host has this name.", f"Give {known}.")
    new = by_name[target]
    if not new.answers:
        return _refused(
            f"{target} does not answer: {new.problem or 'no answer'}\n{table}", "Bring its server up first."
        )
    writing = [host.name for host in hosts if host.writable and host.role == PRIMARY]
    # A switch that was killed has noted that it ends its writes, and they have not ended.
    writing = writing or [host.name for host in hosts if host.writable and host.role]
    # Nobody writes, and two may: each became it while the other one was gone.
    both = writing or judgement.latest(hosts)
    split = len(both) > 1
    if split and not {over, target} <= set(both):
        what = "take writes" if writing else "are noted as the primary, each without the other one's knowledge"
        return _refused(f"{' and '.join(both)} {what}: split brain.\n{table}", judgement.SPLIT)
    if split and (over == target or len(both) > 2):
        return _refused(f"failover_over is '{over}'.\n{table}", "Name the one host whose writes are given up.")
    gone = tuple(host.name for host in hosts if not host.answers)
    followers = tuple(host.name for host in hosts if host.answers and host.name != target)
    if writing == [target] and new.role == PRIMARY:
        return Plan(NONE, target, text=f"{target} is the primary already.\n{table}", followers=followers)
    olds = [name for name in writing if name != target] or [
        host.name for host in hosts if host.role == PRIMARY and host.name != target
    ]
    old = olds[0] if olds else ""
    if split:
        text = f"{target} stays the primary, {over} ends its writes; what {over} alone has is named when it is seeded."
        return Plan(PLANNED, target, over, gone, followers, True, text=f"{text}\n{table}", loss=_lost(over, new))
    if old and by_name[old].answers:
        # It would not catch up, and the portal would wait in vain.
        if new.problem or new.applying_stopped or not new.receiving:
            return _refused(f"{target} does not follow {old}: {new.problem or 'it is stopped'}\n{table}", _mend(target))
        text = f"Planned: {old} ends its writes, {target} takes over once it has everything, {old} follows it."
        return Plan(PLANNED, target, old, gone, followers, text=f"{text}\n{table}")
    ahead = [host for host in hosts if host.answers and _progress(host) > _progress(new)]
    if ahead:
        names = " and ".join(host.name for host in ahead)
        return _refused(f"{names} has more than {target}.\n{table}", f"{_PLAYBOOK} -e failover_to={ahead[0].name}")
    if not gone:
        return Plan(
            RESUMED, target, "", (), followers, text=f"No host takes writes, and {target} has the most.\n{table}"
        )
    if new.applying_stopped and not accept_loss:
        return _refused(f"{target} had stopped applying before: {new.problem}\n{table}", _ALL_THAT_IS_LEFT)
    given_up = old or gone[0]
    text = f"Unplanned: {', '.join(gone)} does not answer. {target} applies what it has received, and takes over."
    return Plan(UNPLANNED, target, given_up, gone, followers, text=f"{text}\n{table}", loss=_lost(given_up, new))


def _progress(host: Seen) -> tuple[int, int]:
    """What it has, received and not applied yet included. What a later primary has done counts for more.

    An old primary may have the higher number, of transactions that nobody else has.
    """
    return host.term, max(judgement.sequence(host.position), judgement.sequence(host.received))


def _lost(old: str, new: Seen) -> str:
    return (
        f"What {old} has committed behind {new.received or new.position or 'the beginning'} is not on {new.name}."
        f" It is in the binary logs of {old}. When that host is back, it takes no writes; this names what was lost, and"
        f" makes it a replica: ansible-playbook boxlift.portal.provision -e database_seed_anew={old}"
    )


def _mend(target: str) -> str:
    return (
        "Choose another replica, or mend this one: ansible-playbook boxlift.portal.provision; if that asks for it, with"
        f" -e database_seed_anew={target}."
    )


def _refused(problem: str, remedy: str) -> Plan:
    return Plan(problem=f"{problem.rstrip()}\n{remedy}".strip())
