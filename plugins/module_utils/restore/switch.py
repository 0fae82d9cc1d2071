# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the staged tree in the live one's place. Each step looks at what exists, so that it can be repeated."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import stat
import tempfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import sync_directory

#: Lies in a place that holds folders of trees, such as the uploads of several web hosts.
MARK = ".boxlift-folders-of-trees"


@dataclasses.dataclass(frozen=True)
class Trees:
    """The live tree and its neighbours, in one directory: a rename moves them."""

    live: str

    @property
    def parent(self) -> str:
        return os.path.dirname(self.live)

    @property
    def staging(self) -> str:
        return os.path.join(self.parent, f".{os.path.basename(self.live)}.staging")

    @property
    def _previous(self) -> str:
        return f".{os.path.basename(self.live)}.previous"

    def generation(self, number: int) -> str:
        """Where a tree lies that was live. Earlier versions kept one without a number: it is number 0."""
        return os.path.join(self.parent, f"{self._previous}-{number}" if number else self._previous)

    def generations(self) -> list[int]:
        """The numbers of the trees that lie there, empty ones left out."""
        names = os.listdir(self.parent) if os.path.isdir(self.parent) else []
        found = [re.fullmatch(rf"{re.escape(self._previous)}(?:-([1-9]\d{{0,8}}))?", name) for name in names]
        numbers = [int(match.group(1) or 0) for match in found if match]
        return sorted(number for number in numbers if filled(self.generation(number)))

    @classmethod
    def of(cls, document_root: str) -> Trees:
        """The trees of a document root. Raises BoxliftError where that cannot be renamed."""
        live = os.path.realpath(document_root)
        if live == "/" or os.path.dirname(live) == "/":
            raise BoxliftError(
                f"The document root {document_root} lies directly in /.",
                "Use a directory of its own, such as /srv/portal/www.",
            )
        if os.path.ismount(live):
            raise BoxliftError(
                f"The document root {live} is a mount point and cannot be renamed.",
                f"Mount the file system at {os.path.dirname(live)} and let the document root be a directory in it.",
            )
        return cls(live)


def filled(path: str) -> bool:
    """Whether there is a tree with something in it."""
    return os.path.isdir(path) and bool(os.listdir(path))


def take_out(trees: Trees, number: int) -> None:
    """live → this generation. Nothing is done where no live tree is there, or where an earlier call has done it."""
    kept = trees.generation(number)
    if not filled(trees.live):
        if os.path.isdir(trees.live):
            os.rmdir(trees.live)
        return
    if filled(kept):
        raise BoxliftError(
            f"{kept} is the tree that was live, and yet something lies in {trees.live} again.",
            f"Look at both. Move what came into {trees.live} meanwhile away, and run again.",
        )
    remove_tree(kept)
    os.rename(trees.live, kept)
    sync_directory(trees.parent)


def put_in(trees: Trees, tree: str) -> None:
    """This tree → live. Nothing is done where an earlier call has done it."""
    if os.path.isdir(tree):
        os.rename(tree, trees.live)
        sync_directory(trees.parent)


def lead_elsewhere(tree: str, places: t.Mapping[str, str], uid: int, gid: int, mode: int) -> None:
    """Make each of these names in the tree a link to a new folder of its own, in the place that is given for it.

    Wherever the tree is renamed to, its own folder goes with it.
    """
    for name, place in places.items():
        if not os.path.isdir(place):
            raise BoxliftError(
                f"There is no folder {place} for {name}.", "Mount what it lies on (playbook provision, role storage)."
            )
        with open(os.path.join(place, MARK), "a", encoding="ascii") as mark:
            # A folder beside this file of ours is one of ours, and goes with its tree.
            os.fchown(mark.fileno(), os.geteuid(), os.getegid())
        folder = tempfile.mkdtemp(prefix=f"{name}-", dir=place)
        os.chmod(folder, mode)
        link = os.path.join(tree, name)
        os.symlink(folder, link)
        if uid >= 0 or gid >= 0:
            os.chown(folder, uid, gid)
            # A web server follows a link only where both have one owner.
            os.chown(link, uid, gid, follow_symlinks=False)


def folders_elsewhere(tree: str) -> dict[str, str]:
    """The names in the tree that lead to folders of its own in other places, and these folders."""
    found = {}
    with os.scandir(tree) as entries:
        for entry in entries:
            if entry.is_symlink():
                folder = os.readlink(entry.path)
                if _is_own(entry.name, folder):
                    found[entry.name] = folder
    return found


def _is_own(name: str, folder: str) -> bool:
    """Whether lead_elsewhere made it, as it is removed. A backup, or the portal's account, may put any link there."""
    place, own = os.path.split(folder)
    if not os.path.isabs(folder) or os.path.normpath(folder) != folder or not own.startswith(f"{name}-"):
        return False
    try:
        mark = os.stat(os.path.join(place, MARK), follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(mark.st_mode) and mark.st_uid == os.geteuid()


def remove_tree(path: str) -> None:
    """Remove a tree with its folders elsewhere, or a link in its place, without following any other link.

    Nothing happens where there is none.
    """
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.isdir(path):
        for folder in folders_elsewhere(path).values():
            if os.path.isdir(folder):
                shutil.rmtree(folder)
        shutil.rmtree(path)
