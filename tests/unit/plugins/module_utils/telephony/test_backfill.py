# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records tell that no event told, and the proof of a day."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import backfill
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import CallFact
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr import CdrRow
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.reconcile import compare
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store
from lab.exchange.events import CLIENT, EPOCH, EXCHANGE
from unit.plugins.module_utils.telephony.test_cdr import PHONE, row

NOW = EPOCH + 3600
HOUR = 3600.0


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    return Store(str(tmp_path / "calls.db"), lambda: NOW)


def found(store: Store, *rows: CdrRow, live: tuple[str, ...] = (), until: float = NOW) -> list[str]:
    news, _given_up = backfill.backfill(store, backfill.ended_calls(rows, EXCHANGE, until), live, until)
    return [fact.external_id for fact in news]


def test_each_call_is_news_once(store: Store) -> None:
    assert found(store, row()) == ["pbx1-1.1"]
    assert found(store, row()) == []
    assert store.due(9) == ["pbx1-1.1"]


def test_a_recording_that_only_the_records_name_is_brought(store: Store) -> None:
    assert found(store, row()) == ["pbx1-1.1"]
    store.finished("pbx1-1.1", "c")
    store.closed("pbx1-1.1")
    assert found(store, row()) == [] and store.due(9) == []
    assert found(store, row(recording="a.wav")) == []
    stored = store.get("pbx1-1.1")
    assert stored is not None and (stored.fact.recording, stored.state) == ("a.wav", "finished")


def test_what_events_still_tell_of_is_left_to_them(store: Store) -> None:
    assert found(store, row(), live=("pbx1-1.1",)) == []


def test_what_ended_a_moment_ago_is_left_to_events(store: Store) -> None:
    assert found(store, row(), until=EPOCH + 40) == []
    assert found(store, row(), until=EPOCH + 60) == ["pbx1-1.1"]


def test_a_leg_is_not_the_end_of_a_call(store: Store) -> None:
    """The record of the channel that began the call comes when it hangs up."""
    leg = row("NO ANSWER", 0, 20, uniqueid="1.2", channel="Local/101@x-0000000a;2", dstchannel=PHONE)
    assert found(store, leg) == []
    assert found(store, leg, row()) == ["pbx1-1.1"]


def test_a_call_that_rang_when_events_ended_is_completed(store: Store) -> None:
    ringing = CallFact("pbx1-1.1", 2, CLIENT, "line", EPOCH, inner="101", ringing=("101",))
    store.put([ringing], {})
    store.registered("pbx1-1.1", "c")
    assert found(store, row()) == ["pbx1-1.1"]
    stored = store.get("pbx1-1.1")
    assert stored is not None and (stored.fact.talk_seconds, stored.fact.line, stored.call_id) == (
        30,
        "+74951000001",
        "c",
    )


def test_nothing_from_before_the_first_start(store: Store) -> None:
    since, until = backfill.window(store, NOW)
    assert (since, until) == (NOW, NOW)
    backfill.backfill(store, [], (), NOW)
    assert backfill.window(store, NOW + HOUR) == (NOW, NOW + HOUR)
    backfill.backfill(store, [], (), NOW + HOUR)
    since, _until = backfill.window(store, NOW + 2 * HOUR)
    assert NOW < since <= NOW + HOUR - backfill.OVERLAP_SECONDS


def test_calls_without_an_end_are_given_up_after_half_a_day(store: Store) -> None:
    ringing = CallFact("pbx1-1.1", 2, CLIENT, "line", EPOCH)
    click = dataclasses.replace(ringing, external_id="pbx1-click", kind=1, portal_call_id="c")
    store.put([ringing, click], {})
    late = EPOCH + backfill.LONGEST_CALL_SECONDS
    assert backfill.backfill(store, [], (), late - 1)[1] == []
    assert backfill.backfill(store, [], ("pbx1-1.1", "pbx1-click"), late + 1)[1] == []
    assert sorted(backfill.backfill(store, [], (), late + 1)[1]) == ["pbx1-1.1", "pbx1-click"]
    (letter,) = store.dead_letters()
    assert (letter.external_id, letter.reason) == ("pbx1-1.1", "The exchange's records do not tell of its end.")
    stored = store.get("pbx1-click")
    assert stored is not None and (stored.fact.ended, stored.fact.status) == (True, "603-S")


RINGING = CallFact("pbx1-1.1", 2, CLIENT, "line", EPOCH, inner="101", ringing=("101",))
TALKING = dataclasses.replace(RINGING, stage="talking", talking_since=EPOCH + 7)


def cut(store: Store, until: float = NOW, live: tuple[str, ...] = ()) -> list[str]:
    return [call.external_id for call, _heard in backfill.cut_calls(store, live, until)]


