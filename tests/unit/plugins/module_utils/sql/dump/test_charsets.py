# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.charsets import (
    SAFE_CHARSETS,
    known_charset,
    known_collation,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import debian12
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.session import read_server

SERVER = debian12().collations
# Before 10.10, MariaDB had no uca1400; MySQL 8 has its own; 5.7 has neither them nor any that heeds trailing blanks.
OLD_MARIADB = frozenset(name for name in SERVER if "uca1400" not in name)
MYSQL = frozenset(
    {"utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_cs_0900_ai_ci", "utf8mb4_bin"}
    | {"utf8mb4_unicode_520_ci", "utf8mb3_bin", "utf8mb3_general_ci", "latin1_bin"}
)
OLD_MYSQL = frozenset({"utf8mb4_unicode_ci", "utf8mb4_bin", "utf8_unicode_ci", "utf8_general_ci", "utf8_bin"})


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("utf8mb4_unicode_ci", SERVER, "utf8mb4_unicode_ci"),
        ("UTF8MB4_UNICODE_CI", SERVER, "utf8mb4_unicode_ci"),
        ("utf8mb4_0900_ai_ci", SERVER, "utf8mb4_uca1400_nopad_ai_ci"),
        ("utf8mb4_0900_as_ci", SERVER, "utf8mb4_uca1400_nopad_as_ci"),
        ("utf8mb4_0900_as_cs", SERVER, "utf8mb4_uca1400_nopad_as_cs"),
        ("utf8mb4_0900_bin", SERVER, "utf8mb4_nopad_bin"),
        ("utf8mb4_ru_0900_ai_ci", SERVER, "utf8mb4_uca1400_nopad_ai_ci"),
        ("utf8mb4_sv_0900_ai_ci", SERVER, "utf8mb4_uca1400_swedish_nopad_ai_ci"),
        ("utf8mb4_es_trad_0900_as_cs", SERVER, "utf8mb4_uca1400_spanish2_nopad_as_cs"),
        ("utf8mb4_de_pb_0900_as_cs", SERVER, "utf8mb4_uca1400_german2_nopad_as_cs"),
        ("utf8mb4_ja_0900_as_cs", SERVER, "utf8mb4_uca1400_nopad_as_cs"),
        ("utf8mb4_ja_0900_as_cs_ks", SERVER, "utf8mb4_nopad_bin"),
        ("utf8mb4_zz_0900_ai_ci", SERVER, "utf8mb4_nopad_bin"),
        ("utf8_unicode_ci", SERVER, "utf8mb3_unicode_ci"),
        ("gb18030_bin", SERVER, "utf8mb4_bin"),
        ("gb18030_unicode_520_ci", SERVER, "utf8mb4_unicode_520_ci"),
        ("klingon_ci", SERVER, "utf8mb4_nopad_bin"),
        ("utf8mb4_klingon_ci", SERVER, "utf8mb4_nopad_bin"),
        ("utf8mb4_0900_ai_ci", OLD_MARIADB, "utf8mb4_unicode_520_nopad_ci"),
        ("utf8mb4_0900_as_ci", OLD_MARIADB, "utf8mb4_nopad_bin"),
        ("utf8mb4_sv_0900_ai_ci", OLD_MARIADB, "utf8mb4_nopad_bin"),
        ("utf8mb4_uca1400_ai_ci", OLD_MARIADB, "utf8mb4_unicode_520_ci"),
        ("utf8mb4_uca1400_as_cs", OLD_MARIADB, "utf8mb4_bin"),
        ("utf8mb4_uca1400_nopad_as_cs", OLD_MARIADB, "utf8mb4_nopad_bin"),
        ("utf8mb4_uca1400_nopad_ai_ci", MYSQL, "utf8mb4_0900_ai_ci"),
        ("utf8mb4_uca1400_czech_nopad_ai_ci", MYSQL, "utf8mb4_cs_0900_ai_ci"),
        ("utf8mb4_uca1400_ai_ci", MYSQL, "utf8mb4_unicode_520_ci"),
        ("utf8mb4_uca1400_as_cs", MYSQL, "utf8mb4_bin"),
        ("utf8mb4_nopad_bin", MYSQL, "utf8mb4_0900_bin"),
        ("utf8mb4_general_nopad_ci", MYSQL, "utf8mb4_0900_bin"),
        ("utf8mb4_croatian_mysql561_ci", MYSQL, "utf8mb4_bin"),
        ("utf8mb3_unicode_ci", OLD_MYSQL, "utf8_unicode_ci"),
        ("utf8mb4_0900_ai_ci", OLD_MYSQL, "utf8mb4_bin"),
        ("utf8mb4_0900_ai_ci", SERVER | {"utf8mb4_0900_ai_ci"}, "utf8mb4_0900_ai_ci"),
        ("utf8mb4_0900_ai_ci", frozenset({"latin1_bin"}), None),
    ],
)
def test_the_nearest_collation(name: str, known: frozenset[str], nearest: str | None) -> None:
    assert known_collation(name, known) == nearest


