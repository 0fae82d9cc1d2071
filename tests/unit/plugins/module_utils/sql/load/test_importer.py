# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
import typing as t

import pymysql
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.fault import (
    DumpError,
    RowsMissing,
    StatementFailed,
    StatementRefused,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import Importer, ImportResult
from unit.plugins.module_utils.sql import samples

Digest = t.Callable[[t.Any, str, str], tuple[int, str]]
FINISHED = b"-- Finished: 2026-04-13 12:00:01"


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may catch it."""


def feed(importer: Importer, files: dict[str, bytes], chunk: int = 4096) -> None:
    """As a caller does it: from the safe position on."""
    names = list(files)
    file, offset = importer.safe_position or (names[0], 0)
    for name in names[names.index(file) :]:
        for start in range(offset, len(files[name]), chunk):
            importer.feed(name, files[name][start : min(start + chunk, len(files[name]))])
        offset = 0
        importer.end_of_file()


def importer_into(mariadb: t.Any, database: str, **options: t.Any) -> Importer:
    return Importer(lambda: mariadb.connect(database), **{"jobs": 2, **options})


def wait_for(condition: t.Callable[[], bool]) -> None:
    """SessionPool are done a little later than feed()."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.01)


def done_tables(importer: Importer) -> list[str]:
    return [record["table"]["name"] for record in importer.state()["done"] if record["table"]]


def load(mariadb: t.Any, files: dict[str, bytes], database: str | None = None) -> tuple[t.Any, ImportResult]:
    database = database or mariadb.fresh_database("staging")
    with contextlib.closing(importer_into(mariadb, database)) as importer:
        feed(importer, files)
        return mariadb.connect(database), importer.finish()


def load_text(mariadb: t.Any, text: bytes) -> tuple[t.Any, ImportResult]:
    return load(mariadb, {"d.sql": text + b"\n" + FINISHED})


def content(conn: t.Any, digest: Digest) -> dict[str, t.Any]:
    """Everything that the database holds: definitions, rows, its own default."""
    conn = type(conn)(unix_socket=conn.unix_socket, user="root", database=conn.db.decode(), autocommit=True)
    database = conn.db.decode()
    found = rows(conn, "SHOW FULL TABLES")
    names = {row[f"Tables_in_{database}"]: row["Table_type"] for row in found}
    schema = rows(conn, "SELECT * FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (database,))[0]
    shown = {name: list(rows(conn, f"SHOW CREATE TABLE `{name}`")[0].values())[:2] for name in names}
    tables = {name: digest(conn, database, name) for name, kind in names.items() if kind == "BASE TABLE"}
    return {"collation": schema["DEFAULT_COLLATION_NAME"], "shown": shown, "rows": tables}


def test_every_table_of_a_backup_is_exactly_its_source(mariadb: t.Any, reference_dump: t.Any, digest: Digest) -> None:
    """Also the two tables that the vendor's own reader spoils: b_zero_id and b_binary_types."""
    files = {path.name: path.read_bytes() for path in reference_dump.files}
    conn, result = load(mariadb, files)
    assert {table["name"]: table["rows"] for table in result.tables} == {
        name: table["rows"] for name, table in reference_dump.tables.items()
    }
    assert result.rows == sum(table["rows"] for table in reference_dump.tables.values()) > 10000
    assert result.views == reference_dump.views
    assert result.warnings == []
    database = conn.db.decode()
    for name, table in reference_dump.tables.items():
        assert table["structure_only"] or digest(conn, database, name) == (table["rows"], table["rows_sha256"]), name
    structure_only = {table["name"] for table in result.tables if table["structure_only"]}
    assert structure_only == {name for name, table in reference_dump.tables.items() if table["structure_only"]}
    for view in result.views:
        assert rows(conn, f"SELECT COUNT(*) AS n FROM {view}")[0]["n"] > 0
        assert "SQL SECURITY INVOKER" in rows(conn, f"SHOW CREATE VIEW {view}")[0]["Create View"]
    if "b_binary_types" in reference_dump.tables:  # the vendor's writer made it
        assert result.repairs == [
            {"table": "b_binary_types", "kind": "bit_value", "detail": "", "count": 300},
            {"table": "v_active_users", "kind": "view_definer", "detail": "root@localhost", "count": 1},
        ]
        assert "FULLTEXT KEY `ix_ft`" in rows(conn, "SHOW CREATE TABLE b_crm_lead")[0]["Create Table"]


def test_the_tricky_dump(mariadb: t.Any) -> None:
    conn, result = load(mariadb, samples.FILES)
    assert {table["name"]: table["rows"] for table in result.tables} == samples.ROWS
    assert [table["name"] for table in result.tables if table["structure_only"]] == ["b_stat_day"]
    assert result.views == ["v_later", "v_tricky"] and result.warnings == []
    found = rows(conn, "SELECT ID, `a;b` AS a, `ti``ck` AS b FROM b_tricky ORDER BY ID")
    assert [row["ID"] for row in found] == list(range(8))
    assert found[1] == {"ID": 1, "a": ";\n", "b": "a;b"}
    assert found[2] == {"ID": 2, "a": 'O\'Reilly "q" \\', "b": "c'd"}
    assert found[3]["a"] == "double'd ' quotes"
    assert found[5]["a"] == "raw\n;\nnewline;\nINSERT INTO `b_tricky` VALUES (9)"
    assert found[7]["a"] == "\u0451\u0436\u0438\u043a \U0001f600 \0\x1a\t"
    bits = rows(conn, "SELECT BT + 0 AS b, TWICE AS t, ST_AsText(G) AS g FROM b_bits ORDER BY N")
    assert bits == [
        {"b": None, "t": -14, "g": "POINT(0 0)"},
        {"b": 219, "t": 14, "g": None},
        {"b": 1, "t": 2000, "g": None},
    ]
    assert [row["ID"] for row in rows(conn, "SELECT ID FROM v_later ORDER BY ID")] == list(range(1, 8))
    kinds = {(repair["table"], repair["kind"]): repair["count"] for repair in result.repairs}
    assert kinds == {
        ("b_bits", "bit_value"): 2,
        ("b_bits", "generated_value"): 3,
        ("b_bits", "geometry_value"): 1,
        ("b_bits", "collation"): 1,
        ("v_later", "view_definer"): 1,
        ("v_tricky", "view_definer"): 1,
    }


def test_the_collation_of_after_connect_becomes_the_database_s_own(mariadb: t.Any) -> None:
    files = {
        "x_after_connect.sql": b"ALTER DATABASE `<DATABASE>` COLLATE utf8mb4_zz_0900_ai_ci;",
        "d.sql": samples.FIRST + FINISHED,
    }
    conn, result = load(mariadb, files)
    assert rows(conn, "SELECT @@collation_database AS c")[0]["c"] == "utf8mb4_nopad_bin"
    assert result.repairs[0] == {
        "table": conn.db.decode(),
        "kind": "collation",
        "detail": "utf8mb4_zz_0900_ai_ci -> utf8mb4_nopad_bin",
        "count": 1,
    }


def test_a_dump_in_another_character_set(mariadb: t.Any) -> None:
    text = (
        "SET NAMES 'cp1251';\nCREATE TABLE `t` (`a` varchar(20) COMMENT 'Имя') ENGINE=InnoDB DEFAULT CHARSET=utf8;\n"
        "INSERT INTO `t` VALUES\n('Ёжик');\nCREATE VIEW `v` AS select 'Ёж' AS `x` from `t`;\n"
    )
    conn, _result = load_text(mariadb, text.encode("cp1251"))
    assert rows(conn, "SELECT a, HEX(a) AS h FROM t") == [{"a": "Ёжик", "h": "Ёжик".encode().hex().upper()}]
    assert rows(conn, "SELECT * FROM v") == [{"x": "Ёж"}]


def test_an_import_in_another_character_set_goes_on_in_it(mariadb: t.Any) -> None:
    head = b"SET NAMES 'cp1251';\nCREATE TABLE `t` (`a` varchar(20)) DEFAULT CHARSET=utf8mb4;\n"
    rest = "INSERT INTO `t` VALUES\n('Ёжик');\n".encode("cp1251") + FINISHED
    database = mariadb.fresh_database("staging")
    killed = importer_into(mariadb, database)
    killed.feed("d.sql", head)
    killed.close()
    conn = mariadb.connect(database)
    importer = importer_into(mariadb, database, state=json.loads(json.dumps(killed.state())))
    assert importer.safe_position == ("d.sql", head.index(b"CREATE"))
    feed(importer, {"d.sql": head + rest})
    importer.finish()
    assert rows(conn, "SELECT a FROM t") == [{"a": "Ёжик"}]


def test_tables_may_come_before_those_that_they_refer_to(mariadb: t.Any) -> None:
    text = b"""CREATE TABLE `child` (
  `a` int,
  CONSTRAINT `tie` FOREIGN KEY (`a`) REFERENCES `parent` (`id`)
) ENGINE=InnoDB;
INSERT INTO `child` VALUES
(1);
CREATE TABLE `parent` (`id` int NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB;
INSERT INTO `parent` VALUES
(1);
"""
    conn, result = load_text(mariadb, text)
    assert result.rows == 2
    with pytest.raises(DatabaseFailed):
        execute(mariadb.connect(conn.db.decode()), "INSERT INTO child VALUES (2)")


def test_an_empty_table_of_the_dump_is_empty_whatever_was_there(mariadb: t.Any) -> None:
    database = mariadb.fresh_database("staging")
    execute(mariadb.connect(database), "CREATE TABLE b_stat_day (other INT)")
    execute(mariadb.connect(database), "INSERT INTO b_stat_day VALUES (1)")
    conn, _result = load(mariadb, samples.FILES, database)
    assert rows(conn, "SELECT * FROM b_stat_day") == []
    assert rows(conn, "SHOW COLUMNS FROM b_stat_day")[0]["Field"] == "ID"


def test_odd_settings_of_the_server_change_nothing(mariadb: t.Any, digest: Digest) -> None:
    expected = content(load(mariadb, samples.FILES)[0], digest)
    conn = mariadb.connect(mariadb.fresh_database("staging"))
    execute(
        conn, "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,TRADITIONAL,ORACLE', sql_quote_show_create = 0"
    )
    execute(conn, "SET NAMES gbk")
    with contextlib.closing(Importer(lambda: conn)) as importer:
        feed(importer, samples.FILES)
        importer.finish()
    assert content(conn, digest) == expected


def test_progress_is_told_after_every_statement(mariadb: t.Any) -> None:
    seen: list[tuple[str, int, int]] = []
    database = mariadb.fresh_database("staging")
    with contextlib.closing(importer_into(mariadb, database, on_progress=lambda *told: seen.append(told))) as importer:
        feed(importer, samples.FILES)
    assert ("b_tricky", 8, seen[4][2]) == seen[4]
    assert [table for table, _rows, _bytes in seen][-1] == "v_tricky"
    assert [told[2] for told in seen] == sorted(told[2] for told in seen)


# What is killed: the n-th query of the connection, before or after the server has run it.
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.slow
def test_a_killed_import_goes_on_to_the_same_end(mariadb: t.Any, digest: Digest, after: bool) -> None:
    reference, result = load(mariadb, samples.FILES)
    expected = content(reference, digest)
    number = 0
    while True:
        database = mariadb.fresh_database("staging")
        states = _run_killed(mariadb, database, number, after)
        if states is None:
            break
        # A caller saves a state now and then: the newest must do, and so must an older one.
        state = states[len(states) // 2 if after else -1] if states else None
        conn = mariadb.connect(database)
        importer = importer_into(mariadb, database, state=json.loads(json.dumps(state)))
        feed(importer, samples.FILES)
        again = importer.finish()
        assert content(conn, digest) == expected, number
        assert again.tables == result.tables and again.warnings == result.warnings
        assert again.repairs == result.repairs
        conn.close()
        number += 1
    assert number > 20


def _run_killed(mariadb: t.Any, database: str, number: int, after: bool) -> list[t.Any] | None:
    """States seen before the kill; None if the import came to its end."""
    states: list[t.Any] = []
    count = itertools.count(1)

    def connect() -> t.Any:
        conn = mariadb.connect(database)
        query = conn.query

        def killed_query(*args: t.Any, **kwargs: t.Any) -> t.Any:
            killed = next(count) > number
            if killed and not after:
                raise Killed
            done = query(*args, **kwargs)
            if killed:
                raise Killed
            return done

        conn.query = killed_query
        return conn

    importer = None
    try:
        importer = Importer(
            connect, jobs=2, on_progress=lambda *_told: states.append(t.cast(Importer, importer).state())
        )
        feed(importer, samples.FILES)
        importer.finish()
    except Killed:
        return states
    finally:
        if importer is not None:
            importer.close()
    return None


def test_an_import_that_goes_on_is_fed_from_its_table_s_beginning(mariadb: t.Any) -> None:
    importer = importer_into(mariadb, mariadb.fresh_database("staging"))
    assert importer.safe_position is None
    importer.feed("d.sql", samples.FIRST)
    wait_for(lambda: len(done_tables(importer)) == 2)
    position = samples.FIRST.index(b"DROP TABLE IF EXISTS `b_bits`")
    assert importer.safe_position == ("d.sql", position)
    importer.end_of_file()
    importer.feed("d.sql.1", samples.SECOND[:200])
    assert importer.safe_position == ("d.sql", position)
    state = importer.state()
    assert done_tables(importer) == ["b_tricky", "b_stat_day"]
    importer.close()
    resumed = importer_into(mariadb, mariadb.fresh_database("staging"), state=state)
    with pytest.raises(ValueError, match="goes on in d.sql, not in d.sql.1"):
        resumed.feed("d.sql.1", samples.SECOND)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"d.sql": samples.FIRST}, "d.sql does not end with the line '-- Finished'"),
        ({"d.sql": samples.FIRST, "d.sql.1": samples.SECOND[:-34]}, "d.sql.1 does not end with"),
        ({"d.sql": samples.FIRST + FINISHED + b"\nSET NAMES utf8mb4;\n"}, "does not end with"),
        ({"d.sql": samples.FIRST[:-10]}, "d.sql is cut off: the statement at byte .* has no end"),
        ({"x_after_connect.sql": samples.AFTER_CONNECT + FINISHED}, "no file does not end with"),
        ({"d.sql": b"-- Started\nSET NAMES 'utf8';\n" + FINISHED}, "holds no table"),
    ],
)
def test_a_cut_dump_is_an_error(mariadb: t.Any, files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(DumpError, match=reason) as caught:
        load(mariadb, files)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"INSERT INTO `t` VALUES\n(1);", "t is not the table that was created last"),
        (b"CREATE TABLE `t` (`a` int);CREATE TABLE `u` (`a` int);INSERT INTO `t` VALUES\n(1);", "t is not the table"),
        (b"CREATE TABLE `t` (`a` int);DROP TABLE IF EXISTS `t`;", "t appears twice"),
        (b"CREATE TABLE `t` (`a` int);CREATE TABLE IF NOT EXISTS `t` (`a` int);", "t appears twice"),
        (b"CREATE TABLE `t` (`a` int);CREATE VIEW `t` AS select 1 AS `a`;", "t appears twice"),
        (b"CREATE TABLE `t` (`a` bit(8));INSERT INTO `t` VALUES\n('x');", "BIT value that is no decimal"),
        (b"ALTER DATABASE `<DATABASE>` COLLATE utf8mb4_bin;", "not on the list"),
    ],
)
def test_a_dump_out_of_order_is_refused(mariadb: t.Any, text: bytes, reason: str) -> None:
    with pytest.raises(StatementRefused, match=reason) as caught:
        load_text(mariadb, text)
    assert caught.value.details["file"] == "d.sql"
    # Of tampering nobody speaks where a statement of the portal's own may be spoiled.
    assert ("tampered" in caught.value.remedy) == ("not on the list" in reason)