def test_a_crash_of_the_exchange_ends_the_calls_of_before(store: Store) -> None:
    after = dataclasses.replace(RINGING, external_id="pbx1-2.1", started=EPOCH + 200)
    store.put([TALKING, after], {})
    assert cut(store) == []
    backfill.runs_since(store, EPOCH - 1)
    assert cut(store) == []
    backfill.runs_since(store, EPOCH + 100)
    assert cut(store) == ["pbx1-1.1"]
    assert cut(store, live=("pbx1-1.1",)) == []


def test_records_of_before_the_crash_count_first(store: Store) -> None:
    """The last of them are read when nothing can have ended within moments any more."""
    store.put([TALKING], {})
    backfill.runs_since(store, EPOCH + 40)
    assert cut(store, until=EPOCH + 50) == []
    assert found(store, row(), until=EPOCH + 55) == ["pbx1-1.1"]
    assert cut(store, until=EPOCH + 55) == []


def test_when_the_exchange_was_heard_before_it_crashed(store: Store) -> None:
    """Also if it crashes again before the calls are told that the first crash has cut."""
    second = dataclasses.replace(RINGING, external_id="pbx1-2.1", started=EPOCH + 150)
    store.put([TALKING, second], {})
    backfill.heard(store, EPOCH + 50)
    backfill.runs_since(store, EPOCH + 100)
    backfill.heard(store, EPOCH + 200)
    # It tells whole seconds, each time the connector begins to hear it, and is the same one.
    for turn in range(25):
        backfill.runs_since(store, EPOCH + 100 + turn % 2)
    backfill.runs_since(store, EPOCH + 300)
    heard = {call.external_id: moment for call, moment in backfill.cut_calls(store, (), NOW)}
    assert heard == {"pbx1-1.1": EPOCH + 50, "pbx1-2.1": EPOCH + 200}


def test_what_a_cut_call_is_told_as() -> None:
    talked = backfill.cut_off(TALKING, "a.wav", EPOCH + 19)
    assert (talked.stage, talked.status, talked.talk_seconds, talked.recording) == ("ended", "200", 12, "a.wav")
    # It was heard last before they talked; they did.
    assert backfill.cut_off(TALKING, "", EPOCH).talk_seconds == 1
    # A transfer was going on: nobody talks at that moment.
    held = dataclasses.replace(TALKING, talk_seconds=30, talking_since=0.0)
    assert backfill.cut_off(held, "", EPOCH + 99).talk_seconds == 30
    rang = backfill.cut_off(RINGING, "", EPOCH + 19)
    assert (rang.status, rang.talk_seconds, rang.ringing) == ("304", 0, ())
    assert backfill.cut_off(dataclasses.replace(RINGING, kind=1), "", EPOCH).status == "603-S"


def told(number: int, code: str = "200") -> dict[str, str]:
    return {"EXTERNAL_CALL_ID": f"pbx1-{number}", "CALL_ID": f"c{number}", "CALL_FAILED_CODE": code}


def test_a_day_is_proven(store: Store) -> None:
    rows = [row(linkedid=str(n), uniqueid=str(n)) for n in range(1, 7)]
    rows.append(row(linkedid="9", uniqueid="9", start=EPOCH - 100, answer=-90, end=5))  # of the day before
    rows.append(row(linkedid="8", uniqueid="8", channel=PHONE, dstchannel="PJSIP/102-1"))  # within the house
    ended = CallFact("pbx1-5", 2, CLIENT, "line", EPOCH, status="200", stage="ended")
    waiting = dataclasses.replace(ended, external_id="pbx1-6")
    store.put([ended, waiting], {})
    store.dead("pbx1-5", "Unknown TYPE")
    store.later("pbx1-6", 60, "no answer")
    statistics = [told(1), told(2), told(2), told(3, "304")]
    difference = compare(rows, statistics, EXCHANGE, store, EPOCH, EPOCH + HOUR)
    assert (difference.compared, difference.missing, difference.double) == (6, ["pbx1-4"], ["pbx1-2"])
    assert difference.wrong == {"pbx1-3": "304 in the portal, 200 on the exchange"}
    assert (difference.dead, difference.waiting, difference.count) == (["pbx1-5"], ["pbx1-6"], 4)


def test_a_click_is_found_by_the_portals_own_id(store: Store) -> None:
    clicked = row(channel=PHONE, dstchannel="PJSIP/carrier-1", portal_call_id="c1")
    own = {"EXTERNAL_CALL_ID": None, "CALL_ID": "c1", "CALL_FAILED_CODE": "200"}
    assert compare([clicked], [own], EXCHANGE, store, EPOCH, EPOCH + HOUR).count == 0
    assert compare([clicked], [], EXCHANGE, store, EPOCH, EPOCH + HOUR).missing == ["pbx1-1.1"]
