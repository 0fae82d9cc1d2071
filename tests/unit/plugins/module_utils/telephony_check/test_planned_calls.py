# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test calls, followed from the exchange's record to the client's card, and what is left of them."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import trusting_context
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import direct
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.planned_calls import (
    Followed,
    PlannedCall,
    Surroundings,
    follow_all,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import RestClient
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.sources import records_of
from lab.authority import Authority
from lab.telephony.portal import iso
from lab.telephony.server import TelephonyServer
from unit.plugins.module_utils.telephony_check import toy_exchange
from unit.plugins.module_utils.telephony_check.toy_exchange import cdr_line, write_wav

CLIENT, LINE = "79001112233", "74950000001"
PLAN = PlannedCall("mobile", "in", CLIENT, LINE, lead=True, dial={"Channel": "PJSIP/carrier"})


class Exchange:
    """An exchange with its connector: a call is recorded and the portal told, but for what a test leaves out."""

    def __init__(self, portal: TelephonyServer, folder: pathlib.Path, verify: str) -> None:
        self.portal, self.folder = portal, folder
        self.time = time.time() - 7200  # files that are written are newer
        self.dialled: list[t.Mapping[str, str]] = []
        self.record: dict[str, t.Any] = {"recording": "1.wav"}
        self.facts = 1
        self.finish: dict[str, t.Any] = {"DURATION": 10}
        self.wav_seconds, self.sent = 10.0, b""
        (folder / "cdr.csv").touch()
        rest = RestClient(portal.webhook(1), direct("", "", 5), trusting_context(verify))
        self.around = Surroundings(
            rest=rest,
            records=functools.partial(records_of, str(folder / "cdr.csv")),
            recordings=str(folder),
            prefix="pbx-",
            now=lambda: self.time,
            pause=self._pause,
            dial=self._dial,
            patience=10,
        )

    def _pause(self) -> None:
        self.time += 1

    def _dial(self, fields: t.Mapping[str, str]) -> None:
        self.dialled.append(fields)
        number, start = str(len(self.dialled)), self.time
        times = {"linkedid": number, "start": start, "answer": start + 5, "end": start + 15}
        with (self.folder / "cdr.csv").open("a") as stream:
            stream.write(cdr_line(**{**times, **self.record}))
        if self.record.get("recording"):
            write_wav(self.folder / self.record["recording"], self.wav_seconds)
        for _time in range(self.facts):
            self._tell(f"pbx-{number}", start)

    def _tell(self, external: str, start: float) -> None:
        portal = self.portal.portal
        given = {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2, "CRM_CREATE": 1, "EXTERNAL_CALL_ID": external}
        call = portal.register("", {**given, "CALL_START_DATE": iso(start)})["CALL_ID"]
        portal.finish({"CALL_ID": call, "USER_ID": 1, **self.finish})
        if self.record.get("recording"):
            content = self.sent or (self.folder / self.record["recording"]).read_bytes()
            portal.attach(call, "1.wav", content)

    def follow(self, **changes: t.Any) -> Followed:
        self.time += 60  # after the call before
        [outcome] = follow_all([dataclasses.replace(PLAN, **changes)], self.around)
        return outcome

    def problems(self, **changes: t.Any) -> str:
        outcome = self.follow(**changes)
        assert (outcome.status, outcome.finding().status) == ("fail", "fail") and outcome.finding().remedy
        return "; ".join(outcome.problems)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def exchange(tmp_path: pathlib.Path, authority: Authority) -> t.Iterator[Exchange]:
    issued = authority.issue("127.0.0.1")
    with TelephonyServer(certificate=issued.certificate, key=issued.key) as portal:
        portal.portal.add_user(1, "Anna", "101")
        yield Exchange(portal, tmp_path, str(authority.certificate))


def test_a_call_that_is_in_order_leaves_nothing_on_cards(exchange: Exchange) -> None:
    outcome = exchange.follow()
    assert outcome.problems == [] and outcome.finding().status == "pass"
    assert (outcome.as_dict()["facts"], outcome.as_dict()["talk"], outcome.as_dict()["code"]) == (1, 10, "200")
    state = exchange.portal.service.state()
    assert state["entities"] == [] and state["activities"] == []
    assert outcome.deleted == ["activity 1", "lead 1"]
    assert len(state["statistics"]) == 1  # REST cannot delete it
    assert exchange.dialled == [PLAN.dial]


def test_a_known_client_stays(exchange: Exchange) -> None:
    exchange.portal.portal.add_entity("CONTACT", CLIENT)
    outcome = exchange.follow(lead=False)
    assert outcome.problems == [] and outcome.deleted == ["activity 1"]
    assert [row["TYPE"] for row in exchange.portal.service.state()["entities"]] == ["CONTACT"]


def test_a_portal_without_leads(exchange: Exchange) -> None:
    exchange.portal.portal.rules.leads = False
    exchange.portal.portal.add_entity("DEAL", "79990000000")  # of somebody else
    outcome = exchange.follow()
    assert outcome.problems == [] and set(outcome.deleted) == {"activity 1", "contact 2", "deal 3"}
    assert [row["PHONE"] for row in exchange.portal.service.state()["entities"]] == ["79990000000"]


def test_a_portal_that_ignores_filters(exchange: Exchange) -> None:
    """It answers with all rows, and none of them may be taken for the call's, or deleted."""
    call = exchange.around.rest.call

    def ignoring(method: str, **parameters: t.Any) -> t.Any:
        return call(method, **{name: value for name, value in parameters.items() if name.lower() != "filter"})

    exchange.around.rest.call = ignoring  # type: ignore[method-assign]
    exchange.portal.portal.rules.leads = False
    exchange.portal.portal.add_entity("DEAL", "79990000000")
    exchange.portal.portal.register("", {"USER_ID": 1, "PHONE_NUMBER": "7999", "TYPE": 2, "EXTERNAL_CALL_ID": "pbx-0"})
    exchange.portal.portal.finish({"CALL_ID": exchange.portal.service.state()["calls"][0]["CALL_ID"], "USER_ID": 1})
    outcome = exchange.follow()
    assert outcome.problems == [] and len(outcome.rows) == 1
    assert [row["PHONE"] for row in exchange.portal.service.state()["entities"]] == ["79990000000"]


def test_lost_and_double(exchange: Exchange) -> None:
    exchange.facts = 0
    assert exchange.problems(lead=False) == "no call fact: the call is lost"
    exchange.facts = 2
    assert exchange.problems() == "2 call facts: it counts double"
    assert exchange.portal.service.state()["entities"] == []


def test_a_call_that_was_registered_and_never_finished(exchange: Exchange) -> None:
    exchange.facts = 0
    record = exchange.around.records

    def and_register(since: float, until: float) -> t.Any:
        given = {"USER_ID": 1, "PHONE_NUMBER": CLIENT, "TYPE": 2, "CRM_CREATE": 1}
        exchange.portal.portal.register("", given)
        return record(since, until)

    exchange.around = dataclasses.replace(exchange.around, records=and_register)
    assert exchange.problems() == "no call fact: the call is lost; left behind: lead 1, which no call fact names"


def test_no_call_at_all(exchange: Exchange) -> None:
    exchange.record["direction"] = "out"
    assert exchange.problems() == "the exchange recorded no such call within 10 s"
    for wrong in ({"line": "74950000009"}, {"client": "79001112234"}):
        exchange.record = {}
        assert "no such call" in exchange.problems(**wrong)


def test_a_call_by_hand_is_awaited(exchange: Exchange) -> None:
    pause = exchange.around.pause

    def somebody_calls() -> None:
        pause()
        if not exchange.dialled:
            exchange._dial({})

    exchange.around = dataclasses.replace(exchange.around, pause=somebody_calls, dial=None)
    assert exchange.follow(dial=None).problems == []
    outcome = exchange.follow()
    assert outcome.status == "unknown" and "No user of AMI may dial" in outcome.unseen


def test_two_calls_of_one_client_are_told_apart(exchange: Exchange) -> None:
    plans = [dataclasses.replace(PLAN, name=name, lead=False) for name in ("first", "second")]
    outcomes = follow_all(plans, exchange.around)
    assert [outcome.record and outcome.record.linkedid for outcome in outcomes] == ["1", "2"]
    assert [outcome.status for outcome in outcomes] == ["pass", "pass"]


def test_the_way_through_the_exchange(exchange: Exchange) -> None:
    assert "it went through no queue" in exchange.problems(queue=True)
    exchange.record["lastapp"] = "Queue"
    assert "it went through a queue" in exchange.problems()
    assert exchange.follow(queue=True).problems == []


def test_missed_and_busy(exchange: Exchange) -> None:
    exchange.record = {"disposition": "NO ANSWER", "answer": 0}
    exchange.finish = {"DURATION": 0}
    assert exchange.follow(result="missed").problems == []
    text = exchange.problems()
    assert "the exchange recorded NO ANSWER, not ANSWERED" in text and "the portal shows 304, not 200" in text
    exchange.record["disposition"] = "BUSY"
    # The client is to be called back.
    assert exchange.follow(result="busy").problems == []
    exchange.record |= {"direction": "out", "dst": CLIENT}
    assert "the portal shows 304, not 486" in exchange.problems(result="busy", direction="out")
    exchange.finish = {"DURATION": 0, "STATUS_CODE": "486"}
    assert exchange.follow(result="busy", direction="out").problems == []


def test_ring_time_told_as_talk(exchange: Exchange) -> None:
    exchange.finish = {"DURATION": 15}
    assert exchange.problems() == "the portal shows 15 s of talk, the exchange 10 s"


def test_recordings_on_both_sides(exchange: Exchange) -> None:
    exchange.wav_seconds = 0
    assert "header without sound" in exchange.problems()
    exchange.wav_seconds, exchange.sent = 10, b"something else"
    exchange.around = dataclasses.replace(exchange.around, fetch=lambda _url: b"something else")
    assert "the portal's recording has 14 bytes, the exchange's 160044" in exchange.problems()
    exchange.sent = b""
    exchange.around = dataclasses.replace(exchange.around, fetch=lambda _url: (exchange.folder / "1.wav").read_bytes())
    assert exchange.follow().problems == []
    exchange.record["recording"] = ""
    assert exchange.problems() == "nothing was recorded"
    assert exchange.follow(recorded=False).problems == []


def test_a_silent_recording(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = functools.partial(toy_exchange.write_wav, sample=bytes(2))
    monkeypatch.setitem(globals(), "write_wav", silent)
    assert "the recording is silent" in exchange.problems()


def test_a_recording_that_never_reaches_the_portal(exchange: Exchange) -> None:
    exchange.portal.portal.attach = lambda *_: 0  # type: ignore[method-assign]
    begun = exchange.time
    assert exchange.problems() == "the portal has no recording"
    assert exchange.time - begun >= 10


def test_a_lead_that_is_missing(exchange: Exchange) -> None:
    exchange.portal.portal.add_user(2, "Boris", PERSONAL_MOBILE=CLIENT)  # an employee's number makes no lead
    assert exchange.problems() == "no lead was created"


def test_what_cannot_be_deleted_is_told(exchange: Exchange) -> None:
    delete = exchange.around.rest.call

    def refusing(method: str, **parameters: t.Any) -> t.Any:
        return delete("crm.unknown.delete" if method == "crm.lead.delete" else method, **parameters)

    exchange.around.rest.call = refusing  # type: ignore[method-assign]
    assert "crm.lead.delete 1: Method not found!: delete it by hand" in exchange.problems()


def test_a_portal_that_is_away(exchange: Exchange) -> None:
    exchange.portal.service.set_up({"outage": 60})
    outcome = exchange.follow()
    assert outcome.status == "unknown" and "does not answer" in outcome.unseen
    assert exchange.dialled == []  # what cannot be cleaned up is not begun
