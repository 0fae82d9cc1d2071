# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the restore: parameters, check mode, files with and without a database."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import backup_restore
from lab.archive_writer import Entry, write_archive

from .conftest import RunModule

SQL = b"""-- Started: 2026-04-13 12:00:00
SET NAMES 'utf8mb4';
DROP TABLE IF EXISTS `b_user`;
CREATE TABLE `b_user` (
  `ID` int NOT NULL
) ENGINE=InnoDB;

INSERT INTO `b_user` VALUES
(1),
(2);
-- Finished: 2026-04-13 12:00:01"""


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    entries = [Entry(b"bitrix/backup/base.sql", data=SQL), Entry(b"index.php", data=b"<?php", mode=0o640)]
    source = write_archive(entries, tmp_path, "base")[0]
    return {
        "source": str(source),
        "document_root": str(tmp_path / "site" / "www"),
        "state_dir": str(tmp_path / "state"),
        "progress": str(tmp_path / "run" / "restore.json"),
    }


def test_files_only(params: dict[str, t.Any], run_module: RunModule) -> None:
    root = Path(params["document_root"])
    predicted = run_module(backup_restore, check=True, **params)
    assert predicted["changed"]
    assert not root.exists()
    assert not Path(params["progress"]).exists()
    result = run_module(backup_restore, **params)
    assert result["changed"]
    state = json.loads(Path(params["progress"]).read_text(encoding="utf-8"))
    assert (state["operation"], state["outcome"]) == ("backup_restore", "done")
    assert (result["files"], result["directories"], result["rows"]) == (2, 0, 0)
    assert (root / "bitrix" / "backup" / "base.sql").read_bytes() == SQL
    assert not run_module(backup_restore, **params)["changed"]
    assert not run_module(backup_restore, check=True, **params)["changed"]


def test_with_a_database(params: dict[str, t.Any], run_module: RunModule, mariadb: t.Any) -> None:
    name = mariadb.fresh_name("portal")
    login = {"unix_socket": mariadb.login.unix_socket, "login_user": mariadb.login.user, "name": name}
    result = run_module(backup_restore, database=login, **params)
    assert not result["failed"], result
    assert (result["files"], result["rows"]) == (1, 2)
    assert [table["name"] for table in result["tables"]] == ["b_user"]
    assert set(result["timings"]) == {"stage", "switch"}


def test_an_unknown_owner(params: dict[str, t.Any], run_module: RunModule) -> None:
    result = run_module(backup_restore, owner="nobody-of-that-name", **params)
    assert result["failed"]
    assert "owner: there is no user nobody-of-that-name" in result["msg"]
    assert not Path(params["document_root"]).exists()


def test_a_server_that_cannot_be_reached(params: dict[str, t.Any], run_module: RunModule) -> None:
    result = run_module(backup_restore, database={"unix_socket": "/nonexistent", "name": "portal"}, **params)
    assert result["failed"]
    assert "root at /nonexistent" in result["msg"]
    assert not Path(params["document_root"]).exists()
