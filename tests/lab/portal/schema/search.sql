-- SPDX-FileCopyrightText: boxlift.portal contributors
-- SPDX-License-Identifier: GPL-3.0-or-later
-- Columns the way SHOW CREATE TABLE prints them; the dump writer adds engine, counter, character set and collation.

CREATE TABLE `b_search_content` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `DATE_CHANGE` datetime NOT NULL,
  `MODULE_ID` varchar(50) NOT NULL,
  `ITEM_ID` varchar(255) NOT NULL,
  `CUSTOM_RANK` int(11) NOT NULL DEFAULT 0,
  `USER_ID` int(11) DEFAULT NULL,
  `URL` text DEFAULT NULL,
  `TITLE` text DEFAULT NULL,
  `BODY` longtext DEFAULT NULL,
  `TAGS` text DEFAULT NULL,
  `PARAM1` text DEFAULT NULL,
  `PARAM2` text DEFAULT NULL,
  PRIMARY KEY (`ID`),
  UNIQUE KEY `UX_B_SEARCH_CONTENT` (`MODULE_ID`,`ITEM_ID`)
);

CREATE TABLE `b_search_content_site` (
  `SEARCH_CONTENT_ID` int(18) NOT NULL,
  `SITE_ID` char(2) NOT NULL,
  `URL` text DEFAULT NULL,
  PRIMARY KEY (`SEARCH_CONTENT_ID`,`SITE_ID`)
);

CREATE TABLE `b_search_content_text` (
  `SEARCH_CONTENT_ID` int(11) NOT NULL,
  `SEARCH_CONTENT_MD5` char(32) NOT NULL,
  `SEARCHABLE_CONTENT` longtext DEFAULT NULL,
  PRIMARY KEY (`SEARCH_CONTENT_ID`),
  FULLTEXT KEY `fti` (`SEARCHABLE_CONTENT`)
);

CREATE TABLE `b_search_custom_rank` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `APPLIED` char(1) NOT NULL DEFAULT 'N',
  `RANK` int(11) NOT NULL DEFAULT 0,
  `SITE_ID` char(2) NOT NULL,
  `MODULE_ID` varchar(200) NOT NULL,
  `ITEM_ID` varchar(200) DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_search_phrase` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `TIMESTAMP_X` datetime NOT NULL,
  `SITE_ID` char(2) NOT NULL,
  `RESULT_COUNT` int(11) NOT NULL,
  `PHRASE` varchar(250) DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_stat_day` (
  `ID` int(18) NOT NULL AUTO_INCREMENT,
  `DATE_STAT` date DEFAULT NULL,
  `HITS` int(18) NOT NULL DEFAULT 0,
  `HOSTS` int(18) NOT NULL DEFAULT 0,
  PRIMARY KEY (`ID`)
);