def test_a_view_of_another_portal_s_database_is_left_out(mariadb: t.Any) -> None:
    other = mariadb.fresh_database("other")
    execute(mariadb.connect(other), "CREATE TABLE secrets (a INT)")
    text = f"CREATE TABLE `t` (`a` int);CREATE VIEW `v` AS select `a` from `{other.upper()}`.`secrets`;"
    conn, result = load_text(mariadb, text.encode())
    assert result.views == [] and [left["name"] for left in result.views_left_out] == ["v"]
    assert other.upper() in result.views_left_out[0]["reason"]
    assert rows(conn, "SHOW FULL TABLES WHERE Table_type = 'VIEW'") == []


@pytest.mark.parametrize(
    ("text", "code", "remedy"),
    [
        (
            b"CREATE TABLE `t` (`a` int, PRIMARY KEY (`a`)); INSERT INTO `t` VALUES\n(1),\n(2),\n(1);",
            1062,
            "unique key",
        ),
        (b"CREATE TABLE `t` (`a` int); INSERT INTO `t` VALUES\n(1, 2);", 1136, "manual"),
        (b"CREATE TABLE `t` (`a` int, `a` int);", 1060, "manual"),
    ],
)
def test_a_statement_that_the_server_refuses_is_named(mariadb: t.Any, text: bytes, code: int, remedy: str) -> None:
    with pytest.raises(StatementFailed, match=f"d.sql: the statement at byte .* for t.*error {code}") as caught:
        load_text(mariadb, text)
    details = caught.value.details
    assert details["code"] == code and details["table"] == "t" and remedy in caught.value.remedy
    assert text[details["offset"] :].startswith(details["statement"][:20].encode())


