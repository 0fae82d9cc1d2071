# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repository holds: copies of the portal, and what the database wrote since."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import OURS, Restic, Snapshot
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

FORMAT = 1
MANIFEST = "copy.json"
STREAM = "database.mbstream"
#: What lies elsewhere are folders of the tree on the share of several web hosts.
PARTS = ("files", "elsewhere", "configuration", "database")
FULL, INCREMENTAL = "full", "incremental"
GOOD, UNPROVEN, BINLOGS, DRILL, VERIFIED, PRUNED = "good", "unproven", "binlogs", "drill", "verified", "pruned"
_OF_COPY, _PART, _UNTIL, _GTID, _SLICE, _FAULTS = "copy-", "part-", "until-", "gtid-", "slice-", "faults-"
_VOID, _SERVER = "void-", "server-"
CHECK = "verified.json"
_READERS = 4


@dataclasses.dataclass(frozen=True)
class Copy:
    """A proven copy, as its manifest says; moments are epoch, `ended` is the moment of the database."""

    id: str
    began: float
    ended: float
    kind: str  # full or incremental
    base: str | None  # the id of the full copy that an incremental one needs
    host: str
    domain: str
    #: By the part's name; `snapshot` is the id that it has in the repository that was read.
    parts: t.Mapping[str, t.Any]
    noted: t.Mapping[str, t.Any]
    warnings: t.Sequence[str]
    manifest_snapshot: str
    #: The last check found a part of it broken, or of the full copy that it needs; or that one is gone.
    damaged: bool = False

    def snapshot(self, part: str) -> str:
        """The full id of the part's snapshot. Raises BoxliftError where the copy has no such part."""
        if part not in self.parts:
            raise BoxliftError(
                f"The copy {self.id} holds no {part}.", "boxlift-backup list says what each copy holds; choose another."
            )
        return str(self.parts[part]["snapshot"])

    def bytes(self, part: str) -> int:
        """The size of a part; 0 without it."""
        return int(self.parts.get(part, {}).get("bytes", 0))


@dataclasses.dataclass(frozen=True)
class BinlogRun:
    """One snapshot of closed binary logs: the moment before the flush, and the paths that the files had."""

    snapshot: str
    until: float
    files: tuple[str, ...]
    gtid: str = ""
    #: Whose logs they are (`Server.logs_of`): another server counts its own. Empty in what earlier versions stored.
    server: str = ""


@dataclasses.dataclass(frozen=True)
class Slice:
    """The last check of a slice: `number` of `of`, when it ended, its faults, and the snapshots that they hurt."""

    number: int
    of: int
    ended: float
    faults: tuple[t.Mapping[str, str], ...] = ()
    snapshots: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Contents:
    """All of ours in a repository, from one listing of it."""

    snapshots: tuple[Snapshot, ...]
    good: tuple[Copy, ...]  # oldest first
    #: Ids of copies that were begun and are not proven, or whose parts are not all there any more.
    unproven: tuple[str, ...]
    binlogs: tuple[BinlogRun, ...]  # by the moment of their flush
    slices: tuple[Slice, ...] = ()  # the last check of each slice
    #: Ids of runs of binary logs that say of more logs than they hold that they were stored.
    void: frozenset[str] = frozenset()

    def tagged(self, tag: str) -> list[Snapshot]:
        return [each for each in self.snapshots if tag in each.tags]


def tags_of_part(copy_id: str, part: str) -> tuple[str, ...]:
    return (OURS, f"{_OF_COPY}{copy_id}", UNPROVEN, f"{_PART}{part}")


def tags_of_manifest(copy_id: str) -> tuple[str, ...]:
    return (OURS, f"{_OF_COPY}{copy_id}", GOOD)


