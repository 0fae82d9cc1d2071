# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that were made on a wrong track, or before a kill, and that the archive does not hold."""

from __future__ import annotations

import base64
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import STRAYS, TreeWriter


def remove_strays(writer: TreeWriter, logs: str) -> None:
    """Remove the empty directories that some writer has taken back and that no writer's log in `logs` holds.

    Only for a tree in which nothing is being written any more.
    """
    strays: set[bytes] = set()
    for name in os.listdir(logs):
        if name.endswith(STRAYS):
            with open(os.path.join(logs, name), "rb") as log:
                strays.update(log)
    if not strays:
        return
    for path in _held(logs):
        strays.discard(path + b"\n")
    # The deepest first, so that a directory is empty by the time its turn comes.
    for path in sorted((base64.b64decode(line) for line in strays), reverse=True):
        writer.remove_directory(path)


def _held(logs: str) -> t.Iterator[bytes]:
    """The directories that the archive holds, as the logs write them."""
    for name in os.listdir(logs):
        if not name.endswith(STRAYS):
            with open(os.path.join(logs, name), "rb") as log:
                for line in log:
                    if line.startswith(b"D "):
                        yield line.split()[1]
