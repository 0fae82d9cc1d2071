# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server refuses names the account and the database, and says what helps: real refusals, real remedies."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql import connection
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import connect, execute, rows, transaction
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import (
    FOREIGN_KEYS,
    LOCKS,
    LOST,
    RIGHTS,
    DatabaseFailed,
    failed,
)


@pytest.fixture
def account(mariadb: t.Any) -> t.Iterator[t.Any]:
    """The login of an account without any right, on any host."""
    admin = mariadb.connect()
    execute(admin, "CREATE OR REPLACE USER clerk IDENTIFIED BY 'x'")
    yield dataclasses.replace(mariadb.login, user="clerk", password="x")
    execute(admin, "DROP USER clerk")


def statement_in(remedy: str) -> str:
    return remedy.partition("database server: ")[2].partition(";")[0]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT * FROM `{0}`.t", 1142),
        ("DELETE FROM `{0}`.t", 1142),
        ("DROP DATABASE `{0}`", 1044),
        ("CREATE TABLE `{0}`.u (a INT)", 1142),
        ("SET GLOBAL max_connections = 10", 1227),
        ("SELECT * FROM information_schema.INNODB_TRX", 1227),
    ],
)
def test_the_grant_of_the_remedy_is_the_one_that_lacks(
    mariadb: t.Any, account: t.Any, statement: str, code: int
) -> None:
    database, admin = mariadb.fresh_database("por_tal"), mariadb.connect()
    execute(admin, f"CREATE TABLE `{database}`.t (a INT)")
    before = rows(admin, "SELECT @@max_connections AS n")[0]["n"]
    text = statement.format(database)
    with pytest.raises(DatabaseFailed, match=f"as clerk at .*error {code}") as caught:
        execute(connect(account), text)
    # Of GRANT an underscore would stand for any character.
    assert code == 1227 or database.replace("_", r"\_") in caught.value.remedy
    execute(admin, statement_in(caught.value.remedy))
    execute(connect(account), text)
    execute(admin, f"SET GLOBAL max_connections = {before}")


def test_a_login_to_a_database_without_rights(mariadb: t.Any, account: t.Any) -> None:
    database = mariadb.fresh_database()
    with pytest.raises(DatabaseFailed, match=f"Cannot connect to database {database} as clerk") as caught:
        connect(account, database)
    execute(mariadb.connect(), statement_in(caught.value.remedy))
    connect(account, database).close()


def test_who_holds_a_row(mariadb: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    database = mariadb.fresh_database()
    execute(mariadb.connect(database), "CREATE TABLE t (a INT PRIMARY KEY) ENGINE=InnoDB")
    holder = mariadb.connect(database)
    monkeypatch.setattr(connection, "LOCK_WAIT_SECONDS", 1)
    waiter = mariadb.connect(database)
    with (
        pytest.raises(DatabaseFailed, match=f"Database {database} as root at .*error 1205") as caught,
        transaction(holder),
    ):
        execute(holder, "INSERT INTO t VALUES (1)")
        execute(waiter, "INSERT INTO t VALUES (1)")
    assert f"connection {holder.thread_id()} of root from localhost (in a transaction since" in caught.value.remedy
    assert f"KILL {holder.thread_id()}" in caught.value.remedy
    assert caught.value.details["holders"][0]["id"] == holder.thread_id()


def test_who_holds_a_table_and_that_a_wait_is_bounded(mariadb: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(mariadb.connect(), "SELECT @@lock_wait_timeout AS a, @@innodb_lock_wait_timeout AS b") == [
        {"a": 60, "b": 60}
    ]
    database = mariadb.fresh_database()
    holder = mariadb.connect(database)
    execute(holder, "CREATE TABLE t (a INT)")
    execute(holder, "LOCK TABLES t WRITE")
    monkeypatch.setattr(connection, "LOCK_WAIT_SECONDS", 1)
    with pytest.raises(DatabaseFailed, match="error 1205") as caught:
        rows(mariadb.connect(database), "SELECT * FROM t")
    assert f"Perhaps a lock is held by connection {holder.thread_id()} of root" in caught.value.remedy


def test_an_account_that_may_not_see_others_is_told_so(
    mariadb: t.Any, account: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, admin = mariadb.fresh_database(), mariadb.connect()
    execute(admin, f"GRANT ALL PRIVILEGES ON `{database}`.* TO clerk")
    execute(admin, f"CREATE TABLE `{database}`.t (a INT)")
    execute(admin, f"LOCK TABLES `{database}`.t WRITE")
    monkeypatch.setattr(connection, "LOCK_WAIT_SECONDS", 1)
    with pytest.raises(DatabaseFailed, match="error 1205") as caught:
        rows(connect(account, database), "SELECT * FROM t")
    assert "GRANT PROCESS ON *.*" in caught.value.remedy


def test_a_foreign_key_of_another_database_is_named_with_the_statement_that_drops_it(mariadb: t.Any) -> None:
    database, other = mariadb.fresh_database(), mariadb.fresh_database("other")
    conn = mariadb.connect(database)
    execute(conn, "CREATE TABLE t (a INT PRIMARY KEY) ENGINE=InnoDB")
    key = f"CONSTRAINT k FOREIGN KEY (a) REFERENCES `{database}`.t (a)"
    execute(conn, f"CREATE TABLE `{other}`.r (a INT, {key}) ENGINE=InnoDB")
    with pytest.raises(DatabaseFailed, match="error 1451") as caught:
        execute(conn, f"DROP DATABASE `{database}`")
    assert f"k of {other}.r into {database}.t" in caught.value.remedy
    execute(conn, caught.value.remedy.partition(". Run ")[2].partition(";")[0])
    execute(conn, f"DROP DATABASE `{database}`")


def test_read_only_and_lost(mariadb: t.Any) -> None:
    database = mariadb.fresh_database()
    conn, other = mariadb.connect(database), mariadb.connect()
    execute(conn, "CREATE TABLE t (a INT) ENGINE=InnoDB")
    execute(conn, "SET SESSION TRANSACTION READ ONLY")
    with pytest.raises(DatabaseFailed, match="error 1792") as caught:
        execute(conn, "INSERT INTO t VALUES (1)")
    assert "read_only" in caught.value.remedy
    execute(other, f"KILL {conn.thread_id()}")
    with pytest.raises(DatabaseFailed) as caught:
        while True:
            rows(conn, "SELECT 1")
    assert caught.value.code in LOST and "journalctl -u mariadb" in caught.value.remedy


def test_a_lost_connection_in_a_transaction_is_told_as_such(mariadb: t.Any) -> None:
    conn = mariadb.connect()
    with pytest.raises(ValueError, match="what was the matter"), transaction(conn):
        conn.close()
        raise ValueError("what was the matter")


@pytest.mark.parametrize("code", sorted({0, 99, 9999, 2055, 1030} | LOCKS | FOREIGN_KEYS | LOST | RIGHTS))
def test_every_number_has_a_remedy_without_gaps(code: int) -> None:
    def gone(sql: str, args: t.Sequence[t.Any]) -> t.NoReturn:
        raise connection.DatabaseError(2006, "gone")

    for ask in (None, gone):
        error = failed(Exception(code, "The server's words."), "clerk at localhost:3306", "por_tal", ask)
        assert error.code == code and error.message.startswith(
            "Database por_tal as clerk at localhost:3306: The server's"
        )
        assert error.remedy and "{" not in error.remedy and error.code == error.details["code"] == code
