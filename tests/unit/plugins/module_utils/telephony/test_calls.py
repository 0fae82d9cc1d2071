# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One fact for each call with a client, and the right one."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.ami import AmiParser, event_of
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.calls import CallTracker
from lab.exchange.events import CLIENT, EPOCH, EXCHANGE, Calls, answered, facts


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.mark.parametrize("cdr_first", [False, True])
def test_answered(calls: Calls, cdr_first: bool) -> None:
    client = answered(calls, ring=7, talk=30, cdr_first=cdr_first)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.kind, fact.number, fact.line, fact.inner) == (2, CLIENT, "+74951000001", "101")
    assert (fact.started, fact.ring_seconds, fact.talk_seconds, fact.status) == (EPOCH, 7.0, 30, "200")
    assert (fact.ended, fact.recording, fact.external_id) == (True, f"{client.linkedid}.wav", f"pbx1-{client.linkedid}")


def test_it_is_told_while_it_rings_and_again_while_they_talk(calls: Calls) -> None:
    answered(calls)
    tracker, stages = CallTracker(EXCHANGE), []
    for event in calls.events:
        stages += [(event.name, fact.stage, fact.ringing) for fact in tracker.feed(event)]
    assert stages[:2] == [("DialBegin", "ringing", ("101",)), ("BridgeEnter", "talking", ("101",))]
    assert [stage for _event, stage, _ringing in stages[2:4]] == ["talking", "ended"]


def test_since_when_they_talk_is_told_and_how_long_before(calls: Calls) -> None:
    """So that a call can be told which has no end."""
    answered(calls, ring=7, talk=30)
    tracker = CallTracker(EXCHANGE)
    told = [fact for event in calls.events for fact in tracker.feed(event)]
    assert [(fact.talk_seconds, fact.talking_since) for fact in told[:4]] == [
        (0, 0.0),
        (0, EPOCH + 7),
        (30, 0.0),
        (30, 0.0),
    ]


def test_missed_whatever_the_cause_says(calls: Calls) -> None:
    """Cause 16 stands for a normal end also where nobody answered; and two Cdr events may come."""
    client = calls.channel("carrier", number=CLIENT, exten="4951000002")
    phone = calls.dial(client, "101")
    calls.wait(8)
    calls.dialled(client, phone, "NOANSWER")
    calls.cdr(client, "NO ANSWER")
    calls.hang_up(phone, cause="0")
    calls.hang_up(client, cause="16")
    calls.cdr(client, "NO ANSWER")
    fact = facts(calls.events)[client.linkedid]
    assert (fact.status, fact.talk_seconds, fact.ring_seconds, fact.inner) == ("304", 0, 8.0, "101")
    assert fact.line == "+74951000002"


def test_a_menu_is_nobody(calls: Calls) -> None:
    """A client who hears a menu and hangs up has missed us; he was never in a bridge."""
    client = calls.channel("carrier", number="anonymous")
    calls.wait(40)
    calls.cdr(client, "ANSWERED")
    calls.hang_up(client)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.status, fact.talk_seconds, fact.inner, fact.number) == ("304", 0, "", "")


def test_a_queue_that_nobody_answers_is_nobodys(calls: Calls) -> None:
    client = calls.channel("carrier", number=CLIENT)
    phones = [calls.dial(client, inner) for inner in ("101", "102")]
    calls.wait(20)
    for phone in phones:
        calls.dialled(client, phone, "NOANSWER")
        calls.hang_up(phone)
    calls.hang_up(client)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.status, fact.inner, fact.ringing) == ("304", "", ())


def test_a_queue_as_a_real_exchange_tells_it() -> None:
    """Asterisk 22: two phones ring, one answers; the record of the phone that did not is told first."""
    stream = pathlib.Path(__file__).with_name("queue_call.txt").read_bytes().replace(b"\n", b"\r\n")
    messages = AmiParser().feed(stream)
    events = [event_of(message, EPOCH + number) for number, message in enumerate(messages)]
    exchange = dataclasses.replace(EXCHANGE, lines={"+74951000002": "+74951000002"})
    told = facts(filter(None, events), CallTracker(exchange))
    (fact,) = told.values()
    assert (fact.kind, fact.number, fact.line, fact.inner) == (2, "+79000000011", "+74951000002", "103")
    assert (fact.status, fact.ended, fact.recording) == ("200", True, "2026/11/29/1795947737.48.wav")
    assert fact.talk_seconds == 1  # one event a second here


def test_waiting_in_a_queue_is_no_talk(calls: Calls) -> None:
    client = calls.channel("carrier", number=CLIENT)
    first, second = calls.dial(client, "101"), calls.dial(client, "102")
    calls.wait(45)
    calls.dialled(client, second, "ANSWER")
    calls.dialled(client, first, "CANCEL")
    calls.hang_up(first, cause="26")
    calls.bridge("b", second, client)
    calls.wait(10)
    calls.hang_up(second, client)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.inner, fact.ring_seconds, fact.talk_seconds) == ("102", 45.0, 10)


