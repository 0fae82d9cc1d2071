# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time
import typing as t

import pymysql
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load import staging
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.notes import read_note, write_note
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.staging import Names, switch_back, switch_in


class Killed(BaseException):
    """Stands for kill -9: nothing of ours may catch it."""


def run(conn: t.Any, database: str, *statements: str) -> None:
    conn.select_db(database)
    for statement in statements:
        execute(conn, statement)


def make(conn: t.Any, database: str, mark: int, *, collation: str = "utf8mb4_unicode_ci") -> None:
    """Two tables tied by a foreign key, a view on one, and a view (earlier by name) on that view."""
    schema.create_empty(conn, database, collation=collation)
    run(
        conn,
        database,
        "CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB",
        "CREATE TABLE child (id INT PRIMARY KEY, parent_id INT, CONSTRAINT tie FOREIGN KEY (parent_id) "
        "REFERENCES parent (id) ON DELETE CASCADE) ENGINE=InnoDB",
        f"INSERT INTO parent VALUES ({mark})",
        f"INSERT INTO child VALUES (1, {mark})",
        "CREATE SQL SECURITY INVOKER VIEW v AS SELECT parent.id AS id, 'ё;' AS s FROM parent",
        "CREATE SQL SECURITY INVOKER VIEW a AS SELECT v.id AS id FROM v JOIN child ON child.parent_id = v.id",
    )


def mark_of(conn: t.Any, database: str) -> int | None:
    """Which of the made states the database holds, everything in it included."""
    if not schema.exists(conn, database) or not schema.tables(conn, database):
        return None
    assert {"child", "parent"} <= set(schema.tables(conn, database))
    mark = int(rows(conn, f"SELECT id FROM `{database}`.parent")[0]["id"])
    assert rows(conn, f"SELECT id FROM `{database}`.a") == [{"id": mark}]
    assert rows(conn, f"SELECT s FROM `{database}`.v") == [{"s": "ё;"}]
    for view in ("a", "v"):
        shown = rows(conn, f"SHOW CREATE VIEW `{database}`.{view}")[0]["Create View"]
        assert "SQL SECURITY INVOKER" in shown
    with pytest.raises(DatabaseFailed):
        execute(conn, f"INSERT INTO `{database}`.child VALUES (2, {mark + 1})")
    return mark


def collation_of(conn: t.Any, database: str) -> str:
    query = "SELECT DEFAULT_COLLATION_NAME AS c FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s"
    return str(rows(conn, query, (database,))[0]["c"])


@pytest.fixture()
def conn(mariadb: t.Any) -> t.Any:
    return mariadb.connect()


@pytest.fixture()
def names(mariadb: t.Any) -> Names:
    return Names.of(mariadb.fresh_name("live"))


def states(conn: t.Any, names: Names) -> tuple[int | None, ...]:
    return tuple(mark_of(conn, name) for name in (names.live, names.staging, names.previous))


def test_names_of_the_three_databases() -> None:
    assert Names.of("portal") == Names("portal", "portal_staging", "portal_previous")


@pytest.mark.parametrize("live", ["mysql", "MySQL", "sys", "", "x" * 60])
def test_a_name_that_cannot_be_a_portal_s_database_is_refused(live: str) -> None:
    with pytest.raises(BoxliftError):
        Names.of(live)


def test_a_staging_database_is_made_anew_with_its_collation(conn: t.Any, names: Names) -> None:
    make(conn, names.staging, 1)
    schema.create_empty(conn, names.staging, "cp1251", "cp1251_general_ci")
    assert schema.tables(conn, names.staging) == []
    assert collation_of(conn, names.staging) == "cp1251_general_ci"


def test_the_first_switch_needs_no_live_database(conn: t.Any, names: Names) -> None:
    make(conn, names.staging, 1)
    assert switch_in(conn, names.staging, names.live, names.previous) == (True, 2, 2, 0, {})
    assert states(conn, names) == (1, None, None)
    assert not schema.exists(conn, names.staging)


def test_live_becomes_previous_and_can_come_back(conn: t.Any, names: Names) -> None:
    make(conn, names.live, 1, collation="utf8mb4_general_ci")
    run(conn, names.live, "CREATE TABLE only_old (a INT)", "CREATE VIEW only_old_view AS SELECT a FROM only_old")
    make(conn, names.staging, 2)
    result = switch_in(conn, names.staging, names.live, names.previous)
    assert result == (True, 2, 2, 3, {})
    assert states(conn, names) == (2, None, 1)
    assert "only_old" not in schema.tables(conn, names.live)
    assert rows(conn, f"SELECT * FROM `{names.previous}`.only_old_view") == []
    assert collation_of(conn, names.live) == "utf8mb4_unicode_ci"
    assert collation_of(conn, names.previous) == "utf8mb4_general_ci"
    views = rows(conn, "SELECT TABLE_NAME AS n FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s", (names.live,))
    assert sorted(row["n"] for row in views) == ["a", "v"]

    assert switch_back(conn, names.staging, names.live, names.previous) == (True, 3, 3, 2, {})
    assert states(conn, names) == (1, 2, None)
    assert collation_of(conn, names.live) == "utf8mb4_general_ci"
    assert rows(conn, f"SELECT * FROM `{names.live}`.only_old_view") == []


