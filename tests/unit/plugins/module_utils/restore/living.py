# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small portal that is restored, used by people, replaced and brought back."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from ansible_collections.boxlift.portal.plugins.module_utils.restore.rollback import Rollback
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, execute, rows
from lab.archive_writer import Entry, write_archive

DOMAIN = "portal.example.com"
SQL = f"""-- Started: 2026-04-13 12:00:00
SET NAMES 'utf8mb4';
DROP TABLE IF EXISTS `b_option`;
CREATE TABLE `b_option` (
  `MODULE_ID` varchar(50) NOT NULL,
  `NAME` varchar(100) NOT NULL,
  `VALUE` mediumtext
) ENGINE=InnoDB;
INSERT INTO `b_option` VALUES
('main', 'server_name', '{DOMAIN}'),
('search', 'full_text_engine', 'sphinx'),
('pull', 'config_timestamp', '5');
DROP TABLE IF EXISTS `b_user`;
CREATE TABLE `b_user` (
  `ID` int NOT NULL AUTO_INCREMENT,
  `ACTIVE` char(1) NOT NULL DEFAULT 'Y',
  `EXTERNAL_AUTH_ID` varchar(255) DEFAULT NULL,
  `LAST_LOGIN` datetime DEFAULT NULL,
  `LAST_ACTIVITY_DATE` datetime DEFAULT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB;
INSERT INTO `b_user` VALUES
(1, 'Y', NULL, '2026-04-13 11:00:00', '2026-04-13 11:30:00'),
(2, 'Y', 'bot', NULL, NULL);
DROP TABLE IF EXISTS `b_crm_deal`;
CREATE TABLE `b_crm_deal` (
  `ID` int NOT NULL AUTO_INCREMENT,
  `TITLE` varchar(255) DEFAULT NULL,
  `DATE_CREATE` datetime DEFAULT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB;
INSERT INTO `b_crm_deal` VALUES
(7, 'of BACKUP', '2026-04-13 10:00:00');
DROP TABLE IF EXISTS `b_im_message`;
CREATE TABLE `b_im_message` (
  `ID` int NOT NULL AUTO_INCREMENT,
  `AUTHOR_ID` int NOT NULL,
  `DATE_CREATE` datetime NOT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB;
DROP TABLE IF EXISTS `b_agent`;
CREATE TABLE `b_agent` (
  `ID` int NOT NULL AUTO_INCREMENT,
  `LAST_EXEC` datetime DEFAULT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB;
DROP TABLE IF EXISTS `b_module`;
CREATE TABLE `b_module` (
  `ID` varchar(50) NOT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB;
-- Finished: 2026-04-13 12:00:01"""


def backup(folder: Path, name: str) -> Path:
    """A backup whose only deal and first page name it; the path of its first part."""
    folder.mkdir()
    entries = [
        Entry(b"bitrix/backup/base.sql", data=SQL.replace("BACKUP", name).encode()),
        Entry(b"index.php", data=name.encode()),
        Entry(b"upload/iblock/a.jpg", data=b"a" * 100),
    ]
    return write_archive(entries, folder, name)[0]


@dataclasses.dataclass
class Site:
    """One document root with its database."""

    base: Path
    login: Login
    name: str

    @property
    def tree(self) -> Path:
        return self.base / "site" / "www"

    def database(self) -> StagedDatabase:
        return StagedDatabase(self.login, self.name)

    def restore(self, source: Path, **options: t.Any) -> dict[str, t.Any]:
        state = str(self.base / "state")
        request = RestoreRequest(str(source), str(self.tree), state, database_name=self.name, **options)
        return Restore(request, self.database()).run()

    def rollback(self, generation: int | None = None) -> dict[str, t.Any]:
        return Rollback(str(self.tree), str(self.base / "state"), self.database(), generation).run()

    def run(self, *statements: str) -> None:
        with connect(self.login, self.name) as conn:
            for statement in statements:
                execute(conn, statement)

    def order(self, number: int) -> None:
        self.run(f"INSERT INTO b_crm_deal VALUES ({number}, 'order {number}', '2026-11-29 09:12:44')")

    def deals(self, database: str = "") -> list[int]:
        with connect(self.login, database or self.name) as conn:
            return [row["ID"] for row in rows(conn, "SELECT ID FROM b_crm_deal ORDER BY ID")]

    def seen(self) -> tuple[str, str]:
        """Which backup the live tree and the live database are from."""
        with connect(self.login, self.name) as conn:
            title = rows(conn, "SELECT TITLE FROM b_crm_deal WHERE ID = 7")[0]["TITLE"]
        return (self.tree / "index.php").read_text(), title.partition(" ")[2]
