# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump import literals, repairs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.allowlist import (
    CreateTable,
    CreateView,
    DropTable,
    DropView,
    Insert,
    SetCharset,
    SetCollation,
    classify,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import StatementRefused
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.known import debian12
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.lexer import MAX_LENGTH, render
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.statements import Statement

TABLE = b"CREATE TABLE `t` (`a` int(11) DEFAULT NULL) ENGINE=InnoDB"
VIEW = b"CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v` AS select "


def statement(text: bytes) -> Statement:
    return Statement("portal.sql", 4711, 42, text, literals.shape(text))


def column(definition: bytes) -> bytes:
    return b"CREATE TABLE `t` (`a` " + definition + b") ENGINE=InnoDB"


def options(text: bytes) -> bytes:
    return b"CREATE TABLE `t` (`a` int) " + text


HOSTILE = [
    # Verbs that no dump of a portal has
    b"CREATE USER x IDENTIFIED BY 'y'",
    b"GRANT ALL ON *.* TO x",
    b"SET PASSWORD = 'x'",
    b"SET GLOBAL general_log = 1",
    b"SET @a = 1",
    b"SET sql_mode = 'ANSI_QUOTES'",
    b"LOAD DATA INFILE '/etc/passwd' INTO TABLE `t`",
    b"LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE `t`",
    b"SELECT 1 INTO OUTFILE '/tmp/x'",
    b"SELECT SLEEP(100)",
    b"HANDLER `t` OPEN",
    b"PREPARE s FROM 'DROP DATABASE live'",
    b"EXECUTE IMMEDIATE 'DROP DATABASE live'",
    b"CALL p()",
    b"DO SLEEP(10)",
    b"USE mysql",
    b"RENAME TABLE `t` TO mysql.t",
    b"TRUNCATE TABLE `t`",
    b"DELETE FROM `t`",
    b"UPDATE `t` SET a = 1",
    b"REPLACE INTO `t` VALUES (1)",
    b"ALTER TABLE `t` ADD x int",
    b"INSTALL SONAME 'x'",
    b"CREATE DATABASE x",
    b"DROP DATABASE live",
    b"CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
    b"CREATE FUNCTION f RETURNS STRING SONAME 'x.so'",
    b"CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO DROP DATABASE live",
    b"CREATE TEMPORARY TABLE `t` (`a` int)",
    b"CREATE OR REPLACE TABLE `t` (`a` int)",
    b"CREATE SEQUENCE s",
    b"LOCK TABLES `t` WRITE",
    b"FLUSH TABLES",
    b"SHUTDOWN",
    b"KILL 1",
    b"DELIMITER //",
    b"source /etc/passwd",
    b"\\! id",
    b"(SELECT 1)",
    b"\xef\xbb\xbfSET NAMES utf8",
    # Hidden in comments
    b"/*!50003 CREATE USER x */",
    b"/*!SET NAMES utf8 */",
    b"SET /*!50003 GLOBAL x = 1, */ NAMES utf8",
    b"DROP TABLE IF EXISTS `t` /*!50003 , mysql.user */",
    b"CREATE /*!50003 USER x */ TABLE `t` (`a` int)",
    # Character sets where a backslash can be half of a character
    b"SET NAMES gbk",
    b"SET NAMES 'big5'",
    b"SET NAMES sjis",
    b"SET NAMES 'gb18030'",
    b"SET NAMES utf8, GLOBAL general_log = 1",
    b"SET NAMES utf8 COLLATE gbk_bin",
    b"SET NAMES DEFAULT",
    b"SET CHARACTER SET utf8",
    # Other places than the own database
    b"DROP TABLE `t`",
    b"DROP TABLE IF EXISTS `mysql`.`user`",
    b"DROP TABLE IF EXISTS mysql.user",
    b"DROP TABLE IF EXISTS `t`, `u`",
    b"DROP VIEW IF EXISTS `mysql`.`v`",
    b"DROP TABLE IF EXISTS `t` \0",
    b"DROP TABLE IF EXISTS 't'",
    b"DROP TEMPORARY TABLE IF EXISTS `t`",
    b"ALTER DATABASE `<DATABASE>` COLLATE utf8mb4_bin",
    # Tables that are more than tables
    b"CREATE TABLE `mysql`.`t` (`a` int)",
    b"CREATE TABLE `t` LIKE mysql.user",
    b"CREATE TABLE `t` (LIKE mysql.user)",
    b"CREATE TABLE `t` SELECT * FROM mysql.user",
    b"CREATE TABLE `t` AS SELECT 1",
    b"CREATE TABLE `t` (`a` int) SELECT * FROM mysql.user",
    b"CREATE TABLE `t` (`a` int) AS SELECT * FROM mysql.user",
    b"CREATE TABLE `t` (`a` int) ENGINE=InnoDB IGNORE SELECT 1",
    b"CREATE TABLE `t` (`a` int) (SELECT 1)",
    options(b"COMMENT=(SELECT 1)"),
    options(b"DEFAULT"),
    b"CREATE TABLE `t` (`a` int",
    b"CREATE TABLE `t` ()",
    b"CREATE TABLE `t`",
    column(b"int DEFAULT (load_file('/etc/passwd'))"),
    column(b"int DEFAULT (LOAD_FILE/**/('/etc/passwd'))"),
    column(b"int DEFAULT (select 1)"),
    column(b"int DEFAULT (sleep(10))"),
    column(b"int DEFAULT (`sleep`(10))"),
    column(b"int DEFAULT @a"),
    column(b"int DEFAULT `sleep`(10)"),
    b"CREATE TABLE `t` (`a` int, CHECK (`sleep`(10)))",
    b"CREATE TABLE `t` (`a` int, CONSTRAINT `c` CHECK (`a` > `sleep` (10)))",
    b"CREATE TABLE `t` (`a` int, KEY `k` ((`sleep`(10))))",
    column(b"int GENERATED ALWAYS AS (benchmark(1,1))"),
    column(b"int CHECK (get_lock('x', 1))"),
    column(b"longtext DEFAULT _gbk'\xbf\\'"),
    column(b"int /*!50003 DEFAULT (sleep(1)) */"),
    column(b"int /*!50003 COMMENT 'x"),
    column(b"int /* open"),
    column(b"\xc3\xa9"),
    column(b"int\0"),
    b"CREATE TABLE `t` (`a\xf0` int) ENGINE=InnoDB",
    column(b"int COMMENT 'x"),
    # Rows that are more than rows
    b"INSERT INTO `t` VALUES (load_file('/etc/passwd'))",
    b"INSERT INTO `t` VALUES ((SELECT 1))",
    b"INSERT INTO `t` VALUES (1), (SLEEP(9))",
    b"INSERT INTO `t` VALUES (@a)",
    b"INSERT INTO `t` VALUES (DEFAULT)",
    b"INSERT INTO `t` VALUES (1) ON DUPLICATE KEY UPDATE a = 1",
    b"INSERT INTO `t` VALUES (1) RETURNING *",
    b"INSERT INTO `t` VALUES (1),",
    b"INSERT INTO `t` VALUES (1) (2)",
    b"INSERT INTO `t` VALUES (1)--",
    b"INSERT INTO `t` VALUES (1) -- x",
    b"INSERT INTO `t` VALUES (1 /* x */)",
    b"INSERT INTO `t` VALUES (1 /*!50003 +1 */)",
    b"INSERT INTO `t` VALUES ()",
    b"INSERT INTO `t` VALUES (1,)",
    b"INSERT INTO `t` VALUES ('a' 'b')",
    b'INSERT INTO `t` VALUES ("a")',
    b"INSERT INTO `t` VALUES (_gbk'\xbf\\')",
    b"INSERT INTO `t` VALUES ('a'+'b')",
    b"INSERT INTO `t` VALUES (1+1)",
    b"INSERT INTO `t` VALUES (0xZZ)",
    b"INSERT INTO `t` VALUES (`a`)",
    b"INSERT INTO `t` VALUES ('open)",
    b"INSERT INTO `t` VALUES ('open\\')",
    b"INSERT INTO `t` VALUES\0(1)",
    b"INSERT INTO `t` VALUES (1;2)",
    b"INSERT INTO `mysql`.`user` VALUES (1)",
    b"INSERT INTO mysql.user VALUES (1)",
    b"INSERT INTO `t` SELECT * FROM mysql.user",
    b"INSERT INTO `t` SET a = 1",
    b"INSERT INTO `t` (`a`) VALUES (1)",
    b"INSERT INTO `t` TABLE mysql.user",
    b"INSERT IGNORE INTO `t` VALUES (1)",
    b"INSERT DELAYED INTO `t` VALUES (1)",
    b"INSERT `t` VALUES (1)",
    b"INSERT /*! INTO mysql.user SELECT 1 */ INTO `t` VALUES (1)",
    # Views that are more than views
    VIEW + b"load_file('/etc/passwd')",
    VIEW + b"sleep(100)",
    VIEW + b"SLEEP /* x */ (100)",
    VIEW + b"`sleep`(100)",
    VIEW + b"sys_exec('id')",
    VIEW + b"@@datadir",
    VIEW + b"@a := 1",
    VIEW + b"1 into outfile '/tmp/x'",
    VIEW + b"1 from `t` procedure analyse()",
    VIEW + b"1 /*!50003 into outfile '/tmp/x' */",
    VIEW + b"_gbk'\xbf\\' from `t`",
    VIEW + b'"a" from `t`',
    VIEW + b"1; DROP DATABASE live",
    VIEW + b"1 AS `half \xf0` from `t`",
    b"CREATE VIEW `mysql`.`v` AS select 1",
    b"CREATE VIEW `v` AS delete from `t`",
    b"CREATE OR REPLACE VIEW `v` AS select 1",
    b"CREATE DEFINER=CURRENT_USER() VIEW `v` AS select 1",
    b"CREATE ALGORITHM=EVIL VIEW `v` AS select 1",
    b"CREATE VIEW `v`",
    # Beyond every size
    b"CREATE TABLE `t` (`a` int) COMMENT='" + b"x" * MAX_LENGTH + b"'",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:60].decode("latin-1"))
