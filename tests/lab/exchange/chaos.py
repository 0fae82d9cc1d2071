# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls, while everything around them is killed, cut or taken away: at the end, facts are what the records say.

The connector and the simulated portal are killed at random; the manager interface is cut off, so that events are
lost; the portal refuses, loses its answers after it has written, and is dark for a while.
"""

from __future__ import annotations

import asyncio
import collections
import csv
import dataclasses
import random
import time
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr_file import FIELDS

from lab.authority import Authority
from lab.exchange.ami_server import AmiServer
from lab.exchange.events import Calls, Channel, answered, missed
from lab.exchange.processes import ConnectorProcess, PortalProcess, kill

# Within the half hour in which the portal knows a registration again, and old enough for its record to count.
AGO_SECONDS = 300.0
INNER = ["101", "102", "103"]
CLIENTS = 7  # so few numbers that calls of one number are parallel
EVERY_MISSED = 4
FAULTS = [
    {"kind": "lose_answer", "share": 0.05, "times": -1},
    {"kind": "unavailable", "share": 0.02, "times": -1},
    {"kind": "drop", "share": 0.01, "times": -1},
]


Harm = t.Callable[[float], t.Coroutine[t.Any, t.Any, None]]


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many calls, and how often what happens meanwhile."""

    calls: int
    pause: float  # seconds between the beginnings of two calls, at most
    kills: int
    cuts: int
    crashes: int  # of the whole host: exchange and connector at once
    portal_kills: int
    outages: tuple[float, ...]  # seconds


SHORT = Plan(20, 0.08, kills=2, cuts=2, crashes=1, portal_kills=1, outages=(0.5,))
LONG = Plan(300, 0.8, kills=16, cuts=14, crashes=4, portal_kills=6, outages=(2, 5, 60))


@dataclasses.dataclass
class Report:
    """What happened, and how facts differ from records: in nothing, if all is well."""

    calls: int
    happened: collections.Counter[str]
    seconds: float = 0.0
    requests: int = 0
    unanswered: int = 0
    lost: list[str] = dataclasses.field(default_factory=list)
    double: list[str] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)  # another result, time, number or employee
    recordings: list[str] = dataclasses.field(default_factory=list)  # those that are absent, or other bytes
    unfinished: list[str] = dataclasses.field(default_factory=list)  # registrations that nobody ended

    @property
    def differences(self) -> int:
        return sum(map(len, (self.lost, self.double, self.wrong, self.recordings, self.unfinished)))


async def run(folder: Path, plan: Plan, seed: int, patience: float) -> Report:
    """`patience`: seconds after the last call within which all must be told. Raises TimeoutError."""
    authority = Authority(folder / "tls")
    issued = authority.issue("127.0.0.1")
    users = [{"ID": 1, "NAME": "Anna", "IS_ADMIN": 1}]
    users += [{"ID": int(inner), "NAME": f"User {inner}", "UF_PHONE_INNER": inner} for inner in INNER]
    portal = PortalProcess(
        folder,
        issued.certificate,
        issued.key,
        authority.certificate,
        {"users": users, "faults": FAULTS, "delay": 0.01},
    )
    ami = AmiServer()
    await ami.start()
    connector = ConnectorProcess(folder, portal.webhook, authority.certificate, ami.login)
    chaos = _Chaos(plan, random.Random(seed), ami, connector, portal)
    began = time.monotonic()
    try:
        await chaos.begin()
        await asyncio.gather(chaos.calls(), chaos.harm())
        # A connection that is new has the records read at once, not within a minute.
        await chaos.cut(0.0)
        await asyncio.wait_for(connector.closed(plan.calls), patience)
        report = Report(plan.calls, chaos.happened, time.monotonic() - began)
        _compare(report, connector, portal)
    finally:
        await chaos.end()
    return report


