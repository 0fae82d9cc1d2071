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
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import (
    Trees,
    folders_elsewhere,
    lead_elsewhere,
    remove_tree,
)

_BLOCK = 4096
Result = dict[str, t.Any]
Save = t.Callable[[Result], None]


class Source(t.NamedTuple):
    """The snapshot with the files, and the folder that was copied."""

    snapshot: str
    root: str
    #: Names in the root that led to folders in other places, these folders, and the snapshot that holds them.
    places: t.Mapping[str, str] = {}
    further: str = ""

    @classmethod
    def of(cls, copy: Copy, root: str) -> Source:
        further = copy.parts.get("elsewhere", {})
        return cls(copy.snapshot("files"), root, further.get("places", {}), str(further.get("snapshot", "")))

    def holds(self, name: str) -> tuple[str, str]:
        """The snapshot with what has this name below the document root, and its path there."""
        first, slash, rest = name.partition("/")
        if first in self.places:
            return self.further, self.places[first] + slash + rest
        return self.snapshot, os.path.join(self.root, name)

    @property
    def links(self) -> list[str]:
        """Patterns of the links to other places. They lead to the live folders, so no tree may be given them."""
        return [escaped(os.path.join(self.root, name)) for name in self.places]


def aside_of(trees: Trees, place: str) -> str:
    """Where files are brought to, on the file system of this place, before they are renamed."""
    return os.path.join(place, f".{os.path.basename(trees.live)}.recover")


def places_of(trees: Trees) -> dict[str, str]:
    """Names in the live tree that lead to folders in other places, and the places that these lie in."""
    found = folders_elsewhere(trees.live) if os.path.isdir(trees.live) else {}
    return {name: os.path.dirname(path) for name, path in found.items()}


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
    elsewhere = places_of(trees)
    for name in cleaned:
        if name in elsewhere and not dest:
            raise BoxliftError(
                f"{name} is a link to what several web hosts share, and cannot be exchanged as a whole.",
                f"Name folders within it, such as {name}/iblock, or bring all of it as files: recover_dest.",
            )
        snapshot, path = source.holds(name)
        if not any(entry.path == path for entry in restic.list(snapshot, path)):
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
        return _size_of(copy, "files")
    total = 0
    for name in map(relative, names):
        for entry in restic.list(*source.holds(name)):
            total += _BLOCK + (entry.size if entry.type == "file" else 0)
    return total


def _size_of(copy: Copy, part: str) -> int:
    return copy.bytes(part) + _BLOCK * int(copy.parts[part].get("files") or 0)


def needed_elsewhere(copy: Copy) -> int:
    """Bytes that the folders in other places take on the disk, all of them."""
    return _size_of(copy, "elsewhere") if "elsewhere" in copy.parts else 0


def bring_elsewhere(
    restic: Restic, source: Source, trees: Trees, tree: str, elsewhere: t.Mapping[str, str], uid: int, gid: int
) -> int:
    """Give the tree the folders that lay in other places: there again where this portal has them so, or in the tree.

    The number of their files. A tree that was made only in part is removed with them (switch.remove_tree).
    """
    count = 0
    for name, path in source.places.items():
        place, link = elsewhere.get(name, ""), os.path.join(tree, name)
        if place:
            lead_elsewhere(tree, {name: place}, uid, gid, 0o700)
        target = os.readlink(link) if place else link
        aside = aside_of(trees, place or os.path.dirname(tree))
        remove_tree(aside)
        os.mkdir(aside, 0o700)
        restic.restore(source.further, aside, include=[escaped(path)])
        os.rename(aside + path, target)
        remove_tree(aside)
        count += own(target, uid, gid)
    return count


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
    root = os.path.join(dest, os.path.basename(source.root))
    whole = _bring(restic, source, "", root)
    return [whole, *(_bring(restic, source, name, os.path.join(root, name)) for name in source.places)]


def _bring(restic: Restic, source: Source, name: str, place: str) -> Result:
    aside = f"{place}.recover"
    remove_tree(aside)
    os.makedirs(aside, mode=0o700)
    snapshot, path = source.holds(name) if name else (source.snapshot, source.root)
    if name:
        restic.restore(snapshot, aside, include=[escaped(path)])
    else:
        restic.restore(snapshot, aside, exclude=source.links)
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
        self._places = places_of(trees)
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
        wanted: dict[tuple[str, str], list[str]] = {}
        for name in self._names:
            snapshot, path = self._source.holds(name)
            wanted.setdefault((self._aside(tree, name), snapshot), []).append(escaped(path))
        for aside in {aside for aside, _snapshot in wanted}:
            remove_tree(aside)
            os.mkdir(aside, 0o700)
        for (aside, snapshot), patterns in wanted.items():
            self._restic.restore(snapshot, aside, include=patterns)
        for name in self._names:
            self._noted["files"][name] = own(self._staged(tree, name), self._uid, self._gid)
        self._noted["staged"] = True
        self._save(self._noted)

    def _aside(self, tree: str, name: str) -> str:
        place = self._places.get(name.partition("/")[0])
        return aside_of(self._trees, place) if place else tree

    def _staged(self, tree: str, name: str) -> str:
        return self._aside(tree, name) + self._source.holds(name)[1]

    def switch(self, tree: str) -> list[Result]:
        """Two renames for each; what an earlier run has done of them is left alone."""
        return [self._exchange(tree, name) for name in self._names]

    def _exchange(self, tree: str, name: str) -> Result:
        live, staged = os.path.join(self._trees.live, name), self._staged(tree, name)
        kept = _kept(self._noted, self._places, name)
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


def _kept(noted: Result, places: t.Mapping[str, str], name: str) -> str:
    """Where what has this name is kept: on its own file system."""
    place = places.get(name.partition("/")[0])
    return os.path.join(place, os.path.basename(noted["kept"]), name) if place else os.path.join(noted["kept"], name)


def undo(noted: Result | None, trees: Trees | None = None) -> None:
    """Put back what a killed run has taken out and not replaced yet."""
    if not noted or trees is None:
        return
    for name in noted["files"]:
        live, kept = os.path.join(trees.live, name), _kept(noted, places_of(trees), name)
        if os.path.lexists(kept) and not os.path.lexists(live):
            os.rename(kept, live)
