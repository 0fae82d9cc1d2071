# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and database together, on a real MariaDB: exact to the manifest's digests, also after kills."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore import dumpfeed as dumpfeed_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import generations as generations_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore import restore as restore_module
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect, execute, quote_name, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer
from lab.archive_writer import Entry, write_archive
from lab.reference import reference_backups

DUMP = b"bitrix/backup/base.sql"


def digest(conn: t.Any, table: str) -> str:
    """The manifest's recipe: every column as hex, rows sorted, joined with LF."""
    columns = [row["Field"] for row in rows(conn, f"SHOW COLUMNS FROM {quote_name(table)}")]
    expression = ", ".join(f"IFNULL(HEX({quote_name(column)}), '~')" for column in columns)
    found = rows(conn, f"SELECT CONCAT_WS(',', {expression}) AS r FROM {quote_name(table)}")
    lines = sorted(row["r"].encode() for row in found)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def digests(server: t.Any, database: str) -> dict[str, str]:
    with connect(server.login, database) as conn:
        names = rows(conn, "SELECT TABLE_NAME AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (database,))
        tables = [row["n"] for row in names]
        return {table: digest(conn, table) for table in tables}


def request_for(tmp_path: Path, source: Path, name: str, password: str | None = None) -> RestoreRequest:
    return RestoreRequest(
        str(source), str(tmp_path / "site" / "www"), str(tmp_path / "state"), password=password, database_name=name
    )


@pytest.mark.parametrize("name", sorted(reference_backups()))
def test_every_table_of_the_manifest(tmp_path: Path, mariadb: t.Any, name: str) -> None:
    folder = reference_backups()[name]
    manifest = json.loads((folder / "manifest.json").read_text())
    database = mariadb.fresh_name("portal")
    request = request_for(tmp_path, folder / manifest["parts"][0]["name"], database, manifest["password"])
    result = Restore(request, StagedDatabase(mariadb.login, database)).run()
    found = digests(mariadb, database)
    expected = manifest["db"]["tables"]
    assert set(expected) <= set(found)
    for table, facts in expected.items():
        if not facts["structure_only"]:
            assert found[table] == facts["rows_sha256"], table
    assert {row["name"]: row["rows"] for row in result["tables"]} == {
        table: facts["rows"] for table, facts in expected.items()
    }
    assert result["rows"] == sum(facts["rows"] for facts in expected.values())
    tree = Path(request.document_root)
    assert not list((tree / "bitrix" / "backup").iterdir()), "a dump in the document root is a leak"
    again = Restore(request, StagedDatabase(mariadb.login, database)).run()
    assert not again["changed"]


def dump(tables: int = 6, broken: str = "") -> bytes:
    lines = ["-- Started: 2026-04-13 12:00:00", "SET NAMES 'utf8mb4';"]
    for number in range(tables):
        lines += [
            f"DROP TABLE IF EXISTS `t{number}`;",
            f"CREATE TABLE `t{number}` (\n  `ID` int NOT NULL,\n  `V` text,\n  PRIMARY KEY (`ID`)\n) ENGINE=InnoDB;",
            "",
        ]
        for block in range(5):
            values = ",\n".join(f"({block * 10 + row}, '{'v' * 200}')" for row in range(10))
            lines.append(f"INSERT INTO `t{number}` VALUES\n{values};")
    return "\n".join([*lines, broken, "-- Finished: 2026-04-13 12:00:01"]).encode()


def small(directory: Path, sql: bytes) -> Path:
    directory.mkdir()
    third = sql.index(b"DROP TABLE IF EXISTS `t2`")
    entries = [
        Entry(b"bitrix/backup/base_after_connect.sql", data=b"SET NAMES 'utf8mb4';\n"),
        Entry(DUMP, data=sql[:third]),
        Entry(DUMP + b".1", data=sql[third:]),
        Entry(b"index.php", data=b"<?php"),
        Entry(b"a.bin", data=bytes(20000)),
    ]
    return write_archive(entries, directory, "base", part_limit=8192)[0]


def test_the_live_database_is_replaced_and_kept(tmp_path: Path, mariadb: t.Any) -> None:
    database = mariadb.fresh_database("portal")
    with connect(mariadb.login, database) as conn:
        execute(conn, "CREATE TABLE old (ID int)")
    request = request_for(tmp_path, small(tmp_path / "one", dump()), database)
    Restore(request, StagedDatabase(mariadb.login, database)).run()
    assert set(digests(mariadb, database)) == {f"t{number}" for number in range(6)}
    assert "old" in digests(mariadb, f"{database}_previous_1")
    with connect(mariadb.login) as conn:
        assert not rows(conn, "SHOW DATABASES LIKE %s", (f"{database}_staging",))


@pytest.mark.parametrize(
    ("broken", "message"),
    (
        ("DROP DATABASE mysql;\n", "DROP DATABASE mysql"),
        ("INSERT INTO `t5` VALUES\n(0, 'twice');\n", "Duplicate entry"),
        ("CREATE TABLE `evil` (`a` int) AS SELECT LOAD_FILE('/etc/passwd');\n", "evil"),
        ("INSERT INTO `mysql`.`user` VALUES\n(1);\n", "mysql"),
    ),
    ids=("drop_database", "duplicate", "rows_from_elsewhere", "another_database"),
)
def test_a_bad_statement_leaves_the_live_portal_alone(
    tmp_path: Path, mariadb: t.Any, broken: str, message: str
) -> None:
    database = mariadb.fresh_database("portal")
    with connect(mariadb.login, database) as conn:
        execute(conn, "CREATE TABLE old (ID int)")
    request = request_for(tmp_path, small(tmp_path / "one", dump(broken=broken)), database)
    with pytest.raises(BoxliftError) as caught:
        Restore(request, StagedDatabase(mariadb.login, database)).run()
    assert message in str(caught.value.as_result())
    assert "base.sql.1" in str(caught.value.as_result())
    assert set(digests(mariadb, database)) == {"old"}
    assert not Path(request.document_root).exists()


class Killed(BaseException):
    """Stands for the process's end."""


@pytest.mark.parametrize("survived", (0, 1, 2, 5, 9, 14, 21, 30, 40, 42))
def test_killed_in_mid_import(tmp_path: Path, mariadb: t.Any, monkeypatch: pytest.MonkeyPatch, survived: int) -> None:
    monkeypatch.setattr(restore_module, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(dumpfeed_module, "NOTE_SECONDS", 0.0)
    monkeypatch.setattr("ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate._OUTPUT_LIMIT", 1024)
    database = mariadb.fresh_name("portal")
    request = request_for(tmp_path, small(tmp_path / "one", dump()), database)
    left = survived
    apply = Importer._apply

    def counted(self: Importer, *arguments: t.Any) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        apply(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Importer, "_apply", counted)
        with pytest.raises(Killed):
            Restore(request, StagedDatabase(mariadb.login, database)).run()
    result = Restore(request, StagedDatabase(mariadb.login, database)).run()
    assert result["rows"] == 6 * 50
    undisturbed = mariadb.fresh_name("portal")
    Restore(
        request_for(tmp_path / "reference", Path(request.source), undisturbed),
        StagedDatabase(mariadb.login, undisturbed),
    ).run()
    assert digests(mariadb, database) == digests(mariadb, undisturbed)
    assert sorted(path.name for path in Path(request.document_root).rglob("*")) == ["a.bin", "index.php"]


def test_killed_between_database_and_tree(tmp_path: Path, mariadb: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    database = mariadb.fresh_name("portal")
    request = request_for(tmp_path, small(tmp_path / "one", dump()), database)

    def die(*_arguments: t.Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(generations_module, "put_in", die)
        with pytest.raises(Killed):
            Restore(request, StagedDatabase(mariadb.login, database)).run()
    result = Restore(request, StagedDatabase(mariadb.login, database)).run()
    assert result["resumed"]
    assert (Path(request.document_root) / "index.php").exists()
    assert len(digests(mariadb, database)) == 6


@pytest.mark.parametrize("moment", (0.15, 0.5, 0.85))
def test_the_server_dies_in_mid_import(tmp_path: Path, mortal_mariadb: t.Any, mariadb: t.Any, moment: float) -> None:
    """A clear error; when the server is back, the next run completes, and holds what a quiet run holds."""
    sql = dump(tables=30)
    (tmp_path / "one").mkdir()
    entries = [Entry(b"bitrix/backup/base.sql", data=sql), Entry(b"index.php", data=b"<?php")]
    source = str(write_archive(entries, tmp_path / "one", "base", part_limit=100_000)[0])
    quiet = mariadb.fresh_name("portal")
    request = RestoreRequest(source, str(tmp_path / "quiet" / "www"), str(tmp_path / "qs"), database_name=quiet)
    Restore(request, StagedDatabase(mariadb.login, quiet)).run()
    total = sum(table["rows"] for table in Restore(request, StagedDatabase(mariadb.login, quiet)).run()["tables"])
    killed = False

    def watch(rows_so_far: int) -> None:
        nonlocal killed
        if not killed and rows_so_far > total * moment:
            killed = True
            mortal_mariadb.kill()

    request = RestoreRequest(source, str(tmp_path / "site" / "www"), str(tmp_path / "state"), database_name="portal")
    with pytest.raises(BoxliftError) as caught:
        Restore(request, StagedDatabase(mortal_mariadb.login, "portal", on_rows=watch)).run()
    assert killed
    assert "look at the server's error log (journalctl -u mariadb), start it" in caught.value.remedy.lower(), (
        caught.value
    )
    assert not (tmp_path / "site" / "www").exists()
    mortal_mariadb.start()
    Restore(request, StagedDatabase(mortal_mariadb.login, "portal")).run()
    assert digests(mortal_mariadb, "portal") == digests(mariadb, quiet)
