# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a name stands in the tree, where a file system takes two names for one."""

from __future__ import annotations

import typing as t
import unicodedata

from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import decode_name


def spelling(path: bytes, listing: t.Callable[[bytes], list[bytes]]) -> bytes:
    """The path as the disk spells what stands there. `listing` returns the names in a directory of the tree."""
    spelled = []
    for depth, component in enumerate(components := path.split(b"/")):
        names = listing(b"/".join(components[:depth]))
        alike = [name for name in names if _folded(name) == _folded(component)]
        spelled.append(component if component in names or not alike else alike[0])
    return b"/".join(spelled)


def _folded(raw: bytes) -> str:
    """A form in which names are equal that differ only in case or in how accents are composed."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", decode_name(raw)).casefold())
