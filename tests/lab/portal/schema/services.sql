-- SPDX-FileCopyrightText: boxlift.portal contributors
-- SPDX-License-Identifier: GPL-3.0-or-later
-- Columns the way SHOW CREATE TABLE prints them; the dump writer adds engine, counter, character set and collation.

CREATE TABLE `b_bp_rest_activity` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `APP_ID` varchar(128) NOT NULL,
  `CODE` varchar(128) NOT NULL,
  `HANDLER` varchar(1000) NOT NULL,
  `IS_ROBOT` char(1) NOT NULL DEFAULT 'N',
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_bp_scheduler_event` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `WORKFLOW_ID` varchar(32) NOT NULL,
  `HANDLER` varchar(128) NOT NULL,
  `EVENT_MODULE` varchar(32) NOT NULL,
  `EVENT_TYPE` varchar(100) NOT NULL,
  `ENTITY_ID` varchar(100) DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_bp_workflow_instance` (
  `ID` varchar(32) NOT NULL,
  `MODULE_ID` varchar(32) NOT NULL,
  `ENTITY` varchar(64) NOT NULL,
  `DOCUMENT_ID` varchar(128) NOT NULL,
  `WORKFLOW` mediumblob DEFAULT NULL,
  `STATUS` int(11) DEFAULT NULL,
  `MODIFIED` datetime NOT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_calendar_push` (
  `ENTITY_TYPE` varchar(24) NOT NULL,
  `ENTITY_ID` int(11) NOT NULL,
  `CHANNEL_ID` varchar(128) NOT NULL,
  `RESOURCE_ID` varchar(128) NOT NULL,
  `EXPIRES` datetime NOT NULL,
  `NOT_PROCESSED` char(1) NOT NULL DEFAULT 'N',
  PRIMARY KEY (`ENTITY_TYPE`,`ENTITY_ID`)
);

CREATE TABLE `b_dav_connections` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `ENTITY_TYPE` varchar(32) NOT NULL DEFAULT 'user',
  `ENTITY_ID` int(11) NOT NULL,
  `ACCOUNT_TYPE` varchar(32) NOT NULL,
  `NAME` varchar(128) NOT NULL,
  `SERVER_HOST` varchar(128) NOT NULL,
  `SERVER_USERNAME` varchar(128) DEFAULT NULL,
  `SERVER_PASSWORD` varchar(128) DEFAULT NULL,
  `LAST_RESULT` varchar(128) DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_im_bot` (
  `BOT_ID` int(18) NOT NULL,
  `MODULE_ID` varchar(50) NOT NULL,
  `CODE` varchar(100) NOT NULL,
  `TYPE` char(1) DEFAULT 'B',
  `CLASS` varchar(255) DEFAULT NULL,
  `LANG` varchar(50) DEFAULT NULL,
  `METHOD_MESSAGE_ADD` varchar(255) DEFAULT NULL,
  `METHOD_WELCOME_MESSAGE` varchar(255) DEFAULT NULL,
  `METHOD_BOT_DELETE` varchar(255) DEFAULT NULL,
  `COUNT_COMMAND` int(18) DEFAULT 0,
  `COUNT_MESSAGE` int(18) DEFAULT 0,
  `COUNT_CHAT` int(18) DEFAULT 0,
  `COUNT_USER` int(18) DEFAULT 0,
  `APP_ID` varchar(128) DEFAULT NULL,
  `VERIFIED` char(1) DEFAULT 'N',
  `OPENLINE` char(1) DEFAULT 'N',
  PRIMARY KEY (`BOT_ID`)
);

CREATE TABLE `b_imconnectors_custom_connectors` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `ID_CONNECTOR` varchar(255) NOT NULL,
  `NAME` varchar(255) NOT NULL,
  `REST_APP_ID` int(11) NOT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_imconnectors_status` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `CONNECTOR` varchar(255) NOT NULL,
  `LINE` varchar(255) NOT NULL,
  `ACTIVE` char(1) DEFAULT 'N',
  `CONNECTION` char(1) DEFAULT 'N',
  `REGISTER` char(1) DEFAULT 'N',
  `ERROR` char(1) DEFAULT 'N',
  `DATA` text DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_mail_mailbox` (
  `ID` int(18) NOT NULL AUTO_INCREMENT,
  `LID` char(2) NOT NULL,
  `ACTIVE` char(1) NOT NULL DEFAULT 'Y',
  `NAME` varchar(255) DEFAULT NULL,
  `SERVER_TYPE` varchar(10) NOT NULL DEFAULT 'imap',
  `SERVER` varchar(255) DEFAULT NULL,
  `PORT` int(11) NOT NULL DEFAULT 993,
  `LOGIN` varchar(255) DEFAULT NULL,
  `PASSWORD` varchar(255) DEFAULT NULL,
  `USER_ID` int(11) NOT NULL DEFAULT 0,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_main_mail_sender` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `NAME` varchar(255) NOT NULL DEFAULT '',
  `EMAIL` varchar(255) NOT NULL,
  `USER_ID` int(11) NOT NULL,
  `IS_CONFIRMED` tinyint(4) NOT NULL DEFAULT 0,
  `IS_PUBLIC` tinyint(4) NOT NULL DEFAULT 0,
  `OPTIONS` text DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_pull_channel` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `USER_ID` int(11) NOT NULL,
  `CHANNEL_TYPE` varchar(50) DEFAULT NULL,
  `CHANNEL_ID` varchar(50) NOT NULL,
  `CHANNEL_PUBLIC_ID` varchar(50) DEFAULT NULL,
  `LAST_ID` int(11) DEFAULT NULL,
  `DATE_CREATE` datetime NOT NULL,
  PRIMARY KEY (`ID`),
  UNIQUE KEY `IX_PULL_CN_UID` (`USER_ID`,`CHANNEL_TYPE`)
);

CREATE TABLE `b_pull_push` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `USER_ID` int(11) DEFAULT NULL,
  `DEVICE_TYPE` varchar(50) DEFAULT NULL,
  `APP_ID` varchar(50) DEFAULT NULL,
  `UNIQUE_HASH` varchar(50) DEFAULT NULL,
  `DEVICE_ID` varchar(255) DEFAULT NULL,
  `DEVICE_NAME` varchar(50) DEFAULT NULL,
  `DEVICE_TOKEN` varchar(255) NOT NULL,
  `DATE_CREATE` datetime NOT NULL,
  `DATE_AUTH` datetime DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_pull_push_queue` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `USER_ID` int(11) DEFAULT NULL,
  `TAG` varchar(255) DEFAULT NULL,
  `MESSAGE` text DEFAULT NULL,
  `BADGE` int(11) DEFAULT NULL,
  `DATE_CREATE` datetime DEFAULT NULL,
  `APP_ID` varchar(50) DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_pull_stack` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `CHANNEL_ID` varchar(50) NOT NULL,
  `MESSAGE` text DEFAULT NULL,
  `DATE_CREATE` datetime NOT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_pull_watch` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `USER_ID` int(11) NOT NULL,
  `CHANNEL_ID` varchar(50) NOT NULL,
  `TAG` varchar(255) NOT NULL,
  `DATE_CREATE` datetime NOT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_rest_ap` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `USER_ID` int(11) NOT NULL,
  `PASSWORD` varchar(100) NOT NULL,
  `ACTIVE` char(1) NOT NULL DEFAULT 'Y',
  `TITLE` varchar(255) DEFAULT NULL,
  `COMMENT` varchar(255) DEFAULT NULL,
  `DATE_CREATE` datetime DEFAULT NULL,
  `DATE_LOGIN` datetime DEFAULT NULL,
  `LAST_IP` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_rest_app` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `CLIENT_ID` varchar(128) NOT NULL,
  `CODE` varchar(128) NOT NULL,
  `ACTIVE` char(1) NOT NULL DEFAULT 'Y',
  `INSTALLED` char(1) NOT NULL DEFAULT 'N',
  `URL` varchar(1000) NOT NULL,
  `URL_DEMO` varchar(1000) DEFAULT NULL,
  `URL_INSTALL` varchar(1000) DEFAULT NULL,
  `VERSION` varchar(4) DEFAULT '1',
  `SCOPE` varchar(2000) NOT NULL,
  `STATUS` char(1) NOT NULL DEFAULT 'F',
  `DATE_FINISH` date DEFAULT NULL,
  `IS_TRIALED` char(1) DEFAULT 'N',
  `SHARED_KEY` varchar(32) DEFAULT NULL,
  `CLIENT_SECRET` varchar(100) DEFAULT NULL,
  `APP_NAME` varchar(1000) DEFAULT NULL,
  `ACCESS` varchar(2000) DEFAULT NULL,
  `APPLICATION_TOKEN` varchar(50) DEFAULT '',
  `MOBILE` char(1) DEFAULT 'N',
  `USER_INSTALL` char(1) DEFAULT 'N',
  PRIMARY KEY (`ID`),
  UNIQUE KEY `ux_b_rest_app1` (`CLIENT_ID`)
);

CREATE TABLE `b_rest_event` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `APP_ID` int(11) DEFAULT NULL,
  `EVENT_NAME` varchar(255) NOT NULL,
  `EVENT_HANDLER` varchar(255) NOT NULL,
  `USER_ID` int(11) DEFAULT 0,
  `TITLE` varchar(255) DEFAULT '',
  `APPLICATION_TOKEN` varchar(50) DEFAULT '',
  `DATE_CREATE` datetime DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_rest_event_offline` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `TIMESTAMP_X` timestamp NULL DEFAULT NULL,
  `MESSAGE_ID` varchar(100) NOT NULL,
  `APP_ID` int(11) NOT NULL,
  `EVENT_NAME` varchar(255) NOT NULL,
  `EVENT_DATA` text DEFAULT NULL,
  `PROCESS_ID` varchar(255) DEFAULT '',
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_rest_placement` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `APP_ID` int(11) DEFAULT NULL,
  `PLACEMENT` varchar(255) NOT NULL,
  `PLACEMENT_HANDLER` varchar(255) NOT NULL,
  `TITLE` varchar(255) DEFAULT '',
  `USER_ID` int(11) DEFAULT 0,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_transformer_command` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `GUID` varchar(32) NOT NULL,
  `STATUS` int(11) NOT NULL,
  `COMMAND` text NOT NULL,
  `MODULE` text NOT NULL,
  `CALLBACK` text NOT NULL,
  `PARAMS` text NOT NULL,
  `FILE` text DEFAULT NULL,
  `ERROR` text DEFAULT NULL,
  `ERROR_CODE` int(11) NOT NULL DEFAULT 0,
  `UPDATE_TIME` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_voximplant_config` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `PORTAL_MODE` varchar(50) NOT NULL,
  `SEARCH_ID` varchar(255) DEFAULT NULL,
  `PHONE_NAME` varchar(255) DEFAULT NULL,
  `RECORDING` char(1) DEFAULT 'Y',
  `CRM` char(1) NOT NULL DEFAULT 'Y',
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_voximplant_external_line` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `TYPE` varchar(20) NOT NULL DEFAULT 'rest-app',
  `NUMBER` varchar(255) NOT NULL,
  `NAME` varchar(255) DEFAULT NULL,
  `REST_APP_ID` int(11) DEFAULT NULL,
  `DATE_CREATE` datetime DEFAULT NULL,
  PRIMARY KEY (`ID`)
);

CREATE TABLE `b_voximplant_sip` (
  `ID` int(11) NOT NULL AUTO_INCREMENT,
  `CONFIG_ID` int(11) NOT NULL,
  `TYPE` varchar(255) DEFAULT 'cloud',
  `SERVER` varchar(255) DEFAULT NULL,
  `LOGIN` varchar(255) DEFAULT NULL,
  `PASSWORD` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`ID`)
);
