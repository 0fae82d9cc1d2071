# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the staged tree in the live one's place. Each step looks at what exists, so that it can be repeated."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import sync_directory


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


def remove_tree(path: str) -> None:
    """Remove a tree, or a link in its place, without following links. Nothing happens where there is none."""
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
