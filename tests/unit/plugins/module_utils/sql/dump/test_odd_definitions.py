# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd, but harmless: never a reason to refuse a dump."""

from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import literals, repairs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.allowlist import (
    Command,
    CreateTable,
    CreateView,
    DropTable,
    Insert,
    classify,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementImpossible
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import debian12
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import render, tokenize
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement

SERVER = debian12()
VIEW = b"CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v` AS "


def command_of(text: bytes) -> Command:
    return classify(Statement("portal.sql", 4711, 42, text, literals.shape(text)))


def column(definition: bytes) -> bytes:
    return b"CREATE TABLE `t` (`a` " + definition + b") ENGINE=InnoDB"


def options(text: bytes) -> bytes:
    return b"CREATE TABLE `t` (`a` int) " + text


# What must not reach a server, and what is reported of it.
LEFT_OUT = [
    (options(b"ENGINE=FEDERATED CONNECTION='my://x'"), b"my:", ["FEDERATED -> InnoDB", "CONNECTION='my://x'"]),
    (options(b"ENGINE=CONNECT"), b"CONNECT", ["CONNECT -> InnoDB"]),
    (options(b"ENGINE=CSV `IETF_QUOTES`=YES"), b"IETF", ["CSV -> InnoDB", "`IETF_QUOTES`=YES"]),
    (options(b"ENGINE=BLACKHOLE"), b"BLACKHOLE", ["BLACKHOLE -> InnoDB"]),
    (options(b"ENGINE='ARCHIVE'"), b"ARCHIVE", ["'ARCHIVE' -> InnoDB"]),
    (options(b"ENGINE=/*!50000 FEDERATED */ InnoDB"), b"FEDERATED", ["FEDERATED -> InnoDB", "InnoDB"]),
    (options(b"ENGINE=MERGE UNION=(mysql.user)"), b"mysql", ["MERGE -> InnoDB", "UNION=(mysql.user)"]),
    (options(b"UNION=(`u`) INSERT_METHOD=LAST"), b"`u`", ["UNION=(`u`)", "INSERT_METHOD=LAST"]),
    (
        options(b"DATA DIRECTORY='/tmp' INDEX DIRECTORY = '/tmp'"),
        b"/tmp",
        ["DATA DIRECTORY='/tmp'", "INDEX DIRECTORY = '/tmp'"],
    ),
    (options(b"/*!50100 DATA DIRECTORY='/tmp' */"), b"/tmp", ["DATA DIRECTORY='/tmp'"]),
    (options(b"/*!50100 TABLESPACE `x` STORAGE DISK */ ENGINE=InnoDB"), b"`x`", ["TABLESPACE `x` STORAGE DISK"]),
    (options(b"AUTOEXTEND_SIZE=4M ENCRYPTION='Y'"), b"Y", ["AUTOEXTEND_SIZE=4M", "ENCRYPTION='Y'"]),
    (options(b"`ENCRYPTED`=YES `ENCRYPTION_KEY_ID`=2"), b"ENC", ["`ENCRYPTED`=YES", "`ENCRYPTION_KEY_ID`=2"]),
    (
        options(b"/*!80021 ENGINE_ATTRIBUTE='{}' */ COMPRESSION='zlib'"),
        b"zlib",
        ["ENGINE_ATTRIBUTE='{}'", "COMPRESSION='zlib'"],
    ),
    (
        options(b"SECONDARY_ENGINE=RAPID NEW_THING (1,2) NEWER=x"),
        b"N",
        ["SECONDARY_ENGINE=RAPID", "NEW_THING (1,2)", "NEWER=x"],
    ),
    (options(b"ENGINE=ROCKSDB ROW_FORMAT=TOKUDB_ZLIB"), b"TOKUDB", ["ROCKSDB -> InnoDB", "ROW_FORMAT=TOKUDB_ZLIB"]),
    (options(b"PARTITION BY HASH (`f`(`a`))"), b"HASH", ["PARTITION BY HASH (`f`(`a`))"]),
    (
        options(b"PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (3) DATA DIRECTORY = '/tmp' ENGINE = CSV)"),
        b"tmp",
        ["partitions: DATA DIRECTORY = '/tmp'", "partitions: CSV -> InnoDB"],
    ),
    (
        b"CREATE TABLE `t` (`a` int, FOREIGN KEY (`a`) REFERENCES `mysql`.`user` (`x`))",
        b"mysql",
        ["constraint : FOREIGN KEY (`a`) REFERENCES `mysql`.`user` (`x`)"],
    ),
    (
        b"CREATE TABLE `t` (`a` int, KEY `i` ((lower(`a`))), KEY `j` (`a`))",
        b"lower",
        ["index i: KEY `i` ((lower(`a`)))"],
    ),
    (
        b"CREATE TABLE `t` (`a` json, KEY `i` ((cast(json_extract(`a`,'$') as unsigned array))))",
        b"KEY",
        ["index i: KEY `i` ((cast(json_extract(`a`,'$') as unsigned array)))"],
    ),
    (b"CREATE TABLE `t` (KEY `i` ((`a` + 1)), `a` int)", b"(,", ["index i: KEY `i` ((`a` + 1))"]),
    (
        b"CREATE TABLE `t` (`a` int, KEY `i` (`a`) /*!80000 INVISIBLE */)",
        b" INVISIBLE",
        ["index i: INVISIBLE -> IGNORED"],
    ),
    (
        b"CREATE TABLE `t` (`a` int, KEY `i` (`a`) `CLUSTERING`=YES ENGINE_ATTRIBUTE '{}')",
        b"CLUST",
        ["index i: `CLUSTERING`=YES", "index i: ENGINE_ATTRIBUTE '{}'"],
    ),
    (
        b"CREATE TABLE `t` (`a` text, FULLTEXT KEY `f` (`a`) /*!50100 WITH PARSER `ngram` */ )",
        b"ngram",
        ["index f: WITH PARSER `ngram`"],
    ),
    (
        b"CREATE TABLE `t` (`a` int, CONSTRAINT `c` CHECK (`a` > 9) /*!80016 NOT ENFORCED */)",
        b"CHECK",
        ["constraint: CONSTRAINT `c` CHECK (`a` > 9) /*!80016 NOT ENFORCED"],
    ),
    (
        b"CREATE TABLE `t` (`a` vector(3), VECTOR KEY `v` (`a`) `M`=8)",
        b"KEY",
        ["column a: vector(3) -> longblob", "index v: VECTOR KEY `v` (`a`) `M`=8"],
    ),
    (column(b"unknowntype(3,4) NOT NULL"), b"unknown", ["column a: unknowntype(3,4) -> longblob"]),
    (column(b"int DEFAULT nextval(`mysql`.`s`)"), b"mysql", ["column a: DEFAULT nextval(`mysql`.`s`)"]),
    (column(b"int DEFAULT (other(1)) COMMENT 'x'"), b"other", ["column a: DEFAULT (other(1))"]),
    (
        column(b"int CHECK (regexp_like(`a`,'x'))"),
        b"regexp",
        ["column a: CHECK (regexp_like(`a`,'x')) (this server has no function regexp_like)"],
    ),
    (
        column(b"int GENERATED ALWAYS AS (bin_to_uuid(`b`)) VIRTUAL NOT NULL"),
        b"AS",
        [
            "column a: GENERATED ALWAYS AS (bin_to_uuid(`b`)) VIRTUAL (this server has no function bin_to_uuid)",
            "column a: NOT NULL",
        ],
    ),
    (
        column(b"int /*!50606 COLUMN_FORMAT FIXED */ /*!80023 ENGINE_ATTRIBUTE '{}' */ NOT SECONDARY"),
        b"COL",
        ["column a: COLUMN_FORMAT FIXED", "column a: ENGINE_ATTRIBUTE '{}'", "column a: NOT SECONDARY"],
    ),
    (column(b"point NOT NULL /*!80003 SRID 4326 */"), b"SRID", ["column a: SRID 4326"]),
    (
        column(b"int REFERENCES `mysql`.`user` (`x`) ON DELETE CASCADE"),
        b"mysql",
        ["column a: REFERENCES `mysql`.`user` (`x`) ON DELETE CASCADE"],
    ),
]


@pytest.mark.parametrize(("text", "kept_out", "told"), LEFT_OUT, ids=lambda value: str(value)[:90])
def test_what_a_server_cannot_hold_is_left_out_and_named(text: bytes, kept_out: bytes, told: list[str]) -> None:
    command = command_of(text)
    assert isinstance(command, CreateTable)
    made = repairs.table_sql(command.definition, SERVER)
    assert kept_out not in made.sql.replace(b"ENGINE=InnoDB", b"").replace(b"CREATE TABLE", b"")
    assert sorted(detail for _kind, detail in made.repairs) == sorted(told)
    assert made.sql.startswith(b"CREATE TABLE `t`")


@pytest.mark.parametrize(
    ("definitions", "left"),
    [
        ("`a` int,KEY `i` ((1)),KEY `j` (`a`)", "`a` int,KEY `j` (`a`)"),
        ("`a` int,KEY `i` ((1)),KEY `j` ((2)),KEY `k` ((3))", "`a` int"),
        ("KEY `i` ((1)),KEY `j` ((2)),`a` int,KEY `k` ((3)),`b` int", "`a` int,`b` int"),
        # For a version that no server has: for nobody.
        ("`a` int /*!99999 INVISIBLE, `b` int */,`c` int /*M!999999 x */", "`a` int ,`c` int "),
        ("`a` int /*!80016 NOT NULL */ /*M!100301 DEFAULT 1 */", "`a` int NOT NULL DEFAULT 1 "),
    ],
)
def test_commas_and_comments_of_what_is_left(definitions: str, left: str) -> None:
    command = command_of(f"CREATE TABLE `t` ({definitions})".encode())
    assert isinstance(command, CreateTable)
    made = repairs.table_sql(command.definition, SERVER).sql
    expected = command_of(f"CREATE TABLE `t` ({left})".encode())
    assert isinstance(expected, CreateTable)
    assert [token.raw for token in tokenize(made)] == [token.raw for token in expected.definition.tokens]


@pytest.mark.parametrize(
    "text",
    [
        options(b"PARTITION BY HASH (`a`) PARTITIONS 4"),
        options(b"PARTITION BY KEY ALGORITHM = 1 (`a`) (PARTITION `p0` ENGINE = InnoDB, PARTITION p1 ENGINE = MyISAM)"),
        options(b"PARTITION BY RANGE COLUMNS(`a`) (PARTITION p0 VALUES LESS THAN ('x') COMMENT = 'y')"),
        options(
            b"PARTITION BY LIST (year(`a`)) SUBPARTITION BY HASH (`b`) (PARTITION p VALUES IN (1,NULL) "
            b"(SUBPARTITION s0 ENGINE = InnoDB))"
        ),
        options(b"WITH SYSTEM VERSIONING"),
        options(b"ENGINE=InnoDB `PAGE_COMPRESSED`=1 `PAGE_COMPRESSION_LEVEL`=6"),
        options(b'ENGINE=HEAP AUTO_INCREMENT=1, COMMENT="x"'),
        column(b"mediumtext COMPRESSED DEFAULT NULL"),
        column(b"varchar(9) GENERATED ALWAYS AS (convert(`b` using utf8mb4) collate utf8mb4_bin) VIRTUAL"),
        column(b"int INVISIBLE CHECK (`a` > 1)"),
        column(b"varchar(9) GENERATED ALWAYS AS (lcase(`b`)) STORED INVISIBLE COMMENT 'x'"),
        column(b"timestamp(6) GENERATED ALWAYS AS ROW START"),
        column(b"uuid NOT NULL DEFAULT uuid()"),
        b"CREATE TABLE `t` (`a` int, KEY `i` (`a`) IGNORED, PERIOD FOR `p` (`s`,`e`), UNIQUE KEY `u` (`a`,`p` WITHOUT "
        b"OVERLAPS))",
        b"CREATE TABLE `t` (a int, `b c.d` int, `\xd0\x96` int, PRIMARY KEY (a))",
    ],
    ids=lambda text: text[:90].decode("latin-1"),
)
def test_what_a_server_can_hold_is_kept(text: bytes) -> None:
    command = command_of(text)
    assert isinstance(command, CreateTable)
    assert repairs.table_sql(command.definition, SERVER)[:2] == (text, {})


NAMES = ["отчет", "b_user copy", "a.b", "a/../b", "`x`", "it's", "a'b'c", "a\\b", "%s", "x" * 64, " x", "Ж" * 64, "a;b"]


@pytest.mark.parametrize("name", NAMES)
def test_any_legal_name_passes(name: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    assert command_of(f"DROP TABLE IF EXISTS {quoted}".encode()) == DropTable(name)
    command = command_of(f"CREATE TABLE {quoted} (`a` int)".encode())
    assert isinstance(command, CreateTable) and command.name == name
    for between in ("VALUES\n", "VALUES "):
        insert = command_of(f"INSERT INTO {quoted} {between}(1,'a`b'),\n(2,'it''s')".encode())
        assert isinstance(insert, Insert) and (insert.table, insert.rows) == (name, 2)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 65, "65 characters"),
        ("x ", "blank at its end"),
        ("\U0001f600", "beyond U\\+FFFF"),
        ("boxlift_notes", "belong to the importer"),
    ],
)
def test_a_name_that_no_server_takes_is_no_tampering(name: str, reason: str) -> None:
    with pytest.raises(StatementImpossible, match=reason) as caught:
        command_of(f"CREATE TABLE `{name}` (`a` int)".encode())
    assert caught.value.remedy == "Rename the table at the source and order a new backup."


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"* from `mysql`.`user`", "it reads the database mysql"),
        (b"* from `MySQL` . `user`", "it reads the database MySQL"),
        (b"* from `t` join `mysql`/**/./**/`user` on(1)", "it reads the database mysql"),
        (b"`a` from `t`, `information_schema`.`TABLES`", "it reads the database information_schema"),
        (b"(select 1 from (`t` join `sys`.`x` on(`t`.`a` = 1)))", "it reads the database sys"),
        (b"* from mysql.user", "mysql is not on the list of words and functions of a view"),
        (b"* from `mysql`.5", "something that is no quoted name follows mysql"),
        (b"`portal`.`f`(1)", "it calls the function f"),
        (b"`f`(1) from `t`", "it calls the function f"),
        (b"secret(1) from `t`", "secret is not on the list of words and functions of a view"),
        (b"1 from `t` for update", "update is not on the list of words and functions of a view"),
    ],
)
def test_a_view_that_cannot_be_made_is_harmless(body: bytes, problem: str) -> None:
    command = command_of(VIEW + b"select " + body)
    assert isinstance(command, CreateView) and command.definition.problem == problem


