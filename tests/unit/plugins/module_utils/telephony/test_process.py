# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real program, killed while calls come and the portal fails: at the end, facts are what the records say."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import pwd
import random
import signal
import socket
import sys
import tempfile
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.package import application
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store
from lab.telephony.faults import Fault
from lab.telephony.server import TelephonyServer
from unit.conftest import Tls
from unit.plugins.module_utils.telephony import exchange
from unit.plugins.module_utils.telephony.ami_server import AmiServer
from unit.plugins.module_utils.telephony.exchange import Calls, Channel, answered
from unit.plugins.module_utils.telephony.test_sender import SOUND


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Program:
    """`call-connector` as systemd runs it, with its settings and its store."""

    def __init__(self, folder: pathlib.Path, portal: TelephonyServer, tls: Tls, ami_port: int) -> None:
        self.folder, self.metrics_port = folder, free_port()
        self.program, self.settings = folder / "call-connector", folder / "settings.json"
        self.program.write_bytes(application(sys.executable))
        (folder / "state").mkdir()
        self.store = folder / "state/calls.db"
        login = {"host": "127.0.0.1", "port": ami_port, "user": "boxlift-events", "secret": "secret"}
        content = {
            "store": str(self.store),
            "portal": {"url": portal.webhook(1), "ca_path": str(tls.authority), "timeout": 3},
            "wording": {"fallback_user": 1},
            "exchange": {"host": "pbx1", "trunks": {"carrier": "+74951000001"}},
            "ami": login,
            "cdr": str(folder / "boxlift.csv"),
            "recordings": {"folder": str(folder), "quiet_seconds": 0},
            "metrics": {"address": "127.0.0.1", "port": self.metrics_port},
            "retention_days": 90,
            "show_numbers": False,
        }
        self.settings.write_text(json.dumps(content))
        store = Store(str(self.store), time.time)
        store.set_meta("first_start", "0")  # the calls of this test lie a little in the past
        store.set_meta("backfilled_until", str(time.time() - 3600))
        store.close()

    async def start(self) -> asyncio.subprocess.Process:
        command = [sys.executable, str(self.program), "--settings", str(self.settings)]
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(*command, "run", stdout=log, stderr=log, cwd="/")

    async def said(self, *arguments: str) -> str:
        command = [sys.executable, str(self.program), "--settings", str(self.settings), *arguments]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd="/")
        said, _error = await process.communicate()
        return said.decode()

    def record(self, channel: Channel, start: float, talk: float) -> None:
        """What the exchange writes when a call has ended."""
        times = [f"{moment:.6f}" for moment in (start, start + 7, start + 7 + talk)]
        fields = [channel.linkedid, channel.uniqueid, "1", *times, "0", "0", "ANSWERED", "+7916", "101", "boxlift-in"]
        fields += [channel.name, "PJSIP/101-00000001", "Dial", "", "in", "+74951000001", f"{channel.linkedid}.wav", ""]
        with (self.folder / "boxlift.csv").open("a") as file:
            file.write(",".join(f'"{field}"' for field in fields) + "\n")


@pytest.fixture
def portal(tls: Tls) -> t.Iterator[TelephonyServer]:
    with TelephonyServer(certificate=tls.certificate, key=tls.key, clock=time.time, store=":memory:") as server:
        server.portal.add_user(1, "Anna", IS_ADMIN=1)
        server.portal.add_user(7, "Boris", "101")
        yield server


