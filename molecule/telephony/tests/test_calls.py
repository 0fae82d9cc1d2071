# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real calls through real Asterisk: each leaves its record, and a recording where somebody talked."""

from __future__ import annotations

import csv
import io
import time
import typing as t

import pytest
from testinfra.host import Host

RECORDS = "/var/log/asterisk/cdr-custom/boxlift.csv"
RECORDINGS = "/var/spool/asterisk/monitor"
FIELDS = [
    "linkedid", "uniqueid", "sequence", "start", "answer", "end", "duration", "billsec", "disposition", "src", "dst",
    "dcontext", "channel", "dstchannel", "lastapp", "clid", "boxlift_direction", "boxlift_line", "boxlift_recording",
    "boxlift_call_id",
]  # fmt: skip
# Of a wav file with nothing in it.
HEADER = 44


def records(host: Host, client: str) -> list[dict[str, str]]:
    """The records of the only call from this number, as soon as its channels are gone."""
    end = time.monotonic() + 20
    while "0 active calls" not in host.check_output("asterisk -rx 'core show channels count'"):
        assert time.monotonic() < end, "a channel is still up"
        time.sleep(0.2)
    rows = csv.reader(io.StringIO(host.file(RECORDS).content_string))
    found = [row for row in (dict(zip(FIELDS, row, strict=True)) for row in rows) if row["src"] == client]
    assert len({row["linkedid"] for row in found}) == 1
    return found


def call(host: Host, client: str, *options: str) -> list[dict[str, str]]:
    host.check_output("python3 /opt/lab-telephony/calls.py --from %s " + " ".join(options), client)
    return records(host, client)


def size(host: Host, row: t.Mapping[str, str]) -> int:
    return int(host.file(f"{RECORDINGS}/{row['boxlift_recording']}").size)


def test_an_answered_call_is_recorded(host: Host) -> None:
    (row,) = call(host, "+79000000001", "--phone 101:answers", "--to +74951000001", "--ring 1200", "--talk 3000")
    assert (row["disposition"], row["boxlift_direction"], row["boxlift_line"]) == ("ANSWERED", "in", "+74951000001")
    assert row["uniqueid"] == row["linkedid"] and row["dst"] == "101"
    # Ringing is not talk.
    assert float(row["answer"]) - float(row["start"]) >= 1.0
    assert 2 <= int(row["billsec"]) <= 5 and int(row["billsec"]) < int(row["duration"])
    # 8,000 samples of 16 bits a second.
    assert abs(size(host, row) - HEADER - 16000 * (float(row["end"]) - float(row["answer"]))) < 16000


@pytest.mark.parametrize(
    ("client", "phone", "disposition"),
    [("+79000000002", "101:busy", "BUSY"), ("+79000000003", "101:rings", "NO ANSWER")],
)
def test_a_call_that_nobody_answers(host: Host, client: str, phone: str, disposition: str) -> None:
    rows = call(host, client, f"--phone {phone}", "--to +74951000001")
    assert {row["disposition"] for row in rows} == {disposition}
    assert {row["billsec"] for row in rows} == {"0"} and {float(row["answer"]) for row in rows} == {0.0}
    assert {row["boxlift_direction"] for row in rows} == {"in"}
    assert size(host, rows[0]) <= HEADER


def test_who_guesses_passwords_is_shut_out(host: Host) -> None:
    """Real log lines of Asterisk, the filter of fail2ban, and our jail with its log file."""
    guess = (
        "import socket; s = socket.create_connection(('127.0.0.1', 5038)); "
        "s.sendall(b'Action: Login\\r\\nUsername: admin\\r\\nSecret: guess\\r\\n\\r\\n'); "
        "[None for _ in iter(lambda: s.recv(4096), b'')]"
    )
    host.check_output("python3 -c %s", guess)
    found = host.check_output("fail2ban-regex /var/log/asterisk/security.log asterisk | grep '^Lines:'")
    assert " 0 matched" not in found
    assert "/var/log/asterisk/security.log" in host.check_output("fail2ban-client status boxlift-telephony")


def test_rotated_records_stay_and_new_ones_come(host: Host) -> None:
    before = host.file(RECORDS).content_string
    host.check_output("logrotate --force /etc/logrotate.d/boxlift-telephony")
    (row,) = call(host, "+79000000004", "--phone 101:answers", "--to 74951000001", "--talk 500")
    assert row["boxlift_line"] == "+74951000001"
    assert before in host.check_output("cat /var/log/asterisk/cdr-custom/boxlift.csv-*") + "\n"
