# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole connector between a manager interface over TCP and the simulated portal over HTTPS."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import json
import os
import pathlib
import time
import typing as t

import aiohttp
import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import service
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import Exchange
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.calls import Event
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr import CdrRow
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.logs import Log
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.metrics import Metrics
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.portal import Wording
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.rest import RestTransport
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.sender import Recordings
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.service import Connector
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import (
    Application,
    Listening,
    PortalAccess,
    Settings,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.web import EVENTS_PATH, listening
from lab.exchange import events as exchange
from lab.exchange.ami_server import AmiServer
from lab.exchange.events import CLIENT, Calls, answered, missed
from lab.rest.faults import Fault
from lab.telephony.server import APPLICATION_TOKEN, TelephonyServer
from unit.conftest import Tls
from unit.plugins.module_utils.telephony.test_sender import SOUND


class Records:
    """The exchange's records, as far as a test lets them come."""

    def __init__(self) -> None:
        self.all: list[CdrRow] = []

    def rows(self, since: float, until: float) -> list[CdrRow]:
        return [row for row in self.all if since <= row.end < until]


class Lab:
    """Everything around the connector, and the connector itself."""

    def __init__(self, folder: pathlib.Path, portal: TelephonyServer, tls: Tls) -> None:
        self.folder, self.portal, self.ami = folder, portal, AmiServer()
        self.records, self.lines = Records(), list[dict[str, t.Any]]()
        self.access = PortalAccess(portal.webhook(1), ca_path=str(tls.authority), timeout=5)
        self.offset = 0.0

    def clock(self) -> float:
        return time.time() + self.offset

    async def connector(self, **changes: t.Any) -> Connector:
        store = Store(str(self.folder / "calls.db"), self.clock)
        settings = Settings(
            store=store.path,
            portal=self.access,
            wording=Wording(fallback_user=1),
            exchange=Exchange("pbx1", {"carrier": "+74951000001"}),
            ami=self.ami.login,
            cdr="",
            recordings=Recordings(str(self.folder), quiet_seconds=0),
            originate=self.ami.login,
            clicks=None,
            metrics_address="127.0.0.1",
            metrics_port=0,
            retention_days=90,
            show_numbers=False,
        )
        settings = dataclasses.replace(settings, **changes)
        self.transport = RestTransport(settings.portal, store, time.monotonic)
        log = Log(lambda line: self.lines.append(json.loads(line)), self.clock, False)
        return Connector(settings, store, self.transport, self.records, log, Metrics(), self.clock)

    async def run(self, test: t.Callable[[Connector], t.Awaitable[None]], **changes: t.Any) -> None:
        """Run the connector while the test lasts; what the connector raises fails the test."""
        connector = await self.connector(**changes)
        work = asyncio.ensure_future(connector.run())
        checks = asyncio.ensure_future(asyncio.wait_for(test(connector), 30))
        try:
            await asyncio.wait({work, checks}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            await checks
        finally:
            checks.cancel()
            work.cancel()
            await asyncio.gather(work, checks, return_exceptions=True)
            await self.transport.close()
            connector.store.close()

    def play(self, test: t.Callable[[Connector], t.Awaitable[None]], **changes: t.Any) -> None:
        async def body() -> None:
            await self.ami.start()
            try:
                await self.run(test, **changes)
            finally:
                await self.ami.stop()

        asyncio.run(body())

    def facts(self) -> list[dict[str, t.Any]]:
        return t.cast("list[dict[str, t.Any]]", self.portal.service.state()["statistics"])

    async def until(self, condition: t.Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def lab(tmp_path: pathlib.Path, tls: Tls) -> t.Iterator[Lab]:
    with TelephonyServer(certificate=tls.certificate, key=tls.key, clock=time.time, store=":memory:") as portal:
        portal.portal.add_user(1, "Anna", IS_ADMIN=1)
        portal.portal.add_user(7, "Boris", "101")
        portal.portal.add_user(8, "Vera", "102")
        yield Lab(tmp_path, portal, tls)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Calls of now: the portal compares times."""
    monkeypatch.setattr(exchange, "EPOCH", round(time.time()) - 100)
    return Calls()


def test_calls_with_recordings_and_cards(lab: Lab, calls: Calls) -> None:
    clients = [answered(calls, number=f"+7916000000{n}") for n in range(5)]
    for client in clients:
        (lab.folder / f"{client.linkedid}.wav").write_bytes(SOUND + client.linkedid.encode())

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        lab.ami.tell(calls.events)
        await lab.until(lambda: connector.store.counts()["closed"] == 5)

    lab.play(test)
    state = lab.portal.service.state()
    facts = {row["EXTERNAL_CALL_ID"]: row for row in state["statistics"]}
    assert len(facts) == len(state["statistics"]) == 5 and state["calls"] == []
    for client in clients:
        row = facts[f"pbx1-{client.linkedid}"]
        assert (row["CALL_DURATION"], row["CALL_FAILED_CODE"], row["PORTAL_USER_ID"]) == (30, "200", 7)
        assert lab.portal.service.record(row["RECORD_FILE_ID"]) == SOUND + client.linkedid.encode()


@pytest.mark.parametrize("number", ["anonymous", "", "0", "alice"])
def test_a_client_without_a_number_is_told_too(lab: Lab, calls: Calls, number: str) -> None:
    """A portal refuses what has no digits, or is 0: such calls would be dead letters."""
    answered(calls, number=number)

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        lab.ami.tell(calls.events)
        await lab.until(lambda: connector.store.counts()["closed"] == 1)

    lab.play(test, recordings=None)
    assert [row["PHONE_NUMBER"] for row in lab.facts()] == ["000000"]
    assert lab.portal.service.state()["entities"] == []


def test_recordings_keep_no_call_waiting(lab: Lab, calls: Calls) -> None:
    """They take half of the places at most, however slowly the portal takes them."""
    lab.portal.faults.set([Fault("slow", "telephony.externalCall.attachRecord", times=-1, seconds=3)])
    for number in range(6):
        client = answered(calls, number=f"+7916000000{number}")
        (lab.folder / f"{client.linkedid}.wav").write_bytes(SOUND)
        os.utime(lab.folder / f"{client.linkedid}.wav", (1, 1))

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        began = time.monotonic()
        for event in calls.events:
            lab.ami.tell([event])
            if event.name == "Cdr":  # its recording would go now, while others still begin
                closed = int(event.get("Linkedid").partition(".")[2]) // 2 + 1
                await lab.until(lambda closed=closed: len(lab.facts()) == closed)  # type: ignore[misc]
        assert time.monotonic() - began < 3

    lab.play(test, portal=dataclasses.replace(lab.access, parallel=2))


def test_the_card_follows_the_call(lab: Lab, calls: Calls) -> None:
    def cards() -> list[int]:
        return sorted(row["USER_ID"] for row in lab.portal.service.state()["cards"])

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        await lab.until(lambda: connector._users != {})
        client = calls.channel("carrier", number=CLIENT)
        first = calls.dial(client, "101")
        lab.ami.tell(calls.events)
        await lab.until(lambda: cards() == [7])
        await lab.until(lambda: connector.store.counts()["registered"] == 1)
        calls.events.clear()
        second = calls.dial(client, "102")
        lab.ami.tell(calls.events)
        await lab.until(lambda: cards() == [7, 8])
        calls.events.clear()
        calls.dialled(client, second, "ANSWER")
        calls.dialled(client, first, "CANCEL")
        calls.bridge("b", second, client)
        lab.ami.tell(calls.events)
        await lab.until(lambda: cards() == [8])
        calls.events.clear()
        calls.wait(10)
        calls.hang_up(client, second)
        lab.ami.tell(calls.events)
        await lab.until(lambda: len(lab.facts()) == 1 and cards() == [])

    lab.play(test)
    assert (lab.facts()[0]["PORTAL_USER_ID"], lab.facts()[0]["CALL_DURATION"]) == (8, 10)


def test_what_the_exchange_did_while_it_was_not_heard(lab: Lab, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call goes on when the connection ends, another comes and goes meanwhile: both are in the records."""
    monkeypatch.setattr(service, "FIRST_PAUSE", 0.05)
    going_on = answered(calls)
    heard, number = calls.events[:3], len(calls.events)
    unheard = answered(calls, number="+79160000002", talk=12)
    lab.offset = 300.0

    def row(channel: exchange.Channel, start: float, talk: float) -> CdrRow:
        return CdrRow(channel.linkedid, channel.uniqueid, channel.name, "PJSIP/101-1", CLIENT, "101",
                      start, start + 7, start + 7 + talk, "ANSWERED")  # fmt: skip

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        connector.store.set_meta("first_start", "0")
        lab.ami.tell(heard)
        await lab.until(lambda: connector.store.counts()["registered"] == 1)
        await lab.ami.stop()
        lab.records.all = [row(going_on, exchange.EPOCH, 30), row(unheard, exchange.EPOCH + 37, 12)]
        await lab.ami.start()
        await lab.ami.listened_to()
        # What is still told of the first call makes no sense alone: it would be one that nobody answered.
        lab.ami.tell(event for event in calls.events[3:number] if event.name == "Hangup")
        await lab.until(lambda: connector.store.counts()["closed"] == 2)

    lab.play(test, recordings=None)
    assert sorted(row["CALL_DURATION"] for row in lab.facts()) == [12, 30]
    assert lab.portal.service.state()["calls"] == []


def test_a_crash_of_the_exchange_ends_calls_that_no_record_tells_of(
    lab: Lab, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With talk until their recording ends, or until the exchange was heard last; who rang in vain is called back."""
    monkeypatch.setattr(service, "FIRST_PAUSE", 0.05)
    recorded = answered(calls, number="+79160000001", talk=20)
    unrecorded = answered(calls, number="+79160000002", inner="102", recorded=False)
    rings = missed(calls, number="+79160000003")
    ends = {recorded.linkedid: "BridgeLeave", unrecorded.linkedid: "BridgeLeave", rings.linkedid: "DialEnd"}

    def until_the_crash() -> t.Iterator[Event]:
        for linkedid, end in ends.items():
            of_call = [event for event in calls.events if event.get("Linkedid") == linkedid]
            yield from itertools.takewhile(lambda event, last=end: event.name != last, of_call)

    sound = lab.folder / f"{recorded.linkedid}.wav"
    sound.write_bytes(SOUND)
    # Somebody wrote to it after the exchange was heard last.
    os.utime(sound, (exchange.EPOCH + 207, exchange.EPOCH + 207))

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        lab.ami.tell(until_the_crash())
        await lab.until(lambda: connector.store.counts()["registered"] == 3)
        await lab.ami.stop()
        await lab.until(lambda: any(line["event"] == "exchange lost" for line in lab.lines))
        lab.offset, lab.ami.uptime = 300.0, 60
        await lab.ami.start()
        await lab.until(lambda: connector.store.counts()["closed"] == 3)

    lab.play(test)
    facts = {row["PHONE_NUMBER"][-1]: row for row in lab.facts()}
    assert {number: row["CALL_FAILED_CODE"] for number, row in facts.items()} == {"1": "200", "2": "200", "3": "304"}
    assert facts["1"]["CALL_DURATION"] == 200 and facts["1"]["RECORD_FILE_ID"]
    # From the talk's begin until the connection ended.
    assert 50 <= facts["2"]["CALL_DURATION"] <= 75 and not facts["2"]["RECORD_FILE_ID"]
    assert lab.portal.service.state()["calls"] == []


def test_faults_of_the_portal(lab: Lab, calls: Calls) -> None:
    for number in range(20):
        answered(calls, number=f"+791600000{number:02}")
    kinds = ("lose_answer", "unavailable", "query_limit", "html", "error", "drop")
    lab.portal.faults.set(
        [Fault(kind, f"telephony.externalCall.{step}", times=1, skip=2 * n)
         for n, kind in enumerate(kinds) for step in ("register", "finish")]
    )  # fmt: skip

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        lab.ami.tell(calls.events)
        while connector.store.counts()["closed"] < 20:
            await asyncio.sleep(0.02)
            if connector.sender.pause_until > lab.clock():  # time passes quickly while nobody is asked
                lab.offset += connector.sender.pause_until - lab.clock()

    lab.play(test, recordings=None)
    counted = collections.Counter(row["EXTERNAL_CALL_ID"] for row in lab.facts())
    assert len(counted) == 20 and set(counted.values()) == {1}
    assert lab.portal.service.state()["calls"] == []


def test_hold_by_another_process(lab: Lab, calls: Calls) -> None:
    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        await lab.until(lambda: connector._users != {})
        other = Store(connector.store.path, time.time)
        other.hold(True)
        answered(calls)
        lab.ami.tell(calls.events)
        await lab.until(lambda: connector.store.counts()["stored"] == 1)
        connector._start_sending()
        assert connector._active == {} and lab.portal.service.state()["calls"] == []
        other.hold(False)
        await lab.until(lambda: len(lab.facts()) == 1)

    lab.play(test, recordings=None)
    assert lab.facts()[0]["CALL_START_DATE"] == pytest.approx(exchange.EPOCH, abs=1)


def test_a_click_becomes_a_call_of_the_portals_own_id(lab: Lab, calls: Calls) -> None:
    lab.portal.portal.rules.outgoing_line = "REST_APP:3"
    place = Listening("127.0.0.1", 0, APPLICATION_TOKEN)

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        await lab.until(lambda: connector._users != {})
        async with listening(connector) as ports, aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{ports[0]}/metrics") as page:
                assert "call_connector_ami_connected 1.0" in await page.text()
            url = f"http://127.0.0.1:{ports[1]}{EVENTS_PATH}"
            forged = {"event": "ONEXTERNALCALLSTART", "auth[application_token]": "x"}
            async with session.post(url, data=forged) as answer:
                assert answer.status == 403
            lab.portal.service.set_up({"handlers": [{"EVENT": "ONEXTERNALCALLSTART", "HANDLER": url}]})
            clicked = lab.portal.service.click({"USER_ID": 7, "PHONE_NUMBER": CLIENT})
            await lab.until(lambda: any(action["Action"] == "Originate" for action in lab.ami.actions))
            asked = next(action for action in lab.ami.actions if action["Action"] == "Originate")
            assert (asked["Channel"], asked["Exten"]) == ("PJSIP/101", CLIENT[1:])
            assert asked["Variable"] == f"__BOXLIFT_CALL_ID={clicked['CALL_ID']}"
            phone = exchange.Channel(asked["ChannelId"], asked["ChannelId"], "PJSIP/101-000000ff")
            calls.tell("Newchannel", **calls._of(phone), CallerIDNum="", Exten="")
            line = calls.dial(phone, "carrier", f"{CLIENT[1:]}@carrier")
            calls.dialled(phone, line, "ANSWER")
            calls.bridge("b", phone, line)
            calls.wait(21)
            calls.hang_up(line, phone)
            lab.ami.tell(calls.events)
            await lab.until(lambda: len(lab.facts()) == 1)

    lab.play(test, recordings=None, clicks=place)
    (row,) = lab.facts()
    assert (row["CALL_DURATION"], row["PORTAL_USER_ID"], row["PHONE_NUMBER"]) == (21, 7, CLIENT)
    methods = [row["METHOD"] for row in lab.portal.service.state()["requests"]]
    assert not [method for method in methods if method.endswith("register")]


def polling(lab: Lab) -> dict[str, t.Any]:
    """Settings of a connector that asks for clicks, as an administrator's application."""
    lab.portal.portal.rules.outgoing_line = "REST_APP:3"
    base = lab.portal.url
    application = Application("local.app", "client-secret", lab.portal.service.refresh_token(1), f"{base}/oauth/token/")
    access = dataclasses.replace(lab.access, url=f"{base}/rest/", application=application)
    return {"portal": access, "clicks": Listening("", 0, "", poll_seconds=0.05), "recordings": None}


def originated(lab: Lab) -> list[str]:
    return [action["Exten"] for action in lab.ami.actions if action["Action"] == "Originate"]


def test_clicks_are_asked_for_where_the_portal_reaches_nobody(lab: Lab) -> None:
    """Whatever answer is lost, each click makes one call, and the portal keeps none of them."""
    lab.portal.faults.set(
        [
            Fault("lose_answer", "event.offline.clear"),
            Fault("lose_answer", "event.bind"),
            Fault("error", "event.offline.get"),
        ]
    )

    def waits() -> list[dict[str, t.Any]]:
        return t.cast("list[dict[str, t.Any]]", lab.portal.service.state()["queue"])

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        await lab.until(lambda: connector._users != {} and bool(lab.portal.service.state()["handlers"]))
        for number in ("+79160000001", "+79160000002"):
            assert lab.portal.service.click({"USER_ID": 7, "PHONE_NUMBER": number})["told"] == 1
        await lab.until(lambda: len(originated(lab)) == 2 and waits() == [])
        lab.portal.portal.store.add(
            "queue", APP="3", EVENT_NAME="ONEXTERNALCALLSTART", EVENT_DATA="false", TIMESTAMP_X=time.time()
        )
        # The portal's queue is empty before its answer is here, and noted.
        await lab.until(lambda: waits() == [] and connector.store.meta("clicks_reserved") == "")

    lab.play(test, **polling(lab))
    assert sorted(originated(lab)) == ["79160000001", "79160000002"]
    assert any(line["event"] == "click" and line.get("reason") == "An event has no data." for line in lab.lines)


def test_what_was_reserved_when_we_were_killed_comes_again(lab: Lab) -> None:
    async def bound(connector: Connector) -> None:
        await lab.until(lambda: bool(lab.portal.service.state()["handlers"]))

    lab.play(bound, **polling(lab))
    lab.portal.service.click({"USER_ID": 7, "PHONE_NUMBER": CLIENT})
    lab.portal.portal.store.change("queue", 1, PROCESS_ID="of-before")

    async def test(connector: Connector) -> None:
        connector.store.set_meta("clicks_reserved", "of-before")
        await lab.until(lambda: originated(lab) == [CLIENT[1:]])
        await lab.until(lambda: lab.portal.service.state()["queue"] == [])

    lab.play(test, **polling(lab))


def test_a_click_of_long_ago_makes_no_call(lab: Lab) -> None:
    """The portal is told that it came to nothing."""
    lab.offset = 120.0

    async def test(connector: Connector) -> None:
        await lab.until(lambda: connector._users != {} and bool(lab.portal.service.state()["handlers"]))
        lab.portal.service.click({"USER_ID": 7, "PHONE_NUMBER": CLIENT})
        await lab.until(lambda: [row["CALL_FAILED_CODE"] for row in lab.facts()] == ["603-S"])

    lab.play(test, **polling(lab))
    assert originated(lab) == [] and lab.portal.service.state()["calls"] == []


def test_an_applications_token_is_renewed_once_for_all(lab: Lab, calls: Calls) -> None:
    lab.portal.portal.rules.webhooks = False
    base = lab.portal.url
    application = Application("local.app", "client-secret", lab.portal.service.refresh_token(1), f"{base}/oauth/token/")
    for number in range(6):
        answered(calls, number=f"+791600000{number:02}")

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        lab.ami.tell(calls.events)
        await lab.until(lambda: connector.store.counts()["closed"] == 6)

    access = dataclasses.replace(lab.access, url=f"{base}/rest/", application=application)
    lab.play(test, recordings=None, portal=access)
    assert len(lab.facts()) == 6
    renewals = [row for row in lab.portal.service.state()["requests"] if row["METHOD"] == "token"]
    assert len(renewals) == 1


def test_a_recording_goes_to_the_portal_and_nowhere_else(lab: Lab, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.wav").write_bytes(SOUND)

    async def test(connector: Connector) -> None:
        for url in ("https://elsewhere.example/upload", "http://127.0.0.1/upload"):
            with pytest.raises(BoxliftError, match="for uploads, not itself"):
                await lab.transport.upload(url, "file", "a.wav", str(tmp_path / "a.wav"))

    lab.play(test)


def test_reconciliation_sends_what_the_portal_has_lost(lab: Lab, calls: Calls) -> None:
    client = answered(calls)
    start = exchange.EPOCH
    lab.records.all = [
        CdrRow(client.linkedid, client.uniqueid, client.name, "PJSIP/101-1", CLIENT, "101",
               start, start + 7, start + 37, "ANSWERED")
    ]  # fmt: skip

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        lab.ami.tell(calls.events)
        await lab.until(lambda: connector.store.counts()["closed"] == 1)
        connector.store.set_meta("first_start", "0")
        found = await connector.reconcile(start - 60)
        assert found is not None and (found.compared, found.count) == (1, 0)
        lab.portal.portal.store.remove("statistics", "1")  # a portal that was restored from before
        found = await connector.reconcile(start - 60)
        assert found is not None and found.missing == [f"pbx1-{client.linkedid}"]
        await lab.until(lambda: len(lab.facts()) == 1)

    lab.play(test, recordings=None)


def test_no_full_number_in_the_log(lab: Lab, calls: Calls) -> None:
    lab.portal.faults.set([Fault("error", "telephony.externalCall.register", times=1)])
    answered(calls)

    async def test(connector: Connector) -> None:
        await lab.ami.listened_to()
        lab.ami.tell(calls.events)
        await lab.until(lambda: connector.store.counts()["closed"] == 1)

    lab.play(test, recordings=None)
    text = json.dumps(lab.lines)
    assert "pbx1-" in text and CLIENT not in text and CLIENT[1:] not in text
    assert lab.access.url.split("/")[-2] not in text
