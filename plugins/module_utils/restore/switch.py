# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the staged tree in the live one's place. Each step looks at what exists, so that it can be repeated."""

from __future__ import annotations

import dataclasses
import os
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
    def previous(self) -> str:
        return os.path.join(self.parent, f".{os.path.basename(self.live)}.previous")

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


def switch_in(trees: Trees) -> None:
    """live → previous, staging → live. Removes the older previous tree; an empty live tree is not kept."""
    if os.path.isdir(trees.staging):
        if os.path.isdir(trees.live):
            if os.listdir(trees.live):
                remove_tree(trees.previous)
                os.rename(trees.live, trees.previous)
            else:
                os.rmdir(trees.live)
        os.rename(trees.staging, trees.live)
        sync_directory(trees.parent)


def remove_tree(path: str) -> None:
    """Remove a tree, or a link in its place, without following links. Nothing happens where there is none."""
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