class _Chaos:
    def __init__(
        self, plan: Plan, chance: random.Random, ami: AmiServer, connector: ConnectorProcess, portal: PortalProcess
    ) -> None:
        self._plan, self._chance = plan, chance
        self._ami, self._connector, self._portal = ami, connector, portal
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._begun = 0
        self.happened = collections.Counter[str]()

    async def begin(self) -> None:
        self._running["portal"] = await self._portal.start()
        self._running["connector"] = await self._connector.start()
        await self._ami.listened_to()

    async def end(self) -> None:
        for process in self._running.values():
            await kill(process)
        await self._ami.stop()

    async def calls(self) -> None:
        """All of them, in parallel as they come."""
        going_on = []
        for turn in range(self._plan.calls):
            self._begun = turn
            going_on.append(asyncio.ensure_future(self._call(turn)))
            await asyncio.sleep(self._chance.uniform(0, self._plan.pause))
        self._begun = self._plan.calls
        await asyncio.gather(*going_on)

    async def _call(self, turn: int) -> None:
        calls = Calls(round(time.time()) - AGO_SECONDS, turn * 10 + 1)
        number, inner = f"+7916000000{turn % CLIENTS}", self._chance.choice(INNER)
        if turn % EVERY_MISSED == 0:
            client = missed(calls, number, inner=inner)
        else:
            client = answered(calls, number, talk=20 + turn, cdr_first=turn % 2 == 0, inner=inner)
            (self._connector.folder / f"{client.linkedid}.wav").write_bytes(_sound(client))
        for event in calls.events:
            self._ami.tell([event])
            if event.name in ("DialBegin", "DialEnd", "BridgeEnter", "BridgeLeave"):
                await asyncio.sleep(self._chance.uniform(0, self._plan.pause * 12))
        self._connector.record(calls.records[client.linkedid])

    async def harm(self) -> None:
        """Everything of the plan, spread over the calls."""
        plan = self._plan
        steps: list[tuple[Harm, float]] = []
        often: list[tuple[Harm, int]] = [(self.kill, plan.kills), (self.cut, plan.cuts), (self.crash, plan.crashes)]
        for step, number in often:
            steps += [(step, self._chance.uniform(0, plan.pause * 5)) for _turn in range(number)]
        steps += [(self.kill_portal, self._chance.uniform(0, plan.pause * 5)) for _turn in range(plan.portal_kills)]
        steps += [(self.outage, seconds) for seconds in plan.outages]
        self._chance.shuffle(steps)
        for turn, (step, seconds) in enumerate(steps):
            while self._begun < turn * plan.calls / len(steps):
                await asyncio.sleep(plan.pause / 2)
            await step(seconds)

    async def kill(self, seconds: float) -> None:
        """The connector, which systemd starts again after so many seconds."""
        self.happened["connector killed"] += await kill(self._running["connector"])
        await asyncio.sleep(seconds)
        self._running["connector"] = await self._connector.start()

    async def cut(self, seconds: float) -> None:
        """The manager interface."""
        await self._ami.stop()
        self.happened["manager interface cut"] += 1
        await asyncio.sleep(seconds)
        await self._ami.start()

    async def crash(self, seconds: float) -> None:
        """The exchange's host, with the connector on it."""
        await self._ami.stop()
        self.happened["host crashed"] += await kill(self._running["connector"])
        await asyncio.sleep(seconds)
        await self._ami.start()
        self._running["connector"] = await self._connector.start()

    async def kill_portal(self, seconds: float) -> None:
        self.happened["portal killed"] += await kill(self._running["portal"])
        await asyncio.sleep(seconds)
        self._running["portal"] = await self._portal.start()
        await asyncio.get_running_loop().run_in_executor(None, self._portal.ask, "set", {"faults": FAULTS})

    async def outage(self, seconds: float) -> None:
        """The portal closes every connection; calls go on."""
        await asyncio.get_running_loop().run_in_executor(None, self._portal.ask, "set", {"outage": seconds})
        self.happened[f"portal dark for {seconds:g} s"] += 1
        await asyncio.sleep(seconds)


def _sound(client: Channel) -> bytes:
    """Another one for each call."""
    return b"RIFF" + random.Random(client.linkedid).randbytes(4000)


def _compare(report: Report, connector: ConnectorProcess, portal: PortalProcess) -> None:
    """Facts and recordings of the portal against the lines that the exchange wrote."""
    state = portal.ask("state")
    facts = collections.defaultdict(list)
    for row in state["statistics"]:
        facts[row["EXTERNAL_CALL_ID"]].append(row)
    with (connector.folder / "boxlift.csv").open(newline="") as file:
        lines = list(csv.DictReader(file, FIELDS))
    for line in lines:
        name = f"pbx1-{line['linkedid']}"
        found = facts.pop(name, [])
        if len(found) != 1:
            (report.double if found else report.lost).append(name)
            continue
        talk = round(float(line["end"]) - float(line["answer"])) if line["disposition"] == "ANSWERED" else 0
        inner = line["dstchannel"].removeprefix("PJSIP/").partition("-")[0]
        wanted = (talk, "200" if talk else "304", line["src"], int(inner), line["boxlift_line"])
        columns = ("CALL_DURATION", "CALL_FAILED_CODE", "PHONE_NUMBER", "PORTAL_USER_ID", "PORTAL_NUMBER")
        seen = tuple(found[0][column] for column in columns)
        if seen != wanted:
            report.wrong.append(f"{name}: {seen}, not {wanted}")
        if line["boxlift_recording"]:
            number = found[0]["RECORD_FILE_ID"]
            path = connector.folder / line["boxlift_recording"]
            if not number or portal.record(number) != path.read_bytes():
                report.recordings.append(name)
    report.double += facts  # those of calls that no record knows
    report.lost += ["a record"] * (report.calls - len(lines))
    report.unfinished = [row["EXTERNAL_CALL_ID"] for row in state["calls"]]
    report.requests = len(state["requests"])
    report.unanswered = sum(row["STATUS"] in (0, 503) for row in state["requests"])