def test_a_third_import_drops_the_oldest_state(conn: t.Any, names: Names) -> None:
    for mark in (1, 2, 3):
        make(conn, names.staging, mark)
        switch_in(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (3, None, 2)


def test_nothing_to_switch_is_an_error(conn: t.Any, names: Names) -> None:
    make(conn, names.live, 1)
    schema.create_empty(conn, names.staging)
    with pytest.raises(BoxliftError, match=f"nothing to switch in: {names.staging} holds no table"):
        switch_in(conn, names.staging, names.live, names.previous)
    with pytest.raises(BoxliftError, match=f"nothing to switch back to: {names.previous} holds no table"):
        switch_back(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (1, None, None)


def test_a_switch_that_was_done_is_told_and_not_done_again(conn: t.Any, names: Names) -> None:
    make(conn, names.live, 1)
    make(conn, names.staging, 2)
    switch_in(conn, names.staging, names.live, names.previous)
    assert switch_in(conn, names.staging, names.live, names.previous) == (False, 2, 2, 2, {})
    assert states(conn, names) == (2, None, 1)
    switch_back(conn, names.staging, names.live, names.previous)
    assert switch_back(conn, names.staging, names.live, names.previous) == (False, 2, 2, 2, {})
    assert states(conn, names) == (1, 2, None)


def killed_at(conn: t.Any, number: int, after: bool, work: t.Callable[[], object]) -> bool:
    """Run and kill at the n-th query, before or after the server has run it; false when it came to its end."""
    query, count = conn.query, 0

    def killed_query(*args: t.Any, **kwargs: t.Any) -> t.Any:
        nonlocal count
        count += 1
        if count > number and not after:
            raise Killed
        done = query(*args, **kwargs)
        if count > number:
            raise Killed
        return done

    conn.query = killed_query
    try:
        work()
    except Killed:
        return True
    finally:
        conn.query = query
    return False


@pytest.mark.parametrize(("back", "after"), [(False, False), (False, True), (True, True)])
@pytest.mark.slow
def test_a_switch_killed_anywhere_is_finished_by_calling_it_again(mariadb: t.Any, after: bool, back: bool) -> None:
    number = 0
    while True:
        conn, names = mariadb.connect(), Names.of(mariadb.fresh_name("live"))
        make(conn, names.live, 1)
        make(conn, names.previous if back else names.staging, 2)
        switch = switch_back if back else switch_in

        def work(switch: t.Any = switch, conn: t.Any = conn, names: Names = names) -> t.Any:
            return switch(conn, names.staging, names.live, names.previous)

        killed = killed_at(conn, number, after, work)
        if killed:
            other = mariadb.connect()
            live = rows(other, f"SELECT id FROM `{names.live}`.parent")
            assert live in ([{"id": 1}], [{"id": 2}]), number  # there is a live state at every moment
            switch(other, names.staging, names.live, names.previous)
        assert states(mariadb.connect(), names) == ((2, 1, None) if back else (2, None, 1)), number
        conn.close()
        if not killed:
            break
        number += 1
    assert number > 20


@pytest.mark.slow
def test_a_killed_switch_can_be_taken_back(mariadb: t.Any) -> None:
    number = 0
    while True:
        conn, names = mariadb.connect(), Names.of(mariadb.fresh_name("live"))
        make(conn, names.live, 1)
        make(conn, names.staging, 2)
        killed = killed_at(conn, number, True, lambda c=conn, n=names: switch_in(c, n.staging, n.live, n.previous))
        if not killed:
            break
        other = mariadb.connect()
        if schema.tables(other, names.previous):
            switch_back(other, names.staging, names.live, names.previous)
            assert states(other, names) == (1, 2, None), number
        else:
            assert states(other, names)[:2] == (1, 2), number
        conn.close()
        number += 1
    assert number > 20


@pytest.mark.slow
def test_an_import_after_a_killed_switch_is_not_lost(mariadb: t.Any) -> None:
    number = 0
    while True:
        conn, names = mariadb.connect(), Names.of(mariadb.fresh_name("live"))
        make(conn, names.live, 1)
        make(conn, names.staging, 2)
        killed = killed_at(conn, number, True, lambda c=conn, n=names: switch_in(c, n.staging, n.live, n.previous))
        if not killed:
            break
        other = mariadb.connect()
        make(other, names.staging, 3)
        switch_in(other, names.staging, names.live, names.previous)
        live, incoming, previous = states(other, names)
        assert (live, incoming) == (3, None) and previous in (1, 2), number
        conn.close()
        number += 1
    assert number > 20


def test_a_plan_that_never_came_to_its_rename_counts_for_nothing(
    conn: t.Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(conn, names.live, 1)
    make(conn, names.staging, 2)

    def die(*_arguments: object) -> t.NoReturn:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(staging, "_rename", die)
        switch_in(conn, names.staging, names.live, names.previous)
    schema.drop(conn, names.staging)
    with pytest.raises(BoxliftError, match="nothing to switch in"):
        switch_in(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (1, None, None)


def test_tables_in_use_stop_the_switch_and_nothing_has_changed(
    mariadb: t.Any, conn: t.Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "LOCK_WAIT_SECONDS", 1)
    make(conn, names.live, 1)
    make(conn, names.staging, 2)
    other = mariadb.connect(names.live)
    execute(other, "BEGIN")
    rows(other, "SELECT * FROM parent")
    with pytest.raises(BoxliftError, match="everything is as it was") as caught:
        switch_in(conn, names.staging, names.live, names.previous)
    assert "PHP-FPM" in caught.value.remedy
    execute(other, "ROLLBACK")
    assert states(conn, names) == (1, 2, None)
    switch_in(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (2, None, 1)


def test_triggers_are_named_before_anything_is_touched(conn: t.Any, names: Names) -> None:
    make(conn, names.live, 1)
    make(conn, names.staging, 2)
    run(conn, names.live, "CREATE TRIGGER watch BEFORE INSERT ON child FOR EACH ROW SET @a = 1")
    with pytest.raises(BoxliftError, match="watch on child"):
        switch_in(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (1, 2, None)


def test_a_live_view_with_the_name_of_an_incoming_table_is_named(conn: t.Any, names: Names) -> None:
    make(conn, names.live, 1)
    run(conn, names.live, "CREATE VIEW fresh AS SELECT id FROM parent")
    make(conn, names.staging, 2)
    run(conn, names.staging, "CREATE TABLE fresh (a INT)")
    with pytest.raises(BoxliftError, match="names of incoming tables: fresh"):
        switch_in(conn, names.staging, names.live, names.previous)


def test_a_broken_view_of_the_old_state_is_reported_and_stops_nothing(conn: t.Any, names: Names) -> None:
    make(conn, names.live, 1)
    run(conn, names.live, "CREATE TABLE gone (a INT)", "CREATE VIEW broken AS SELECT a FROM gone", "DROP TABLE gone")
    make(conn, names.staging, 2)
    result = switch_in(conn, names.staging, names.live, names.previous)
    assert list(result.views_lost) == ["broken"] and "gone" in result.views_lost["broken"]
    assert states(conn, names) == (2, None, 1)


def test_notes_are_kept_in_the_staging_database_and_never_switched_in(conn: t.Any, names: Names) -> None:
    assert read_note(conn, names.staging, "x") is None
    make(conn, names.staging, 2)
    assert read_note(conn, names.staging, "x") is None
    write_note(conn, names.staging, "x", {"a": ["ё", None, 1]})
    write_note(conn, names.staging, "x", {"a": ["ё", None, 2]})
    assert read_note(conn, names.staging, "x") == {"a": ["ё", None, 2]}
    assert "boxlift_notes" not in schema.tables(conn, names.staging)
    switch_in(conn, names.staging, names.live, names.previous)
    assert rows(conn, f"SHOW TABLES FROM `{names.live}` LIKE 'boxlift%%'", ()) == []


def test_what_a_killed_import_has_left_at_work_is_ended(mariadb: t.Any) -> None:
    """Its statement would otherwise run in the tables that the next run has made anew."""
    database = mariadb.fresh_database("staging")
    left, idle, other = mariadb.connect(database), mariadb.connect(database), mariadb.connect()
    ended: list[Exception] = []

    def work() -> None:
        try:
            rows(left, "SELECT SLEEP(60)")
        except DatabaseFailed as error:
            ended.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    staging.end_connections(mariadb.connect(database), database)
    worker.join(10)
    assert len(ended) == 1
    with pytest.raises(DatabaseFailed):
        rows(idle, "SELECT 1")
    assert rows(other, "SELECT 1 AS n") == [{"n": 1}]


def previous_of_two(conn: t.Any, names: Names) -> None:
    """Live holds 2, previous 1, staging 3."""
    make(conn, names.live, 1)
    make(conn, names.staging, 2)
    switch_in(conn, names.staging, names.live, names.previous)
    make(conn, names.staging, 3)
    assert states(conn, names) == (2, 3, 1)


def test_the_previous_state_is_dropped_only_when_the_switch_is_certain(
    mariadb: t.Any, conn: t.Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    previous_of_two(conn, names)
    monkeypatch.setattr(staging, "LOCK_WAIT_SECONDS", 1)
    other = mariadb.connect(names.live)
    # Shows in no list of transactions, so only the RENAME itself finds it.
    execute(other, "LOCK TABLES parent READ")
    with pytest.raises(BoxliftError, match="everything is as it was") as caught:
        switch_in(conn, names.staging, names.live, names.previous)
    assert f"connection {other.thread_id()} of root from localhost" in caught.value.remedy
    execute(other, "UNLOCK TABLES")
    assert states(conn, names) == (2, 3, 1)
    switch_in(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (3, None, 2)
    assert not schema.exists(conn, staging.out_of_the_way(names.previous))


def test_an_open_transaction_is_looked_for_before_anything_is_locked(
    mariadb: t.Any, conn: t.Any, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    previous_of_two(conn, names)
    monkeypatch.setattr(staging, "LOCK_WAIT_SECONDS", 0.3)
    other = mariadb.connect(names.live)
    execute(other, "BEGIN")
    rows(other, "SELECT * FROM parent")
    # The server's list of transactions is as old as a tenth of a second, and stays so while it is read more often.
    seen = "SELECT trx_id FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = %s"
    deadline = time.monotonic() + 30
    while not rows(conn, seen, (other.thread_id(),)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    tried: list[str] = []
    monkeypatch.setattr(staging, "_rename", lambda *_all: tried.append("renamed"))
    with pytest.raises(BoxliftError, match="another session uses them") as caught:
        switch_in(conn, names.staging, names.live, names.previous)
    holder = caught.value.details["holders"][0]
    assert (holder["id"], holder["account"], holder["host"]) == (other.thread_id(), "root", "localhost")
    assert holder["transaction"] and f"KILL {other.thread_id()}" in caught.value.remedy and tried == []
    assert not schema.exists(conn, staging.out_of_the_way(names.previous))


def test_a_transaction_that_ends_in_time_stops_nothing(mariadb: t.Any, conn: t.Any, names: Names) -> None:
    previous_of_two(conn, names)
    other = mariadb.connect(names.live)
    execute(other, "BEGIN")
    rows(other, "SELECT * FROM parent")
    timer = threading.Timer(0.5, lambda: execute(other, "ROLLBACK"))
    timer.start()
    switch_in(conn, names.staging, names.live, names.previous)
    timer.join()
    assert states(conn, names) == (3, None, 2)


@pytest.mark.parametrize("database", ["live", "previous"])
def test_a_foreign_key_of_another_database_is_named_before_anything_is_touched(
    mariadb: t.Any, conn: t.Any, names: Names, database: str
) -> None:
    previous_of_two(conn, names)
    there = getattr(names, database)
    other = mariadb.fresh_database("reports")
    run(
        conn,
        other,
        f"CREATE TABLE r (id INT, CONSTRAINT into_portal FOREIGN KEY (id) REFERENCES `{there}`.parent (id))",
    )
    with pytest.raises(BoxliftError, match=f"into_portal of {other}.r into {there}.parent") as caught:
        switch_in(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (2, 3, 1)
    execute(conn, caught.value.remedy.partition("Run ")[2].partition(";")[0])
    switch_in(conn, names.staging, names.live, names.previous)
    assert states(conn, names) == (3, None, 2)


@pytest.mark.parametrize("late", [False, True], ids=["unsent", "unanswered"])
def test_a_switch_over_a_previous_state_killed_at_any_statement(mariadb: t.Any, names: Names, late: bool) -> None:
    """At each moment either nothing is switched and previous is whole, or all of it is; the next call finishes."""
    conn = mariadb.connect()
    previous_of_two(conn, names)
    landed = 0
    for nth in range(1, 200):
        doomed, left = mariadb.connect(), nth
        query = doomed.query

        def counted(*args: t.Any, query: t.Any = query, doomed: t.Any = doomed, **more: t.Any) -> t.Any:
            nonlocal left
            left -= 1
            answer = query(*args, **more) if left or late else None
            if left == 0:
                doomed.close()
                raise pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
            return answer

        doomed.query = counted
        try:
            switch_in(doomed, names.staging, names.live, names.previous)
            break
        except DatabaseFailed as error:
            assert error.code in (0, 2013)  # 0 is the next use of a closed connection
            landed += 1
        if schema.tables(conn, names.staging):
            assert states(conn, names) == (2, 3, 1)
            continue
        assert switch_in(conn, names.staging, names.live, names.previous).tables > 0
        assert states(conn, names) == (3, None, 2)
        schema.drop(conn, names.live)
        schema.drop(conn, names.previous)
        previous_of_two(conn, names)
    assert landed > 8 and states(conn, names) == (3, None, 2)
