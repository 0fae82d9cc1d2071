# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name an entry gets in the tree (docs/archive-format.md, section 2), and the error for two entries of one name."""

from __future__ import annotations

import typing as t
import unicodedata

from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import LONGEST_COMPONENT
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import decode_name, printable
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def placed_name(path: bytes) -> bytes:
    """The path in UTF-8, from UTF-8 or cp1251. A component that would become too long for a disk keeps its bytes."""
    if path.isascii():
        return path
    return b"/".join(map(_placed_component, path.split(b"/")))


def _placed_component(raw: bytes) -> bytes:
    converted = decode_name(raw).encode("utf-8")
    return converted if len(converted) <= LONGEST_COMPONENT else raw


def twice(path: bytes, listing: t.Callable[[bytes], list[bytes]]) -> BoxliftError:
    """The error for a second file at `path`. `listing` returns the names in a directory of the target."""
    standing = _spelling(path, listing)
    if standing == path:
        remedy = "Order a new backup: which of the two is right cannot be told."
        if not path.isascii():
            remedy += " If the name of one is in cp1251, `restore_names: raw` (in the module `names`) places both."
        return BoxliftError(f"The archive holds two entries named {printable(path)!r}.", remedy)
    return BoxliftError(
        f"The archive holds {printable(standing)!r} and {printable(path)!r}, which the file system of the document "
        "root takes for one name.",
        "Restore onto a file system that tells them apart, as ext4 and XFS do by default.",
    )


def _spelling(path: bytes, listing: t.Callable[[bytes], list[bytes]]) -> bytes:
    """The path of the first file, as the disk spells it."""
    spelled = []
    for depth, component in enumerate(components := path.split(b"/")):
        names = listing(b"/".join(components[:depth]))
        alike = [name for name in names if _folded(name) == _folded(component)]
        spelled.append(component if component in names or not alike else alike[0])
    return b"/".join(spelled)


def _folded(raw: bytes) -> str:
    """A form in which names are equal that differ only in case or in how accents are composed."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", decode_name(raw)).casefold())
