# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of a site with several database hosts, as the guard of each host sees it (docs/scale-database.md)."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

_SETTINGS, _SEEN, _DATA = "/etc/boxlift/database.json", "/run/boxlift-database/guard.json", "/var/lib/mysql"
#: The guard looks every second; a peer that is silent costs it ten.
STALE_SECONDS = 60
LAG_WARN_SECONDS, LAG_FAIL_SECONDS = 30, 300
DISK_WARN, DISK_FAIL = 0.15, 0.05
DIVERGED = 1236
_SEED = (
    "ansible-playbook boxlift.portal.provision -e database_seed_anew=HOST makes it a replica again"
    " (docs/scale-database.md)."
)
_FAILOVER = "ansible-playbook boxlift.portal.failover -e failover_to=HOST --check shows all hosts, and what to do."


def _seen(context: Context) -> dict[str, t.Any]:
    """What the guard saw last. Raises CannotLook where it is not known, or too old."""
    if not context.host_file(_SETTINGS).exists():
        raise DoesNotApply("the database of this site has one host")
    text = context.host_text(_SEEN)
    try:
        seen = json.loads(text) if text else None
    except ValueError as error:
        raise CannotLook(f"{_SEEN} holds no JSON") from error
    if not isinstance(seen, dict):
        raise CannotLook("the guard of the database has not looked yet")
    age = context.now() - float(seen["time"])
    if age > STALE_SECONDS:
        raise CannotLook(f"the guard of the database looked {duration(age)} ago for the last time")
    return seen


def _own(context: Context) -> dict[str, t.Any]:
    """What its server says. Raises CannotLook where that does not answer."""
    seen = _seen(context)
    if seen["own"] is None:
        raise CannotLook(f"the server of this host does not answer: {seen['why']}")
    own: dict[str, t.Any] = seen["own"]
    return own


def _following(context: Context) -> dict[str, t.Any]:
    """How this host follows the primary. Raises DoesNotApply on the primary."""
    if _seen(context)["role"] == "primary":
        raise DoesNotApply("this host is the primary")
    return t.cast("dict[str, t.Any]", _own(context)["following"] or {})


@check(
    "cluster.database_guard",
    why="Without its guard an old primary that comes back could take writes that no other host has.",
    expected="the guard looks every few seconds, and is content with this host",
    remedy=f"systemctl status boxlift-database-guard says why. {_FAILOVER}",
    blocks="nobody",
)
def cluster_database_guard(context: Context) -> Verdict:
    try:
        seen = _seen(context)
    except CannotLook as problem:
        if context.host_root is None:
            raise
        return failed(str(problem))
    if seen["decision"] in ("wait", "close"):
        return failed(f"this host takes no writes: {seen['why']}")
    return passed(seen["why"])


@check(
    "cluster.database_primary",
    why="Two servers that take writes grow apart, and no program can put them together again.",
    expected="one database host takes writes, and all others are closed",
    remedy=_FAILOVER,
    blocks="everybody",
)
def cluster_database_primary(context: Context) -> Verdict:
    seen, own = _seen(context), _own(context)
    states = {seen["host"]: own, **seen["peers"]}
    writing = sorted(name for name, state in states.items() if state and state["writable"])
    silent = sorted(name for name, state in states.items() if not state)
    if len(writing) > 1:
        return failed(f"{' and '.join(writing)} take writes: split brain")
    if silent:
        raise CannotLook(
            f"{' and '.join(silent)} cannot be asked; {' and '.join(writing) or 'nobody else'} takes writes"
        )
    return passed(f"{writing[0]} takes writes") if writing else failed("no database host takes writes")


@check(
    "cluster.database_replica",
    why="A replica that has stopped is neither a second copy nor a way out when the primary dies.",
    expected="each replica receives and applies what the primary does",
    remedy=f"SHOW ALL SLAVES STATUS names the error; never skip it. {_SEED}",
    blocks="nobody",
)
def cluster_database_replica(context: Context) -> Verdict:
    seen, own = _seen(context), _own(context)
    if seen["role"] == "primary":
        wanted = len(seen["peers"])
        text = f"{own['replicas']} of {wanted} replicas receive"
        return passed(text) if own["replicas"] >= wanted else failed(text)
    following = own["following"]
    if not following:
        return failed("this host follows no primary")
    if following["receiving"] == "Yes" and following["applying"] == "Yes":
        return passed("receives and applies")
    ends = [name for name in ("receiving", "applying") if following[name] != "Yes"]
    return failed(f"not {' and not '.join(ends)}: {following['error'] or 'stopped by hand'}")


@check(
    "cluster.database_diverged",
    why="It has transactions that the primary has not; whoever made it the primary would lose what came since.",
    expected="the replica has nothing that the primary has not",
    remedy=f"What only it has is named when it is seeded. {_SEED}",
    blocks="nobody",
)
def cluster_database_diverged(context: Context) -> Verdict:
    following = _following(context)
    if not following:
        raise CannotLook("this host follows no primary, so nothing is compared")
    if following["number"] == DIVERGED:
        return failed(following["error"])
    return passed(f"at {_own(context)['position'] or 'the beginning'}")


@check(
    "cluster.database_lag",
    why="What the replica has not received yet is lost with the primary.",
    expected=f"less than {LAG_WARN_SECONDS} seconds behind the primary",
    remedy="Wait until a large import has ended. If it lasts, look at the disk of the replica (iostat -x 5).",
    needs=("cluster.database_replica",),
    blocks="nobody",
)
def cluster_database_lag(context: Context) -> Verdict:
    lag = _following(context).get("lag")
    if lag is None:
        raise CannotLook("the server does not say how far it is behind")
    text = f"{lag} s behind"
    if lag > LAG_FAIL_SECONDS:
        return failed(text)
    return warned(text) if lag > LAG_WARN_SECONDS else passed(text)


@check(
    "cluster.database_disk",
    why="A replica whose disk is full stops, and the primary goes on without it; a full primary stops the portal.",
    expected=f"at least {DISK_WARN:.0%} of the database's disk are free",
    remedy=f"Enlarge the disk of {_DATA}. du -sh /var/lib/mysql-binlog-kept shows what seedings have kept.",
    blocks="some",
)
def cluster_database_disk(context: Context) -> Verdict:
    _seen(context)
    try:
        free, of = (int(number) for number in context.command("stat", "-f", "-c", "%a %b", _DATA).split())
    except (BoxliftError, OSError, ValueError) as problem:
        raise CannotLook(f"{_DATA} cannot be measured: {problem}") from problem
    part = free / of if of else 0.0
    text = f"{part:.0%} free"
    if part < DISK_FAIL:
        return failed(text)
    return warned(text) if part < DISK_WARN else passed(text)


@check(
    "cluster.database_semi_synchronous",
    why="While it is off, what the portal has confirmed can be lost with the primary.",
    expected="a commit waits for a replica, as the site has asked for",
    remedy="It comes back by itself when a replica receives again (cluster.database_replica).",
    blocks="nobody",
)
def cluster_database_semi_synchronous(context: Context) -> Verdict:
    seen = _seen(context)
    if not seen["semi_synchronous_wanted"]:
        raise DoesNotApply("the site has not asked for it (database_semi_synchronous)")
    if seen["role"] != "primary":
        raise DoesNotApply("only the primary waits")
    return passed("on") if _own(context)["semi_synchronous"] else failed("off: no replica confirms in time")
