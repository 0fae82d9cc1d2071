# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary logs that a real server wrote."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup import binlog_replay
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import BinaryLog, Gtid, gtid, gtids
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute
from unit.conftest import Server, running_server


class Writer:
    """A server that logs, and its files."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.conn = server.connect()
        execute(self.conn, "CREATE DATABASE portal")
        execute(self.conn, "USE portal")

    def run(self, *statements: str) -> None:
        for statement in statements:
            execute(self.conn, statement)

    def flush(self) -> None:
        execute(self.conn, "FLUSH BINARY LOGS")

    def files(self) -> list[pathlib.Path]:
        """Without the one that is written."""
        return sorted(self.server.base.glob("data/log.[0-9]*"))[:-1]


@pytest.fixture(scope="module")
def writer() -> t.Iterator[Writer]:
    own = ("--skip-networking", "--log-bin=log", "--binlog-format=ROW", "--gtid-strict-mode=1")
    with running_server(*own) as server:
        yield Writer(server)


COLUMNS = """
    ID int NOT NULL AUTO_INCREMENT PRIMARY KEY, TI tinyint, SM smallint, ME mediumint, BI bigint, FL float, DO double,
    DE decimal(20,7), DA date, TM time(3), DT datetime(6), TS timestamp(2) NULL, YE year, BT bit(13), VC varchar(40),
    LO varchar(3000), CH char(30), BN binary(5), TX text, ME2 mediumtext, BL blob, EN enum('a','b'), SE set('x','y'),
    GE point
"""
VALUES = """
    1, -2, 3, 4, 1.5, 2.5, 12345.678, '2026-11-30', '10:11:12.123', '2026-11-30 10:11:12.123456',
    '2026-11-30 10:11:12.12', 2026, b'101', 'short', REPEAT('ä', 1400),
    'char', 'bin', 'text', 'medium', 'blob', 'a', 'x,y', POINT(1, 2)
