# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal's own copies: whether it could be recovered, to which moment, and whether anybody has tried."""

from __future__ import annotations

import json
import statistics
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration, size

PROGRAM = "/usr/local/bin/boxlift-backup"
Data = dict[str, t.Any]
DAY = 86400.0
#: A night and the timer's spread; two nights.
LATE_HOURS, LOST_HOURS = 26, 50
DRILL_DAYS = 90
VERIFY_DAYS = 7
#: The binary logs are shipped every five minutes.
SHIPPED_LATE, SHIPPED_LOST = 15 * 60, 3600
#: Of the usual size of a copy.
SMALL, LARGE = 0.7, 1.5
PRUNE_LATE_DAYS, PRUNE_LOST_DAYS = 8, 15
_AHEAD = 300  # seconds that a clock may be wrong before times mean nothing


def _status(context: Context) -> Data:
    """What the program says of all repositories."""

    def ask() -> Data:
        said = context.installed(PROGRAM, "status")
        if said is None:
            raise DoesNotApply("no copies are made on this host (playbook backup)")
        try:
            status = json.loads(said)
        except ValueError as problem:
            raise CannotLook(f"{PROGRAM} status says no JSON") from problem
        if not isinstance(status, dict) or not isinstance(status.get("stores"), list):
            raise CannotLook(f"{PROGRAM} status names no stores")
        return status

    return context.once("backup status", ask)


def _stores(context: Context) -> list[Data]:
    stores: list[Data] = _status(context)["stores"]
    if not stores:
        raise CannotLook("the settings of boxlift-backup hold no store")
    return stores


def _seen(context: Context) -> list[Data]:
    """The stores that could be read. Raises CannotLook where none could."""
    seen = [store for store in _stores(context) if store.get("reachable")]
    if not seen:
        raise CannotLook(f"no store could be read: {_stores(context)[0].get('problem') or 'no reason is given'}")
    return seen


def _first(context: Context) -> Data:
    """The store that the night writes to."""
    store = _stores(context)[0]
    if not store.get("reachable"):
        raise CannotLook(f"store {store['name']} could not be read: {store.get('problem')}")
    return store


def _age(context: Context, moment: float) -> float:
    """Seconds since the moment. Raises CannotLook where it lies ahead: a clock is wrong."""
    seconds = context.now() - float(moment)
    if seconds < -_AHEAD:
        raise CannotLook(f"the repository speaks of a time {duration(-seconds)} ahead of this host's clock")
    return max(0.0, seconds)


def _worst(verdicts: t.Mapping[str, Verdict]) -> Verdict:
    """One verdict of those on each store: the worst status, and what was seen of every store that has it."""
    status = next(each for each in ("fail", "warn", "pass") if any(v.status == each for v in verdicts.values()))
    seen = [(name, verdict) for name, verdict in verdicts.items() if verdict.status == status]
    observed = "; ".join(f"{name}: {verdict.observed}" for name, verdict in seen)
    return Verdict(status, observed, next((verdict.remedy for _name, verdict in seen if verdict.remedy), ""))


@check(
    "backup.reachable",
    why="A copy in a repository that cannot be read is no copy.",
    expected="each store can be opened and read",
    remedy="boxlift-backup check says what to do for each store.",
    blocks="nobody",
)
def backup_reachable(context: Context) -> Verdict:
    stores = _stores(context)
    silent = [f"{store['name']}: {store.get('problem')}" for store in stores if not store.get("reachable")]
    if silent:
        return failed(some(silent)[:600])
    return passed(f"{len(stores)} of {len(stores)} can be read: {some([store['name'] for store in stores])}")


@check(
    "backup.last_good",
    why="Whatever happened since the last good copy cannot be recovered from it, and without one nothing can.",
    expected=f"each store has a good copy that is less than {LATE_HOURS} hours old",
    remedy="journalctl -u boxlift-backup says why; then boxlift-backup now (docs/backup.md).",
    blocks="nobody",
)
def backup_last_good(context: Context) -> Verdict:
    status = _status(context)
    late = float(status.get("age_warn_hours") or LATE_HOURS)
    lost = float(status.get("age_fail_hours") or LOST_HOURS)
    verdicts = {}
    for store in _seen(context):
        last = store.get("last_good")
        if not last:
            verdicts[store["name"]] = failed("there is no good copy yet")
            continue
        hours = _age(context, last["ended"]) / 3600
        observed = f"{hours:.0f} hours ago ({last['kind']} copy {last['id']})"
        judged = failed if hours >= lost else warned if hours >= late else passed
        verdicts[store["name"]] = judged(observed)
    return _worst(verdicts)