def test_a_hostile_statement_is_refused_and_named(text: bytes) -> None:
    with pytest.raises(StatementRefused) as caught:
        classify(statement(text))
    error = caught.value
    assert "portal.sql" in error.message and "4711" in error.message and "42" in error.message
    assert error.details["offset"] == 4711 and error.details["line"] == 42
    assert len(error.details["statement"]) <= 100 and error.details["statement"][:10].isprintable()
    assert "tampered" in error.remedy


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"DROP TABLE IF EXISTS `mysql`.`user`", "it names another database"),
        (b"INSERT INTO `t` VALUES\n(1),\n(SLEEP(9))", "row 2 holds something else than literals"),
        (b"INSERT INTO `t` VALUES (1),('" + b"\\n" * 70000 + b"'),(SLEEP(9))", "row 3 holds something else than lit"),
        (b"SET NAMES gbk", "the character set gbk"),
        (options(b"SELECT 1"), "SELECT has no place in it"),
        (column(b"int DEFAULT (sleep(1))"), "sleep is a function that does more than compute"),
        (VIEW + b"1 from `t` procedure analyse()", "procedure has no place in it"),
    ],
)
def test_a_refusal_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(StatementRefused) as caught:
        classify(statement(text))
    assert reason in caught.value.reason and caught.value.reason in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        b"ALTER DATABASE `live` COLLATE utf8mb4_bin",
        b"ALTER DATABASE COLLATE utf8mb4_bin",
        b"ALTER DATABASE `<DATABASE>` CHARACTER SET utf8",
        b"ALTER DATABASE `<DATABASE>` COLLATE utf8mb4_bin, x",
        b"ALTER DATABASE `<DATABASE>` COLLATE 'x'",
        b"ALTER TABLE `t` ADD x int",
        b"DROP TABLE IF EXISTS `t`",
        b"INSERT INTO `t` VALUES\n(1)",
        TABLE,
    ],
)
def test_the_file_run_at_every_connection_may_do_two_things_only(text: bytes) -> None:
    with pytest.raises(StatementRefused):
        classify(statement(text), after_connect=True)