def tags_of_binlogs(until: float, gtid: str, server: str = "") -> tuple[str, ...]:
    """A tag cannot hold a comma."""
    told = [f"{_GTID}{gtid.replace(',', '+')}"] if gtid else []
    return (OURS, BINLOGS, f"{_UNTIL}{int(until)}", *told, *([f"{_SERVER}{server}"] if server else []))


def of_server(runs: t.Sequence[BinlogRun], server: str) -> list[BinlogRun]:
    """Those of this server; all where it is not known which it is."""
    return [run for run in runs if not server or run.server in ("", server)]


def behind(copy: Copy, runs: t.Sequence[BinlogRun]) -> list[BinlogRun]:
    """Those of the server that was copied."""
    return of_server(runs, str(copy.parts.get("database", {}).get("logs_of", "")))


def tags_of_void(snapshot: str) -> tuple[str, ...]:
    """Of a note: this run of binary logs counts for nothing."""
    return (OURS, f"{_VOID}{snapshot}")


def tags_of_check(number: int, of: int, faults: int) -> tuple[str, ...]:
    return (OURS, VERIFIED, f"{_SLICE}{number}-{of}", f"{_FAULTS}{faults}")


def contents(restic: Restic) -> Contents:
    """Raises ResticFailed, also where a manifest cannot be read."""
    snapshots = restic.snapshots()
    manifests = [each for each in snapshots if GOOD in each.tags]
    with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
        texts = list(pool.map(lambda each: _manifest(restic, each), manifests))
    parts: dict[str, list[Snapshot]] = {}
    for each in snapshots:
        if each.tagged(_PART):
            parts.setdefault(each.tagged(_OF_COPY), []).append(each)
    found = [_copy(said, each, parts) for said, each in zip(texts, manifests)]
    slices = _slices(restic, snapshots)
    good = _marked([copy for copy in found if copy is not None], {hurt for each in slices for hurt in each.snapshots})
    return Contents(
        tuple(snapshots),
        tuple(sorted(good.values(), key=lambda copy: copy.ended)),
        tuple(sorted({*parts, *(each.tagged(_OF_COPY) for each in manifests)} - set(good))),
        tuple(_runs(snapshots)),
        slices,
        _void(snapshots),
    )


def _marked(found: t.Sequence[Copy], hurt: t.Collection[str]) -> dict[str, Copy]:
    """The copies by their ids, with what checks say of them and of the full copies that they need."""
    broken = {
        copy.id
        for copy in found
        if not {copy.manifest_snapshot, *(part["snapshot"] for part in copy.parts.values())}.isdisjoint(hurt)
    }
    there = {copy.id for copy in found} | {None}
    broken |= {copy.id for copy in found if copy.base not in there}
    return {copy.id: dataclasses.replace(copy, damaged=not broken.isdisjoint({copy.id, copy.base})) for copy in found}


def _slices(restic: Restic, snapshots: t.Sequence[Snapshot]) -> tuple[Slice, ...]:
    """By their numbers. Only those with faults are read, what the others say is in their tags."""
    newest: dict[tuple[int, int], Snapshot] = {}
    for each in snapshots:
        numbers = re.fullmatch(r"(\d+)-(\d+)", each.tagged(_SLICE))
        if VERIFIED in each.tags and numbers:
            newest[int(numbers.group(1)), int(numbers.group(2))] = each
    found = []
    for (number, of), each in sorted(newest.items()):
        said: dict[str, t.Any] = {}
        if each.tagged(_FAULTS) != "0":
            said = json.loads(restic.read_text(each.id, CHECK))
        faults, hurt = tuple(said.get("faults", ())), tuple(said.get("snapshots", ()))
        found.append(Slice(number, of, each.time, faults, hurt))
    # After another number of slices was chosen, older checks say nothing any more of where a fault is.
    latest = max(found, key=lambda check: check.ended).of if found else 0
    return tuple(check for check in found if check.of == latest)


def good_copies(restic: Restic) -> list[Copy]:
    """The proven ones, oldest first, whose parts are still there. What a check found damaged is marked so."""
    return list(contents(restic).good)


