# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import repairs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.allowlist import CreateTable, CreateView, classify
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.create_table import Column
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import debian12
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.literals import NotLiterals
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement

KNOWN = debian12()
HEAD = b"INSERT INTO `t` VALUES\n"


def table(text: bytes) -> CreateTable:
    command = classify(Statement("d.sql", 0, 1, text))
    assert isinstance(command, CreateTable)
    return command


def test_only_what_the_server_lacks_is_changed() -> None:
    text = (
        b"CREATE TABLE `t` (\n"
        b"  `a` varchar(9) CHARACTER SET utf8 COLLATE utf8_unicode_ci DEFAULT 'utf8_unicode_ci',\n"
        b"  `b` text COLLATE utf8mb4_0900_as_cs COMMENT 'COLLATE utf8mb4_0900_ai_ci; x',\n"
        b"  `c` text CHARACTER SET cp1251 COLLATE cp1251_general_ci,\n"
        b"  FULLTEXT KEY `f` (`b`)\n"
        b") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci"
    )
    sql, made, _columns = repairs.table_sql(table(text).definition, KNOWN)
    expected = text.replace(b"CHARACTER SET utf8 COLLATE utf8_", b"CHARACTER SET utf8mb3 COLLATE utf8mb3_")
    expected = expected.replace(b"COLLATE utf8mb4_0900_as_cs", b"COLLATE utf8mb4_uca1400_nopad_as_cs")
    assert sql == expected.replace(b"COLLATE=utf8mb4_0900_ai_ci", b"COLLATE=utf8mb4_uca1400_nopad_ai_ci")
    assert made == {
        (repairs.COLLATION, "column b: utf8mb4_0900_as_cs -> utf8mb4_uca1400_nopad_as_cs"): 1,
        (repairs.COLLATION, "utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci"): 1,
    }


def test_a_table_without_need_is_left_alone() -> None:
    text = b"CREATE TABLE `t` (`a` int(11) COMMENT 'x  y') ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
    assert repairs.table_sql(table(text).definition, KNOWN)[:2] == (text, {})


def test_a_generated_column_that_the_server_cannot_compute_takes_the_values_of_the_dump() -> None:
    text = b"CREATE TABLE `t` (`a` binary(16), `b` char(36) AS (bin_to_uuid(`a`)), `c` int AS (1) STORED)"
    made = repairs.table_sql(table(text).definition, KNOWN)
    assert [(column.name, column.generated) for column in made.columns] == [("a", False), ("b", False), ("c", True)]
    sql, _made = repairs.RowRepair(made.columns).apply(HEAD + b"('x','u',1)", len(HEAD))
    assert sql == b"('x','u',DEFAULT)"


@pytest.mark.parametrize(("server", "version"), [("mysql", (8, 4)), ("mariadb", (11, 8))])
def test_a_collation_that_the_source_did_not_name_is_named_where_the_default_is_another(
    server: str, version: tuple[int, ...]
) -> None:
    text = (
        b"CREATE TABLE `t` (`a` text CHARACTER SET utf8, `b` text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, "
        b"`c` char(9) AS (convert(`b` using utf8mb4))) DEFAULT CHARSET=utf8mb4"
    )
    known = dataclasses.replace(KNOWN, server=server, version=version)
    sql = repairs.table_sql(table(text).definition, known).sql
    assert (
        sql == text.replace(b"SET utf8,", b"SET utf8mb3 COLLATE utf8mb3_general_ci,") + b" COLLATE utf8mb4_general_ci"
    )
    unnamed = repairs.table_sql(table(text).definition, KNOWN).sql
    assert unnamed == text.replace(b"SET utf8,", b"SET utf8mb3,")


def test_rows_hold_no_value_for_an_invisible_column() -> None:
    text = b"CREATE TABLE `t` (`a` bit(1), `b` int INVISIBLE DEFAULT 5, `c` bit(8))"
    made = repairs.table_sql(table(text).definition, KNOWN)
    assert repairs.RowRepair(made.columns).apply(HEAD + b"('1','9')", len(HEAD))[0] == b"(1,9)"


