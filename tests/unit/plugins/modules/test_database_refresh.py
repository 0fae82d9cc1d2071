# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module through its real main(), with what the role's program answers on the other side."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import sys
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
PROGRAM = pathlib.Path(__file__).resolve().parents[4] / "roles/preproduction/files/serve-database.py"


class Site:
    """Production's database, its copy, and what lies between."""

    def __init__(self, mariadb: t.Any, folder: pathlib.Path, run_module: t.Any) -> None:
        self.mariadb, self.folder, self._run = mariadb, folder, run_module
        self.source, self.copy = mariadb.fresh_database("source"), mariadb.fresh_database("copy")
        self.production, self.pre = mariadb.connect(self.source), mariadb.connect(self.copy)
        for statement in TABLES.split(";\n"):
            if statement.strip():
                execute(self.production, statement.replace("\\\\n", "\n"))
        self.command = [sys.executable, str(PROGRAM), mariadb.login.unix_socket, "root", self.source]

    def answer(self, script: str) -> None:
        """From now on a shell script answers; `"$@"` is the real program there."""
        path = self.folder / "answer"
        path.write_text(f"#!/bin/bash\nset -euo pipefail\n{script}\n")
        path.chmod(0o755)
        self.command = [str(path), *self.command]

    def refresh(self, check: bool = False, diff: bool = False) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._run(
            database_refresh,
            check=check,
            diff=diff,
            command=self.command,
            state=str(self.folder / "state.json"),
            database={"unix_socket": self.mariadb.login.unix_socket, "name": self.copy},
        )
        return result

    def while_dumping(self, statement: str, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
        """Somebody runs this in production before each dump; the dumps' tables are listed in the file."""
        real, log = shutil.which("mariadb-dump"), self.folder / "dumps"
        write = ["mariadb", f"--socket={self.mariadb.login.unix_socket}", "--user=root", self.source, "-e", statement]
        self.dump_by(
            f'set -e\n{shlex.join(write)}\necho "$@" | sed "s/.*{self.source} //" >> {log}\n{real} "$@"', monkeypatch
        )
        return log

    def dump_by(self, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """This script takes the place of mariadb-dump."""
        program = self.folder / "bin" / "mariadb-dump"
        program.parent.mkdir()
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

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
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_production_may_have_mariadb_11(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mariadb-dump has another default."""
    site.dump_by(f'exec {shutil.which("mariadb-dump")} --no-autocommit "$@"', monkeypatch)
    assert not site.refresh()["failed"]
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
    result = site.refresh()
    assert (result["changed"], result["views_changed"], result["loaded"]) == (True, True, [])
    assert site.equal()


def test_a_view_may_become_a_table_and_a_table_a_view(site: Site) -> None:
    site.refresh()
    execute(site.production, "DROP VIEW v_users")
    execute(site.production, "CREATE TABLE v_users (ID int)")
    execute(site.production, "DROP TABLE b_empty")
    execute(site.production, "CREATE VIEW b_empty AS SELECT 1 AS one")
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

    def killed(*_arguments: t.Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(database_refresh.refresh.Loaders, "drain", killed)
        site.refresh()
    assert "b_user" not in database_refresh.read_state(str(site.folder / "state.json"))
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_what_changes_while_others_are_dumped_comes_with_them(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('new')")
    log = site.while_dumping("INSERT INTO b_empty SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM b_empty)", monkeypatch)
    result = site.refresh()
    # Only the second dump shows both tables at the same moment.
    assert log.read_text().splitlines() == ["b_user v_users", "b_empty b_user v_users"]
    assert (sorted(result["loaded"]), result["kept"]) == (["b_empty", "b_user"], 1)
    assert site.equal()
    assert not site.refresh()["changed"]


def test_what_never_rests_is_fetched_every_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    log = site.while_dumping("INSERT INTO b_user (LOGIN) VALUES ('again')", monkeypatch)
    site.refresh()
    result = site.refresh()
    assert (result["loaded"], result["kept"]) == (["b_user"], 2)
    assert len(log.read_text().splitlines()) == 2
    assert site.equal()


def test_what_was_dumped_in_a_passing_state_is_not_taken_for_the_state_before(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        site.while_dumping("INSERT INTO b_empty VALUES (1)", patch)
        site.refresh()
    execute(site.production, "DELETE FROM b_empty")
    assert site.refresh()["loaded"] == ["b_empty"]
    assert site.equal()


def test_in_the_end_everything_is_fetched_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another table changes during each dump, and none of them during two."""
    names = [f"t{number}" for number in range(6)]
    for name in names:
        execute(site.production, f"CREATE TABLE {name} (ID int)")
    site.refresh()
    turn = "SELECT COUNT(*) INTO @n FROM t0; EXECUTE IMMEDIATE CONCAT('INSERT INTO t', @n + 1, ' VALUES (1)');"
    log = site.while_dumping(f"{turn} INSERT INTO t0 VALUES (1)", monkeypatch)
    execute(site.production, "INSERT INTO b_empty VALUES (1)")
    result = site.refresh()
    dumps = [line.split() for line in log.read_text().splitlines()]
    assert len(dumps) == 4 and len(dumps[-1]) >= 10
    assert result["kept"] == 0
    assert site.equal()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('"$@" | zstd -dc | sed "$ d" | zstd', "cut off"),
        ('"$@" | head -c 300', "could not be fetched"),
        ('"$@"; echo "no space" >&2; exit 3', "ended with 3: no space"),
        ("echo 'SELECT 1' ", "could not be fetched"),
        ("""echo '-- boxlift {"tables": {}, "moved": []}' | zstd""", "knows of no table"),
        ('"$@" | zstd -dc | sed "s/^INSERT INTO/DROP DATABASE x; INSERT INTO/" | zstd', "DROP DATABASE"),
    ],
)
def test_an_answer_that_is_none_is_an_error_and_the_next_run_mends_it(site: Site, script: str, message: str) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('new')")
    command = site.command
    site.answer(script)
    result = site.refresh()
    assert result["failed"] and message in result["msg"], result
    site.command = command
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_triggers_of_production_are_left_there(site: Site) -> None:
    execute(site.production, "CREATE TRIGGER t BEFORE INSERT ON b_empty FOR EACH ROW SET NEW.ID = 1")
    assert not site.refresh()["failed"]
    assert site.equal()


def test_a_table_that_was_defined_anew_comes_again(site: Site) -> None:
    site.refresh()
    execute(site.production, "ALTER TABLE b_user ADD KEY (LOGIN)")
    assert site.refresh()["loaded"] == ["b_user"]
    assert rows(site.pre, "SHOW KEYS FROM b_user WHERE Key_name = 'LOGIN'")


def test_a_command_that_is_not_there(site: Site) -> None:
    site.command = ["/nonexistent/fetch-copy"]
    result = site.refresh()
    assert result["failed"] and "/nonexistent/fetch-copy" in result["msg"] and result["remedy"]