def test_a_row_that_the_server_names_is_counted_from_the_table_s_beginning(mariadb: t.Any) -> None:
    text = (
        b"CREATE TABLE `t` (`a` int, CHECK (`a` < 5)); INSERT INTO `t` VALUES\n(1),\n(2);\n"
        b"INSERT INTO `t` VALUES\n(3),\n(4),\n(5);\n"
    )
    with pytest.raises(StatementFailed) as caught:
        load_text(mariadb, text)
    assert caught.value.details["code"] == 4025
    text = b"CREATE TABLE `t` (`a` geometry NOT NULL); INSERT INTO `t` VALUES\n(NULL);\n"
    with pytest.raises(StatementFailed, match="cannot be null"):
        load_text(mariadb, text)


def test_a_statement_larger_than_the_server_takes_is_named_before_it_is_sent(mariadb: t.Any) -> None:
    conn = mariadb.connect()
    before = rows(conn, "SELECT @@max_allowed_packet AS n")[0]["n"]
    execute(conn, "SET GLOBAL max_allowed_packet = 1048576")
    try:
        text = b"CREATE TABLE `t` (`a` longtext); INSERT INTO `t` VALUES\n('" + b"x" * 1_100_000 + b"');"
        with pytest.raises(StatementFailed, match="error 1153") as caught:
            load_text(mariadb, text)
        assert "max_allowed_packet=2M" in caught.value.remedy and caught.value.details["table"] == "t"
    finally:
        execute(conn, f"SET GLOBAL max_allowed_packet = {before}")


