# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing changes silently: what the server makes of values that it cannot hold, by kind, table and column."""

from __future__ import annotations

import datetime
import typing as t

import pymysql
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import Change, told
from unit.plugins.module_utils.sql.faulty import fault, load


def table(columns: bytes, *values: bytes, charset: bytes = b"utf8mb4") -> bytes:
    made = b"CREATE TABLE `b_t` (" + columns + b") ENGINE=InnoDB DEFAULT CHARSET=" + charset + b";\n"
    filled = b"INSERT INTO `b_t` VALUES\n(" + b"),\n(".join(values) + b");\n"
    return made + filled + b"-- Finished: 2026-01-01 00:01:00"


def test_bytes_that_are_no_text_are_counted_with_their_column_rows_and_remedy(mariadb: t.Any) -> None:
    conn, result = load(mariadb, fault("invalid_utf8"))
    (warning,) = result.warnings
    assert (warning["table"], warning["column"], warning["kind"]) == ("b_im_message", "MESSAGE", "invalid_text")
    assert (warning["count"], warning["rows"]) == (2, [2, 3])
    found = rows(conn, warning["remedy"].partition("by ")[2].partition(";")[0])
    assert [row["ID"] for row in found] == [2, 3]
    assert "b_im_message.MESSAGE: Incorrect string value" in told(result.warnings)[0]
    assert rows(conn, "SELECT MESSAGE FROM b_im_message WHERE ID = 1") == [{"MESSAGE": "good"}]


def test_times_of_a_dst_gap_are_stored_as_written(mariadb: t.Any) -> None:
    """In a server whose zone has a gap at this hour; the time zone's tables are empty, so the host's zone counts."""
    conn, result = load(mariadb, fault("dst_gap"))
    execute(conn, "SET time_zone = '+00:00'")
    found = {row["ID"]: row for row in rows(conn, "SELECT ID, TIMESTAMP_X, D FROM b_user")}
    for number in (1, 2, 3):
        assert found[number]["TIMESTAMP_X"] == found[number]["D"] and isinstance(found[number]["D"], datetime.datetime)
    (warning,) = result.warnings
    assert (warning["kind"], warning["column"], warning["rows"]) == ("out_of_range", "TIMESTAMP_X", [4])


@pytest.mark.parametrize("zone", ["+03:00", "-11:00"])
def test_a_server_in_another_zone_stores_the_same_and_says_that_it_shows_it_shifted(mariadb: t.Any, zone: str) -> None:
    admin = mariadb.connect()
    before = rows(admin, "SELECT @@global.time_zone AS z")[0]["z"]
    execute(admin, f"SET GLOBAL time_zone = '{zone}'")
    try:
        conn, result = load(mariadb, fault("dst_gap"))
    finally:
        execute(admin, f"SET GLOBAL time_zone = '{before}'")
    execute(conn, "SET time_zone = '+00:00'")
    shown = rows(conn, "SELECT CAST(TIMESTAMP_X AS CHAR) AS x FROM b_user WHERE ID = 1")
    assert shown == [{"x": "2024-03-31 02:30:00"}]
    warning = result.warnings[-1]
    assert (warning["kind"], warning["count"], warning["column"]) == ("time_zone", 1, "")
    assert zone in warning["text"] and "SET GLOBAL time_zone = '+00:00'" in warning["remedy"]


def test_a_zone_does_not_matter_without_such_columns(mariadb: t.Any) -> None:
    admin = mariadb.connect()
    before = rows(admin, "SELECT @@global.time_zone AS z")[0]["z"]
    execute(admin, "SET GLOBAL time_zone = '+05:00'")
    try:
        _conn, result = load(mariadb, table(b"`a` datetime", b"'2024-03-31 02:30:00'"))
    finally:
        execute(admin, f"SET GLOBAL time_zone = '{before}'")
    assert result.warnings == []


@pytest.mark.parametrize(
    ("columns", "values", "kind", "found"),
    [
        (b"`a` varchar(3)", [b"'too long'"] * 100, "truncated", [100, list(range(1, 11))]),
        (b"`a` varchar(9)", [b"'ok'", b"'\xd0'", b"'\xf0\x9f'"], "invalid_text", [2, [2, 3]]),
        (b"`a` text CHARACTER SET latin1", ["'привет'".encode()], "invalid_text", [1, [1]]),
        (b"`a` tinyint", [b"1", b"300"], "out_of_range", [1, [2]]),
        (b"`a` timestamp NULL", [b"'2050-01-01 00:00:00'"], "out_of_range", [1, [1]]),
        (b"`a` datetime", [b"'2024-13-45 00:00:00'"], "truncated", [1, [1]]),
        (b"`a` int", [b"'abc'"], "invalid_value", [1, [1]]),
        (b"`a` enum('x')", [b"'y'"], "truncated", [1, [1]]),
    ],
)
def test_every_kind_is_counted_with_its_column(
    mariadb: t.Any, columns: bytes, values: list[bytes], kind: str, found: list[t.Any]
) -> None:
    _conn, result = load(mariadb, table(columns, *values))
    (warning,) = result.warnings
    assert (warning["table"], warning["column"], warning["kind"]) == ("b_t", "a", kind)
    assert [warning["count"], warning["rows"]] == found
    assert "`b_t`" in warning["remedy"] and "{" not in warning["remedy"]


def test_columns_and_kinds_are_counted_apart(mariadb: t.Any) -> None:
    text = table(b"`a` varchar(2), `b` varchar(2)", b"'abc','abc'", b"'\xd0','ok'", b"'abc','ok'")
    _conn, result = load(mariadb, text)
    found = {(warning["column"], warning["kind"]): warning["count"] for warning in result.warnings}
    assert found == {("a", "truncated"): 2, ("b", "truncated"): 1, ("a", "invalid_text"): 1}


def test_clean_rows_say_nothing(mariadb: t.Any) -> None:
    text = table(b"`a` varchar(9), `b` timestamp NULL", b"'\xf0\x9f\x98\x80','2024-03-31 02:30:00'", b"NULL,NULL")
    assert load(mariadb, text)[1].warnings == []


@pytest.mark.parametrize(
    ("code", "text", "kind", "column"),
    [
        (1366, r"Incorrect string value: '\xF0' for column `p`.`t`.`A` at row 2", "invalid_text", "A"),
        (1366, r"Incorrect string value: '\xF0' for column 'A' at row 2", "invalid_text", "A"),
        (1366, "Incorrect integer value: 'x' for column `p`.`t`.`a``b` at row 1", "invalid_value", "a`b"),
        (1300, r"Invalid utf8mb4 character string: '\xF0'", "invalid_text", ""),
        (1364, "Field 'm' doesn't have a default value", "no_value", "m"),
        (9999, "Something new", "other", ""),
    ],
)
def test_what_servers_say(code: int, text: str, kind: str, column: str) -> None:
    change = Change(code, text)
    assert (change.kind, change.column) == (kind, column)


def test_what_a_server_will_lack_in_a_later_release_is_no_changed_value(
    mariadb: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MySQL warns so of every int(11)."""
    said = [("Warning", 1681, "Integer display width is deprecated"), ("Warning", 1264, "Out of range for column 'a'")]
    monkeypatch.setattr(pymysql.connections.Connection, "show_warnings", lambda _conn: said)
    _conn, result = load(mariadb, table(b"`a` tinyint", b"300"))
    assert [warning["code"] for warning in result.warnings] == [1264]
