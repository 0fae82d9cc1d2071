# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name an entry gets in the tree: UTF-8 that a disk can hold (docs/archive-format.md, sections 2 and 7)."""

from __future__ import annotations

import hashlib
import re

from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import LONGEST_COMPONENT
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import decode_name

# Characters that vfat, exFAT, NTFS and CIFS do not take, and the blanks and dots that they cut off a name's end.
_NOT_PORTABLE = re.compile(r'[<>:"|?*\t\n]|[. ]+$')
_LONGEST_ENDING = 16  # bytes of `.txt` and the like, kept at the end of a derived name


def placed_name(path: bytes, longest: int = LONGEST_COMPONENT) -> bytes:
    """The path in UTF-8, from UTF-8 or cp1251, with components of at most `longest` bytes.

    A component that only conversion makes too long keeps its bytes; one that is too long anyway gets a derived name.
    """
    if path.isascii() and len(path) <= longest:
        return path
    return b"/".join(_placed_component(component, longest) for component in path.split(b"/"))


def _placed_component(raw: bytes, longest: int) -> bytes:
    converted = raw if raw.isascii() else decode_name(raw).encode("utf-8")
    if len(converted) <= longest:
        return converted
    return raw if len(raw) <= longest else derived_name(raw, longest)


def portable_name(path: bytes, longest: int = LONGEST_COMPONENT) -> bytes:
    """The path with a derived name for each component that simple file systems, or those with UTF-8 only, refuse."""
    return b"/".join(
        component if _portable(component) and len(component) <= longest else derived_name(component, longest)
        for component in path.split(b"/")
    )


def _portable(raw: bytes) -> bool:
    try:
        return _NOT_PORTABLE.search(raw.decode("utf-8")) is None
    except UnicodeDecodeError:
        return False


def derived_name(raw: bytes, longest: int = LONGEST_COMPONENT) -> bytes:
    """A name that any disk holds: the beginning of `raw`, `~` and eight digits of its sum, and its ending.

    The same name gives the same derived one, also as a folder of other entries' paths.
    """
    text = _NOT_PORTABLE.sub("_", decode_name(raw))
    stem, dot, ending = text.rpartition(".")
    if not stem or len(dot + ending) > _LONGEST_ENDING or len((dot + ending).encode("utf-8")) > _LONGEST_ENDING:
        stem, dot, ending = text, "", ""
    mark = f"~{hashlib.sha256(raw).hexdigest()[:8]}{dot}{ending}".encode()
    kept = stem.encode("utf-8")[: max(0, longest - len(mark))].decode("utf-8", "ignore")
    return kept.encode("utf-8") + mark
