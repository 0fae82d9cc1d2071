# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module through its real main(), on two databases of a real server and two folders."""

from __future__ import annotations

import itertools
import os
import pathlib
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh import chunks, snapshot, sync
from ansible_collections.boxlift.portal.plugins.modules import portal_copy

TABLES = """
CREATE TABLE b_user (ID int NOT NULL AUTO_INCREMENT, LOGIN varchar(50), AT timestamp NULL, PRIMARY KEY (ID));
CREATE TABLE `odd ``;' name` (A blob, B varchar(100) DEFAULT 'x;\\ny', G int AS (LENGTH(B)) STORED);
CREATE TABLE b_empty (ID int);
CREATE VIEW v_users AS SELECT LOGIN FROM b_user;
INSERT INTO b_user (ID, LOGIN, AT) VALUES (0, 'zero', '2026-01-02 03:04:05'), (7, 'seven;\\n-- Dump completed', NULL);
INSERT INTO `odd ``;' name` (A, B) VALUES (UNHEX('00270A5C1A22FF'), 'it''s; \\\\ \\"x\\"');
"""


class Site:
    """Production's database, its copy, and what lies between."""

    def __init__(self, mariadb: t.Any, folder: pathlib.Path, run_module: t.Any) -> None:
        self.mariadb, self.folder, self._run = mariadb, folder, run_module
        self.source, self.copy = mariadb.fresh_database("source"), mariadb.fresh_database("copy")
        self.production, self.pre = mariadb.connect(self.source), mariadb.connect(self.copy)
        for statement in TABLES.split(";\n"):
            if statement.strip():
                execute(self.production, statement.replace("\\\\n", "\n"))
        self.command = ["socat", "STDIO", f"UNIX-CONNECT:{mariadb.login.unix_socket}"]
        self.files, self.copied_files = folder / "production", folder / "copy"
        self.files.mkdir()
        (self.files / "index.php").write_text("<?php")
        self.files_command = ["rsync", "--archive", "--delete", f"{self.files}/", f"{self.copied_files}/"]

    def answer(self, script: str) -> None:
        """From now on a shell script answers; `"$@"` is the real program there."""
        path = self.folder / "answer"
        path.write_text(f"#!/bin/bash\nset -euo pipefail\n{script}\n")
        path.chmod(0o755)
        self.command = [str(path), *self.command]

    def refresh(self, check: bool = False, diff: bool = False) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._run(
            portal_copy,
            check=check,
            diff=diff,
            source={
                "database_command": self.command,
                "files_command": self.files_command,
                "name": self.source,
                "login_user": "root",
            },
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
    assert first["files"] == {"changed": 2, "fetched": 1, "bytes": 5, "deleted": 0, "vanished": 0}
    assert site.equal() and (site.copied_files / "index.php").read_text() == "<?php"
    again = site.refresh()
    assert (again["changed"], again["loaded"], again["kept"]) == (False, [], 3)
    assert again["files"]["changed"] == 0
    assert site.equal()


def test_a_file_that_is_saved_just_before_the_moment_of_the_rows_comes_as_well(site: Site) -> None:
    site.answer(f'sleep 1; touch {site.files}/saved; exec "$@"')
    site.refresh()
    assert (site.copied_files / "saved").exists()


def test_files_come_while_rows_come(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sync.refresh

    def waiting(*arguments: t.Any, **more: t.Any) -> sync.Done:
        deadline = time.monotonic() + 60
        while not (site.copied_files / "index.php").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return real(*arguments, **more)

    monkeypatch.setattr(sync, "refresh", waiting)
    assert not site.refresh()["failed"]
    assert site.equal()


def test_files_that_fail_end_the_rows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_arguments: t.Any, on_bytes: t.Callable[[int], None], **_more: t.Any) -> sync.Done:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            on_bytes(1)
        raise AssertionError("nobody has ended it")

    monkeypatch.setattr(sync, "refresh", endless)
    site.files_command = ["sh", "-c", "exit 23"]
    assert "sh ended with 23" in site.refresh()["msg"]


def test_rows_that_fail_end_the_files(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = site.folder / "pid"

    def failing(*_arguments: t.Any, **_more: t.Any) -> sync.Done:
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.01)
        raise BoxliftError("A table is crashed.", "Mend it.")

    monkeypatch.setattr(sync, "refresh", failing)
    site.files_command = ["sh", "-c", f"echo $$ > {pid}; exec sleep 60"]
    began = time.monotonic()
    assert site.refresh()["msg"].startswith("A table is crashed.")
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_files_alone_are_a_change_too(site: Site) -> None:
    site.refresh()
    (site.files / "index.php").unlink()
    result = site.refresh()
    assert (result["changed"], result["loaded"], result["files"]["deleted"]) == (True, [], 1)
    assert not (site.copied_files / "index.php").exists()


def test_files_that_vanish_are_a_warning(site: Site) -> None:
    site.files_command = ["sh", "-c", 'for what in file directory; do echo "$what has vanished: x" >&2; done; exit 24']
    result = site.refresh()
    assert not result["failed"] and result["files"]["vanished"] == 2
    assert "removed over there while they were copied: 2." in str(result["warnings"])


def test_files_that_fail_are_an_error_and_the_next_run_completes_it(site: Site) -> None:
    command, site.files_command = site.files_command, ["sh", "-c", "echo 'opendir \"/upload\" failed' >&2; exit 23"]
    result = site.refresh()
    assert result["failed"] and 'opendir "/upload" failed' in result["msg"], result
    site.files_command = command
    assert site.refresh()["files"]["fetched"] == 1
    assert site.equal()


def test_only_what_differs_is_loaded(site: Site) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('new')")
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


def test_superfluous_tables_go_though_others_refer_to_them(site: Site) -> None:
    site.refresh()
    execute(site.pre, "CREATE TABLE a_parent (ID int PRIMARY KEY)")
    execute(site.pre, "CREATE TABLE child (ID int, FOREIGN KEY (ID) REFERENCES a_parent (ID))")
    assert site.refresh()["dropped"] == ["a_parent", "child"]
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
    assert result["changed"] and len(result["loaded"]) == 3 and result["views_changed"]
    assert result["diff"]["after"] == "".join(f"{name}\n" for name in result["loaded"])
    assert result["files"]["fetched"] == 1
    assert site.content(site.pre) == {} and not site.copied_files.exists()
    site.refresh()
    again = site.refresh(check=True)
    assert (again["changed"], again["loaded"], again["kept"], again["views_changed"]) == (False, [], 3, False)


def test_a_killed_run_is_completed_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('new')")
    execute(site.production, "INSERT INTO b_empty VALUES (1)")

    def killed(*_arguments: t.Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sync.SessionPool, "drain", killed)
        site.refresh()
    site.refresh()
    assert site.equal()


def test_of_a_large_table_only_rows_that_differ_come(site: Site) -> None:
    execute(site.production, "CREATE TABLE large (ID int PRIMARY KEY, TEXT varchar(200))")
    execute(
        site.production, "INSERT INTO large SELECT CAST(seq AS SIGNED) - 5000, REPEAT('x', 200) FROM seq_1_to_10000"
    )
    site.refresh()

    def loaded() -> int:
        """Bytes of it."""
        seen = [0]
        with snapshot.snapshot(site.command, "root", site.source) as production:
            sync.refresh(production, site.source, site.mariadb.login, site.copy, jobs=2, on_bytes=seen.append)
        assert site.equal()
        return seen[-1]

    # Each row is 209 bytes or a few more, of two million.
    for change, most in (
        ("UPDATE large SET TEXT = REPEAT('y', 200) WHERE ID IN (-4999, -16, -15, 0, 15, 16, 4321)", 7 * 250),
        ("UPDATE large SET TEXT = REPEAT('z', 200) WHERE ID = -3", 250),  # in the chunk of 0, which has both signs
        ("DELETE FROM large WHERE ID BETWEEN 100 AND 150", 0),
        ("UPDATE large SET ID = 125 WHERE ID = 151", 250),
        ("INSERT INTO large VALUES (-9000000, 'far away'), (2147483647, 'the last')", 250),
        ("INSERT INTO large SELECT seq, REPEAT('x', 200) FROM seq_20000_to_22999", 3000 * 250),
    ):
        execute(site.production, change)
        assert loaded() <= most, change
    execute(site.production, "UPDATE large SET TEXT = 'changed' WHERE ID % 20 = 0")  # every second or third chunk
    assert loaded() > 1_900_000


def test_changes_all_over_a_table(site: Site) -> None:
    """More rows and chunks than one WHERE names."""
    execute(site.production, "CREATE TABLE large (ID bigint unsigned PRIMARY KEY, V int, UNIQUE (V))")
    execute(site.production, "INSERT INTO large SELECT seq, seq FROM seq_1_to_60000")
    execute(site.production, "INSERT INTO large VALUES (18446744073709551615, 0), (18446744073709551614, -1)")
    site.refresh()
    execute(site.production, "UPDATE large SET V = -10 WHERE ID = 18446744073709551615")
    execute(site.production, "UPDATE large SET V = V + 1000000 WHERE ID % 40 = 0")
    execute(site.production, "UPDATE large SET V = ID + 40 WHERE ID % 40 = 0 AND ID < 20000")  # values of others before
    execute(site.production, "DELETE FROM large WHERE ID BETWEEN 30000 AND 34999")
    seen: list[int] = []
    with snapshot.snapshot(site.command, "root", site.source) as production:
        done = sync.refresh(production, site.source, site.mariadb.login, site.copy, jobs=2, on_bytes=seen.append)
    assert done.loaded == ["large"] and seen[-1] < 1500 * 30
    assert site.equal()


def test_many_tables_are_asked_for_together(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones in hundreds, large ones each for itself."""
    for number in range(230):
        execute(site.production, f"CREATE TABLE small_{number:03} (ID int PRIMARY KEY, V int)")
        execute(site.production, f"INSERT INTO small_{number:03} VALUES (1, {number})")
    for name in ("large_1", "large_2"):
        execute(site.production, f"CREATE TABLE {name} (ID int PRIMARY KEY)")
        execute(site.production, f"INSERT INTO {name} SELECT seq FROM seq_1_to_25000")
        rows(site.production, f"ANALYZE TABLE {name}")
    site.refresh()
    execute(site.production, "UPDATE small_004 SET V = 7777")
    execute(site.production, "DELETE FROM small_229")
    execute(site.production, "DELETE FROM large_2 WHERE ID = 25000")
    asked: list[int] = []
    real = chunks.sums
    monkeypatch.setattr(chunks, "sums", lambda batch: asked.append(len(batch)) or real(batch))
    assert sorted(site.refresh()["loaded"]) == ["large_2", "small_004", "small_229"]
    assert sum(asked) == 235 and max(asked) == 100 and 1 in asked and len(asked) <= 6, asked
    assert site.equal()


KEYS = {
    "composite": "(A int, B varchar(20), V varchar(20), PRIMARY KEY (A, B))",
    "text": "(A int, B varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY, V varchar(20))",
    "none": "(A int, B varchar(20), V varchar(20))",
    "unique_only": "(A int, B varchar(20), V varchar(20), UNIQUE (A, B))",
    "unsigned": "(A bigint unsigned PRIMARY KEY, B varchar(20), V varchar(20))",
    "generated": "(A int, B varchar(20), V varchar(20), K varchar(40) AS (CONCAT(A, B)) STORED, KEY (K))",
    "partitioned": "(A int PRIMARY KEY, B varchar(20), V varchar(20)) PARTITION BY HASH (A) PARTITIONS 3",
    "myisam": "(A int PRIMARY KEY, B varchar(20), V varchar(20)) ENGINE=MyISAM",
}


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key(site: Site, kind: str) -> None:
    execute(site.production, f"CREATE TABLE keyed {KEYS[kind]}")
    execute(site.production, "INSERT INTO keyed (A, B, V) SELECT seq, CONCAT('b', seq), 'x' FROM seq_1_to_3000")
    site.refresh()
    assert site.equal()
    for change in (
        "UPDATE keyed SET V = 'y' WHERE A IN (1, 17, 2999)",
        "DELETE FROM keyed WHERE A IN (3, 2000)",
        r"INSERT INTO keyed (A, B, V) VALUES (5000, 'it''s \\', NULL)",
        "UPDATE keyed SET B = UPPER(B) WHERE A = 100",
    ):
        execute(site.production, change)
        assert site.refresh()["loaded"] == ["keyed"], change
        assert site.equal(), change
    assert not site.refresh()["changed"]


def test_two_equal_rows_are_not_two_other_equal_rows(site: Site) -> None:
    execute(site.production, "CREATE TABLE twins (V int)")
    execute(site.production, "INSERT INTO twins VALUES (1), (1)")
    site.refresh()
    execute(site.production, "UPDATE twins SET V = 2")
    site.refresh()
    assert site.equal()
    execute(site.production, "INSERT INTO twins VALUES (2), (2)")
    site.refresh()
    assert site.equal()


def test_values_do_not_run_together(site: Site) -> None:
    columns = "ID int PRIMARY KEY, A int, B int, C varchar(9), D varchar(9)"
    values = ["1, 23, 'ab', 'c'", "12, 3, 'ab', 'c'", "12, 3, 'a', 'bc'", "12, 3, '', 'abc'", "12, 3, NULL, 'abc'"]
    values += ["12, NULL, NULL, 'abc'", "NULL, 12, NULL, 'abc'", "NULL, 12, 'abc', NULL"]
    execute(site.production, f"CREATE TABLE near ({columns})")
    for value in values:
        execute(site.production, f"REPLACE INTO near VALUES (1, {value})")
        assert "near" in site.refresh()["loaded"], value
        assert site.equal()


def test_values_that_are_unique_may_change_their_rows(site: Site) -> None:
    execute(site.production, "CREATE TABLE codes (ID int PRIMARY KEY, CODE int UNIQUE)")
    execute(site.production, "INSERT INTO codes SELECT seq, seq FROM seq_1_to_1000")
    site.refresh()
    execute(site.production, "UPDATE codes SET CODE = -1 WHERE ID = 10")
    execute(site.production, "UPDATE codes SET CODE = 10 WHERE ID = 990")
    execute(site.production, "UPDATE codes SET CODE = 990 WHERE ID = 10")
    site.refresh()
    assert site.equal()


TYPES = {
    "tinyint": ["-128", "127"],
    "bigint unsigned": ["18446744073709551615"],
    "int(8) unsigned zerofill": ["42"],
    "decimal(30,10)": ["-12345678901234567890.0123456789"],
    "float": ["0.1", "1e38", "3.14159274", "16777217"],
    "double": ["0.1", "2.2250738585072014e-308", "1.7976931348623157e308", "123456789.123456789"],
    "bit(1)": ["b'1'", "b'0'"],
    "bit(64)": ["~0"],
    "char(10)": ["'  x '", "''"],
    "varchar(100)": [r"""'\\\'\0\n\r\Z%_`"'""", "'Ж😀'"],
    "varchar(100) CHARACTER SET cp1251": ["'Привет'"],
    "varchar(100) CHARACTER SET latin1 COLLATE latin1_bin": ["'é€'"],
    "longtext CHARACTER SET utf8mb3": [r"REPEAT('Ж,\'', 400000)"],
    "json": [r"""'{"a": [1, "\\\\\\""]}'"""],
    "enum('a','b''c')": ["'b''c'"],
    "set('a','b')": ["'a,b'", "''"],
    "binary(4)": ["x'00ff'"],
    "varbinary(20)": ["x''", "x'00275c1a'"],
    "longblob": ["REPEAT(x'0027', 400000)"],
    "date": ["'0000-00-00'", "'2026-02-00'"],
    "datetime(6)": ["'2026-03-29 02:30:00.123456'"],
    "timestamp(3) NULL": ["'2026-03-29 03:30:00.123'"],
    "time(2)": ["'-838:59:59.99'"],
    "year": ["2026", "0"],
    "point": ["POINT(1.5, -2)"],
    "inet6": ["'2001:db8::1'"],
    "uuid": ["'123e4567-e89b-12d3-a456-426655440000'"],
}


def test_every_type_comes_as_it_is(site: Site) -> None:
    execute(site.production, "SET SESSION sql_mode = '', time_zone = '+03:00'")
    execute(site.pre, "SET SESSION time_zone = '+03:00'")
    for number, (kind, values) in enumerate(TYPES.items()):
        execute(site.production, f"CREATE TABLE type_{number} (ID int PRIMARY KEY AUTO_INCREMENT, `V,'` {kind})")
        for value in [*values, "NULL"]:
            execute(site.production, f"INSERT INTO type_{number} (`V,'`) VALUES ({value})")
    result = site.refresh()
    assert not result["failed"], result
    for number, kind in enumerate(TYPES):
        # HEX shows a number's integer part; a float as such is shown with six digits, as a double with all.
        shown = "CAST(`V,'` AS DOUBLE)" if kind == "float" else "`V,'`"
        query = f"SELECT ID, HEX(`V,'`) AS h, {shown} AS v FROM type_{number}"
        assert rows(site.production, query) == rows(site.pre, query), kind
    assert not site.refresh()["changed"]
    for number in range(len(TYPES)):
        execute(site.production, f"UPDATE type_{number} SET `V,'` = NULL WHERE ID = 1")
    assert len(site.refresh()["loaded"]) == len(TYPES)
    assert site.equal()
    floats = f"type_{list(TYPES).index('float')}"
    execute(site.production, f"UPDATE {floats} SET `V,'` = 16777218 WHERE `V,'` = 16777216")
    assert site.refresh()["loaded"] == [floats]


@pytest.fixture
def at_table(site: Site, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., None]:
    """Somebody runs statements in production when so many tables have been read."""
    monkeypatch.setattr(chunks, "_TABLES_AT_ONCE", 1)

    def at(number: int, *statements: str) -> None:
        real = snapshot.Snapshot.reading
        begun = itertools.count()

        def reading(there: snapshot.Snapshot) -> t.Any:
            if next(begun) == number:
                for statement in statements:
                    execute(site.production, statement)
            return real(there)

        monkeypatch.setattr(snapshot.Snapshot, "reading", reading)

    return at


def test_all_tables_are_of_one_moment(site: Site, at_table: t.Callable[..., None]) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('before')")
    before = site.content(site.production)
    at_table(1, "INSERT INTO b_empty VALUES (1)", "INSERT INTO b_user (LOGIN) VALUES ('later')")
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.content(site.pre) == before
    assert sorted(site.refresh()["loaded"]) == ["b_empty", "b_user"]
    assert site.equal()


def test_nobody_who_alters_a_table_waits_for_the_end(site: Site, at_table: t.Callable[..., None]) -> None:
    execute(site.production, "SET SESSION lock_wait_timeout = 1")
    at_table(1, "ALTER TABLE b_empty ADD COLUMN V int")  # the first one
    assert not site.refresh()["failed"]
    assert site.refresh()["loaded"] == ["b_empty"]
    assert site.equal()


@pytest.mark.parametrize(
    "change",
    [
        "b_user DROP COLUMN AT",
        "`odd ``;' name` RENAME TO b_other",
    ],
)
def test_a_table_that_is_altered_before_it_is_read(site: Site, at_table: t.Callable[..., None], change: str) -> None:
    site.refresh()
    at_table(1, f"ALTER TABLE {change}")
    result = site.refresh()
    assert result["failed"] and "altered" in result["msg"] and "again" in result["remedy"], result
    site.refresh()
    assert site.equal()


@pytest.mark.parametrize(
    "change",
    [
        "ADD COLUMN V int NOT NULL DEFAULT 5, ALGORITHM = INSTANT",
        "ADD COLUMN V int NOT NULL DEFAULT 5 FIRST, ALGORITHM = COPY",
        "MODIFY LOGIN text",
    ],
)
def test_a_table_that_is_altered_without_a_loss_is_refused_or_read_as_it_was(
    site: Site, at_table: t.Callable[..., None], change: str
) -> None:
    """Which of the two, the server decides: mostly it refuses where it has made the table anew."""
    site.refresh()
    before = site.content(site.production)
    at_table(1, f"ALTER TABLE b_user {change}")
    result = site.refresh()
    if result["failed"]:
        assert "altered" in result["msg"] and "again" in result["remedy"], result
    else:
        assert not result["changed"], result
    assert site.content(site.pre) == before
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_a_row_that_no_packet_holds(site: Site) -> None:
    execute(site.production, "ALTER TABLE b_user ADD COLUMN TEXT longtext")
    execute(site.production, "UPDATE b_user SET TEXT = REPEAT('\\'', 600000) WHERE ID = 7")
    packet = rows(site.production, "SELECT @@global.max_allowed_packet AS p")[0]["p"]

    def fails() -> bool:
        """Where the table comes whole, and where it is compared."""
        execute(site.production, "SET GLOBAL max_allowed_packet = 1048576")
        try:
            result = site.refresh()
        finally:
            execute(site.production, f"SET GLOBAL max_allowed_packet = {packet}")
        return result["failed"] and "b_user" in result["msg"] and "max_allowed_packet" in result["msg"]

    assert fails()
    site.refresh()
    assert site.equal()
    execute(site.production, "UPDATE b_user SET TEXT = CONCAT(TEXT, 'changed') WHERE ID = 7")
    assert fails()
    site.refresh()
    assert site.equal()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'no route' >&2; exit 3", "complained of: no route"),
        ("exit 0", "complained of: nothing"),
        ("echo Hello; cat > /dev/null", "cannot be read through"),
        ('dd bs=1 count=600 status=none | "$@"', "cannot be read through"),
    ],
)
def test_a_command_that_fails_says_why_and_the_next_run_mends_it(site: Site, script: str, message: str) -> None:
    site.refresh()
    execute(site.production, "INSERT INTO b_user (LOGIN) VALUES ('new')")
    command = site.command
    site.answer(script)
    result = site.refresh()
    assert result["failed"] and message in result["msg"], result
    site.command = command
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_a_command_that_says_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_LOGIN_SECONDS", 0.3)
    site.answer("exec sleep 60")
    result = site.refresh()
    assert result["failed"] and "cannot be read through" in result["msg"]


def test_a_database_without_tables_is_taken_for_a_mistake(site: Site) -> None:
    site.refresh()
    site.source = site.mariadb.fresh_database("empty")
    result = site.refresh()
    assert result["failed"] and "has no table" in result["msg"]
    site.source = "not_there"
    assert "not_there" in site.refresh()["msg"]
    assert len(site.content(site.pre)) == 4


def test_triggers_of_production_are_left_there(site: Site) -> None:
    execute(site.production, "CREATE TRIGGER t BEFORE INSERT ON b_empty FOR EACH ROW SET NEW.ID = 1")
    assert not site.refresh()["failed"]
    assert not rows(site.pre, "SHOW TRIGGERS")
    assert site.equal()


def test_a_table_that_was_defined_anew_comes_again(site: Site) -> None:
    site.refresh()
    execute(site.production, "ALTER TABLE b_user ADD KEY (LOGIN)")
    assert site.refresh()["loaded"] == ["b_user"]
    assert rows(site.pre, "SHOW KEYS FROM b_user WHERE Key_name = 'LOGIN'")


def test_what_refers_to_a_row_that_comes_again_stays(site: Site) -> None:
    execute(
        site.production,
        "CREATE TABLE child (ID int PRIMARY KEY, P int, FOREIGN KEY (P) REFERENCES b_user (ID) ON DELETE CASCADE)",
    )
    execute(site.production, "INSERT INTO child VALUES (1, 7)")
    site.refresh()
    execute(site.production, "UPDATE b_user SET LOGIN = 'eight' WHERE ID = 7")
    assert site.refresh()["loaded"] == ["b_user"]
    assert site.equal()


def test_a_command_that_is_not_there(site: Site) -> None:
    site.command = ["/nonexistent/fetch-copy"]
    result = site.refresh()
    assert result["failed"] and "/nonexistent/fetch-copy" in result["msg"] and result["remedy"]
