# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd but harmless definitions, loaded by a real server: nothing of them stops a move."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, quote_name, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import ImportResult
from unit.plugins.module_utils.sql.faulty import fault, load

FINISHED = b"\n-- Finished: 2026-01-01 00:01:00"


def definition(conn: t.Any, table: str) -> str:
    return str(rows(conn, f"SHOW CREATE TABLE {quote_name(table)}")[0]["Create Table"])


def told(result: ImportResult) -> list[tuple[str, str, str]]:
    return [(repair["table"], repair["kind"], repair["detail"]) for repair in result.repairs]


@pytest.mark.parametrize(
    ("name", "table", "kept", "reported"),
    [
        ("partition57", "b_stat_hit", "PARTITION BY RANGE (year(`D`))", []),
        ("partition_maria", "b_stat_hit", "PARTITION BY RANGE (year(`D`))", []),
        ("compressed_column", "b_c", "COMPRESSED", []),
        ("maria_page_compressed", "b_c", "`PAGE_COMPRESSED`='1'", []),
        ("mysql_encryption", "b_c", "", [("b_c", "clause_dropped", "ENCRYPTION='Y'")]),
        ("mysql_tablespace", "b_c", "", [("b_c", "clause_dropped", "TABLESPACE `innodb_system`")]),
        ("archive_engine", "b_c", "ENGINE=InnoDB", [("b_c", "clause_replaced", "ARCHIVE -> InnoDB")]),
        ("rocksdb", "b_c", "ENGINE=InnoDB", [("b_c", "clause_replaced", "ROCKSDB -> InnoDB")]),
        (
            "functional_index",
            "b_f",
            "utf8mb4_uca1400_nopad_ai_ci",
            [
                ("b_f", "clause_dropped", "index ix: KEY `ix` ((lower(`E`)))"),
                ("b_f", "collation", "utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci"),
            ],
        ),
        (
            "gen_json",
            "b_c",
            "GENERATED ALWAYS AS",
            [
                ("b_c", "collation", "utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci"),
                ("b_c", "generated_value", ""),
            ],
        ),
        ("row_fmt_comp", "b_c", "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8", []),
        ("cyr_table", "отчет", "", []),
        ("dot_table", "b_user copy", "", []),
    ],
)
def test_the_tables_that_went_wrong(
    mariadb: t.Any, name: str, table: str, kept: str, reported: list[tuple[str, str, str]]
) -> None:
    conn, result = load(mariadb, fault(name))
    assert [(found["name"], found["rows"]) for found in result.tables] == [(table, 1)]
    assert rows(conn, f"SELECT COUNT(*) AS n FROM {quote_name(table)}")[0]["n"] == 1
    assert kept in definition(conn, table) and told(result) == reported


