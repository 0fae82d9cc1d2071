# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease in a real database: one host at a time, moved when it ends; nobody takes it from a server that forgot."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web import lease
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.lease import LEASE_SECONDS, ask, standing
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute, rows
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed

NOON = 1_800_000_000


class Database:
    """A database whose time the test says, and two connections to it."""

    def __init__(self, mariadb: t.Any) -> None:
        name = mariadb.fresh_database("lease")
        self.one, self.two = mariadb.connect(name), mariadb.connect(name)
        self.at(0)

    def at(self, seconds: float) -> None:
        """It is so many seconds after noon."""
        for conn in (self.one, self.two):
            execute(conn, f"SET timestamp = {NOON + seconds}")

    def close(self) -> None:
        self.one.close()
        self.two.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> t.Any:
    """Says which server answers, and how long it has run; a day at first."""
    known = {"name": "1 db1", "uptime": 86400}
    monkeypatch.setattr(lease, "_server", lambda conn: (known["name"], known["uptime"]))
    return known


@pytest.fixture
def database(mariadb: t.Any, server: t.Any) -> t.Iterator[Database]:
    made = Database(mariadb)
    yield made
    made.close()


def taken(database: Database) -> None:
    """web1 has the lease from second 75 on."""
    ask(database.one, "web1")
    database.at(LEASE_SECONDS)
    assert ask(database.one, "web1").mine


def test_at_first_nobody_has_it_for_the_time_of_one_lease(database: Database) -> None:
    first = ask(database.one, "web1")
    assert (first.mine, first.holder, first.seconds) == (False, "", LEASE_SECONDS)
    database.at(LEASE_SECONDS - 0.1)
    assert not ask(database.two, "web2").mine
    database.at(LEASE_SECONDS)
    assert ask(database.two, "web2").mine
    assert not ask(database.one, "web1").mine


def test_it_stays_with_whom_renews_it(database: Database) -> None:
    taken(database)
    for minute in range(1, 6):
        database.at(LEASE_SECONDS + 60 * minute)
        assert ask(database.one, "web1").mine
        other = ask(database.two, "web2")
        assert (other.mine, other.holder, other.seconds) == (False, "web1", LEASE_SECONDS)


def test_a_clock_that_was_set_back_does_not_keep_it_for_the_dead(database: Database) -> None:
    taken(database)
    database.at(-3600)
    assert ask(database.two, "web2").seconds == LEASE_SECONDS
    database.at(-3600 + LEASE_SECONDS)
    assert ask(database.two, "web2").mine


def test_it_goes_to_the_next_when_its_host_died(database: Database) -> None:
    taken(database)
    database.at(2 * LEASE_SECONDS - 0.001)
    other = ask(database.two, "web2")
    assert not other.mine and other.seconds == pytest.approx(0.001)
    database.at(2 * LEASE_SECONDS)
    assert ask(database.two, "web2").mine
    # The host is back, and asks too late.
    late = ask(database.one, "web1")
    assert (late.mine, late.holder) == (False, "web2")


def test_of_two_that_ask_at_the_same_moment_one_has_it(database: Database) -> None:
    ask(database.one, "web1")
    database.at(LEASE_SECONDS)
    assert [ask(database.one, "web1").mine, ask(database.two, "web2").mine] == [True, False]


def test_another_server_gives_it_to_nobody_for_the_time_of_one_lease(
    database: Database, server: dict[str, t.Any]
) -> None:
    """A replica that was promoted may lack the transaction by which another host took it."""
    taken(database)
    server["name"] = "2 db2"
    database.at(10 * LEASE_SECONDS)
    # The one that had it stops at once, by this answer.
    for conn, host in ((database.one, "web1"), (database.two, "web2")):
        found = ask(conn, host)
        assert (found.mine, found.holder, found.seconds) == (False, "", LEASE_SECONDS)
    database.at(11 * LEASE_SECONDS - 1)
    assert not ask(database.two, "web2").mine
    database.at(11 * LEASE_SECONDS)
    assert ask(database.two, "web2").mine


def test_a_server_that_has_just_started_gives_it_to_nobody_else(database: Database, server: dict[str, t.Any]) -> None:
    """A crash may have lost the second in which it was taken."""
    taken(database)
    server["uptime"] = 5
    database.at(3 * LEASE_SECONDS)
    found = ask(database.two, "web2")
    assert (found.mine, found.seconds) == (False, LEASE_SECONDS - 5)
    server["uptime"] = LEASE_SECONDS
    assert ask(database.two, "web2").mine


def test_who_has_it_renews_it_from_a_server_that_has_just_started(database: Database, server: dict[str, t.Any]) -> None:
    taken(database)
    server["uptime"] = 5
    database.at(LEASE_SECONDS + 20)
    assert ask(database.one, "web1").mine


def test_a_table_that_went_with_its_database_is_made_again(database: Database) -> None:
    """A restore puts another database in the place of this one."""
    taken(database)
    execute(database.one, f"DROP TABLE {lease.TABLE}")
    assert not ask(database.one, "web1").mine
    assert ask(database.two, "web2").seconds == LEASE_SECONDS


def test_who_is_asked_without_taking_it(database: Database) -> None:
    with pytest.raises(DatabaseFailed) as problem:
        standing(database.one)
    assert problem.value.code == lease.NO_SUCH_TABLE
    taken(database)
    database.at(LEASE_SECONDS + 5)
    assert standing(database.two) == ("web1", LEASE_SECONDS - 5)
    execute(database.one, f"DELETE FROM {lease.TABLE}")
    assert standing(database.two) == ("", 0.0)


def test_a_server_that_may_only_be_read_gives_no_lease(database: Database, mariadb: t.Any) -> None:
    taken(database)
    execute(database.one, "SET SESSION TRANSACTION READ ONLY")
    with pytest.raises(DatabaseFailed):
        ask(database.one, "web1")


def test_which_server_it_is(mariadb: t.Any) -> None:
    conn = mariadb.connect()
    try:
        name, uptime = lease._server(conn)
        known = rows(conn, "SELECT @@server_id AS id, @@hostname AS host")[0]
    finally:
        conn.close()
    assert name == f"{known['id']} {known['host']}" and uptime >= 0
