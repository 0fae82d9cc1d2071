# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import typing as t

import pymysql
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DatabaseError, execute, rows
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
    with pytest.raises(pymysql.err.IntegrityError):
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
        except DatabaseError as error:
            ended.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    staging.end_connections(mariadb.connect(database), database)
    worker.join(10)
    assert len(ended) == 1
    with pytest.raises(DatabaseError):
        rows(idle, "SELECT 1")
    assert rows(other, "SELECT 1 AS n") == [{"n": 1}]
