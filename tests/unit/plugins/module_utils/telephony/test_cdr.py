# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts from records, and records from files."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr import CdrRow, by_call, fact_of
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr_file import CdrFile
from lab.exchange.events import CLIENT, EPOCH, EXCHANGE

TRUNK, PHONE, OTHER = "PJSIP/carrier-00000001", "PJSIP/101-00000002", "PJSIP/102-00000003"


def row(disposition: str = "ANSWERED", answer: float = 7, end: float = 37, **fields: object) -> CdrRow:
    values = {
        "linkedid": "1.1",
        "uniqueid": "1.1",
        "channel": TRUNK,
        "dstchannel": PHONE,
        "src": CLIENT,
        "dst": "101",
        "start": EPOCH,
        "answer": EPOCH + answer if answer else 0.0,
        "end": EPOCH + end,
        "disposition": disposition,
        **fields,
    }
    return CdrRow(**values)  # type: ignore[arg-type]


def told(*rows: CdrRow) -> CallFact:
    fact = fact_of(rows, EXCHANGE)
    assert fact is not None
    return fact


def test_answered() -> None:
    fact = told(row(recording="1.1.wav", line="+74951000002"))
    assert (fact.kind, fact.number, fact.line, fact.inner) == (2, CLIENT, "+74951000002", "101")
    assert (fact.started, fact.ring_seconds, fact.talk_seconds, fact.status) == (EPOCH, 7.0, 30, "200")
    assert (fact.external_id, fact.recording, fact.ended) == ("pbx1-1.1", "1.1.wav", True)


def test_two_records_of_one_leg_count_once() -> None:
    assert told(row(), row()).talk_seconds == 30


def test_missed_twice_recorded() -> None:
    fact = told(row("NO ANSWER", 0, 8), row("NO ANSWER", 0, 8))
    assert (fact.status, fact.talk_seconds, fact.ring_seconds, fact.inner) == ("304", 0, 8.0, "101")


def test_a_queue_that_answered_and_nobody_else() -> None:
    """The exchange calls it answered: the queue took the call."""
    fact = told(
        row("NO ANSWER", 1, 20), row("NO ANSWER", 1, 20, dstchannel=OTHER), row("ANSWERED", 1, 25, dstchannel="")
    )
    assert (fact.status, fact.talk_seconds, fact.inner) == ("304", 0, "")


def test_transferred() -> None:
    fact = told(row(answer=5, end=25), row(answer=30, end=45, dstchannel=OTHER))
    assert (fact.talk_seconds, fact.inner) == (35, "102")


def test_outgoing_and_busy() -> None:
    call = {"channel": PHONE, "dstchannel": TRUNK, "src": "101", "dst": "89161234567"}
    fact = told(row(**call))
    assert (fact.kind, fact.number, fact.inner, fact.status, fact.line) == (
        1,
        "89161234567",
        "101",
        "200",
        "+74951000001",
    )
    after = row("BUSY", 0, 3, **{**call, "dst": "s", "dstchannel": ""})
    assert told(after, row("BUSY", 0, 3, **call)).status == "486"
    assert told(row("BUSY", 0, 3, **{**call, "dst": "s"}), row("BUSY", 0, 3, **call)).number == "89161234567"


def test_within_the_house() -> None:
    assert fact_of([row(channel=PHONE, dstchannel=OTHER)], EXCHANGE) is None


def test_calls_are_joined_by_linkedid() -> None:
    groups = by_call([row(start=EPOCH + 5), row(linkedid="1.9", uniqueid="1.9"), row()])
    assert [each.start for each in groups["1.1"]] == [EPOCH, EPOCH + 5] and len(groups) == 2


def line(linkedid: str, end: float, uniqueid: str = "", number: str = CLIENT) -> str:
    fields = [linkedid, uniqueid or linkedid, "1", f"{end - 30:.6f}", f"{end - 20:.6f}", f"{end:.6f}", "30", "20"]
    fields += ["ANSWERED", number, "101", "boxlift-in", TRUNK, PHONE, "Dial", '""A"" <1>', "in", "+7495", "", ""]
    return ",".join(f'"{field}"' for field in fields) + "\n"


def test_a_file_is_read_from_its_end_in_order_of_time(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "boxlift.csv"
    path.write_text("".join(line(f"1.{n}", EPOCH + n * 60) for n in range(5000)))
    rows = CdrFile(str(path)).rows(EPOCH + 4990 * 60, EPOCH + 10**6)
    assert sorted(row.linkedid for row in rows) == [f"1.{n}" for n in range(4990, 5000)]
    assert rows[0].src == CLIENT and rows[0].line == "+7495"


def test_all_records_of_a_call_come_though_one_ended_before(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "boxlift.csv"
    path.write_text(line("1.1", EPOCH, "1.2") + line("1.1", EPOCH + 100) + line("1.9", EPOCH))
    assert len(CdrFile(str(path)).rows(EPOCH + 50, EPOCH + 200)) == 2


def test_rotation(tmp_path: pathlib.Path) -> None:
    before = tmp_path / "boxlift.csv-20260101"
    before.write_text(line("1.1", EPOCH))
    os.utime(before, (EPOCH, EPOCH))
    source = CdrFile(str(tmp_path / "boxlift.csv"))
    assert [row.linkedid for row in source.rows(EPOCH - 60, EPOCH + 60)] == ["1.1"]
    (tmp_path / "boxlift.csv").write_text(line("1.2", EPOCH + 30))
    assert sorted(row.linkedid for row in source.rows(EPOCH - 60, EPOCH + 60)) == ["1.1", "1.2"]


def test_half_a_line_waits_and_a_torn_one_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "boxlift.csv"
    path.write_text('"1.0","1.' + line("1.1", EPOCH) + line("1.2", EPOCH) + line("1.3", EPOCH)[:-9])
    source = CdrFile(str(path))
    assert [row.linkedid for row in source.rows(EPOCH - 1, EPOCH + 1)] == ["1.2"]
    assert len(source.unreadable) == 1 and "fields, not 20" in source.unreadable.pop()


def test_a_missing_folder_is_an_error_not_an_empty_answer(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BoxliftError, match="no such folder"):
        CdrFile(str(tmp_path / "none" / "boxlift.csv")).rows(0, EPOCH)