@pytest.mark.parametrize(
    ("body", "options", "row", "kept", "reported"),
    [
        # Partitions
        ("`a` int NOT NULL", "/*!50100 PARTITION BY HASH (a) PARTITIONS 3 */", "1", "PARTITIONS 3", []),
        ("`a` int NOT NULL", "/*!50500 PARTITION BY KEY */ /*!50611 ALGORITHM = 2 */ /*!50100 (a) */", "1", "KEY", []),
        (
            "`a` int NOT NULL",
            "ENGINE=ARCHIVE PARTITION BY LIST (a) (PARTITION p1 VALUES IN (1) DATA DIRECTORY = '/x' ENGINE = ARCHIVE)",
            "1",
            "PARTITION BY LIST",
            ["ARCHIVE -> InnoDB", "partitions: ARCHIVE -> InnoDB", "partitions: DATA DIRECTORY = '/x'"],
        ),
        (
            "`a` int, PRIMARY KEY (`a`), FULLTEXT KEY `f` (`b`), `b` text",
            "PARTITION BY HASH (`b`)",
            "1,'x'",
            "FULLTEXT",
            ["PARTITION BY HASH (`b`) (the server says: "],
        ),
        # What the server should take and does not
        (
            "`a` int, `b` varchar(3072), KEY `k` (`b`), KEY `j` (`a`)",
            "ENGINE=MyISAM DEFAULT CHARSET=utf32",
            "1,'x'",
            "varchar(3072)",
            [],
        ),
        (
            "`a` int CHECK (`a` > (`b` > rand())), `b` int",
            "",
            "1,1",
            "`a` int",
            ["column a: CHECK (`a` > (`b` > rand())) (the server says: "],
        ),
        (
            "`a` int, `g` int AS (`a` + rand() + (`a` in (`nothing`))) STORED",
            "",
            "1,77",
            "`g` int(11) DEFAULT NULL",
            ["column g: AS (`a` + rand() + (`a` in (`nothing`))) STORED (the server says: "],
        ),
        (
            "`a` int, `g` char(36) GENERATED ALWAYS AS (bin_to_uuid(`a`)) VIRTUAL NOT NULL",
            "",
            "1,'x'",
            "`g` char(36) DEFAULT NULL",
            [
                "column g: GENERATED ALWAYS AS (bin_to_uuid(`a`)) VIRTUAL (this server has no function bin_to_uuid)",
                "column g: NOT NULL",
            ],
        ),
        (
            "`a` int, `b` mediumtext, UNIQUE KEY `u` (`a`), UNIQUE KEY `l` (`a`,`b`)",
            "ENGINE=Aria",
            "1,'x'",
            "UNIQUE KEY `u` (`a`)",
            ["index l: UNIQUE KEY `l` (`a`,`b`) (the server says: Specified key was too long"],
        ),
        # Engines
        ("`a` int NOT NULL", "ENGINE=CSV", "1", "InnoDB", ["CSV -> InnoDB"]),
        ("`a` int", "ENGINE=FEDERATED CONNECTION='mysql://h/d/t'", "1", "InnoDB", ["CONNECTION='mysql:", "FED"]),
        ("`a` int", "ENGINE=MRG_MyISAM UNION=(`x`,`y`) INSERT_METHOD=LAST", "1", "InnoDB", ["INSERT", "MRG", "UNION"]),
        # Attributes, versions, directories
        ("`a` int /*!80023 INVISIBLE */ DEFAULT 5, `b` int", "", "1", "INVISIBLE", []),
        ("`a` int, KEY `k` (`a`) /*!80000 INVISIBLE */", "", "1", "IGNORED", ["index k: INVISIBLE -> IGNORED"]),
        ("`a` int", "WITH SYSTEM VERSIONING", "1", "SYSTEM VERSIONING", []),
        ("`a` int", "`ENCRYPTED`=YES `ENCRYPTION_KEY_ID`=9", "1", "", ["`ENCRYPTED`=YES", "`ENCRYPTION_KEY_ID`=9"]),
        ("`a` int", "DATA DIRECTORY='/nowhere/' COMPRESSION='zlib'", "1", "", ["COMPRESSION", "DATA DIRECTORY"]),
        ("`a` int, CONSTRAINT `c` CHECK (`a` > 5) /*!80016 NOT ENFORCED */", "", "1", "", ["constraint: CONSTRAINT"]),
        (
            "`a` json, KEY `k` ((cast(json_extract(`a`,_utf8mb4'$.x') as unsigned array)))",
            "",
            "'{}'",
            "json_valid",
            ["index k: KEY `k`"],
        ),
        ("`a` int, `v` vector(3), VECTOR KEY (`v`)", "", "1,'xxxx'", "longblob", ["column v: vec", "index : VEC"]),
        (
            "`a` int, CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `other`.`t` (`a`)",
            "",
            "1",
            "",
            ["constraint f: CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `other`.`t` (`a`)"],
        ),
        # Character sets that it lacks
        ("`a` varchar(9)", "DEFAULT CHARSET=gb18030 COLLATE=gb18030_chinese_ci", "'ж'", "utf8mb4_nopad_bin", [
            "gb18030 -> utf8mb4", "gb18030_chinese_ci -> utf8mb4_nopad_bin"]),
        ("`a` varchar(9) COLLATE utf8mb4_klingon_ci", "", "'ж'", "utf8mb4_nopad_bin", [
            "column a: utf8mb4_klingon_ci -> utf8mb4_nopad_bin"]),
    ],
)  # fmt: skip
def test_further_members_of_their_classes(
    mariadb: t.Any, body: str, options: str, row: str, kept: str, reported: list[str]
) -> None:
    text = f"CREATE TABLE `t` (\n{body}\n) {options};\nINSERT INTO `t` VALUES\n({row});\n"
    conn, result = load(mariadb, text.encode() + FINISHED)
    assert rows(conn, "SELECT COUNT(*) AS n FROM t")[0]["n"] == 1
    found = [detail for _table, kind, detail in told(result) if kind != "generated_value"]
    assert len(found) == len(reported), found
    for detail, beginning in zip(sorted(found), sorted(reported), strict=True):
        assert detail.startswith(beginning), found
    assert kept in definition(conn, "t")
    if "77" in row:
        assert rows(conn, "SELECT g FROM t")[0]["g"] == 77