@pytest.mark.parametrize(
    ("without", "left"),
    [
        (
            1,
            b"CREATE TABLE `t` (`a` text DEFAULT (uuid()), KEY `k` (`a`(9)), FULLTEXT KEY `f` (`a`), "
            b"PRIMARY KEY (`a`(5)))",
        ),
        (2, b"CREATE TABLE `t` (`a` text, KEY `k` (`a`(9)), PRIMARY KEY (`a`(5)))"),
        (3, b"CREATE TABLE `t` (`a` text, PRIMARY KEY (`a`(5)))"),
    ],
)
def test_what_a_table_can_do_without_is_left_out_in_steps(without: int, left: bytes) -> None:
    text = (
        b"CREATE TABLE `t` (`a` text COMPRESSED DEFAULT (uuid()), KEY `k` (`a`(9)), FULLTEXT KEY `f` (`a`), "
        b"PRIMARY KEY (`a`(5))) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 PARTITION BY HASH (1)"
    )
    definition = table(text).definition
    assert repairs.table_sql(definition, KNOWN).sql == text
    sql, made, _columns = repairs.table_sql(
        definition, KNOWN, [clause for clause in definition.clauses if 0 < clause.spare <= without]
    )
    assert sql.replace(b" ", b"") == left.replace(b" ", b"")
    assert len(made) == {1: 4, 2: 6, 3: 7}[without]


def test_a_view_loses_its_definer_and_runs_as_its_reader() -> None:
    text = (
        b"CREATE ALGORITHM=MERGE DEFINER=`gone`@`%` SQL SECURITY DEFINER VIEW `v` AS "
        b"select `t`.`a` collate utf8mb4_0900_ai_ci AS `a` from `t`"
    )
    command = classify(Statement("d.sql", 0, 1, text))
    assert isinstance(command, CreateView)
    sql, made = repairs.view_sql(command.name, command.definition, KNOWN)
    assert sql == (
        b"CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `v` AS "
        b"select `t`.`a` collate utf8mb4_uca1400_nopad_ai_ci AS `a` from `t`"
    )
    assert made == {
        (repairs.DEFINER, "gone@%"): 1,
        (repairs.COLLATION, "utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci"): 1,
    }


def test_columns_are_known_from_the_definition() -> None:
    text = (
        b"CREATE TABLE `t` (`a` bit(8), `b` int GENERATED ALWAYS AS (`c` + cast('1' as signed)) STORED, "
        b"`c` int CHECK (cast(`a` as signed) > 0), PRIMARY KEY (`c`))"
    )
    assert table(text).definition.columns == (
        Column("a", "BIT", False),
        Column("b", "INT", True),
        Column("c", "INT", False),
    )


@pytest.mark.parametrize("types", [("INT", "VARCHAR"), ("LONGBLOB",)])
def test_most_tables_need_no_repair_of_rows(types: tuple[str, ...]) -> None:
    assert not repairs.RowRepair([Column("c", kind, False) for kind in types]).needed


def test_rows_are_rewritten_value_by_value() -> None:
    repair = repairs.RowRepair(
        [Column("b", "BIT", False), Column("s", "TEXT", False), Column("g", "INT", True), Column("p", "POINT", False)]
    )
    assert repair.needed
    body = b"('219', '), (\\'1\\', ''', 5, NULL),\n(NULL, '219', NULL, 'a\\0;'),\n(7,'',0x00,0xAB)"
    sql, made = repair.apply(HEAD + body, len(HEAD))
    assert (
        sql
        == b"(219, '), (\\'1\\', ''', DEFAULT, NULL),\n(NULL, '219', DEFAULT, _binary 'a\\0;'),\n(7,'',DEFAULT,0xAB)"
    )
    assert made == {(repairs.BIT, ""): 1, (repairs.GENERATED, ""): 3, (repairs.GEOMETRY, ""): 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"('x', 1)", "row 1 has a BIT value that is no decimal number"),
        (b"('1', 1),\n('', 1)", "row 2 has a BIT value"),
        (b"('1')", "row 1 has 1 values for 2 columns"),
        (b"('1', 2, 3)", "row 1 has 3 values for 2 columns"),
    ],
)
def test_rows_that_do_not_fit_are_refused(body: bytes, reason: str) -> None:
    repair = repairs.RowRepair([Column("b", "BIT", False), Column("n", "INT", False)])
    with pytest.raises(NotLiterals, match=reason):
        repair.apply(HEAD + body, len(HEAD))
