# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A primary and its replica, both real: switched, lost and led back."""

from __future__ import annotations

import dataclasses
import errno
import pathlib
import shutil
import socket
import time

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.replication import change, guard, judgement, only_here
from ansible_collections.boxlift.portal.plugins.module_utils.replication import server as servers
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import (
    Peer,
    Settings,
    read_note,
    write_note,
)

from .conftest import Host

Pair = tuple[Host, Host]


def orders(host: Host) -> int:
    return int(host.value("SELECT COUNT(*) FROM portal.orders"))


def test_a_planned_switch_there_and_back(pair: Pair) -> None:
    first, second = pair
    first.do("INSERT INTO portal.orders VALUES (1)")
    position = first.demote("db2")
    assert not first.state().writable
    term = second.promote(position)
    assert (term.number, term.host) == (2, "db2")
    assert orders(second) == 1 and second.state().writable
    assert first.follow("db2", time.sleep).works
    second.do("INSERT INTO portal.orders VALUES (2)")
    first.promote(second.demote("db1"))
    assert orders(first) == 2
    assert second.follow("db1", time.sleep).works
    assert [read_note(host.settings.note).role for host in pair] == ["primary", "replica"]


def test_an_old_primary_with_a_write_of_its_own_is_told(pair: Pair) -> None:
    first, second = pair
    second.do("STOP SLAVE")
    first.do("INSERT INTO portal.orders VALUES (7)")
    term = second.promote(unplanned=True)
    second.do("INSERT INTO portal.orders VALUES (8)")
    first.demote("db2")
    how = first.follow("db2", time.sleep)
    assert not how.works and how.number == servers.DIVERGED
    assert "diverged" in change.must_be_seeded(how)
    (one,) = only_here.transactions(only_here.logs_in(f"{first.server.base}/data"), term.position)
    assert one.changes == {"insert portal.orders": 1}


def test_who_does_not_catch_up_stays_a_replica(pair: Pair) -> None:
    first, second = pair
    first.do("INSERT INTO portal.orders VALUES (1)")
    second.do("STOP SLAVE SQL_THREAD")
    first.do("INSERT INTO portal.orders VALUES (2)")
    position = first.demote("db2")
    with servers.own_server(second.settings) as server, pytest.raises(BoxliftError, match="has not applied all up to"):
        change.promote(server, second.settings, position, 0, unplanned=False)
    assert not second.state().writable and read_note(second.settings.note).role == "replica"
    # The old primary goes on as the primary: the way back of a switch that failed.
    assert first.promote().number == 2
    first.do("INSERT INTO portal.orders VALUES (3)")


def test_a_primary_that_lives_is_not_replaced_without_its_knowledge(pair: Pair) -> None:
    with pytest.raises(BoxliftError, match="still receives from its primary"):
        pair[1].promote(unplanned=True)
    assert pair[1].state().following is not None