def test_the_file_run_at_every_connection() -> None:
    assert classify(statement(b"SET NAMES 'utf8mb4'"), after_connect=True) == SetCharset("utf8mb4")
    text = b"ALTER DATABASE `<DATABASE>` COLLATE utf8mb4_unicode_ci"
    assert classify(statement(text), after_connect=True) == SetCollation("utf8mb4_unicode_ci")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (b"SET NAMES 'cp1251'", SetCharset("cp1251")),
        (b"set names UTF8", SetCharset("utf8")),
        (b"DROP TABLE IF EXISTS `b_user`", DropTable("b_user")),
        (b"drop /* x */ table -- x\nif exists b_user", DropTable("b_user")),
        (b"DROP VIEW IF EXISTS `v`", DropView("v")),
        (b"INSERT INTO `t` VALUES\n(1)", Insert("t", 23, 1)),
        (b"INSERT INTO `t` VALUES\n(-1.5e-3, NULL),\n('a', ''),\n(0xAB, 'it''s \\' ;')", Insert("t", 23, 3)),
        (b"insert into t values (1), (2)", Insert("t", 21, 2)),
        (b"INSERT INTO `t` VALUES\n('" + b"\\n" * 70000 + b"')", Insert("t", 23, 1)),
    ],
)
def test_an_allowed_statement_is_understood(text: bytes, command: object) -> None:
    assert classify(statement(text)) == command


