# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module through its real main(), with dumps that the real mariadb-dump has made."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.modules import database_refresh

TABLES = """
CREATE TABLE b_user (ID int NOT NULL AUTO_INCREMENT, LOGIN varchar(50), AT timestamp NULL, PRIMARY KEY (ID));
CREATE TABLE `odd ``;' name` (A blob, B varchar(100) DEFAULT 'x;\\ny', G int AS (LENGTH(B)) STORED);
CREATE TABLE b_empty (ID int);
CREATE VIEW v_users AS SELECT LOGIN FROM b_user;
INSERT INTO b_user (ID, LOGIN, AT) VALUES (0, 'zero', '2026-01-02 03:04:05'), (7, 'seven;\\n-- Dump completed', NULL);
INSERT INTO `odd ``;' name` (A, B) VALUES (UNHEX('00270A5C1A22FF'), 'it''s; \\\\ \\"x\\"');
"""
OPTIONS = ["--single-transaction", "--skip-add-locks", "--skip-disable-keys", "--skip-triggers", "--hex-blob"]


class Site:
    """Production's database, its copy, and what lies between."""

    def __init__(self, mariadb: t.Any, folder: pathlib.Path, run_module: t.Any) -> None:
        self.mariadb, self.folder, self._run = mariadb, folder, run_module
        self.source, self.copy = mariadb.fresh_database("source"), mariadb.fresh_database("copy")
        self.production, self.pre = mariadb.connect(self.source), mariadb.connect(self.copy)
        for statement in TABLES.split(";\n"):
            if statement.strip():
                execute(self.production, statement.replace("\\\\n", "\n"))
        self.dump()

    def dump(self, *more: str, name: str = "dump.sql") -> pathlib.Path:
        socket = f"--socket={self.mariadb.login.unix_socket}"
        command = ["mariadb-dump", "--no-defaults", "--user=root", socket, *OPTIONS, *more, self.source]
        made = subprocess.run(command, check=True, capture_output=True).stdout
        (self.folder / name).write_bytes(made)
        return self.folder / name

    def refresh(self, check: bool = False, name: str = "dump.sql", diff: bool = False) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._run(
            database_refresh,
            check=check,
            diff=diff,
            dump=str(self.folder / name),
            state=str(self.folder / "state.json"),
            database={"unix_socket": self.mariadb.login.unix_socket, "name": self.copy},
        )
        return result

    def content(self, conn: t.Any) -> dict[str, t.Any]:
        names = [next(iter(row.values())) for row in rows(conn, "SHOW TABLES")]
        return {name: sorted(map(repr, rows(conn, f"SELECT * FROM `{name.replace('`', '``')}`"))) for name in names}

    def equal(self) -> bool:
        return self.content(self.production) == self.content(self.pre)


@pytest.fixture
def site(mariadb: t.Any, tmp_path: pathlib.Path, run_module: t.Any) -> Site:
    return Site(mariadb, tmp_path, run_module)


def test_everything_comes_first_and_nothing_again(site: Site) -> None:
    first = site.refresh()
    assert not first["failed"] and first["changed"], first
    assert (sorted(first["loaded"]), first["kept"], first["dropped"]) == (["b_empty", "b_user", "odd `;' name"], 0, [])
    assert site.equal()
    again = site.refresh()
    assert (again["changed"], again["loaded"], again["kept"]) == (False, [], 3)
    assert site.equal()


def test_only_what_differs_is_loaded(site: Site) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('new')")
    site.dump()
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_what_testers_wrote_is_replaced(site: Site) -> None:
    site.refresh()
    execute(site.pre, "UPDATE b_user SET LOGIN = 'tester' WHERE ID = 7")
    execute(site.pre, "INSERT INTO b_empty VALUES (1)")
    execute(site.pre, "CREATE TABLE boxlift_of_testers (ID int)")
    execute(site.pre, "CREATE TABLE of_testers (ID int)")
    result = site.refresh()
    assert (sorted(result["loaded"]), result["dropped"]) == (["b_empty", "b_user"], ["of_testers"])
    execute(site.pre, "DROP TABLE boxlift_of_testers")
    assert site.equal()


def test_a_table_that_was_dropped_here_comes_again(site: Site) -> None:
    site.refresh()
    execute(site.pre, "DROP TABLE b_user")
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_a_view_that_changed_is_made_again(site: Site) -> None:
    site.refresh()
    execute(site.production, "CREATE OR REPLACE VIEW v_users AS SELECT ID, LOGIN FROM b_user")
    site.dump()
    result = site.refresh()
    assert (result["changed"], result["views_changed"], result["loaded"]) == (True, True, [])
    assert site.equal()


def test_a_view_may_become_a_table_and_a_table_a_view(site: Site) -> None:
    site.refresh()
    execute(site.production, "DROP VIEW v_users")
    execute(site.production, "CREATE TABLE v_users (ID int)")
    execute(site.production, "DROP TABLE b_empty")
    execute(site.production, "CREATE VIEW b_empty AS SELECT 1 AS one")
    site.dump()
    result = site.refresh()
    assert (result["loaded"], result["dropped"], result["views_changed"]) == (["v_users"], ["b_empty"], True)
    assert site.equal()


def test_check_mode_says_it_and_writes_nothing(site: Site) -> None:
    result = site.refresh(check=True, diff=True)
    assert result["changed"] and len(result["loaded"]) == 3
    assert result["diff"]["after"] == "".join(f"{name}\n" for name in result["loaded"])
    assert site.content(site.pre) == {} and not (site.folder / "state.json").exists()


def test_a_killed_run_leaves_no_mark_of_what_it_was_loading(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('new')")
    site.dump()

    def killed(*_arguments: t.Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(database_refresh.refresh, "_load", killed)
        site.refresh()
    # What the killed run had begun looks whole here, and must be loaded all the same.
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_a_packed_dump_is_unpacked_on_its_way(site: Site) -> None:
    subprocess.run(["zstd", "-q", str(site.folder / "dump.sql")], check=True)
    assert not site.refresh(name="dump.sql.zst")["failed"]
    assert site.equal()


def test_a_packed_dump_that_is_cut_off_touches_nothing(site: Site) -> None:
    subprocess.run(["zstd", "-q", str(site.folder / "dump.sql")], check=True)
    packed = site.folder / "dump.sql.zst"
    packed.write_bytes(packed.read_bytes()[:-20])
    result = site.refresh(name="dump.sql.zst")
    assert result["failed"] and "cannot be unpacked" in result["msg"]
    assert site.content(site.pre) == {}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: data.rindex(b"-- Dump completed")], "is cut off"),
        (lambda data: data.replace(b"CREATE TABLE", b"DROP DATABASE x; CREATE TABLE", 1), "DROP DATABASE"),
        (lambda data: b"-- Dump completed on 2026-01-01\n", "holds no table"),
    ],
)
def test_a_dump_that_is_none_touches_nothing(site: Site, damage: t.Any, message: str) -> None:
    dump = site.folder / "dump.sql"
    dump.write_bytes(damage(dump.read_bytes()))
    result = site.refresh()
    assert result["failed"] and message in result["msg"], result
    assert site.content(site.pre) == {}


def test_triggers_are_refused_with_the_way_to_dump_without(site: Site) -> None:
    execute(site.production, "CREATE TRIGGER t BEFORE INSERT ON b_empty FOR EACH ROW SET NEW.ID = 1")
    site.dump("--triggers")
    result = site.refresh()
    assert result["failed"] and "--skip-triggers" in result["msg"], result