def test_rows_that_vanish_are_noticed(mariadb: t.Any) -> None:
    database = mariadb.fresh_database("staging")
    importer = importer_into(mariadb, database)
    feed(importer, samples.FILES)
    wait_for(lambda: "b_tricky" in done_tables(importer))
    execute(mariadb.connect(database), "DELETE FROM b_tricky WHERE ID = 3")
    with pytest.raises(RowsMissing, match="b_tricky has 7 of 8"):
        importer.finish()


def test_a_connection_without_database_is_refused(mariadb: t.Any) -> None:
    with pytest.raises(BoxliftError, match="no database to load into"):
        Importer(mariadb.connect)


def test_files_are_fed_one_after_the_other(mariadb: t.Any) -> None:
    importer = importer_into(mariadb, mariadb.fresh_database("staging"))
    importer.feed("d.sql", samples.FIRST)
    with pytest.raises(ValueError, match="d.sql has not ended, but d.sql.1 begins"):
        importer.feed("d.sql.1", samples.SECOND)
    with pytest.raises(ValueError, match="d.sql has not ended"):
        importer.finish()


BIG = b"CREATE TABLE `big` (`a` int, PRIMARY KEY (`a`));\n" + b"".join(
    b"INSERT INTO `big` VALUES\n(%d),\n(%d);\n" % (number, number + 1) for number in range(0, 40, 2)
)
SMALL = b"".join(b"CREATE TABLE `small%d` (`a` int);\nINSERT INTO `small%d` VALUES\n(1);\n" % (n, n) for n in range(5))