@pytest.mark.parametrize(
    "text",
    [
        column(b"int(10) unsigned NOT NULL AUTO_INCREMENT"),
        column(b"decimal(18,2) DEFAULT 0.00"),
        column(b"timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()"),
        column(b"datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)"),
        column(b"varchar(10) CHARACTER SET cp1251 COLLATE cp1251_general_ci DEFAULT 'it''s; x'"),
        column(b"enum('a;b','c''d','\\'') DEFAULT NULL COMMENT '/*!50003 x */'"),
        column(b"bit(8) DEFAULT b'101'"),
        column(b"char(36) DEFAULT (uuid())"),
        column(b"longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`a`))"),
        column(b"int GENERATED ALWAYS AS (`b` + 1) VIRTUAL"),
        column(b"varchar(9) GENERATED ALWAYS AS (concat(`b`,_utf8mb4'x')) STORED"),
        column(b"varchar(9) AS (if(`b` > 1,'x',cast(`c` as char(3) charset utf8mb4))) PERSISTENT"),
        column(b"geometry NOT NULL /*!80003 SRID 4326 */"),
        column(b"int /*!50606 STORAGE DISK */ /*!50606 COLUMN_FORMAT DYNAMIC */ DEFAULT NULL"),
        b"CREATE TABLE `t` (`a` int, PRIMARY KEY (`a`) USING BTREE, UNIQUE KEY `b` (`a`,`b`(10) DESC) COMMENT 'x')",
        b"CREATE TABLE `t` (`a` text, FULLTEXT KEY `b` (`a`) /*!50100 WITH PARSER `ngram` */ )",
        b"CREATE TABLE `t` (`a` int, KEY `c` (`a`) /*!80000 INVISIBLE */)",
        b"CREATE TABLE `t` (`a` int, CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `u` (`b`) ON DELETE SET NULL "
        b"ON UPDATE NO ACTION)",
        b"CREATE TABLE `t` (`a` int, CONSTRAINT `c` CHECK ((`a` > 0) and (`a` in (1,2))) /*!80016 NOT ENFORCED */)",
        b"CREATE TABLE IF NOT EXISTS t (`a` int)",
        options(b"ENGINE=MyISAM AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci COMMENT='x; y'"),
        options(b"ENGINE=Aria DEFAULT CHARSET=utf8mb4 PAGE_CHECKSUM=1 ROW_FORMAT=PAGE"),
        options(b"ENGINE=MEMORY MAX_ROWS=10 STATS_PERSISTENT=0 PACK_KEYS=DEFAULT DELAY_KEY_WRITE=1"),
        options(b"ENGINE=InnoDB DEFAULT CHARACTER SET = utf8mb4 KEY_BLOCK_SIZE=8 -- x"),
    ],
    ids=lambda text: text[:90].decode("latin-1"),
)
def test_a_table_that_a_server_prints_is_taken_as_it_is(text: bytes) -> None:
    command = classify(statement(text))
    assert isinstance(command, CreateTable) and command.name == "t"
    made = repairs.table_sql(command.definition, debian12())
    comment = b"'/*!50003 x */'"  # in a text, it is none
    assert b"/*" not in made.sql.replace(comment, b"")
    if b"/*!" not in text.replace(comment, b"") and b"--" not in text:
        assert made[:2] == (text, {})


