# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module through its real main(), with folders; tests of the library do it with databases."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute
from ansible_collections.boxlift.portal.plugins.modules import portal_recover
from lab.recovery import Repository
from unit.conftest import running_server


class Host:
    """A document root, and a repository with a copy of it."""

    def __init__(self, folder: pathlib.Path, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._run = folder, run_module
        self.root = folder / "srv" / "www"
        (self.root / "upload").mkdir(parents=True)
        (self.root / "upload" / "a").write_text("first")
        self.repository = Repository(folder / "repository")
        files = {"paths": [str(self.root)], "bytes": 5, "files": 1}
        self.repository.add_copy("one", 1796020919.0, {"files": files})
        (self.root / "upload" / "a").write_text("second")
        self.settings = folder / "settings.json"
        store = {"name": "local", "repository": "/nowhere", "password_file": "/nowhere"}
        self.settings.write_text(json.dumps({"stores": [store]}))
        monkeypatch.setattr(portal_recover, "Restic", lambda _store: self.repository)

    def run(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        places = {"state_dir": str(self.folder / "state"), "work_dir": str(self.folder / "work")}
        given = {"settings": str(self.settings), "document_root": str(self.root), **places, **options}
        result: dict[str, t.Any] = self._run(portal_recover, check=check, **given)
        return result


@pytest.fixture
def host(tmp_path: pathlib.Path, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, run_module, monkeypatch)


def test_check_mode_says_what_comes_and_writes_nothing(host: Host) -> None:
    before = sorted(host.folder.rglob("*"))
    result = host.run(check=True, folders=["upload"])
    assert (result["changed"], result["what"], result["copy"]["id"]) == (True, ["folder upload"], "one")
    assert (result["files_as_of"], result["database_as_of"]) == ("2026-11-30T06:41:49Z", None)
    assert sorted(host.folder.rglob("*")) == before and host.repository.restored == []


def test_the_lock_of_a_dead_process_does_not_keep_a_recovery_out(host: Host) -> None:
    host.run(check=True, folders=["upload"])
    assert host.repository.unlocked == 1
    store = {"name": "local", "repository": "/nowhere", "password_file": "/nowhere", "read_only": True}
    host.settings.write_text(json.dumps({"stores": [store]}))
    host.run(check=True, folders=["upload"])
    assert host.repository.unlocked == 1


def test_a_folder_comes_back(host: Host) -> None:
    result = host.run(folders=["upload"])
    assert result["changed"] and (host.root / "upload" / "a").read_text() == "first"
    assert (pathlib.Path(result["folders"][0]["replaced"]) / "a").read_text() == "second"
    assert not (host.folder / "work").exists()


def test_all_files_come_back_once(host: Host) -> None:
    result = host.run(moment="2026-11-30T06:41:59Z")
    assert (result["changed"], result["files"], (host.root / "upload" / "a").read_text()) == (True, 1, "first")
    again = host.run(moment="2026-11-30T06:41:59Z")
    assert (again["changed"], again["files"]) == (False, 1)
    assert len(host.repository.restored) == 1


def test_a_moment_without_a_copy_is_refused(host: Host) -> None:
    result = host.run(moment="2026-11-30T06:41:58Z", folders=["upload"])
    assert result["failed"] and result["code"] == "too_early"
    assert result["msg"] == (
        "2026-11-30T06:41:58Z is before the first copy, whose database is of 2026-11-30T06:41:59Z. "
        "Nothing was changed. Possible is: 2026-11-30T06:41:59Z."
    )


def test_tables_need_a_database(host: Host) -> None:
    assert "has no database" in host.run(tables=["b_user"])["msg"]
    assert "To look for a table, the option database is needed." in host.run(find_table="b_user")["msg"]


def test_an_unknown_store_and_owner_are_refused(host: Host) -> None:
    assert "There is no store other." in host.run(store="other")["msg"]
    assert "there is no user nobody-here on this host" in host.run(owner="nobody-here")["msg"]


def test_the_accident_is_listed(host: Host) -> None:
    own = ("--skip-networking", "--log-bin=log", "--binlog-format=ROW")
    with running_server(*own) as server:
        conn = server.connect()
        for statement in ("CREATE DATABASE portal", "USE portal", "CREATE TABLE b_x (ID int)", "DROP TABLE b_x"):
            execute(conn, statement)
        database = {"name": "portal"}
        result = host.run(database=database, find_table="b_x", local_logs=str(server.base / "data"))
    assert [(each["kind"], each["gtid"], each["rows"]) for each in result["found"]] == [("drop", "0-1-3", -1)]
    assert (result["changed"], result["left_out"], result["searched"]["files"]) == (False, 0, 1)
    assert not list(host.folder.glob("work*"))


def test_what_a_killed_search_has_left_goes_with_the_next_one_a_day_later(host: Host) -> None:
    for name, moment in (("old", 0), ("new", 4_000_000_000)):
        (host.folder / f"work-find-{name}").mkdir()
        os.utime(host.folder / f"work-find-{name}", (moment, moment))
    log = host.folder / "log.000001"
    log.write_bytes(b"no log")
    host.repository.add_logs(4_000_000_000, [log])
    host.run(database={"name": "portal"}, find_table="b_x")
    assert [path.name for path in host.folder.glob("work*")] == ["work-find-new"]