def test_a_server_of_debian_12_is_known_without_asking_it(mariadb: t.Any) -> None:
    """What verify says of a dump before there is a server."""
    known = read_server(mariadb.connect(mariadb.fresh_database("known"))).known
    assert known.version == (10, 11), "another server than the one that verify takes for granted"
    assert known.collations == debian12().collations and known.charsets == debian12().charsets
    assert (known.server, known.partitions) == ("mariadb", True) and known.engines >= debian12().engines


# Values that MySQL's collation keeps apart, or takes for equal, and by which a unique key breaks or lets too much in.
PAIRS = [
    ("a", "a ", ""),
    ("a", "A", "utf8mb4_0900_ai_ci utf8mb4_0900_as_ci utf8mb4_sv_0900_ai_ci"),
    ("e", "é", "utf8mb4_0900_ai_ci utf8mb4_sv_0900_ai_ci"),
    ("е", "ё", "utf8mb4_0900_ai_ci utf8mb4_sv_0900_ai_ci"),
    ("и", "й", ""),
    ("\U0001f600", "\U0001f601", ""),
    ("a", "å", "utf8mb4_0900_ai_ci"),
]


@pytest.mark.parametrize(
    "collation",
    ["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_sv_0900_ai_ci"],
)
def test_a_replaced_collation_agrees_in_blanks_case_accents_and_emoji(mariadb: t.Any, collation: str) -> None:
    conn = mariadb.connect()
    new = known_collation(collation, SERVER)
    for one, other, equal_in in PAIRS:
        equal = rows(conn, f"SELECT _utf8mb4 %s = _utf8mb4 %s COLLATE {new} AS e", (one, other))[0]["e"]
        assert bool(equal) == (collation in equal_in.split()), (one, other)


def test_a_character_set_has_the_name_that_the_server_knows() -> None:
    assert known_charset("utf8", {"utf8mb3", "utf8mb4"}) == "utf8mb3"
    assert known_charset("utf8mb3", {"utf8", "utf8mb4"}) == "utf8"
    assert known_charset("UTF8MB4", {"utf8", "utf8mb4"}) == "utf8mb4"
    assert known_charset("cp1251", {"utf8"}) == "cp1251"


def test_in_every_safe_character_set_quotes_and_backslashes_are_always_themselves(mariadb: t.Any) -> None:
    """Asked of the server itself: no byte before one of them makes it part of a character."""
    conn = mariadb.connect()
    there = {row["n"] for row in rows(conn, "SELECT CHARACTER_SET_NAME AS n FROM information_schema.CHARACTER_SETS")}
    names = sorted({known_charset(name, there) for name in SAFE_CHARSETS})
    assert set(names) <= there and not {"gbk", "big5", "sjis", "cp932", "gb18030", "swe7"} & SAFE_CHARSETS
    for name in names:
        assert all(_pairs_that_hold(conn, name, char) == 128 for char in (0x22, 0x27, 0x5C, 0x60)), name
    assert _pairs_that_hold(conn, "gbk", 0x5C) < 128  # what the list keeps out is really different


def _pairs_that_hold(conn: t.Any, charset: str, char: int) -> int:
    """After how many of the 128 high bytes the server still sees this character."""
    tests = (
        f"(LOCATE(CONVERT({hex(char)} USING {charset}), CONVERT(0x{lead:02x}{char:02x} USING {charset})) > 0)"
        for lead in range(0x80, 0x100)
    )
    return int(rows(conn, f"SELECT {' + '.join(tests)} AS n")[0]["n"])