@check(
    "backup.place",
    why="A fire, a thief or whoever encrypts this host takes copies that lie on it along.",
    expected="at least one store with a good copy lies on another host",
    remedy="Name a host in the group backup_repository, or an off-site store (docs/backup.md).",
    blocks="nobody",
    owner="customer",
)
def backup_place(context: Context) -> Verdict:
    elsewhere = [store["name"] for store in _seen(context) if not store.get("same_host") and store.get("last_good")]
    if not elsewhere:
        return warned("every good copy lies on the portal's own host")
    return passed(f"on another host: {some(elsewhere)}")


@check(
    "backup.verified",
    why="Disks forget silently: only what was read again is known to be there.",
    expected=f"all of each repository was read within {VERIFY_DAYS} days",
    remedy="journalctl -u boxlift-backup-verify says why; boxlift-backup verify reads the next slice.",
    blocks="nobody",
)
def backup_verified(context: Context) -> Verdict:
    verdicts = {}
    for store in _seen(context):
        damaged = [each for each in store.get("findings") or [] if each.get("code") == "damaged"]
        ratio = (store.get("verified") or {}).get("ratio_7_days")
        copies = store.get("copies") or []
        young = copies and _age(context, min(float(copy["ended"]) for copy in copies)) < (VERIFY_DAYS + 1) * DAY
        if damaged:
            verdicts[store["name"]] = failed(str(damaged[0]["text"])[:300], str(damaged[0].get("remedy") or ""))
        elif ratio is None:
            verdicts[store["name"]] = warned("nothing was read again yet")
        elif ratio >= 1:
            verdicts[store["name"]] = passed(f"100 % in {VERIFY_DAYS} days")
        else:
            judged = warned if young or ratio >= 0.5 else failed
            verdicts[store["name"]] = judged(f"{ratio:.0%} in {VERIFY_DAYS} days".replace("%", " %"))
    return _worst(verdicts)


@check(
    "backup.drill",
    why="Whether a copy can be recovered, and in what time, is known only from doing it.",
    expected=f"a drill passed within {DRILL_DAYS} days, and the last one passed",
    remedy="Run the playbook drill.",
    blocks="nobody",
)
def backup_drill(context: Context) -> Verdict:
    seen = _seen(context)
    limit = float(_status(context).get("drill_days") or DRILL_DAYS)
    drills = sorted((drill for store in seen for drill in store.get("drills") or []), key=lambda each: each["ended"])
    if not drills:
        first = min((float(copy["ended"]) for store in seen for copy in store.get("copies") or []), default=None)
        if first is not None and _age(context, first) / DAY > limit:
            return failed(f"no drill was ever made; the first copy is {_age(context, first) / DAY:.0f} days old")
        return warned("no drill was made yet: the time of a recovery is computed, not measured")
    last = drills[-1]
    days = _age(context, last["ended"]) / DAY
    if not last.get("passed"):
        texts = [str(each["text"]) for each in last.get("findings") or [] if each.get("severity") == "fail"]
        return failed(f"the last drill, {days:.0f} days ago, failed: {some(texts, 3) or 'no reason is noted'}"[:600])
    observed = f"passed {days:.0f} days ago: recovered in {duration(float(last['rto_seconds']))}"
    if last.get("rpo_seconds") is not None:
        observed += f", at most {duration(float(last['rpo_seconds']))} lost"
    return failed(observed) if days > limit else passed(observed)


