# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real calls through real Asterisk: each becomes exactly one call fact in the portal, with its recording."""

from __future__ import annotations

import typing as t

import pytest
from office import HEADER, RECORDINGS, RECORDS, Office, Row, until

OUTGOING, INCOMING = 1, 2
MISSED, ANSWERED = "304", "200"

# All of them at the same time.
CALLS: list[Row] = [
    {"from": "+79000000101", "to": "+74951000101", "phones": {"101": "answers"}, "ring": 1200, "talk": 3000},
    {"from": "+79000000102", "to": "+74951000102", "phones": {"102": "rings"}},
    {"from": "+79000000103", "to": "+74951000103", "phones": {"103": "busy"}},
    {"from": "+79000000104", "to": "+74951000104", "phones": {"104": "refers:105", "105": "answers"}, "talk": 6000},
    # 108 is asked first, and does not pick up.
    {"from": "+79000000108", "to": "+74951000600", "phones": {"108": "rings", "109": "answers"}},
    {"from": "+79000000110", "to": "+74951000110", "phones": {"110": "answers"}, "talk": 2000},
    {"from": "+79000000110", "to": "+74951000111", "phones": {"111": "answers"}, "talk": 4000},
    {"from": "112", "to": "113", "phones": {"113": "answers"}},
    {"from": "114", "to": "89000000114", "carrier": "answers", "talk": 3000},
    {"from": "anonymous", "to": "74951000115", "phones": {"115": "answers"}},
    {"from": "+79000000116", "to": "+74951000116", "phones": {"116": "leaves"}, "talk": 9000},
]

# Number and line → kind, status, who had it, and the least and most seconds of talk.
FACTS: dict[tuple[str, str], tuple[int, str, int, float, float]] = {
    ("+79000000101", "+74951000101"): (INCOMING, ANSWERED, 101, 3, 4),
    ("+79000000102", "+74951000102"): (INCOMING, MISSED, 102, 0, 0),
    ("+79000000103", "+74951000103"): (INCOMING, MISSED, 103, 0, 0),
    ("+79000000104", "+74951000104"): (INCOMING, ANSWERED, 105, 5, 7),
    ("+79000000108", "+74951000600"): (INCOMING, ANSWERED, 109, 2, 3),
    ("+79000000110", "+74951000110"): (INCOMING, ANSWERED, 110, 2, 3),
    ("+79000000110", "+74951000111"): (INCOMING, ANSWERED, 111, 4, 5),
    ("+79000000114", "+74951000101"): (OUTGOING, ANSWERED, 114, 3, 4),
    ("000000", "+74951000115"): (INCOMING, ANSWERED, 115, 2, 3),
    ("+79000000116", "+74951000116"): (INCOMING, ANSWERED, 116, 3, 4),
}


class Made(t.NamedTuple):
    """What the calls have left: the exchange's records by call, and all that the portal knows."""

    records: dict[str, list[dict[str, str]]]
    portal: dict[str, list[Row]]

    def fact(self, number: str, line: str) -> Row:
        (row,) = [each for each in self.facts if (each["PHONE_NUMBER"], each["PORTAL_NUMBER"]) == (number, line)]
        return row

    @property
    def facts(self) -> list[Row]:
        return [row for row in self.portal["statistics"] if row["EXTERNAL_CALL_ID"] in self.records]


@pytest.fixture(scope="module")
def made(office: Office) -> Made:
    before = office.outside()
    office.call(*CALLS)
    until(office.quiet, "a channel is still up")
    records = {name: rows for name, rows in office.outside().items() if name not in before}
    office.told(records)
    return Made(records, office.lab("state"))


@pytest.mark.parametrize(("number", "line"), FACTS)
def test_each_call_is_one_fact(made: Made, number: str, line: str) -> None:
    kind, status, employee, least, most = FACTS[number, line]
    fact = made.fact(number, line)
    told = (fact["CALL_TYPE"], fact["CALL_FAILED_CODE"], fact["PORTAL_USER_ID"])
    assert told == (kind, status, employee)
    assert least <= fact["CALL_DURATION"] <= most
    rows = made.records[fact["EXTERNAL_CALL_ID"]]
    assert abs(fact["CALL_START_DATE"] - min(float(row["start"]) for row in rows)) <= 1


def test_there_are_no_other_facts(made: Made) -> None:
    """Also none of the call from phone to phone, which has a record nevertheless."""
    assert len(made.facts) == len(FACTS) == len(made.records)
    numbers = {row["PHONE_NUMBER"] for row in made.portal["statistics"]}
    assert not numbers & {"112", "113"}
    assert not made.portal["calls"], "a call is registered, and never finished"