"""


def _rows(writer: Writer) -> None:
    names = "TI,SM,ME,BI,FL,DO,DE,DA,TM,DT,TS,YE,BT,VC,LO,CH,BN,TX,ME2,BL,EN,SE,GE"
    writer.run(
        f"CREATE OR REPLACE TABLE b_all ({COLUMNS}) CHARACTER SET utf8mb4",
        f"INSERT INTO b_all ({names}) VALUES ({VALUES}), ({VALUES}), ({VALUES})",
        "INSERT INTO b_all (ID) VALUES (100), (101)",
        "UPDATE b_all SET VC = 'other', LO = NULL WHERE ID < 101",
        "DELETE FROM b_all WHERE ID > 1",
        "TRUNCATE b_all",
        "ALTER TABLE b_all ADD COLUMN MORE int",
        "DROP TABLE b_all",
    )


@pytest.mark.parametrize("compressed", [0, 1])
def test_transactions_have_their_rows_and_statements(writer: Writer, compressed: int) -> None:
    writer.run(f"SET GLOBAL log_bin_compress = {compressed}", "SET GLOBAL log_bin_compress_min_len = 10")
    writer.conn = writer.server.connect("portal")
    writer.flush()
    _rows(writer)
    writer.flush()
    log = BinaryLog(str(writer.files()[-1]), lambda database, table: (database, table) == ("portal", "b_all"))
    found = list(log)
    changes = [change[2:] for each in found for change in each.changes]
    assert changes == [("insert", 3), ("insert", 2), ("update", 4), ("delete", 4)]
    statements = [statement.text.split()[0] for each in found for statement in each.statements]
    assert statements == ["CREATE", "TRUNCATE", "ALTER", "DROP"]
    assert [each.gtid.sequence for each in found] == list(range(found[0].gtid.sequence, found[0].gtid.sequence + 8))
    assert log.closed and log.state == {(0, 1): found[-1].gtid.sequence}
    assert log.first_state() == {(0, 1): found[0].gtid.sequence - 1}


def test_places_are_those_that_mariadb_binlog_takes(writer: Writer) -> None:
    writer.run("CREATE OR REPLACE TABLE b_n (N int)")
    writer.flush()
    writer.run(*(f"INSERT INTO b_n VALUES ({number})" for number in range(5)))
    writer.flush()
    path = str(writer.files()[-1])
    third = list(BinaryLog(path))[2]
    command = ["mariadb-binlog", "-v", f"--start-position={third.begin}", f"--stop-position={third.end}", path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.count("### INSERT INTO") == 1 and "@1=2" in said and f"GTID {third.gtid}" in said


def test_tables_without_transactions_end_with_a_commit_too(writer: Writer) -> None:
    writer.run("CREATE OR REPLACE TABLE b_old (N int) ENGINE=Aria")
    writer.flush()
    writer.run("INSERT INTO b_old VALUES (1)", "INSERT INTO b_old VALUES (2)")
    writer.flush()
    found = list(BinaryLog(str(writer.files()[-1])))
    assert [[change.kind for change in each.changes] for each in found] == [["insert"], ["insert"]]


def test_half_a_transaction_at_the_end_is_not_given(writer: Writer, tmp_path: pathlib.Path) -> None:
    writer.run("CREATE OR REPLACE TABLE b_n (N int)")
    writer.flush()
    writer.run("INSERT INTO b_n VALUES (1)", "INSERT INTO b_n VALUES (2)")
    writer.flush()
    whole = writer.files()[-1]
    first, second = BinaryLog(str(whole))
    for size in (first.end, second.begin + 30, second.end - 1):
        torn = tmp_path / "log.000001"
        torn.write_bytes(whole.read_bytes()[:size])
        log = BinaryLog(str(torn))
        assert [each.gtid for each in log] == [first.gtid]
        assert not log.closed


@pytest.mark.parametrize("content", [b"", b"\xfebin", b"x" * 400])
def test_what_is_no_log_is_refused(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "log.000001"
    path.write_bytes(content)
    with pytest.raises(BoxliftError, match="is no binary log"):
        list(BinaryLog(str(path)))


def test_gtids_are_read_from_text() -> None:
    assert gtids("0-1-612,7-2-3") == [Gtid(0, 1, 612), Gtid(7, 2, 3)]
    assert gtids("") == []
    with pytest.raises(BoxliftError, match="'0-1' is no GTID"):
        gtid("0-1")


def test_the_accident_is_found(writer: Writer) -> None:
    writer.run(
        "CREATE OR REPLACE TABLE b_x (ID int, T varchar(20))",
        "CREATE OR REPLACE TABLE b_xy (ID int)",
        "INSERT INTO b_xy VALUES (1), (2), (3)",
        "INSERT INTO b_x SELECT seq, 'a' FROM seq_1_to_30",
    )
    writer.flush()
    writer.run(
        "DELETE FROM b_x WHERE ID = 1",
        "UPDATE b_x SET T = 'lost' WHERE ID <= 10",
        "DELETE FROM b_xy",
        "DELETE FROM b_x",
        "ALTER TABLE b_x COMMENT = 'what people wrote'",
        "TRUNCATE TABLE portal.b_x",
        "RENAME TABLE b_x TO b_z",
        "DROP TABLE b_z, b_xy",
        "CREATE DATABASE portal_staging",
        "DROP DATABASE portal_staging",
    )
    writer.flush()
    paths = [str(writer.files()[-1])]
    found = list(binlog_replay.accidents(paths, "portal", "b_x", 0, 9))
    assert [(each.kind, each.rows) for each in found] == [
        ("update", 9),
        ("delete", 29),
        ("alter", -1),
        ("truncate", -1),
        ("rename", -1),
    ]
    assert found[2].statement == "ALTER TABLE b_x COMMENT = ?"
    assert [each.kind for each in binlog_replay.accidents(paths, "portal", "b_xy", 0, 4)] == ["drop"]
    assert list(binlog_replay.accidents(paths, "portal", "b_x", found[-1].time + 1000, 1)) == []
