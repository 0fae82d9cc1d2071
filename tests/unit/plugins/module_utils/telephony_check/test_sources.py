# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call records from the exchange's files, and what a session of AMI takes."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.manager import ManagerUser, session
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.sources import records_of
from unit.plugins.module_utils.telephony_check.toy_exchange import PASSWORD, Ami, cdr_line


def test_the_records_of_one_call_are_one(tmp_path: pathlib.Path) -> None:
    rang = cdr_line(uniqueid="1.2", dstchannel="PJSIP/102-1", disposition="NO ANSWER", answer=0, lastapp="Queue")
    talked = cdr_line(recording="1.wav")
    local = cdr_line(uniqueid="1.3", src="", dstchannel="", direction="", line="", answer=1000, end=1015)
    (tmp_path / "cdr.csv").write_text(rang + talked + local)
    [record] = records_of(str(tmp_path / "cdr.csv"), 0, 2000)
    assert (record.client, record.talk, record.answered, record.queue) == ("79001112233", 10.0, True, True)
    assert (record.direction, record.line, record.recording) == ("in", "74950000001", "1.wav")


def test_a_transferred_call_talks_once(tmp_path: pathlib.Path) -> None:
    first = cdr_line(answer=1005, end=1015)
    second = cdr_line(uniqueid="1.2", dstchannel="PJSIP/102-2", start=1012, answer=1012, end=1030)
    (tmp_path / "cdr.csv").write_text(first + second)
    assert records_of(str(tmp_path / "cdr.csv"), 0, 2000)[0].talk == 25


def test_what_was_dialled(tmp_path: pathlib.Path) -> None:
    extension = cdr_line(direction="out", dst="s", src="101", dstchannel="")
    dialled = cdr_line(direction="out", dst="89001112244", src="101", uniqueid="1.2")
    (tmp_path / "cdr.csv").write_text(extension + dialled)
    assert records_of(str(tmp_path / "cdr.csv"), 0, 2000)[0].client == "89001112244"


def test_rotated_files_are_read_and_half_a_line_is_not(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cdr.csv-20260101").write_text(cdr_line(linkedid="1", direction="out", dst="7999"))
    (tmp_path / "cdr.csv").write_text(cdr_line(linkedid="2") + '"3","3"')
    found = records_of(str(tmp_path / "cdr.csv"), 0, 2000)
    assert [(each.linkedid, each.client) for each in found] == [("1", "7999"), ("2", "79001112233")]
    os.utime(tmp_path / "cdr.csv-20260101", (500, 500))
    assert [each.linkedid for each in records_of(str(tmp_path / "cdr.csv"), 900, 2000)] == ["2"]
    assert records_of(str(tmp_path / "cdr.csv"), 1001, 2000) == []


def test_a_value_cannot_smuggle_another_action() -> None:
    ami = Ami()
    user = ManagerUser("events", PASSWORD)
    with session(ami.connect, user) as manager, pytest.raises(BoxliftError, match="more than one line"):
        manager.ask("Ping", Name="x\r\nAction: Originate")
    assert [each["Action"] for each in ami.said] == ["Login"]
    assert PASSWORD not in repr(user)


def test_a_session_that_is_cut_off() -> None:
    ami = Ami()
    ami.banner = b""
    with pytest.raises(BoxliftError, match="does not greet"), session(ami.connect, ManagerUser("events", "")):
        raise AssertionError("no session began")