async def closed(path: pathlib.Path, number: int) -> None:
    store = Store(str(path), time.time)
    try:
        while store.counts()["closed"] < number:
            await asyncio.sleep(0.05)
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *[pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12)]])
def test_killed_again_and_again(
    tmp_path: pathlib.Path, portal: TelephonyServer, tls: Tls, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    number, kills = 40, 6
    chance = random.Random(seed)
    monkeypatch.setattr(exchange, "EPOCH", round(time.time()) - 300)
    portal.faults.set(
        [Fault("lose_answer", share=0.1, times=8), Fault("unavailable", share=0.1, times=4), Fault("drop", times=3)]
    )
    portal.service.delay = 0.01
    clients: dict[str, Channel] = {}

    async def test() -> None:
        ami = AmiServer()
        await ami.start()
        program = Program(tmp_path, portal, tls, ami.port)
        process = await program.start()
        landed = 0
        try:
            deadly = set(chance.sample(range(1, number), kills))
            for turn in range(number):
                calls = Calls()
                calls._numbers = iter(range(turn * 10 + 1, turn * 10 + 10))  # type: ignore[assignment]
                client = answered(calls, number=f"+791600000{turn:02}", talk=20 + turn)
                clients[client.linkedid] = client
                (tmp_path / f"{client.linkedid}.wav").write_bytes(SOUND + client.linkedid.encode())
                cut = chance.randrange(1, len(calls.events))
                ami.tell(calls.events[:cut])
                await asyncio.sleep(chance.random() * 0.1)
                if turn in deadly:
                    process.send_signal(signal.SIGKILL)
                    landed += await process.wait() == -signal.SIGKILL
                    process = await program.start()
                ami.tell(calls.events[cut:])
                program.record(client, exchange.EPOCH, 20 + turn)
            assert landed == kills
            await asyncio.wait_for(closed(program.store, number), 90)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 20) == 0
            assert json.loads(await program.said("status"))["calls"]["closed"] == number
        finally:
            if process.returncode is None:
                process.kill()
            await ami.stop()

    asyncio.run(test())
    state = portal.service.state()
    facts = {row["EXTERNAL_CALL_ID"]: row for row in state["statistics"]}
    assert len(state["statistics"]) == len(facts) == number and state["calls"] == []
    for turn, linkedid in enumerate(clients):
        row = facts[f"pbx1-{linkedid}"]
        assert (row["CALL_DURATION"], row["CALL_FAILED_CODE"]) == (20 + turn, "200")
        assert portal.service.record(row["RECORD_FILE_ID"]) == SOUND + linkedid.encode()


def test_commands_and_reload(tmp_path: pathlib.Path, portal: TelephonyServer, tls: Tls) -> None:
    async def test() -> None:
        ami = AmiServer()
        await ami.start()
        program = Program(tmp_path, portal, tls, ami.port)
        process = await program.start()
        try:
            await asyncio.wait_for(ami.listened_to(), 20)
            assert [await program.said("hold"), await program.said("hold")] == ["changed\n", "unchanged\n"]
            assert json.loads(await program.said("status"))["held"] is True
            assert await program.said("release") == "changed\n"
            assert await program.said("replay") == "0\n"
            settings = json.loads(program.settings.read_text())
            settings["ami"]["user"] = "another"
            program.settings.write_text(json.dumps(settings))
            before = len(ami.actions)
            process.send_signal(signal.SIGHUP)
            while not any(action.get("Username") == "another" for action in ami.actions[before:]):
                await asyncio.sleep(0.05)
            program.settings.write_text("{")
            process.send_signal(signal.SIGHUP)
            while "not reloaded" not in (tmp_path / "log").read_text():
                await asyncio.sleep(0.05)
            assert process.returncode is None
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                process.kill()
            await ami.stop()

    asyncio.run(asyncio.wait_for(test(), 60))
    assert os.stat(tmp_path / "state/calls.db").st_mode & 0o777 == 0o600


def test_root_works_as_the_services_account(portal: TelephonyServer, tls: Tls) -> None:
    """Files of root's beside the store would lock the service out."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="boxlift-connector-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        program = Program(folder, portal, tls, 1)
        for path in (folder / "state", *(folder / "state").iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        (folder / "state").chmod(0o700)
        program.store.unlink()
        assert asyncio.run(program.said("hold")) == "changed\n"
        assert {path.stat().st_uid for path in (folder / "state").iterdir()} == {nobody.pw_uid}
