# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server can hold, as far as a dump's definitions depend on it."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import (
    UCA1400_LANGUAGES,
    UNICODE_ENDINGS,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import (
    MARIADB,
    MYSQL,
    PARTITIONS,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.grammar import MARIADB_FUNCTIONS, MYSQL_FUNCTIONS

# Since this version of MariaDB, utf8mb4 alone means uca1400_ai_ci; since MySQL 8 it means 0900_ai_ci.
_OTHER_DEFAULT = (11, 5)
# The first versions with a type VECTOR.
_VECTOR = {MARIADB: (11, 7), MYSQL: (9, 0)}


@dataclass(frozen=True)
class Known:
    """Character sets, collations, engines (in capitals) and kind of a server."""

    charsets: frozenset[str]
    collations: frozenset[str]
    engines: frozenset[str] = frozenset({"INNODB", "MYISAM", "ARIA", "MEMORY"})
    server: str = MARIADB
    version: tuple[int, ...] = (10, 11)
    partitions: bool = True

    @property
    def general_ci(self) -> bool:
        """Whether a character set without a collation has general_ci, as on all servers that print none."""
        return self.server == MARIADB and self.version < _OTHER_DEFAULT

    def lacks(self, needs: t.Iterable[str]) -> list[str]:
        """Those of the needs of a `Clause` that this server does not meet."""
        return sorted(need for need in needs if not self._has(need))

    def _has(self, need: str) -> bool:
        kind, _blank, name = need.partition(" ")
        if kind == "engine":
            return name in self.engines
        if kind == "function":
            return name not in (MYSQL_FUNCTIONS if self.server == MARIADB else MARIADB_FUNCTIONS)
        if kind == "type":
            return name == "VECTOR" and self.version >= _VECTOR[self.server]
        return need == self.server or (need == PARTITIONS and self.partitions)


def server_kind(version: str) -> tuple[str, tuple[int, ...]]:
    """Kind and version from what SELECT VERSION() says, such as 10.11.6-MariaDB-0+deb12u1 or 8.4.3."""
    numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())
    return (MARIADB if "mariadb" in version.lower() else MYSQL), numbers


def debian12() -> Known:
    """MariaDB 10.11, which the roles install: for judging a dump where no server is at hand."""
    unicode = ("ucs2", "utf16", "utf32", "utf8mb3", "utf8mb4")
    uca1400 = {
        f"{charset}_uca1400_{language}{nopad}a{accents}_c{case}"
        for charset, language, nopad, accents, case in itertools.product(
            unicode, ["", *(f"{name}_" for name in UCA1400_LANGUAGES)], ("", "nopad_"), "is", "is"
        )
    }
    plain = {f"{charset}_{ending}" for charset, ending in itertools.product(unicode, UNICODE_ENDINGS)}
    others = {
        f"{charset}_{ending}"
        for charset, words in _OTHERS.items()
        for ending in ("bin", "nopad_bin", f"{words[0]}_ci", f"{words[0]}_nopad_ci", *words[1:])
    }
    extra = {"binary", "ucs2_general_mysql500_ci", "utf8mb3_general_mysql500_ci"}
    return Known(frozenset({"binary", *unicode, *_OTHERS}), frozenset(uca1400 | plain | others | extra))


# Each character set's own order, then its further collations.
_OTHERS = {
    **dict.fromkeys(("armscii8", "ascii", "cp1256", "cp850", "cp852", "cp866", "geostd8", "greek"), ("general",)),
    **dict.fromkeys(("hebrew", "keybcs2", "koi8r", "koi8u", "macce", "macroman", "utf16le"), ("general",)),
    **dict.fromkeys(("cp932", "eucjpms", "sjis", "ujis"), ("japanese",)),
    **dict.fromkeys(("big5", "gb2312", "gbk"), ("chinese",)),
    **dict.fromkeys(("dec8", "swe7"), ("swedish",)),
    **{"euckr": ("korean",), "hp8": ("english",), "latin5": ("turkish",), "tis620": ("thai",)},
    "cp1250": ("general", "croatian_ci", "czech_cs", "polish_ci"),
    "cp1251": ("general", "bulgarian_ci", "general_cs", "ukrainian_ci"),
    "cp1257": ("general", "lithuanian_ci"),
    "latin1": ("swedish", "danish_ci", "general_ci", "general_cs", "german1_ci", "german2_ci", "spanish_ci"),
    "latin2": ("general", "croatian_ci", "czech_cs", "hungarian_ci"),
    "latin7": ("general", "estonian_cs", "general_cs"),
}
