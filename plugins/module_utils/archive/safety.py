# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names an archive may use (docs/archive-format.md, section 7).

Refused are names that lead out of the target, that readers understand differently, or that act on a terminal.
Line feed and tab pass: genuine archives hold both. C1 controls and marks of writing direction pass too: they occur in
names that were converted twice or copied out of a file manager, and one oddly named upload must not stop a move.
Messages show names through `tar.printable`, so they do no harm. Device names (`con`, `nul`) mean nothing on Linux.
Names that differ only in case are two names, unless the target's file system disagrees; `restore.writer` notices that.
A name that is too long for a disk is no reason either: it is placed under another one (archive/names.py).
"""

from __future__ import annotations

import fnmatch
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import decode_name

LONGEST_PATH = 4095
LONGEST_COMPONENT = 255
DEEPEST = 128
_SUSPECT = re.compile(rb"[\x00-\x1f\x7f\\]")
_CONTROL = re.compile(rb"[\x01-\x08\x0b-\x1f\x7f]")


def refusal(path: bytes) -> str | None:
    """Why an entry of this name must not be placed below the target, or None where it may."""
    if _harmless(path):
        return None
    if not path:
        return "it has no name"
    if path.startswith(b"/"):
        return "its path is absolute"
    if b"\0" in path:
        return "its name holds a NUL byte"
    if b"\\" in path:
        return "its name holds a backslash, which other readers take for a separator"
    if control := _CONTROL.search(path):
        return f"its name holds the control character \\x{control[0][0]:02x}"
    if len(path) > LONGEST_PATH:
        return f"its path has {len(path)} bytes, more than {LONGEST_PATH}"
    components = path.split(b"/")
    if len(components) > DEEPEST:
        return f"it lies {len(components)} directories deep, more than {DEEPEST}"
    for component in components:
        if component in (b"", b"."):
            return "its path has an empty component"
        if component == b"..":
            return "its path leaves the target"
    return None


def excluded(path: bytes, patterns: t.Sequence[str]) -> bool:
    """Whether the entry is left out by choice: names and patterns of fnmatch; a folder's name stands for all within."""
    if not patterns:
        return False
    name = decode_name(path)
    return any(fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern}/") for pattern in patterns)


def _harmless(path: bytes) -> bool:
    """A quick test that nearly all names pass: these hold nothing that `refusal` looks for."""
    return (
        0 < len(path) <= LONGEST_COMPONENT
        and path[0] not in b"/."
        and b"//" not in path
        and b"/." not in path
        and path[-1] != 0x2F
        and _SUSPECT.search(path) is None
    )
