# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free space for the archive, the tree and the database; needs on one file system add up."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.backup import Backup
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.host import FileSystem
from ansible_collections.boxlift.portal.plugins.module_utils.units import GIB, size_needed

# Bytes that even an empty portal needs, for a backup of unknown size.
LEAST = {"archive": GIB, "tree": 2 * GIB, "database": GIB}


@dataclasses.dataclass(frozen=True)
class Need:
    """`size` bytes for `what` at `path`; `how` says where the figure comes from. Not `known`: a lower bound."""

    what: str
    path: str
    size: int
    how: str
    known: bool = True


def needs(paths: t.Mapping[str, str], given: t.Mapping[str, int | None], backup: Backup | None) -> list[Need]:
    """The needs of archive, tree and database: the `given` sizes, else estimated from the backup."""
    found = []
    for what, path in paths.items():
        size = given.get(what)
        if size is not None:
            have = backup.here if backup and what == "archive" else 0
            found.append(Need(what, path, max(0, size - have), "as given"))
        else:
            found.append(_estimate(what, path, backup))
    return found


def _estimate(what: str, path: str, backup: Backup | None) -> Need:
    if backup is None:
        return Need(what, path, LEAST[what], "the least of any portal, for nothing is known of the backup", known=False)
    if what == "archive" and backup.archive is not None:
        left = max(0, backup.archive - backup.here)
        return Need(
            what,
            path,
            left,
            f"{size_needed(backup.archive)} by {backup.how}, {size_needed(backup.here)} is here already",
        )
    if what == "tree" and backup.stream is not None:
        return Need(what, path, backup.stream, "at most all that the backup holds, unpacked beside the live tree")
    if what == "database" and backup.stream is not None:
        how = "assumed: a quarter of the backup is the dump, and it doubles with its indexes"
        return Need(what, path, backup.stream // 2, how)
    return Need(what, path, LEAST[what], f"the least of any portal, for {backup.how}", known=False)


def room(wanted: t.Sequence[Need], file_system: t.Callable[[str], FileSystem]) -> list[Finding]:
    """One finding for each file system."""
    shares: dict[int, tuple[FileSystem, list[Need]]] = {}
    for need in wanted:
        lies_on = file_system(need.path)
        shares.setdefault(lies_on.device, (lies_on, []))[1].append(need)
    return [_judge(lies_on, sharers) for lies_on, sharers in shares.values()]


def _judge(lies_on: FileSystem, sharers: t.Sequence[Need]) -> Finding:
    total = sum(need.size for need in sharers)
    listed = "; ".join(f"{need.what} {size_needed(need.size)} in {need.path} ({need.how})" for need in sharers)
    known = all(need.known for need in sharers)
    status = "fail" if lies_on.free < total else "pass" if known else "unknown"
    remedy = ""
    if status == "fail":
        remedy = (
            f"Enlarge {lies_on.mount} by {size_needed(total - lies_on.free)} or free as much there, or move one of the "
            "folders to another disk. Where the sizes are known better, give them in preflight_sizes."
        )
    elif status == "unknown":
        remedy = "Give the sizes that you know of in preflight_sizes (bytes of archive, tree, database)."
    return Finding(
        id=f"disk.{lies_on.mount}",
        area="disk",
        status=status,
        observed=f"{size_needed(lies_on.free)} are free on {lies_on.mount}",
        expected=f"{size_needed(total)}{'' if known else ' or more'}: {listed}",
        remedy=remedy,
        owner="customer",
    )