@pytest.mark.parametrize(
    ("body", "rendered", "elsewhere"),
    [
        (
            b"`cloud`.`b_user`.`ID` AS `ID`,`b_user`.`X` from `cloud`.`b_user` where trim(both 'x' from `b_user`.`Y`)",
            b"`b_user`.`ID` AS `ID`,`b_user`.`X` from `b_user` where trim(both 'x' from `b_user`.`Y`)",
            (("cloud", ("b_user",)),),
        ),
        (
            b"1 from (`cloud`.`a` `x` join `cloud`.`b` on(`x`.`c` = `b`.`c`)),`cloud`.`d` where `x`.`c` in "
            b"(select `y`.`c` from `cloud`.`e` `y` group by `y`.`c`,`y`.`d`)",
            b"1 from (`a` `x` join `b` on(`x`.`c` = `b`.`c`)),`d` where `x`.`c` in "
            b"(select `y`.`c` from `e` `y` group by `y`.`c`,`y`.`d`)",
            (("cloud", ("a", "b", "d", "e")),),
        ),
        (b"`other`.`t`.`a` from `t`", b"`t`.`a` from `t`", (("other", ("t",)),)),
        (
            b"`t`.`a`,`t`.`b` from `t` order by `t`.`a`,`t`.`b`",
            b"`t`.`a`,`t`.`b` from `t` order by `t`.`a`,`t`.`b`",
            (),
        ),
    ],
)
def test_the_name_of_a_database_is_taken_out_of_a_view(
    body: bytes, rendered: bytes, elsewhere: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    command = command_of(VIEW + b"select " + body)
    assert isinstance(command, CreateView) and command.definition.problem == ""
    assert command.definition.elsewhere == elsewhere
    sql = repairs.view_sql("v", command.definition, SERVER)[0]
    assert sql.split(b" AS select ", 1)[1].replace(b" ", b"") == rendered.replace(b" ", b"")


@pytest.mark.parametrize(
    "select",
    [
        b"with `t` as (select `b_user`.`ID` AS `ID` from `b_user`) select `t`.`ID` AS `ID` from `t`",
        b"with recursive `t`(`a`,`b`) as (select 1 AS `a`,2 AS `b` union all select `t`.`a` + 1 AS `c`,`t`.`b` "
        b"from `t` where `t`.`a` < 5), `u`(`x`) as (select 1) select `t`.`a` AS `a` from `t` join `u`",
        b"select convert(`t`.`a` using utf8mb4) AS `a`,cast(`t`.`a` as char(9) charset latin1) AS `b`,match (`t`.`a`) "
        b"against ('x' in boolean mode) AS `m`,trim(leading 'x' from `t`.`b`) AS `d` from `t` USE INDEX (`k`)",
        b"(select 1 AS `x`) intersect (select 2 AS `x`)",
        b"select row_number() OVER (PARTITION BY `t`.`a` ORDER BY `t`.`b` ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT "
        b"ROW ) AS `n`,sum(`t`.`a`) over `w` AS `s` from `t` window `w` as ( order by `t`.`b`)",
        b"select `j`.`x` AS `x` from (`t` join JSON_TABLE(`t`.`a`, '$[*]' COLUMNS (`x` int PATH '$.x')) `j`)",
    ],
)
def test_what_servers_print_of_views_is_taken(select: bytes) -> None:
    command = command_of(VIEW + select)
    assert isinstance(command, CreateView) and command.definition.problem == ""
    assert render(command.definition.text, command.definition.tokens, {}) == b"AS " + select
