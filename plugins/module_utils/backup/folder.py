# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files below the document root from a copy: exchanged by rename, or brought somewhere else.

Files are as of their copy: no log says what happened to them later. What is replaced is kept beside the document root,
where no web server looks.
"""

from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import Copy
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import sync_directory
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees, remove_tree

_BLOCK = 4096
Result = dict[str, t.Any]
Save = t.Callable[[Result], None]


class Source(t.NamedTuple):
    """The snapshot with the files, and the folder that was copied."""

    snapshot: str
    root: str


def relative(name: str) -> str:
    """A name below the document root as it is used here. Raises BoxliftError where it leads out of it, or is all."""
    cleaned = os.path.normpath(name.strip().strip("/"))
    if not name.strip() or cleaned in (".", "..") or cleaned.startswith("../") or "\0" in name or name.startswith("/"):
        raise BoxliftError(
            f"{name!r} is no folder below the document root.",
            "Name it as seen from there, such as upload/iblock. Without recover_folders everything comes back.",
        )
    return cleaned


def refuse_early(restic: Restic, source: Source, trees: Trees, names: t.Sequence[str], dest: str) -> None:
    """Raise BoxliftError for names that the copy does not have, and for what cannot be renamed."""
    cleaned = sorted(map(relative, names))
    for one, other in zip(cleaned, cleaned[1:]):
        if other == one or other.startswith(f"{one}/"):
            raise BoxliftError(f"{other} lies within {one}.", "Name the outer one alone.")
    for name in cleaned:
        path = os.path.join(source.root, name)
        if not any(entry.path == path for entry in restic.list(source.snapshot, path)):
            raise BoxliftError(
                f"The copy has no {name} in {source.root}.",
                "Correct the name, or take an older copy: recover_moment. Caches are in no copy.",
                code="unknown_folder",
            )
        live = os.path.join(trees.live, name)
        if not dest and os.path.ismount(live):
            raise BoxliftError(f"{live} is a mount point and cannot be renamed.", "Bring it as files: recover_dest.")
        place = os.path.join(dest, name) if dest else ""
        if place and os.path.lexists(place):
            raise BoxliftError(f"{place} is there already.", "Name another recover_dest, or move it away.")


def needed(restic: Restic, source: Source, copy: Copy, names: t.Sequence[str]) -> int:
    """Bytes that the files take on the disk, of the whole copy without names."""
    if not names:
        return copy.bytes("files") + _BLOCK * int(copy.parts["files"].get("files") or 0)
    total = 0
    for name in map(relative, names):
        for entry in restic.list(source.snapshot, os.path.join(source.root, name)):
            total += _BLOCK + (entry.size if entry.type == "file" else 0)
    return total


def own(path: str, uid: int, gid: int) -> int:
    """Give everything to the owner and group (-1 leaves them); the number of files."""
    if not os.path.lexists(path):
        raise BoxliftError(f"{path} did not come from the copy.", "Take another copy (recover_copy names one).")
    count, pending = 0, [path]
    while pending:
        current = pending.pop()
        status = os.lstat(current)
        if (uid >= 0 and status.st_uid != uid) or (gid >= 0 and status.st_gid != gid):
            os.lchown(current, uid, gid)
        if os.path.isdir(current) and not os.path.islink(current):
            with os.scandir(current) as entries:
                pending += [entry.path for entry in entries]
        else:
            count += 1
    return count


def bring_all(restic: Restic, source: Source, dest: str) -> list[Result]:
    """The whole tree as files, below `dest` with its last name."""
    name = os.path.basename(source.root)
    return [_bring(restic, source, "", os.path.join(dest, name))]


def _bring(restic: Restic, source: Source, name: str, place: str) -> Result:
    aside = f"{place}.recover"
    remove_tree(aside)
    os.makedirs(aside, mode=0o700)
    path = os.path.join(source.root, name) if name else source.root
    restic.restore(source.snapshot, aside, include=[escaped(path)])
    count = own(aside + path, -1, -1)
    os.rename(aside + path, place)
    remove_tree(aside)
    return {"name": name or os.path.basename(source.root), "path": place, "files": count, "replaced": None}


def escaped(path: str) -> str:
    """A path as a pattern of restic that means it alone."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)


class Work:
    """Named folders brought home. `stage` can be repeated, and `switch` goes on after a kill.

    They come to belong to `uid` and `gid` (-1: to the numbers in the copy, which may be other accounts on this host).
    `noted` is what a killed run has saved with `save`: where it keeps what it replaces, and how far it was.
    """

    def __init__(
        self,
        restic: Restic,
        source: Source,
        trees: Trees,
        names: t.Sequence[str],
        noted: Result | None,
        save: Save,
        now: float,
        uid: int = -1,
        gid: int = -1,
    ) -> None:
        self._uid = uid
        self._gid = gid
        self._restic = restic
        self._source = source
        self._trees = trees
        self._names = sorted(map(relative, names))
        self._save = save
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        kept = os.path.join(trees.parent, f".{os.path.basename(trees.live)}.replaced-{stamp}")
        self._noted: Result = noted or {"kept": kept, "staged": False, "files": {}}

    def bring(self, dest: str) -> list[Result]:
        """As files, to `dest` with their whole names."""
        found = []
        for name in self._names:
            place = os.path.join(dest, name)
            os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
            found.append(_bring(self._restic, self._source, name, place))
        return found

    def stage(self, tree: str) -> None:
        """Bring them beside the document root, on its file system."""
        if self._noted["staged"]:
            return
        remove_tree(tree)
        os.mkdir(tree, 0o700)
        patterns = [escaped(os.path.join(self._source.root, name)) for name in self._names]
        self._restic.restore(self._source.snapshot, tree, include=patterns)
        for name in self._names:
            self._noted["files"][name] = own(self._staged(tree, name), self._uid, self._gid)
        self._noted["staged"] = True
        self._save(self._noted)

    def _staged(self, tree: str, name: str) -> str:
        return tree + os.path.join(self._source.root, name)

    def switch(self, tree: str) -> list[Result]:
        """Two renames for each; what an earlier run has done of them is left alone."""
        return [self._exchange(tree, name) for name in self._names]

    def _exchange(self, tree: str, name: str) -> Result:
        live, staged = os.path.join(self._trees.live, name), self._staged(tree, name)
        kept = os.path.join(self._noted["kept"], name)
        if os.path.lexists(staged):
            self._make_parents(tree, name)
            if os.path.lexists(live) and not os.path.lexists(kept):
                os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
                os.rename(live, kept)
            os.rename(staged, live)
            sync_directory(os.path.dirname(live))
        return {
            "name": name,
            "path": live,
            "files": self._noted["files"][name],
            "replaced": kept if os.path.lexists(kept) else None,
        }

    def _make_parents(self, tree: str, name: str) -> None:
        """Folders above it that are gone, with the rights that the copy has of them."""
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            above = "/".join(parts[:depth])
            live, staged = os.path.join(self._trees.live, above), self._staged(tree, above)
            if not os.path.isdir(live):
                status = os.stat(staged)
                os.mkdir(live, status.st_mode & 0o7777)
                owner = status.st_uid if self._uid < 0 else self._uid
                os.chown(live, owner, status.st_gid if self._gid < 0 else self._gid)


def undo(noted: Result | None, trees: Trees | None = None) -> None:
    """Put back what a killed run has taken out and not replaced yet."""
    if not noted or trees is None:
        return
    for name in noted["files"]:
        live, kept = os.path.join(trees.live, name), os.path.join(noted["kept"], name)
        if os.path.lexists(kept) and not os.path.lexists(live):
            os.rename(kept, live)