def test_a_call_from_phone_to_phone_is_recorded_at_the_exchange_only(made: Made, office: Office) -> None:
    (row,) = office.of("112")[-1]
    assert (row["disposition"], row["boxlift_direction"]) == ("ANSWERED", "internal")
    assert row["boxlift_recording"] in office.hashes()
    assert row["linkedid"] + ".wav" not in {record["NAME"] for record in made.portal["records"]}


def test_recordings_are_those_of_the_exchange(made: Made, office: Office) -> None:
    kept = office.hashes()
    sent = {record["CALL_ID"]: record["SHA256"] for record in made.portal["records"]}
    for fact in made.facts:
        recording = made.records[fact["EXTERNAL_CALL_ID"]][0]["boxlift_recording"]
        assert sent.get(fact["CALL_ID"]) == kept.get(recording)
        # As long as the talk, at 8,000 samples of 16 bits a second.
        if fact["CALL_FAILED_CODE"] == ANSWERED:
            size = office.host.file(f"{RECORDINGS}/{recording}").size
            assert abs(size - HEADER - 16000 * fact["CALL_DURATION"]) < 24000
        else:
            assert fact["CALL_ID"] not in sent


def test_ringing_is_not_talk(made: Made) -> None:
    fact = made.fact("+79000000101", "+74951000101")
    (row,) = made.records[fact["EXTERNAL_CALL_ID"]]
    assert float(row["answer"]) - float(row["start"]) >= 1.0
    assert fact["CALL_DURATION"] < float(row["end"]) - float(row["start"])


def test_missed_calls_are_to_be_called_back(made: Made) -> None:
    missed = {row["PHONE_NUMBER"] for row in made.portal["missed"]}
    assert {"79000000102", "79000000103"} <= missed
    assert not missed & {"79000000101", "79000000104", "79000000108", "79000000110", "79000000116"}


def test_calls_stand_on_the_clients_card(made: Made) -> None:
    """On the contact's, who is known; on one new lead for each number that is not, however many calls came from it."""
    owners = {row["ORIGIN_ID"]: (row["OWNER_TYPE"], row["OWNER_ID"]) for row in made.portal["activities"]}
    known = made.fact("+79000000101", "+74951000101")
    assert owners[f"VI_{known['CALL_ID']}"][0] == "CONTACT"
    parallel = [made.fact("+79000000110", f"+7495100011{digit}") for digit in (0, 1)]
    assert len({owners[f"VI_{fact['CALL_ID']}"] for fact in parallel}) == 1
    leads = [row["PHONE"] for row in made.portal["entities"] if row["TYPE"] == "LEAD"]
    assert sorted(leads) == sorted(set(leads))
    assert "79000000110" in leads and "79000000101" not in leads
    # Who withholds the number can be found by nobody.
    assert f"VI_{made.fact('000000', '+74951000115')['CALL_ID']}" not in owners
    assert not any(set(number) <= {"0"} for number in leads)


def test_who_guesses_passwords_is_shut_out(office: Office) -> None:
    """Real log lines of Asterisk, the filter of fail2ban, and our jail with its log file."""
    guess = (
        "import socket; s = socket.create_connection(('127.0.0.1', 5038)); "
        "s.sendall(b'Action: Login\\r\\nUsername: admin\\r\\nSecret: guess\\r\\n\\r\\n'); "
        "[None for _ in iter(lambda: s.recv(4096), b'')]"
    )
    office.host.check_output("python3 -c %s", guess)
    found = office.host.check_output("fail2ban-regex /var/log/asterisk/security.log asterisk | grep '^Lines:'")
    assert " 0 matched" not in found
    assert "/var/log/asterisk/security.log" in office.host.check_output("fail2ban-client status boxlift-telephony")


def test_rotated_records_stay_and_new_ones_come(office: Office, made: Made) -> None:
    before = office.records()
    office.host.check_output("logrotate --force /etc/logrotate.d/boxlift-telephony")
    assert not office.host.file(RECORDS).exists
    office.call({"from": "+79000000121", "to": "+74951000121", "phones": {"121": "answers"}, "talk": 1500})
    until(office.quiet, "a channel is still up")
    (row,) = office.of("+79000000121")[-1]
    assert office.records().items() >= before.items()
    assert office.told([f"pbx-{row['linkedid']}"])
