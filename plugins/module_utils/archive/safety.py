# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names an archive may use (backup_archive.md, section 7)."""

from __future__ import annotations

LONGEST_PATH = 4095
LONGEST_COMPONENT = 255
DEEPEST = 128


def refusal(path: bytes) -> str | None:
    """Why an entry of this name must not be placed below the target, or None where it may."""
    if not path:
        return "it has no name"
    if path.startswith(b"/"):
        return "its path is absolute"
    if b"\0" in path:
        return "its name holds a NUL byte"
    if b"\\" in path:
        return "its name holds a backslash, which other readers take for a separator"
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
        if len(component) > LONGEST_COMPONENT:
            return f"a component of its path has {len(component)} bytes, more than {LONGEST_COMPONENT}"
    return None
