# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manager interface's lines and sessions."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import ami
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.ami import (
    AmiError,
    AmiLost,
    AmiParser,
    AmiSession,
    event_of,
    originate,
)
from lab.exchange.ami_server import AmiServer
from lab.exchange.events import Calls, answered

STREAM = (
    b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nActionID: 1\r\n\r\n"
    b"Event: Hangup\r\nUniqueid: 1.1\r\nConnectedLineName: \xd0\x90: b\r\nEmpty:\r\nTimestamp: 12.5\r\n\r\n"
)


def test_wherever_the_stream_is_cut() -> None:
    whole = AmiParser().feed(STREAM)
    assert [message.get("Event") for message in whole] == [None, "Hangup"]
    assert whole[1]["ConnectedLineName"] == "А: b" and whole[1]["Empty"] == ""
    for cut in range(len(STREAM) + 1):
        parser = AmiParser()
        assert parser.feed(STREAM[:cut]) + parser.feed(STREAM[cut:]) == whole


def test_the_exchanges_clock_counts_where_it_is_told() -> None:
    event = event_of({"Event": "Hangup", "Timestamp": "12.5"}, 99.0)
    assert event is not None and event.at == 12.5
    event = event_of({"Event": "Hangup"}, 99.0)
    assert event is not None and event.at == 99.0
    assert event_of({"Response": "Success"}, 99.0) is None


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH\r\n", b"x" * 300])
def test_what_is_no_manager_interface(greeting: bytes) -> None:
    with pytest.raises(AmiError, match="no manager interface"):
        AmiParser().feed(greeting)


def with_server(test: t.Callable[[AmiServer], t.Awaitable[None]]) -> None:
    async def body() -> None:
        server = AmiServer()
        await server.start()
        try:
            await asyncio.wait_for(test(server), 20)
        finally:
            await server.stop()

    asyncio.run(body())


def test_no_event_is_lost_between_login_and_reading() -> None:
    calls = Calls()
    for _number in range(200):
        answered(calls)

    async def test(server: AmiServer) -> None:
        session = await AmiSession.open(server.login, events=True)
        server.tell(calls.events)
        await session.action("Ping")  # the events come before its answer
        seen: list[str] = []
        async for batch in session.messages():
            seen += [message["Event"] for message in batch if "Event" in message]
            if len(seen) >= len(calls.events):
                break
        assert seen == [event.name for event in calls.events]
        session.close()

    with_server(test)


def test_a_wrong_password() -> None:
    async def test(server: AmiServer) -> None:
        login = ami.AmiLogin("127.0.0.1", server.port, "boxlift-events", "other")
        with pytest.raises(AmiError, match="refuses user boxlift-events: Authentication failed"):
            await AmiSession.open(login, events=True)

    with_server(test)


def test_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami, "PING_SECONDS", 0.05)
    monkeypatch.setattr(ami, "DEAD_SECONDS", 0.2)

    async def test(server: AmiServer) -> None:
        session = await AmiSession.open(server.login, events=True)
        pings = 0
        messages = session.messages()
        for _turn in range(3):  # while it answers, it lives
            pings += [message.get("Response") for message in await messages.__anext__()].count("Success")
        assert pings == 3
        server.silent = True
        with pytest.raises(AmiLost, match="no word"):
            await messages.__anext__()
        session.close()

    with_server(test)


def test_the_end_of_a_connection_is_an_error_not_the_end_of_events() -> None:
    async def test(server: AmiServer) -> None:
        session = await AmiSession.open(server.login, events=True)
        await server.stop()
        with pytest.raises(AmiLost):
            async for _batch in session.messages():
                pass
        session.close()
        with pytest.raises(AmiLost):
            await AmiSession.open(server.login, events=True)
        await server.start()

    with_server(test)


def test_originate() -> None:
    async def test(server: AmiServer) -> None:
        await originate(server.login, {"Channel": "PJSIP/101", "Exten": "7916"})
        assert server.actions[-1]["Exten"] == "7916" and server.actions[0]["Events"] == "off"
        server.refusal = "Permission denied"
        with pytest.raises(AmiError, match="Permission denied"):
            await originate(server.login, {"Channel": "PJSIP/101"})
        with pytest.raises(ValueError, match="more than one line"):
            await originate(server.login, {"Channel": "PJSIP/101\r\nApplication: System"})

    with_server(test)