def test_members_behind_local_channels(calls: Calls) -> None:
    """Talk begins when the phone behind the Local channel is bridged, and it is that phone's."""
    client = calls.channel("carrier", number=CLIENT)
    near = calls.dial(client, "Local/103@boxlift-inner-0000000a;1")
    far = calls.channel("Local/103@boxlift-inner-0000000a;2", client)
    phone = calls.dial(far, "103")
    calls.wait(5)
    calls.bridge("near", near, client)
    calls.wait(4)  # the Local channel answers early, and nobody is there
    calls.dialled(far, phone, "ANSWER")
    calls.bridge("far", phone, far)
    calls.wait(12)
    calls.hang_up(phone, far, near, client)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.inner, fact.talk_seconds, fact.ring_seconds) == ("103", 12, 9.0)


def test_blind_transfer(calls: Calls) -> None:
    """The call ends with the client, not with the first who talked; holding is no talk."""
    client = calls.channel("carrier", number=CLIENT)
    first = calls.dial(client, "101")
    calls.dialled(client, first, "ANSWER")
    calls.bridge("b1", first, client)
    calls.wait(20)
    calls.leave("b1", first, client)
    calls.hang_up(first)
    second = calls.dial(client, "102")
    calls.wait(6)
    assert not facts(calls.events)[client.linkedid].ended
    calls.dialled(client, second, "ANSWER")
    calls.bridge("b2", second, client)
    calls.wait(15)
    calls.hang_up(second, client)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.inner, fact.talk_seconds, fact.status) == ("102", 35, "200")


def test_the_call_ends_with_the_client(calls: Calls) -> None:
    """The phone stays: it hears a survey, or makes the next call by itself."""
    client = calls.channel("carrier", number=CLIENT)
    phone = calls.dial(client, "101")
    calls.dialled(client, phone, "ANSWER")
    calls.bridge("b", phone, client)
    calls.wait(9)
    calls.hang_up(client)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.ended, fact.talk_seconds, fact.inner) == (True, 9, "101")


def test_attended_transfer(calls: Calls) -> None:
    """The consultation is a call within the house: only the client's call is a fact, and the colleague's in the end."""
    client = calls.channel("carrier", number=CLIENT)
    first = calls.dial(client, "101")
    calls.dialled(client, first, "ANSWER")
    calls.bridge("b1", first, client)
    calls.wait(10)
    asking = calls.channel("101", exten="102")
    colleague = calls.dial(asking, "102")
    calls.dialled(asking, colleague, "ANSWER")
    calls.bridge("b2", colleague, asking)
    calls.wait(5)
    calls.leave("b2", asking)
    calls.leave("b1", first)
    calls.bridge("b1", colleague, linkedid=client.linkedid)
    calls.hang_up(first, asking)
    calls.wait(20)
    calls.hang_up(colleague, client)
    found = facts(calls.events)
    assert list(found) == [client.linkedid]
    # Five seconds on his own while 101 asked are within the bridge with 101 here, as a real exchange would hold him.
    assert (found[client.linkedid].inner, found[client.linkedid].talk_seconds) == ("102", 35)


def test_parallel_calls_from_one_number_are_two(calls: Calls) -> None:
    first = calls.channel("carrier", number=CLIENT)
    second = calls.channel("carrier", number=CLIENT)
    for client, inner in ((first, "101"), (second, "102")):
        phone = calls.dial(client, inner)
        calls.dialled(client, phone, "ANSWER")
        calls.bridge(f"b{inner}", phone, client)
    calls.wait(9)
    calls.hang_up(first, second)
    found = facts(calls.events)
    assert {fact.inner for fact in found.values()} == {"101", "102"}
    assert len({fact.external_id for fact in found.values()}) == 2


def test_the_dial_plans_form_of_a_number(calls: Calls) -> None:
    client = calls.channel("carrier", number="89161234567")
    calls.tell("NewCallerid", Uniqueid=client.uniqueid, Linkedid=client.linkedid, CallerIDNum=CLIENT)
    calls.dial(client, "101")
    calls.tell("NewCallerid", Uniqueid=client.uniqueid, Linkedid=client.linkedid, CallerIDNum="101")
    calls.hang_up(client)
    assert facts(calls.events)[client.linkedid].number == CLIENT


def test_within_the_house_is_no_fact(calls: Calls) -> None:
    caller = calls.channel("101", number="101", exten="102")
    phone = calls.dial(caller, "102")
    calls.dialled(caller, phone, "ANSWER")
    calls.bridge("b", phone, caller)
    calls.hang_up(caller, phone)
    calls.cdr(caller, "ANSWERED")
    assert facts(calls.events) == {}


