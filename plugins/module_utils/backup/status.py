# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be restored, to which moment, and what is wrong; read from the repositories alone."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import binlogs, problems, verify
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import (
    DRILL,
    PRUNED,
    Contents,
    Copy,
    behind,
    contents,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.drill import promise
from ansible_collections.boxlift.portal.plugins.module_utils.backup.night import (
    CLOCK_TOLERANCE,
    clock_warnings,
    look_at_mount,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic, Snapshot
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Settings, Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

HOUR, DAY = 3600.0, 86400.0
#: Without a new binary log for so long, something does not work.
BINLOGS_LATE = 900.0
#: The retention runs weekly; twice that is too long.
PRUNE_LATE = 15 * DAY

Open = t.Callable[[Store], Restic]
Found = t.Iterator["tuple[str, str, str, str]"]  # code, severity, text, remedy


def status(settings: Settings, now: float, open_store: Open | None = None) -> dict[str, t.Any]:
    """What each repository holds, what is wrong with it, and what the drills allow to promise.

    A repository that cannot be read is part of the answer: `reachable` is false, and `problem` says why.
    """
    opened = open_store or (lambda store: Restic(store, cache=settings.within("cache", store.name), only_asks=True))
    stores = [of_store(settings, store, now, opened(store)) for store in settings.stores]
    drills = {drill["began"]: drill for store in stores for drill in store["drills"]}
    return {"stores": stores, "promise": _promise(stores, [drills[began] for began in sorted(drills)])}


def _promise(stores: t.Sequence[dict[str, t.Any]], drills: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any] | None:
    """What the drills allow to promise; before the first one it is computed from the size of the last good copy."""
    store = next((each for each in stores if each["last_good"]), None)
    if store is None:
        return promise(drills, None, False)
    last = store["last_good"]
    base: dict[str, t.Any] = next((each for each in store["copies"] if each["id"] == last["base"]), {"bytes": {}})
    copied = sum(last["bytes"].values()) + base["bytes"].get("database", 0)
    return promise(drills, copied, store["binlogs_until"] is not None)


def of_store(settings: Settings, store: Store, now: float, restic: Restic) -> dict[str, t.Any]:
    """One repository."""
    told: dict[str, t.Any] = {
        "name": store.name,
        "repository": store.place,
        "offsite": store.offsite,
        "reachable": False,
        "problem": "",
        "same_host": store.same_host,
        "last_good": None,
        "copies": [],
        "unproven": 0,
        "restorable_until": None,
        "binlogs_until": None,
        "verified": {"slices": {}, "of": settings.verify_slices, "ratio_7_days": 0.0},
        "drills": [],
        "pruned": None,
        "findings": [],
    }
    found: list[tuple[str, str, str, str]] = list(_of_host(settings, store))
    try:
        look_at_mount(store)
        known = contents(restic)
        told["drills"] = [json.loads(restic.read_text(each.id, "drill.json")) for each in known.tagged(DRILL)]
    except BoxliftError as error:
        told["problem"] = error.message
        found.append((getattr(error, "code", "other"), "fail", error.message, error.remedy))
    else:
        told["reachable"] = True
        _fill(told, settings, known, now)
        for judge in (_of_copies, _of_binlogs, _of_checks, _of_upkeep):
            found += judge(settings, store, known, now)
        if not store.offsite:
            found += _of_drills(settings, known, told["drills"], now)
    names = ("code", "severity", "text", "remedy")
    told["findings"] = [dict(zip(names, each)) for each in dict.fromkeys(found)]
    return told


def _fill(told: dict[str, t.Any], settings: Settings, known: Contents, now: float) -> None:
    last = _last(known, now)
    told["copies"] = [_copy(copy) for copy in known.good]
    told["last_good"] = _copy(last) if last else None
    told["unproven"] = len(known.unproven)
    if last is not None:
        told["restorable_until"] = binlogs.restorable_until(last, known.binlogs)[0]
    if known.binlogs:
        told["binlogs_until"] = known.binlogs[-1].until
    told["verified"]["slices"] = {
        str(each.number): {"ended": each.ended, "faults": len(each.faults)}
        for each in known.slices
        if each.of == settings.verify_slices
    }
    told["verified"]["ratio_7_days"] = verify.ratio(known.slices, settings.verify_slices, now)
    told["pruned"] = max((each.time for each in known.tagged(PRUNED) if not _ahead(each, now)), default=None)


def _ahead(snapshot: Snapshot, now: float) -> bool:
    """Whether it was made by a clock that is ahead of this host's."""
    return snapshot.time > now + CLOCK_TOLERANCE


def _last(known: Contents, now: float) -> Copy | None:
    """The newest copy that is neither damaged nor from the future."""
    usable = [copy for copy in known.good if not copy.damaged and copy.ended <= now + CLOCK_TOLERANCE]
    return usable[-1] if usable else None


def _copy(copy: Copy) -> dict[str, t.Any]:
    return {
        "id": copy.id,
        "began": copy.began,
        "ended": copy.ended,
        "kind": copy.kind,
        "base": copy.base,
        "host": copy.host,
        "domain": copy.domain,
        "bytes": {part: copy.bytes(part) for part in copy.parts},
        "stored": sum(int(part.get("stored", 0)) for part in copy.parts.values()),
        "files": copy.parts.get("files", {}).get("files"),
        "warnings": list(copy.warnings),
        "damaged": copy.damaged,
    }


def _of_host(settings: Settings, store: Store) -> Found:
    for each in problems.known(settings):
        if each["store"] == store.name:
            work = problems.WORKS.get(each["work"], each["work"])
            yield each["code"], "fail", f"{work} failed: {each['text']}", each["remedy"]
    if store.same_host and not store.offsite and all(other.same_host for other in settings.stores):
        yield (
            "same_host",
            "warn",
            f"The repository {store.place} is on the host that it shall outlive.",
            "Give the group backup_repository a host, or set backup_offsite_repository.",
        )


def _of_copies(settings: Settings, _store: Store, known: Contents, now: float) -> Found:
    for text in clock_warnings(known, now):
        ahead = " ".join(copy.id for copy in known.good if copy.ended > now + CLOCK_TOLERANCE)
        yield (
            "clock",
            "fail",
            text,
            "Set the clock (timedatectl; chronyc makestep), and take a copy: boxlift-backup now. Then remove those "
            f"that are ahead, on the host of the repository: boxlift-backup forget {ahead}.",
        )
    last = _last(known, now)
    if last is None:
        yield (
            "no_copy",
            "fail",
            "There is no proven copy.",
            "Take one: boxlift-backup now; it says what keeps it from that.",
        )
        return
    age = (now - last.ended) / HOUR
    if age > settings.age_warn_hours:
        severity = "fail" if age > settings.age_fail_hours else "warn"
        text = f"The newest proven copy is {duration(now - last.ended)} old."
        yield "copy_old", severity, text, "Run boxlift-backup now, and see what keeps it from the night's copy."
    for text in last.warnings:
        yield "warned", "warn", f"Copy {last.id}: {text}.", "See whether that is meant; if not, keep the copies before."


def _of_binlogs(settings: Settings, store: Store, known: Contents, now: float) -> Found:
    last = _last(known, now)
    if last is None or not last.parts.get("database", {}).get("binlog"):
        return
    until, gap = binlogs.restorable_until(last, known.binlogs)
    if gap:
        yield (
            "binlog_gap",
            "fail",
            f"Binary logs are missing {gap}: no moment after {_clock(until)} can be restored.",
            "Take a copy now, from which logs go on: boxlift-backup now. Then see who removed the logs.",
        )
    elif known.binlogs and known.binlogs[-1].until > until and known.binlogs[-1] not in behind(last, known.binlogs):
        yield (
            "binlog_gap",
            "fail",
            f"Since {_clock(until)} the database is on another host, of which there is no copy: no later moment can be "
            "restored.",
            "Take a copy now, from which its logs go on: boxlift-backup now.",
        )
    elif now - until > BINLOGS_LATE and not store.offsite:
        yield (
            "binlogs_old",
            "fail",
            f"No binary log was stored for {duration(now - until)}.",
            "See what keeps it: systemctl status boxlift-backup-binlogs.timer; boxlift-backup binlogs.",
        )


def _of_checks(settings: Settings, store: Store, known: Contents, now: float) -> Found:
    hurt = [copy.id for copy in known.good if copy.damaged]
    broken = [fault for each in known.slices for fault in each.faults]
    if broken:
        packs = sorted({fault["pack"] for fault in broken if fault["pack"]})
        named = f"pack file {', '.join(packs)}" if packs else broken[0]["text"]
        yield (
            "damaged",
            "fail",
            f"A check of the repository found damage: {named}. Copies that need it: {', '.join(hurt) or 'none'}.",
            "On the host of the repository: boxlift-backup repair; then boxlift-backup now --full on the portal's, and "
            "boxlift-backup verify --all. Copies that stay damaged go by boxlift-backup forget COPY. Look at that disk "
            "(smartctl -a).",
        )
    if store.offsite and not known.slices:
        return  # no timer reads it again
    oldest = known.good[0].ended if known.good else now
    late = settings.verify_slices + 2
    if now - oldest > late * DAY and verify.ratio(known.slices, settings.verify_slices, now, late * DAY) < 1:
        sound = verify.ratio(known.slices, settings.verify_slices, now, late * DAY)
        yield (
            "unverified",
            "warn",
            f"{100 * sound:.0f} % of the repository was read without a fault in the last {late} days.",
            "See what keeps it: systemctl status boxlift-backup-verify.timer; boxlift-backup verify --all.",
        )


def _of_upkeep(settings: Settings, store: Store, known: Contents, now: float) -> Found:
    if store.offsite and store.append_only:
        return  # that place removes what is too old by itself
    notes = known.tagged(PRUNED)
    if any(_ahead(each, now) for each in notes):
        yield (
            "clock",
            "fail",
            f"Old copies were removed from {store.name} later than now: the clock of the host that does it was or is "
            "wrong.",
            "On the host of the repository: timedatectl; chronyc makestep; then boxlift-backup prune, which ends this. "
            "Nothing is lost: ages are counted by what this host has stored.",
        )
    pruned = [each.time for each in notes if not _ahead(each, now)]
    since = max(pruned) if pruned else min((each.time for each in known.snapshots), default=now)
    if now - since > PRUNE_LATE:
        yield (
            "prune_old",
            "warn",
            f"Old copies were last removed from {store.name} {duration(now - since)} ago.",
            "On the host of the repository: systemctl status boxlift-backup-prune.timer; boxlift-backup prune.",
        )


def _of_drills(settings: Settings, known: Contents, drills: t.Sequence[t.Mapping[str, t.Any]], now: float) -> Found:
    passed = [float(drill["ended"]) for drill in drills if drill.get("passed")]
    if drills and not drills[-1].get("passed"):
        failures = [each for each in drills[-1].get("findings", ()) if each.get("severity") == "fail"]
        text = " ".join(str(each["text"]) for each in failures).rstrip(".") or "it did not pass"
        yield (
            "drill_failed",
            "fail",
            f"The last drill: {text}.",
            "Cure what it found, and run playbook drill.yml again.",
        )
    oldest = known.good[0].ended if known.good else now
    since = max(passed) if passed else oldest
    if now - since > settings.drill_days * DAY:
        last = f"The last drill that passed was {duration(now - since)} ago." if passed else "No drill has passed yet."
        yield "drill_old", "fail", last, "Run playbook drill.yml."


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