@pytest.mark.parametrize(
    "body",
    [
        b"`b_user`.`ID` AS `ID`,'a;b' AS `X` from `b_user` where `b_user`.`ACTIVE` = 'Y'",
        b"`a`.`x` AS `x`,count(0) AS `n`,group_concat(distinct `b`.`y` order by `b`.`y` ASC separator ',') AS `l` "
        b"from (`t1` `a` left join `t2` `b` on(`a`.`id` = `b`.`id` and `b`.`d` between 1 and 2)) "
        b"group by `a`.`x` having count(0) > 1 order by `a`.`x` desc limit 10",
        b"case when `t`.`a` is not null then cast(`t`.`a` as unsigned) else 0.5 end AS `c`,"
        b"`t`.`d` + interval 1 day AS `e`,_utf8mb4'x' collate utf8mb4_unicode_ci AS `f` from `t`",
        b"`t`.`a` AS `a` from `t` union all select `u`.`a` AS `a` from `u` where exists(select 1 from `w` limit 1)",
        b"`t`.* from `t` WITH CASCADED CHECK OPTION".replace(b"`t`.*", b"`t`.`a` AS `a`"),
    ],
)
def test_a_view_that_a_server_prints_is_taken(body: bytes) -> None:
    command = classify(statement(VIEW + body))
    assert isinstance(command, CreateView) and command.name == "v"
    assert command.definition.definer == "root@localhost" and command.definition.problem == ""
    assert render(VIEW + body, command.definition.tokens, {}) == b"AS select " + body


def test_a_view_with_names_for_its_columns() -> None:
    command = classify(statement(b"CREATE VIEW `v` (`a`,`b`) AS (select 1 AS `x`,2 AS `y`)"))
    assert isinstance(command, CreateView)
    assert render(command.definition.text, command.definition.tokens, {}) == b"(`a`,`b`) AS (select 1 AS `x`,2 AS `y`)"


def test_the_excerpt_of_a_refused_statement_is_printable_and_short() -> None:
    with pytest.raises(StatementRefused) as caught:
        classify(statement(b"GRANT\n\x1b[31m\xff ALL " + "\u0451".encode() * 500))
    shown = caught.value.details["statement"]
    assert shown.startswith("GRANT  [31m\\xff ALL \u0451") and len(shown) == 100
