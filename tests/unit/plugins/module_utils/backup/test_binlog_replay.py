# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs proven to follow each other, and the place where a replay ends."""

from __future__ import annotations

import pathlib
import struct
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import binlog_replay
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import Gtid, gtid
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_replay import Start
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

_GTID, _GTID_LIST, _FORMAT, _XID, _ROTATE = 162, 163, 15, 16, 4


class Log:
    """A log as a server writes it, with the moments that a test wants."""

    def __init__(self, path: pathlib.Path, state: dict[tuple[int, int], int]) -> None:
        self.path = path
        self.content = b"\xfebin"
        self._event(_FORMAT, bytes(57) + b"\x00" + bytes(4), 0)
        listed = struct.pack("<I", len(state))
        listed += b"".join(struct.pack("<IIQ", *key, number) for key, number in state.items())
        self._event(_GTID_LIST, listed, 0)

    def _event(self, kind: int, body: bytes, moment: int) -> None:
        length = 19 + len(body)
        self.content += struct.pack("<IBIIIH", moment, kind, 1, length, len(self.content) + length, 0) + body
        self.path.write_bytes(self.content)

    def commit(self, sequence: int, moment: int) -> int:
        """A transaction; the place where it ends."""
        self._event(_GTID, struct.pack("<QIB", sequence, 0, 0), moment)
        self._event(_XID, bytes(8), moment)
        return len(self.content)

    def close(self) -> Log:
        self._event(_ROTATE, bytes(8), 0)
        return self


@pytest.fixture
def logs(tmp_path: pathlib.Path) -> t.Callable[[dict[int, list[tuple[int, int]]], dict[int, int]], list[str]]:
    def made(content: dict[int, list[tuple[int, int]]], begins: dict[int, int]) -> list[str]:
        paths = []
        for number, commits in content.items():
            log = Log(tmp_path / f"log.{number:06d}", {(0, 1): begins[number]} if begins[number] else {})
            for sequence, moment in commits:
                log.commit(sequence, moment)
            paths.append(str(log.close().path))
        return paths

    return made


Logs = t.Callable[[dict[int, list[tuple[int, int]]], dict[int, int]], list[str]]


def test_logs_that_follow_the_copy_and_each_other_are_proven(logs: Logs) -> None:
    paths = logs({1: [(1, 100), (2, 101)], 2: [(3, 102)], 3: []}, {1: 0, 2: 2, 3: 3})
    binlog_replay.prove(Start("log.000001", 4, ()), paths)
    end = binlog_replay.find_stop(Start("log.000001", 4, ()), paths, 100, None).position
    binlog_replay.prove(Start("log.000001", end, (Gtid(0, 1, 1),)), paths)


def test_a_gap_in_the_gtids_is_named(logs: Logs) -> None:
    paths = logs({1: [(1, 100), (2, 101)], 2: [(7, 102)]}, {1: 0, 2: 6})
    with pytest.raises(BoxliftError) as caught:
        binlog_replay.prove(Start("log.000001", 4, ()), paths)
    assert caught.value.message == "Transactions are missing before log.000002: 0-1-3 to 0-1-6."
    assert caught.value.details == {"code": "gap", "missing": ["0-1-3 to 0-1-6"]}


def test_a_log_of_the_same_name_that_is_another_one_is_refused(logs: Logs) -> None:
    paths = logs({1: [(1, 100), (2, 101)]}, {1: 0})
    with pytest.raises(BoxliftError, match="is not the log that the copy stands in"):
        binlog_replay.prove(Start("log.000001", 4, (Gtid(0, 1, 612),)), paths)


def test_without_logs_nothing_is_proven() -> None:
    with pytest.raises(BoxliftError, match=r"log\.000001 is in no snapshot"):
        binlog_replay.prove(Start("log.000001", 4, ()), [])


def test_the_whole_second_of_the_moment_still_comes(logs: Logs) -> None:
    paths = logs({1: [(1, 100), (2, 101)], 2: [(3, 101), (4, 102)]}, {1: 0, 2: 2})
    stop = binlog_replay.find_stop(Start("log.000001", 4, ()), paths, 101, None)
    assert stop.last is not None and stop.next is not None
    assert (stop.name, str(stop.last.gtid), str(stop.next.gtid), stop.transactions) == (
        "log.000002",
        "0-1-3",
        "0-1-4",
        3,
    )
    assert stop.position == stop.last.end


def test_what_the_copy_holds_already_does_not_come_again(logs: Logs) -> None:
    paths = logs({1: [(1, 100), (2, 101), (3, 102)]}, {1: 0})
    first = binlog_replay.find_stop(Start("log.000001", 4, ()), paths, 100, None)
    stop = binlog_replay.find_stop(Start("log.000001", first.position, ()), paths, None, None)
    assert stop.transactions == 2 and stop.next is None


def test_before_a_transaction_its_moment_does_not_matter(logs: Logs) -> None:
    paths = logs({1: [(1, 100), (2, 100), (3, 100)]}, {1: 0})
    stop = binlog_replay.find_stop(Start("log.000001", 4, ()), paths, None, gtid("0-1-3"))
    assert stop.last is not None and stop.last.gtid.sequence == 2
    with pytest.raises(BoxliftError, match="The transaction 0-1-9 is not in the logs"):
        binlog_replay.find_stop(Start("log.000001", 4, ()), paths, None, gtid("0-1-9"))


def test_a_clock_that_was_set_back_is_told(logs: Logs) -> None:
    paths = logs({1: [(1, 100), (2, 5000), (3, 101), (4, 102)]}, {1: 0})
    stop = binlog_replay.find_stop(Start("log.000001", 4, ()), paths, 200, None)
    assert stop.transactions == 1 and stop.late == ("0-1-3", "0-1-4")


def test_a_moment_before_all_logs_replays_nothing(logs: Logs) -> None:
    paths = logs({1: [(1, 100)]}, {1: 0})
    stop = binlog_replay.find_stop(Start("log.000001", 4, ()), paths, 50, None)
    assert (stop.transactions, stop.last, stop.position) == (0, None, 4)


def test_a_damaged_log_is_named_by_mariadb_binlog(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log.000001"
    path.write_bytes(b"\xfebin" + b"\x00" * 200)
    stop = binlog_replay.Stop("log.000001", 150, None, None, 1, ())
    with pytest.raises(BoxliftError, match="The logs cannot be read: mariadb-binlog ended with 1"):
        binlog_replay.write_sql([str(path)], Start("log.000001", 4, ()), stop, str(tmp_path / "replay.sql"))


def test_a_client_that_fails_is_told_with_its_words(tmp_path: pathlib.Path) -> None:
    sql = tmp_path / "replay.sql"
    sql.write_bytes(b"x" * 3_000_000)
    client = tmp_path / "client"
    client.write_text("#!/bin/sh\necho 'ERROR 1146 at line 7' >&2\nexit 1\n")
    client.chmod(0o755)
    with pytest.raises(BoxliftError, match="ended with 1. It complained of: ERROR 1146 at line 7"):
        binlog_replay.replay(str(sql), [str(client)], lambda _count: None)
