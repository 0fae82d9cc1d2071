# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the restore: parameters, check mode, files with and without a database."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect, execute, rows
from ansible_collections.boxlift.portal.plugins.modules import backup_restore
from lab.archive_writer import Entry, write_archive
from unit.plugins.module_utils.sql.faulty import fault

from .conftest import RunModule

ROLE = Path(__file__).resolve().parents[4] / "roles" / "database"
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
    # However short it was, the last word is of everything.
    assert (state["parts"]["done"], state["parts"]["total"], state["files"]) == (1, 1, 2)
    assert state["phases"]["restore"]["bytes"] == Path(params["source"]).stat().st_size
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


VIEW = b"""
DROP VIEW IF EXISTS `b_first`;
CREATE DEFINER=`cloud`@`%` VIEW `b_first` AS select `b_user`.`ID` AS `ID` from `b_user` limit 1;
-- Finished"""


def test_the_account_for_restores_from_other_hosts_may_do_enough(
    params: dict[str, t.Any], run_module: RunModule, mariadb: t.Any, tmp_path: Path
) -> None:
    """With the rights that the role database gives: everything is switched in, and once more over what is there."""
    name = mariadb.fresh_name("portal")
    values = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__database_restore_privileges"]
    rights = Templar(DataLoader(), {"database_name": name}).template(trust_as_template(values))
    conn = mariadb.connect()
    execute(conn, "CREATE USER restorer IDENTIFIED BY 'canary'")
    for right in rights.split("/"):
        place, _colon, what = right.partition(":")
        execute(conn, f"GRANT {what} ON {place} TO restorer")
    execute(conn, f"CREATE DATABASE {name}")  # as the role does
    login = {"unix_socket": mariadb.login.unix_socket, "login_user": "restorer", "login_password": "canary"}
    for number in (1, 2, 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = SQL.replace(b"(2);", b"(2),\n(%d);" % (number + 2)).replace(b"\n-- Finished", VIEW)
        source = write_archive([Entry(b"bitrix/backup/base.sql", data=data)], folder, "base")[0]
        result = run_module(backup_restore, database={**login, "name": name}, **{**params, "source": str(source)})
        assert not result["failed"], result
        assert result["rows"] == 3
    kept = [
        [row["n"] for row in rows(conn, f"SELECT MAX(ID) AS n FROM {name}{which}.b_user")]
        for which in ("", "_previous_2", "_previous_1")
    ]
    assert kept == [[5], [4], [3]]
    assert rows(conn, f"SELECT ID FROM {name}.b_first")[0]["ID"] == 1
    for elsewhere in (f"{name}_other", name.replace("_", "X")):
        with pytest.raises(BoxliftError, match="denied"):
            connect(Login(unix_socket=login["unix_socket"], user="restorer", password="canary"), elsewhere)
    conn.close()


def test_an_unknown_owner(params: dict[str, t.Any], run_module: RunModule) -> None:
    result = run_module(backup_restore, owner="nobody-of-that-name", **params)
    assert result["failed"]
    assert "owner: there is no user nobody-of-that-name" in result["msg"]
    assert not Path(params["document_root"]).exists()


@pytest.mark.parametrize("umask", ["27", "0700", "0o27", "u=rwx"])
def test_a_umask_that_is_none(params: dict[str, t.Any], run_module: RunModule, umask: str) -> None:
    result = run_module(backup_restore, umask=umask, **params)
    assert result["failed"]
    assert f"umask is {umask!r}, which is no octal number" in result["msg"]


def test_a_server_that_cannot_be_reached(params: dict[str, t.Any], run_module: RunModule) -> None:
    result = run_module(backup_restore, database={"unix_socket": "/nonexistent", "name": "portal"}, **params)
    assert result["failed"]
    assert "root at /nonexistent" in result["msg"]
    assert not Path(params["document_root"]).exists()


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "s3"])
def test_an_address_is_never_logged(
    run_module: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Ansible logs a module's parameters before the module runs: what is secret must be known by then."""
    logged: list[str] = []
    monkeypatch.setattr(
        "ansible.module_utils.basic.AnsibleModule.log",
        lambda _self, msg, log_args=None: logged.append(f"{msg} {log_args}"),
    )
    address = f"{scheme}://someone:hid%2Dden@127.0.0.1:1/base.tar.gz?signature=abcdef0123"
    result = run_module(
        backup_restore,
        source=address,
        mirrors=[address.replace("hid%2Dden", "other-one")],
        document_root=str(tmp_path / "site" / "www"),
        state_dir=str(tmp_path / "state"),
        check=True,
    )
    assert logged
    shown = json.dumps([logged, result])
    assert not [word for word in ("hid%2Dden", "hid-den", "other-one", "abcdef0123") if word in shown]


def test_values_that_the_server_changed_are_returned_and_told(
    params: dict[str, t.Any], run_module: RunModule, tmp_path: Path, mariadb: t.Any
) -> None:
    (tmp_path / "faulty").mkdir()
    entries = [Entry(b"bitrix/backup/base.sql", data=fault("invalid_utf8")), Entry(b"index.php", data=b"<?php")]
    params["source"] = str(write_archive(entries, tmp_path / "faulty", "base")[0])
    database = {"unix_socket": mariadb.login.unix_socket, "name": mariadb.fresh_name("portal")}
    result = run_module(backup_restore, **params, database=database)
    (warning,) = result["server_warnings"]
    assert (warning["table"], warning["column"], warning["count"]) == ("b_im_message", "MESSAGE", 2)
    told = json.dumps(result["warnings"])
    assert "b_im_message.MESSAGE: Incorrect string value" in told and "WHERE `MESSAGE` LIKE '%?%'" in told