def test_a_promotion_that_was_killed_goes_on(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair
    position = first.demote("db2")

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(change, "write_note", killed)
        second.promote(position)
    assert not second.state().writable
    assert second.promote(position).number == 2
    with servers.own_server(second.settings) as server:
        assert change.is_primary(server, second.settings)
        assert [row["host"] for row in server.rows("SELECT host FROM boxlift_replication.term ORDER BY number")] == [
            "db1",
            "db2",
        ]


def test_the_guard_opens_a_primary_after_a_restart_and_no_other(pair: Pair) -> None:
    first, second = pair
    for host in pair:
        host.do("SET GLOBAL read_only = 1")
    assert guard.round_of(first.settings, 0).what == guard.OPEN
    assert guard.round_of(second.settings, 0).what == guard.KEEP
    assert (first.state().writable, second.state().writable) == (True, False)


def test_the_guard_keeps_an_old_primary_closed(pair: Pair) -> None:
    first, second = pair
    second.do("STOP SLAVE")
    second.promote(unplanned=True)
    first.do("SET GLOBAL read_only = 1")
    decision = guard.round_of(first.settings, 0)
    assert decision == (guard.CLOSE, "db2 is primary since term 2")
    assert not first.state().writable and read_note(first.settings.note).role == "replica"
    assert guard.round_of(second.settings, 0).what == guard.KEEP
    assert second.state().writable


def test_the_guard_closes_one_of_two_that_write(pair: Pair) -> None:
    """A network that was split, and is whole again."""
    first, second = pair
    second.do("STOP SLAVE")
    second.promote(unplanned=True)
    assert first.state().writable
    assert guard.round_of(first.settings, 0).what == guard.CLOSE
    assert not first.state().writable


def test_the_guard_does_not_open_while_the_other_one_is_silent(pair: Pair) -> None:
    first, _second = pair
    first.do("SET GLOBAL read_only = 1")
    decision = guard.round_of(first.settings, 0, look=lambda _settings, _peer: None)
    assert decision == (guard.WAIT, "db2 does not answer, and may have become the primary")
    assert not first.state().writable


def test_the_judgement_of_both(pair: Pair) -> None:
    told = []
    for host in pair:
        note, state = read_note(host.settings.note), host.state()
        told.append(judgement.Seen(host.settings.host, True, note.role, note.term, state.writable, state.position))
    assert judgement.judge(told) == ("db1", False, "")


def received(host: Host, from_host: Host) -> None:
    position = from_host.value("SELECT @@gtid_binlog_pos")
    for _attempt in range(100):
        following = host.state().following
        if following is not None and following.received == position:
            return
        time.sleep(0.05)
    raise AssertionError("it has not come")


def test_what_is_received_is_applied_before_a_switch_that_was_killed_goes_on(pair: Pair) -> None:
    """Its relay log goes with the promotion, and the old primary's order with it."""
    first, second = pair
    second.do("STOP SLAVE SQL_THREAD")
    first.do("INSERT INTO portal.orders VALUES (2)")
    received(second, first)
    first.demote("db2")
    with servers.own_server(second.settings) as server:
        with pytest.raises(BoxliftError, match="has not applied all up to"):
            change.promote(server, second.settings, "", 0, unplanned=False)
        assert server.following() is not None
    second.do("START SLAVE SQL_THREAD")
    second.promote()
    assert orders(second) == 1


def test_a_replica_that_has_stopped_applying_only_with_leave(pair: Pair) -> None:
    first, second = pair
    second.do("STOP SLAVE SQL_THREAD")
    first.do("INSERT INTO portal.orders VALUES (2)")
    received(second, first)
    second.do("STOP SLAVE IO_THREAD")
    with servers.own_server(second.settings) as server:
        with pytest.raises(BoxliftError, match="has not applied all up to"):
            change.promote(server, second.settings, "", 0, unplanned=True)
        assert change.promote(server, second.settings, "", 0, unplanned=True, accept_loss=True).number == 2
    assert (orders(second), second.state().writable) == (0, True)


def test_a_new_term_is_later_than_any_that_another_host_knows(pair: Pair) -> None:
    _first, second = pair
    second.do("STOP SLAVE")
    with servers.own_server(second.settings) as server:
        assert change.promote(server, second.settings, "", 10, unplanned=True, above=6).number == 7
        assert change.is_primary(server, second.settings, 6) and not change.is_primary(server, second.settings, 7)
        # Both have written, and this one stays.
        assert change.promote(server, second.settings, "", 10, unplanned=False, above=7).number == 8
    assert second.state().writable and read_note(second.settings.note).term == 8


def test_two_that_became_primary_while_the_other_one_was_gone(pair: Pair) -> None:
    """Neither knows of the other one's term, which has the same number. After a restart of both, none is opened."""
    first, second = pair
    second.do("STOP SLAVE")
    second.promote(unplanned=True)
    first.do("SET GLOBAL read_only = 1")
    first.demote("db2")
    assert first.promote().number == read_note(second.settings.note).term == 2
    for host in pair:
        host.do("SET GLOBAL read_only = 1")
    assert [guard.round_of(host.settings, 0).what for host in pair] == [guard.WAIT, guard.WAIT]
    # A person has chosen: that one writes, and the other one gives up.
    second.do("SET GLOBAL read_only = 0")
    assert guard.round_of(first.settings, 0) == (guard.CLOSE, "db2 became primary in term 2, too")
    assert read_note(first.settings.note).role == "replica" and not first.state().writable


def test_a_demotion_that_was_killed_ends(pair: Pair) -> None:
    """The note is there, and the server still takes writes."""
    first, _second = pair
    write_note(first.settings.note, read_note(first.settings.note)._replace(role="replica"))
    assert first.state().writable
    assert guard.round_of(first.settings, 0) == (guard.CLOSE, "a replica that takes writes")
    assert not first.state().writable


def test_an_error_while_it_connects_is_no_reason_to_replace_its_data(pair: Pair) -> None:
    _first, second = pair
    wrong = dataclasses.replace(second.settings, password="changed")
    with servers.own_server(wrong) as server, pytest.raises(BoxliftError, match="no connection.*Access denied"):
        change.follow(server, wrong, wrong.peer("db1"), 1, time.sleep)


def test_a_peer_that_hangs_does_not_hold_up_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_PEER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peer = Peer("db2", silent.getsockname()[1], "", 0)
        assert guard.look_at_peer(Settings("db1", (peer,), "u", "p"), peer) is None


def test_a_log_that_cannot_be_read_is_named_and_hides_no_other(pair: Pair, tmp_path: pathlib.Path) -> None:
    first, _second = pair
    first.do("INSERT INTO portal.orders VALUES (7)")
    (tmp_path / "binlog.000001").touch()
    log = str(first.rows("SHOW BINARY LOGS")[-1]["Log_name"])
    shutil.copy(f"{first.server.base}/data/{log}", tmp_path / "binlog.000002")
    unread, *_others, last = only_here.transactions(only_here.logs_in(str(tmp_path)), "")
    assert (unread.gtid, "is no binary log" in unread.text) == ("", True)
    assert last.changes == {"insert portal.orders": 1}


def test_the_guard_closes_an_old_primary_whose_disk_is_full(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair
    second.do("STOP SLAVE")
    second.promote(unplanned=True)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(guard, "write_note", full)
    assert first.state().writable
    for _round in range(2):
        decision = guard.round_of(first.settings, 0)
        assert decision.what == guard.WAIT and "No space left" in decision.why
        assert not first.state().writable