@check(
    "backup.binlogs",
    why="Between two copies only the binary logs hold what people do.",
    expected=f"the last moment that can be recovered is less than {SHIPPED_LATE // 60} minutes old, without a gap",
    remedy="journalctl -u boxlift-backup-binlogs says why. After a gap, boxlift-backup now begins anew.",
    blocks="nobody",
)
def backup_binlogs(context: Context) -> Verdict:
    store = _first(context)
    gaps = [each for each in store.get("findings") or [] if str(each.get("code", "")).startswith("binlog")]
    if gaps:
        return failed(str(gaps[0]["text"])[:300], str(gaps[0].get("remedy") or ""))
    until = store.get("restorable_until")
    if until is None:
        return failed("the repository does not say to which moment the portal can be recovered")
    if store.get("binlogs_until") is None:
        return warned("no binary log was stored: the portal can be recovered to its copies only")
    seconds = _age(context, until)
    observed = f"the portal can be recovered to {duration(seconds)} ago"
    judged = failed if seconds >= SHIPPED_LOST else warned if seconds >= SHIPPED_LATE else passed
    return judged(observed)


@check(
    "backup.size",
    why="A copy that is suddenly much smaller lacks something; one that is much larger fills the repository.",
    expected=f"the last full size of each part is between {SMALL:.0%} and {LARGE:.0%} of what is usual".replace(
        "%", " %"
    ),
    remedy="boxlift-backup list shows the copies. Compare with du and the tables' sizes what came or went.",
    blocks="nobody",
)
def backup_size(context: Context) -> Verdict:
    copies = sorted(_first(context).get("copies") or [], key=lambda copy: float(copy["ended"]))
    odd, looked = [], []
    for part in ("files", "database", "configuration"):
        sizes = [(copy, float(copy["bytes"][part])) for copy in copies if part in (copy.get("bytes") or {})]
        if not sizes:
            continue
        newest, now = sizes[-1]
        # An incremental copy of the database is compared with its like.
        before = [number for copy, number in sizes[:-1] if part != "database" or copy["kind"] == newest["kind"]]
        if not before:
            continue
        usual = statistics.median(before[-7:])
        looked.append(part)
        grown = part != "database" or newest["kind"] == "full"  # an incremental copy is as large as the days are busy
        if usual > size_floor(part) and (now < SMALL * usual or (grown and now > LARGE * usual)):
            odd.append(f"{part} {size(now)}, usually {size(usual)}")
    if not looked:
        raise DoesNotApply("there are not two copies to compare yet")
    return warned(some(odd)) if odd else passed(f"as usual: {some(looked)}")


def size_floor(part: str) -> float:
    """Below so many bytes a part's size says nothing."""
    return 0.0 if part == "files" else 1024.0**2


@check(
    "backup.unproven",
    why="What a copy that failed has stored takes room, and the next one may fail for the same reason.",
    expected="no copy of the last days was left unproven",
    remedy="journalctl -u boxlift-backup says why it failed. Pruning removes what is unproven.",
    blocks="nobody",
)
def backup_unproven(context: Context) -> Verdict:
    verdicts = {}
    stores = _seen(context)
    state = context.command("systemctl", "show", "--property=Id,ActiveState", "boxlift-backup.service")
    running = "ActiveState=activating" in state  # it proves its copy when that is complete
    for store in stores:
        number = max(0, int(store.get("unproven") or 0) - running)
        verdicts[store["name"]] = warned(f"{number} unproven") if number else passed("none")
    return _worst(verdicts)


@check(
    "backup.pruned",
    why="What is never pruned fills the repository, and then no copy is made any more.",
    expected=f"each repository was pruned within {PRUNE_LATE_DAYS} days",
    remedy="On the repository's host: journalctl -u boxlift-backup-prune says why; boxlift-backup prune.",
    blocks="nobody",
)
def backup_pruned(context: Context) -> Verdict:
    verdicts = {}
    for store in _seen(context):
        copies = store.get("copies") or []
        first = min((float(copy["ended"]) for copy in copies), default=None)
        pruned = store.get("pruned")
        since = first if pruned is None else float(pruned)
        if since is None:
            verdicts[store["name"]] = passed("there is nothing to prune yet")
            continue
        days = _age(context, since) / DAY
        observed = f"never, and the first copy is {days:.0f} days old" if pruned is None else f"{days:.0f} days ago"
        judged = failed if days >= PRUNE_LOST_DAYS else warned if days >= PRUNE_LATE_DAYS else passed
        verdicts[store["name"]] = judged(observed)
    return _worst(verdicts)