def binlog_runs(restic: Restic) -> list[BinlogRun]:
    """By the moment of their flush."""
    return _runs(restic.snapshots())


def _runs(snapshots: t.Sequence[Snapshot]) -> list[BinlogRun]:
    void = _void(snapshots)
    found = [_run(each) for each in snapshots if BINLOGS in each.tags and each.id not in void]
    return sorted(found, key=lambda run: run.until)


def _void(snapshots: t.Sequence[Snapshot]) -> frozenset[str]:
    return frozenset(each.tagged(_VOID) for each in snapshots) - {""}


def newest_before(copies: t.Sequence[Copy], moment: float) -> Copy:
    """The newest undamaged copy that ended at or before the moment. Raises BoxliftError where there is none."""
    found = [copy for copy in copies if copy.ended <= moment and not copy.damaged]
    if not found:
        raise BoxliftError(
            "There is no proven and undamaged copy of that moment or before.",
            "boxlift-backup list shows the copies; choose a later moment.",
        )
    return max(found, key=lambda copy: copy.ended)


def chain(copies: t.Sequence[Copy], copy: Copy) -> list[Copy]:
    """What its database is made from: [full], or [full, incremental]. Raises BoxliftError where the full is gone."""
    if copy.base is None:
        return [copy]
    for each in copies:
        if each.id == copy.base and each.kind == FULL:
            return [each, copy]
    raise BoxliftError(
        f"The copy {copy.id} holds what changed since the full copy {copy.base}, which is not in the repository.",
        "Choose another copy: boxlift-backup list shows them.",
    )


def _manifest(restic: Restic, snapshot: Snapshot) -> dict[str, t.Any]:
    """A manifest, from the repository or from this host's cache: an id stands for one content for ever."""
    kept = os.path.join(restic.cache, "manifests", snapshot.id) if restic.cache else ""
    if kept and os.path.exists(kept):
        with open(kept, encoding="utf-8", errors="replace") as stream:
            said = _object(stream.read())
        if said:
            return said
        # A loss of power may leave it empty; the copy is as good as before, and a prune must not take it for unproven.
    text = restic.read_text(snapshot.id, MANIFEST)
    if kept:
        os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
        replace_file(kept, text.encode(), durable=False)
    return _object(text)


def _object(text: str) -> dict[str, t.Any]:
    """The object that a text is; empty where it is none."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _copy(said: dict[str, t.Any], manifest: Snapshot, snapshots: t.Mapping[str, t.Sequence[Snapshot]]) -> Copy | None:
    """None where the manifest is none that this version reads, or a part is not there."""
    if said.get("format") != FORMAT or said.get("id") != manifest.tagged(_OF_COPY):
        return None
    there = snapshots.get(said["id"], ())
    # In a repository to which snapshots are copied they have other ids, and know the first one.
    known = {**{each.original: each.id for each in there if each.original}, **{each.id: each.id for each in there}}
    parts = {}
    for name, part in said["parts"].items():
        if part["snapshot"] not in known:
            return None
        parts[name] = {**part, "snapshot": known[part["snapshot"]]}
    return Copy(
        id=said["id"],
        began=float(said["began"]),
        ended=float(said["ended"]),
        kind=said["kind"],
        base=said.get("base"),
        host=said.get("host", ""),
        domain=said.get("domain", ""),
        parts=parts,
        noted=said.get("noted", {}),
        warnings=tuple(said.get("warnings", ())),
        manifest_snapshot=manifest.id,
    )


def _run(snapshot: Snapshot) -> BinlogRun:
    until = snapshot.tagged(_UNTIL)
    return BinlogRun(
        snapshot.id,
        float(until) if re.fullmatch(r"\d+", until) else snapshot.time,
        snapshot.paths,
        snapshot.tagged(_GTID).replace("+", ","),
        snapshot.tagged(_SERVER),
    )