def test_rows_of_one_table_go_over_all_connections_at_the_same_time(mariadb: t.Any) -> None:
    database = mariadb.fresh_database("staging")
    meeting = threading.Barrier(3)
    met: list[int] = []

    def connect() -> t.Any:
        conn = mariadb.connect(database)
        query = conn.query

        def query_in_company(text: t.Any, *more: t.Any, **named: t.Any) -> t.Any:
            if isinstance(text, bytes) and any(b"(%d)" % row in text for row in (20, 22, 24)):
                met.append(meeting.wait(60))  # breaks, and fails the import, unless three are here
            return query(text, *more, **named)

        conn.query = query_in_company
        return conn

    with contextlib.closing(Importer(connect, jobs=3)) as importer:
        feed(importer, {"d.sql": BIG + FINISHED})
        result = importer.finish()
    assert sorted(met) == [0, 1, 2] and result.rows == 40
    assert [entry["table"] for entry in result.timeline] == ["big"]
    assert 0 <= result.timeline[0]["begin"] <= result.timeline[0]["end"] and result.timeline[0]["rows"] == 40


def test_rows_wait_for_their_table(mariadb: t.Any) -> None:
    database = mariadb.fresh_database("staging")

    def connect() -> t.Any:
        conn = mariadb.connect(database)
        query = conn.query

        def slow_to_make(text: t.Any, *more: t.Any, **named: t.Any) -> t.Any:
            if isinstance(text, bytes) and text.startswith(b"CREATE TABLE"):
                time.sleep(0.5)
            return query(text, *more, **named)

        conn.query = slow_to_make
        return conn

    with contextlib.closing(Importer(connect, jobs=3)) as importer:
        feed(importer, {"d.sql": BIG + FINISHED})
        assert importer.finish().rows == 40