@pytest.mark.parametrize(
    "name", ["отчет 2026", "a.b", "a/b", "it's `x`", "x" * 64, "Ж" * 64, "%s", "SELECT", "a;b", "-- x", "/*x*/", "\\"]
)
def test_any_legal_name_of_a_table_and_of_a_column(mariadb: t.Any, name: str) -> None:
    quoted = quote_name(name)
    text = (
        f"DROP TABLE IF EXISTS {quoted};\nCREATE TABLE {quoted} (\n{quoted} int,\nKEY {quoted} ({quoted})\n);\n"
        f"INSERT INTO {quoted} VALUES\n(1),\n(2);\nDROP VIEW IF EXISTS `v`;\n"
        f"CREATE VIEW `v` AS select {quoted}.{quoted} AS {quoted} from {quoted};\n"
    )
    conn, result = load(mariadb, text.encode() + FINISHED)
    assert [(table["name"], table["rows"]) for table in result.tables] == [(name, 2)] and result.views == ["v"]
    assert [row[name] for row in rows(conn, "SELECT * FROM v")] == [1, 2]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("view_badcol", "Unknown column 'b_user.GONE'"),
        ("view_missing", "b_gone' doesn't exist"),
        ("view_crossdb", "it reads the database mysql"),
        ("view_dbname", ""),
        ("view_cte", ""),
        ("view_window", ""),
    ],
)
def test_the_views_that_went_wrong(mariadb: t.Any, name: str, reason: str) -> None:
    conn, result = load(mariadb, fault(name))
    assert [table["rows"] for table in result.tables] == [1]
    if reason:
        assert result.views == [] and len(result.views_left_out) == 1
        left = result.views_left_out[0]
        assert left["name"] == "v_a" and reason in left["reason"] and left["text"].startswith("CREATE ALGORITHM")
    else:
        assert result.views == ["v_a"] and result.views_left_out == []
        assert len(rows(conn, "SELECT * FROM v_a")) == 1


TABLE = "CREATE TABLE `t` (`a` int);INSERT INTO `t` VALUES\n(1);CREATE TABLE `u` (`a` int);"


@pytest.mark.parametrize(
    ("views", "made", "left"),
    [
        # Every view of the cloud's database, whatever its name is; also as a view of a view.
        (["select `cloud`.`t`.`a` AS `a` from `cloud`.`t`", "select `a` from `cloud`.`v0`"], ["v0", "v1"], {}),
        # Two names: which one is the portal's shows in the tables.
        (
            ["select `t`.`a` from `cloud`.`t`", "select `x`.`a` from `other`.`gone` `x`"],
            ["v0"],
            {"v1": "it reads the database other"},
        ),
        (
            ["select 1 AS `a` from `one`.`t`", "select 1 AS `a` from `two`.`u`"],
            [],
            {"v0": "it reads the database one", "v1": "it reads the database two"},
        ),
        (
            ["select `f`(1) AS `a`", "select `a` from `v0`"],
            [],
            {"v0": "it calls the function f", "v1": "doesn't exist"},
        ),
        (["select `d`.`f`(1) AS `a`"], [], {"v0": "it calls the function f"}),
        (["select bin_to_uuid(`a`) AS `a` from `t`"], [], {"v0": "bin_to_uuid"}),
        (["select 1 AS `a`,2 AS `a`", "select `a` from `t`"], ["v1"], {"v0": "Duplicate column name"}),
        (["select `a` from `v1`", "select `a` from `v0`"], [], {"v0": "doesn't exist", "v1": "doesn't exist"}),
        (["select any_value(`a`) AS `a` from `t` group by grouping(`a`)"], [], {"v0": "error"}),
    ],
)
def test_a_view_is_made_or_left_out_and_named(mariadb: t.Any, views: list[str], made: list[str], left: t.Any) -> None:
    text = TABLE + "".join(f"CREATE VIEW `v{number}` AS {select};" for number, select in enumerate(views))
    conn, result = load(mariadb, text.encode() + FINISHED)
    assert result.views == made
    assert {view["name"] for view in result.views_left_out} == set(left)
    for view in result.views_left_out:
        assert left[view["name"]] in view["reason"] and "CREATE VIEW" in view["text"]
    for name in made:
        execute(conn, f"SELECT * FROM {name}")


@pytest.mark.parametrize(
    "collation", ["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_ru_0900_as_cs"]
)
@pytest.mark.parametrize("length", [191, 255])
def test_distinct_rows_stay_distinct_under_a_unique_index(mariadb: t.Any, collation: str, length: int) -> None:
    """Values that MySQL keeps apart: by blanks at the end, by emoji; by case and accents where the name says so."""
    values = ["a", "a ", "a  ", "\U0001f600", "\U0001f601", "и", "й"]
    if "_ai_" not in collation:
        values += ["A", "e", "é", "е", "ё"]
    text = (
        f"CREATE TABLE `t` (`a` varchar({length}) COLLATE {collation} NOT NULL, UNIQUE KEY `u` (`a`)) "
        f"ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={collation};\nINSERT INTO `t` VALUES\n"
    )
    text += ",\n".join(f"('{value}')" for value in values) + ";\n"
    conn, result = load(mariadb, text.encode() + FINISHED)
    assert sorted(row["a"] for row in rows(conn, "SELECT a FROM t")) == sorted(values)
    new = result.repairs[0]["detail"].partition("-> ")[2]
    assert told(result) == [
        ("t", "collation", f"column a: {collation} -> {new}"),
        ("t", "collation", f"{collation} -> {new}"),
    ]