def test_a_client_with_an_employees_number_is_still_a_client(calls: Calls) -> None:
    """Through which channel a call came decides, not its number."""
    client = calls.channel("carrier", number="102")
    calls.dial(client, "101")
    calls.hang_up(client)
    assert facts(calls.events)[client.linkedid].number == "102"


@pytest.mark.parametrize(
    "dial_status,status", [("BUSY", "486"), ("CHANUNAVAIL", "503"), ("CANCEL", "603-S"), ("NOANSWER", "304")]
)
def test_outgoing_unanswered(calls: Calls, dial_status: str, status: str) -> None:
    caller = calls.channel("101", number="101", exten="89161234567")
    line = calls.dial(caller, "carrier", "79161234567@carrier")
    calls.wait(12)
    calls.dialled(caller, line, dial_status)
    calls.hang_up(line, caller)
    fact = facts(calls.events)[caller.linkedid]
    assert (fact.kind, fact.number, fact.inner, fact.line) == (1, "79161234567", "101", "+74951000001")
    assert (fact.status, fact.talk_seconds, fact.ring_seconds) == (status, 0, 12.0)


def test_outgoing_over_a_second_carrier(calls: Calls) -> None:
    """The first carrier's channel hangs up, and the call goes on."""
    caller = calls.channel("101", exten="89161234567")
    line = calls.dial(caller, "carrier", "carrier/sip:79161234567@192.0.2.1")
    calls.dialled(caller, line, "CHANUNAVAIL")
    calls.hang_up(line)
    assert not facts(calls.events)[caller.linkedid].ended
    line = calls.dial(caller, "carrier-b", "79161234567@carrier-b")
    calls.dialled(caller, line, "ANSWER")
    calls.bridge("b", line, caller)
    calls.wait(3)
    calls.hang_up(line, caller)
    fact = facts(calls.events)[caller.linkedid]
    assert (fact.status, fact.talk_seconds, fact.number, fact.inner) == ("200", 3, "79161234567", "101")


def test_forwarded_to_a_mobile(calls: Calls) -> None:
    client = calls.channel("carrier", number=CLIENT)
    phone = calls.dial(client, "101")
    calls.dialled(client, phone, "NOANSWER")
    calls.hang_up(phone)
    mobile = calls.dial(client, "carrier", "79030000000@carrier")
    calls.dialled(client, mobile, "ANSWER")
    calls.bridge("b", mobile, client)
    calls.wait(50)
    calls.hang_up(mobile, client)
    fact = facts(calls.events)[client.linkedid]
    assert (fact.kind, fact.number, fact.inner, fact.status, fact.talk_seconds) == (3, CLIENT, "101", "200", 50)


def test_a_click_on_a_number_keeps_the_portals_own_call(calls: Calls) -> None:
    tracker = CallTracker(EXCHANGE)
    phone = calls.channel("101")
    tracker.expect(phone.linkedid, "externalCall.x")
    line = calls.dial(phone, "carrier", "79161234567@carrier")
    calls.dialled(phone, line, "ANSWER")
    calls.bridge("b", phone, line)
    calls.wait(4)
    calls.hang_up(line, phone)
    fact = facts(calls.events, tracker)[phone.linkedid]
    assert (fact.portal_call_id, fact.inner, fact.talk_seconds) == ("externalCall.x", "101", 4)


def test_a_click_whose_own_phone_is_not_taken_is_a_fact(calls: Calls) -> None:
    """The portal has registered the call, so it must hear of its end."""
    tracker = CallTracker(EXCHANGE)
    phone = calls.channel("101")
    tracker.expect(phone.linkedid, "externalCall.x")
    calls.hang_up(phone)
    fact = facts(calls.events, tracker)[phone.linkedid]
    assert (fact.portal_call_id, fact.ended, fact.status, fact.talk_seconds) == ("externalCall.x", True, "603-S", 0)


def test_after_a_gap_nothing_is_told_of_what_went_on(calls: Calls) -> None:
    """Half of a call's events would make a wrong fact: the records tell it."""
    client = answered(calls)
    tracker = CallTracker(EXCHANGE)
    for event in calls.events[:3]:
        tracker.feed(event)
    assert tracker.live() == {f"pbx1-{client.linkedid}"}
    tracker.gap()
    assert tracker.live() == set()
    assert [fact for event in calls.events[3:] for fact in tracker.feed(event)] == []


def test_ended_calls_are_forgotten(calls: Calls) -> None:
    tracker = CallTracker(EXCHANGE)
    long = calls.channel("carrier", number=CLIENT)  # goes on all the time
    for _number in range(50):
        answered(calls)
        calls.wait(200)
    for event in calls.events:
        tracker.feed(event)
    assert tracker.live() == {f"pbx1-{long.linkedid}"}
    assert len(tracker._calls) <= 3 and len(tracker._channels) == 1 and not tracker._bridges
