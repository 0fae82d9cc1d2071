# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rush of calls: events told to the real connector at their true times, while the simulated portal takes its time.

Latency is measured from outside: from the moment at which the event is written that a request tells of, to the moment
at which the portal has read that request.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import time
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.calls import Event

from lab.authority import Authority
from lab.exchange.ami_server import AmiServer
from lab.exchange.events import Calls, answered, missed
from lab.exchange.processes import ConnectorProcess, PortalProcess, kill, peak_megabytes, processor_seconds

INNER = [str(number) for number in range(101, 121)]
EVERY_MISSED = 5  # one call in so many is answered by nobody
LEAD_SECONDS = 3.0  # between the connector's start and the first call


@dataclasses.dataclass(frozen=True)
class Load:
    """What was seen. `latencies` are seconds of each request; `lag` those from the last event to the last call told."""

    calls: int
    latencies: list[float]
    lag: float
    peak_megabytes: float
    processor_share: float  # of one processor, while calls came
    machine_load: float  # the machine's load average at the end

    def latency(self, share: float) -> float:
        """What so many of the requests stay below."""
        return sorted(self.latencies)[max(0, round(len(self.latencies) * share) - 1)]


async def measure(folder: Path, rate: float, seconds: float, answer_seconds: float, sound: bytes = b"") -> Load:
    """`rate` calls begin each second; the portal takes `answer_seconds` for each answer.

    `sound` is the recording of each answered call; empty: none is made.
    """
    authority = Authority(folder / "tls")
    issued = authority.issue("127.0.0.1")
    users = [{"ID": 1, "NAME": "Anna", "IS_ADMIN": 1}]
    users += [{"ID": 10 + n, "NAME": f"User {inner}", "UF_PHONE_INNER": inner} for n, inner in enumerate(INNER)]
    settings = {"users": users, "delay": answer_seconds}
    portal = PortalProcess(folder, issued.certificate, issued.key, authority.certificate, settings)
    ami = AmiServer()
    await ami.start()
    connector = ConnectorProcess(folder, portal.webhook, authority.certificate, ami.login)
    portal_process = await portal.start()
    process = await connector.start()
    try:
        await ami.listened_to()
        number = int(rate * seconds)
        events, lines = _made(time.time() + LEAD_SECONDS, rate, number, bool(sound))
        for linkedid in lines if sound else ():
            (folder / f"{linkedid}.wav").write_bytes(sound)
        used, started = processor_seconds(process), time.monotonic()
        told = await _tell(ami, connector, events, lines)
        share = (processor_seconds(process) - used) / (time.monotonic() - started)
        last = time.time()
        await asyncio.wait_for(connector.closed(number), 600)
        lag, peak = time.time() - last, peak_megabytes(process)
        state = portal.ask("state")
    finally:
        await kill(process)
        await kill(portal_process)
        await ami.stop()
    if len(state["statistics"]) != number or len({row["EXTERNAL_CALL_ID"] for row in state["statistics"]}) != number:
        raise RuntimeError(f"of {number} calls, the portal has {len(state['statistics'])} facts")
    return Load(number, _latencies(state, told), lag, peak, share, os.getloadavg()[0])


Told = dict[tuple[str, str], float]  # kind of request, and Linkedid → when the event was written that it tells of


def _made(begin: float, rate: float, number: int, recorded: bool) -> tuple[list[Event], dict[str, str]]:
    """Events of all calls in order of time, and their lines in the exchange's file by Linkedid."""
    chance = random.Random(1)
    events: list[Event] = []
    lines: dict[str, str] = {}
    for turn in range(number):
        calls = Calls(begin + turn / rate, turn * 10 + 1)
        who: dict[str, t.Any] = {"number": f"+7916{turn:07}", "inner": chance.choice(INNER)}
        ring, talk = chance.uniform(1, 6), chance.uniform(1, 20)
        if turn % EVERY_MISSED == 0:
            missed(calls, ring=ring, **who)
        else:
            answered(calls, ring=ring, talk=talk, recorded=recorded, **who)
        events += calls.events
        lines |= calls.records
    return sorted(events, key=lambda event: event.at), lines


async def _tell(
    ami: AmiServer, connector: ConnectorProcess, events: t.Sequence[Event], lines: t.Mapping[str, str]
) -> Told:
    """Write each event at its time; give when that was of those that requests tell of."""
    position, told = 0, Told()
    while position < len(events):
        await asyncio.sleep(max(0.0, events[position].at - time.time()))
        now, begin = time.time(), position
        while position < len(events) and events[position].at <= now:
            position += 1
        due = events[begin:position]
        ami.tell(due)
        for event in due:
            linkedid = event.get("Linkedid")
            if event.name == "DialBegin":
                told["register", linkedid] = now
            elif event.name == "Hangup" and event.get("Uniqueid") == linkedid:
                told["finish", linkedid] = now
            elif event.name == "Cdr":
                connector.record(lines[linkedid])
    return told


def _latencies(state: t.Mapping[str, t.Any], told: Told) -> list[float]:
    of_call = {row["CALL_ID"]: row["EXTERNAL_CALL_ID"] for row in state["statistics"]}
    found = []
    for row in state["requests"]:
        kind = row["METHOD"].rpartition(".")[2]
        if kind in ("register", "finish"):
            external_id = row["EXTERNAL_CALL_ID"] or of_call[row["CALL_ID"]]
            found.append(row["AT"] - told[kind, external_id.removeprefix("pbx1-")])
    return found
