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

MARIADB = {"utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_general_ci", "utf8mb3_unicode_ci", "utf8mb3_bin"}
OLD_MYSQL = {"utf8mb4_unicode_ci", "utf8mb4_bin", "utf8_unicode_ci", "utf8_general_ci", "utf8_bin"}


@pytest.mark.parametrize(
    ("name", "known", "nearest"),
    [
        ("utf8mb4_unicode_ci", MARIADB, "utf8mb4_unicode_ci"),
        ("UTF8MB4_UNICODE_CI", MARIADB, "utf8mb4_unicode_ci"),
        ("utf8mb4_0900_ai_ci", MARIADB, "utf8mb4_unicode_ci"),
        ("utf8mb4_0900_as_ci", MARIADB, "utf8mb4_bin"),
        ("utf8mb4_0900_as_cs", MARIADB, "utf8mb4_bin"),
        ("utf8mb4_0900_bin", MARIADB, "utf8mb4_bin"),
        ("utf8mb4_ru_0900_ai_ci", MARIADB, "utf8mb4_unicode_ci"),
        ("utf8mb4_de_pb_0900_as_cs", MARIADB, "utf8mb4_bin"),
        ("utf8mb4_ja_0900_as_cs_ks", MARIADB, "utf8mb4_bin"),
        ("utf8mb4_uca1400_ai_ci", MARIADB, "utf8mb4_unicode_ci"),
        ("utf8mb4_uca1400_nopad_as_cs", MARIADB, "utf8mb4_bin"),
        ("utf8mb4_uca1400_russian_nopad_ai_ci", MARIADB, "utf8mb4_unicode_ci"),
        ("utf8mb3_uca1400_ai_ci", OLD_MYSQL, "utf8_unicode_ci"),
        ("utf8_unicode_ci", MARIADB, "utf8mb3_unicode_ci"),
        ("utf8mb3_unicode_ci", OLD_MYSQL, "utf8_unicode_ci"),
        ("utf8mb4_0900_ai_ci", MARIADB | {"utf8mb4_0900_ai_ci"}, "utf8mb4_0900_ai_ci"),
        ("klingon_ci", MARIADB, None),
        ("utf8mb4_klingon_ci", MARIADB, None),
        ("utf8mb4_0900_ai_ci", {"latin1_bin"}, None),
    ],
)
def test_the_nearest_collation(name: str, known: set[str], nearest: str | None) -> None:
    assert known_collation(name, known) == nearest


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
