# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""While calls are up, connector, manager interface and portal fail; at the end the portal has what the exchange has.

Runs after test_calls.py, and judges all calls of the scenario: also the one that was held, and the test calls.
"""

from __future__ import annotations

import collections
import concurrent.futures
import json
import time

import pytest
from office import Office, Row, until

# Some are answered, some busy, some missed, one is sent on; they begin over six seconds.
DOES = ["answers", "answers", "leaves", "answers", "busy", "answers", "rings"]
CALLS: list[Row] = [
    {
        "from": f"+790000002{index:02d}",
        "to": f"+749510001{index:02d}",
        "phones": {f"1{index:02d}": DOES[index % len(DOES)]},
        "after": index * 400,
        "talk": 3000 + index % 5 * 1500,
    }
    for index in range(10, 24)
] + [{"from": "125", "to": "89000000225", "carrier": "answers", "talk": 6000, "after": 1000}]
FAULTS: list[Row] = [
    {"kind": "lose_answer", "method": "telephony.externalCall.register", "times": 3},
    {"kind": "lose_answer", "method": "telephony.externalCall.finish", "times": 3},
    {"kind": "lose_answer", "method": "upload", "times": 2},
    {"kind": "unavailable", "method": "telephony.*", "share": 0.1, "times": 8},
]


@pytest.fixture(scope="module")
def portal(office: Office) -> dict[str, list[Row]]:
    """What the portal knows after all of it."""
    office.lab("set", {"faults": FAULTS})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        calling = pool.submit(office.call, *CALLS)
        until(lambda: not office.quiet(), "no call begins")
        time.sleep(2)
        office.host.check_output("systemctl kill --signal=KILL call-connector")
        time.sleep(3)
        # The exchange closes the connector's connection, and it begins anew.
        office.host.check_output("asterisk -rx 'manager reload'; ss --kill state established sport = :5038")
        office.lab("set", {"outage": 5})
        time.sleep(3)
        office.host.check_output("systemctl kill --signal=KILL call-connector")
        calling.result()
    until(office.quiet, "a channel is still up")
    office.told(office.outside(), seconds=150)
    state: dict[str, list[Row]] = office.lab("state")
    return state


def test_the_portal_failed_as_it_was_told_to(portal: dict[str, list[Row]]) -> None:
    kinds = collections.Counter(row["FAULT"] for row in portal["requests"] if row["FAULT"])
    assert kinds["lose_answer"] >= 4 and kinds["unavailable"] >= 1


def test_no_call_is_lost_and_none_is_counted_twice(portal: dict[str, list[Row]], office: Office) -> None:
    names = [row["EXTERNAL_CALL_ID"] for row in portal["statistics"]]
    assert sorted(names) == sorted(office.outside())
    assert not portal["calls"], "a call is registered, and never finished"
    status = json.loads(office.host.check_output("call-connector status"))
    assert not status["dead_letters"] and status["oldest_unsent_seconds"] is None


def test_each_fact_is_what_the_exchange_recorded(portal: dict[str, list[Row]], office: Office) -> None:
    records = office.outside()
    for fact in portal["statistics"]:
        rows = records[fact["EXTERNAL_CALL_ID"]]
        answered = [row for row in rows if row["disposition"] == "ANSWERED" and row["dstchannel"]]
        assert (fact["CALL_FAILED_CODE"] == "200") == bool(answered)
        assert abs(fact["CALL_DURATION"] - sum(float(row["end"]) - float(row["answer"]) for row in answered)) <= 2
        assert abs(fact["CALL_START_DATE"] - min(float(row["start"]) for row in rows)) <= 1
        assert fact["PORTAL_NUMBER"] == rows[0]["boxlift_line"]


def test_recordings_are_those_of_the_exchange(portal: dict[str, list[Row]], office: Office) -> None:
    kept, records = office.hashes(), office.outside()
    sent = {record["CALL_ID"]: record["SHA256"] for record in portal["records"]}
    expected = {
        fact["CALL_ID"]: kept[records[fact["EXTERNAL_CALL_ID"]][0]["boxlift_recording"]]
        for fact in portal["statistics"]
        if fact["CALL_FAILED_CODE"] == "200"
    }
    assert sent == expected


def test_the_connectors_own_reconciliation_agrees(portal: dict[str, list[Row]], office: Office) -> None:
    day = office.host.check_output("date +%F")
    found = json.loads(office.host.check_output(f"call-connector reconcile --only-compare --day {day}"))
    assert found["compared"] == len(portal["statistics"])


def test_the_held_call_was_told_with_its_true_times(portal: dict[str, list[Row]], office: Office) -> None:
    """The call during which the certificate was renewed, before the release."""
    (fact,) = [row for row in portal["statistics"] if row["PHONE_NUMBER"] == "+79000000122"]
    (registered,) = [
        row
        for row in portal["requests"]
        if row["METHOD"].endswith(".register") and row["EXTERNAL_CALL_ID"] == fact["EXTERNAL_CALL_ID"]
    ]
    (row,) = office.outside()[fact["EXTERNAL_CALL_ID"]]
    assert registered["AT"] > float(row["end"]) >= fact["CALL_START_DATE"] + fact["CALL_DURATION"] - 1
    assert fact["CALL_ID"] not in {card["CALL_ID"] for card in portal["cards"]}
