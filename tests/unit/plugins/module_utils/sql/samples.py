# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small dump in the vendor's layout that holds everything which is hard to read, and what it means."""

from __future__ import annotations

# The language zz is in no server, so its collation must be replaced on every one.
FIRST = """-- Started: 2026-04-13 12:00:00
SET NAMES 'utf8mb4';
-- -----------------------------------
-- Dumping table b_tricky; with a semicolon;
-- -----------------------------------
DROP TABLE IF EXISTS `b_tricky`;
CREATE TABLE `b_tricky` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `a;b` varchar(100) DEFAULT 'x;\\ny' COMMENT 'it''s; -- no /* comment */ #',
  `ti``ck` enum('a;b','c''d') DEFAULT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='a;\\nb';

INSERT INTO `b_tricky` VALUES
(0, 'zero; stays zero', NULL),
(1, ';\\n', 'a;b'),
(2, 'O\\'Reilly \\"q\\" \\\\', 'c\\'d'),
(3, 'double''d '' quotes', NULL),
(4, '-- no\\n# no /* no */ /*! no */ `no`', NULL),
(5, 'raw
;
newline;
INSERT INTO `b_tricky` VALUES (9)', NULL),
(6, 'x),\\n(y', NULL),
(7, '\u0451\u0436\u0438\u043a \U0001f600 \\0\\Z\t', NULL);
/* a block ; comment */ # and a line ; comment
-- -----------------------------------
-- Creating empty table b_stat_day
-- -----------------------------------
CREATE TABLE IF NOT EXISTS `b_stat_day` (
  `ID` int(11) NOT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci;

DROP TABLE IF EXISTS `b_bits`;
CREATE TABLE `b_bits` (
  `BT` bit(8) DEFAULT b'1',
  `N` int(11) DEFAULT -5,
  `TWICE` int(11) GENERATED ALWAYS AS (`N` * 2) STORED,
  `G` geometry DEFAULT NULL,
  `D` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_zz_0900_ai_ci;

""".encode()

SECOND = b"""INSERT INTO `b_bits` VALUES
('219', 7, 14, NULL, '2026-01-02 03:04:05'),
(NULL, -7, -14, '\\0\\0\\0\\0\x01\x01\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0', '2026-01-02 03:04:05');
INSERT INTO `b_bits` VALUES
('1', 1e3, 2000, NULL, '2026-01-02 03:04:05');
DROP VIEW IF EXISTS `v_later`;
CREATE ALGORITHM=UNDEFINED DEFINER=`gone`@`%` SQL SECURITY DEFINER VIEW `v_later` AS
select `v_tricky`.`ID` AS `ID` from `v_tricky`;

DROP VIEW IF EXISTS `v_tricky`;
CREATE ALGORITHM=MERGE DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v_tricky` AS
select `b_tricky`.`ID` AS `ID`,'a;b' AS `X` from `b_tricky` where `b_tricky`.`ID` > 0;

-- Finished: 2026-04-13 12:00:01"""

AFTER_CONNECT = b"SET NAMES 'utf8mb4';\nALTER DATABASE `<DATABASE>` COLLATE utf8mb4_unicode_ci;\n"

FILES = {"d_after_connect.sql": AFTER_CONNECT, "d.sql": FIRST, "d.sql.1": SECOND}

# The statements as they begin; none more, none less.
BEGINNINGS = [
    b"SET NAMES",
    b"DROP TABLE IF EXISTS `b_tricky`",
    b"CREATE TABLE `b_tricky`",
    b"INSERT INTO `b_tricky`",
    b"CREATE TABLE IF NOT EXISTS `b_stat_day`",
    b"DROP TABLE IF EXISTS `b_bits`",
    b"CREATE TABLE `b_bits`",
]
ROWS = {"b_tricky": 8, "b_stat_day": 0, "b_bits": 3}
