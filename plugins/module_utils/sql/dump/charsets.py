# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Character sets that a dump may use, and replacements for collations that this server lacks."""

from __future__ import annotations

import re
import typing as t

# In these, the bytes of ' " ` and backslash are never part of another character. Not in the list are those where
# a backslash can be the second byte of a character: big5, cp932, gb18030, gbk, sjis; and swe7, where 0x5c is Ö.
SAFE_CHARSETS = frozenset({"ascii", "greek", "hebrew", "koi8r", "koi8u", "utf8", "utf8mb3", "utf8mb4"}) | {
    *("cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "latin1", "latin2", "latin5", "latin7")
}

_UTF8 = re.compile(r"^utf8(?:mb3)?(?=_|$)")
# Collations of MySQL 8 (0900) and of newer MariaDB (uca1400), which the other servers do not have.
_NEW_COLLATION = re.compile(
    r"^(utf8mb[34]|utf8)_(?:\w+_)?(?:0900|uca1400)(?:_\w+?)?_(ai_ci|as_ci|as_cs|ai_cs|bin)(?:_ks)?$"
)


def known_charset(name: str, known: t.Collection[str]) -> str:
    """The name by which this server knows a character set: utf8 and utf8mb3 are the same."""
    return _other_name(name.lower(), known)


def known_collation(name: str, known: t.Collection[str]) -> str | None:
    """The collation itself where the server has it, else the nearest one, else None.

    Where the old collation distinguishes case or accents, the nearest is …_bin, so that no unique key breaks; where it
    ignores both, the nearest is …_unicode_ci.
    """
    name = _other_name(name.lower(), known)
    if name in known:
        return name
    match = _NEW_COLLATION.match(name)
    if match is None:
        return None
    nearest = f"{match.group(1)}_{'unicode_ci' if match.group(2) == 'ai_ci' else 'bin'}"
    nearest = _other_name(nearest, known)
    return nearest if nearest in known else None


def _other_name(name: str, known: t.Collection[str]) -> str:
    if name in known or not _UTF8.match(name):
        return name
    return next((other for other in (_UTF8.sub("utf8mb3", name), _UTF8.sub("utf8", name)) if other in known), name)