def test_what_was_done_before_an_earlier_table_is_not_done_again(mariadb: t.Any, digest: Digest) -> None:
    """A large table is at work when the small ones behind it are done; then the import is killed."""
    files = {"d.sql": BIG + SMALL + FINISHED}
    expected = content(load(mariadb, files)[0], digest)
    database = mariadb.fresh_database("staging")
    ran: list[bytes] = []
    gate = threading.Event()

    def connect(held: bool) -> t.Any:
        conn = mariadb.connect(database)
        query = conn.query

        def noted_query(text: t.Any, *more: t.Any, **named: t.Any) -> t.Any:
            if isinstance(text, bytes):
                if held and b"(38)" in text:
                    gate.wait(60)
                    raise Killed
                ran.append(text)
            return query(text, *more, **named)

        conn.query = noted_query
        return conn

    killed = Importer(lambda: connect(held=True), jobs=2)
    killed.feed("d.sql", files["d.sql"])
    # The newest stays open: its end is not known before the next begins.
    wait_for(lambda: len(killed.state()["ahead"]) == 4)
    assert killed.safe_position == ("d.sql", 0)
    state = json.loads(json.dumps(killed.state()))
    gate.set()
    with contextlib.closing(killed), pytest.raises(Killed):
        killed.end_of_file()
        killed.finish()
    ran.clear()
    with contextlib.closing(Importer(lambda: connect(held=False), jobs=2, state=state)) as importer:
        feed(importer, files)
        result = importer.finish()
    again = [text for text in ran if b"`small" in text and not text.startswith(b"SELECT")]
    assert [text for text in again if b"`small4`" not in text] == [] and len(again) == 3
    assert [table["name"] for table in result.tables] == ["big", *(f"small{number}" for number in range(5))]
    assert content(mariadb.connect(database), digest) == expected


def test_an_error_of_a_loader_comes_out_of_the_next_feed(mariadb: t.Any) -> None:
    importer = importer_into(mariadb, mariadb.fresh_database("staging"))
    importer.feed("d.sql", b"CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES\n(1, 2);\n")
    with contextlib.closing(importer), pytest.raises(StatementFailed, match="byte 28 .line 2. for t.*error 1136"):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            importer.feed("d.sql", b"INSERT INTO `t` VALUES\n(1);\n")
            time.sleep(0.01)


def test_other_loaders_in_the_way_make_a_statement_run_once_more(mariadb: t.Any) -> None:
    """Two sessions that load one table may lock each other out; the server then undoes one of the statements."""
    database = mariadb.fresh_database("staging")
    refused: list[bytes] = []

    def connect() -> t.Any:
        conn = mariadb.connect(database)
        query = conn.query

        def query_in_a_crowd(text: t.Any, *more: t.Any, **named: t.Any) -> t.Any:
            if isinstance(text, bytes) and b"(10)" in text and not refused:
                refused.append(text)
                raise pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock")
            return query(text, *more, **named)

        conn.query = query_in_a_crowd
        return conn

    with contextlib.closing(Importer(connect, jobs=2)) as importer:
        feed(importer, {"d.sql": BIG + FINISHED})
        assert importer.finish().rows == 40 and len(refused) == 1
