# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real program, killed while calls come and the portal fails: at the end, facts are what the records say."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import pwd
import signal
import tempfile
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.ami import AmiLogin
from lab.exchange import chaos
from lab.exchange.ami_server import AmiServer
from lab.exchange.processes import ConnectorProcess
from lab.telephony.server import TelephonyServer
from unit.conftest import Tls


@pytest.fixture
def portal(tls: Tls) -> t.Iterator[TelephonyServer]:
    with TelephonyServer(certificate=tls.certificate, key=tls.key, clock=time.time, store=":memory:") as server:
        server.portal.add_user(1, "Anna", IS_ADMIN=1)
        server.portal.add_user(7, "Boris", "101")
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *[pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12)]])
def test_chaos(tmp_path: pathlib.Path, seed: int) -> None:
    harmed(tmp_path, chaos.SHORT, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_long_chaos(tmp_path: pathlib.Path, seed: int) -> None:
    harmed(tmp_path, chaos.LONG, seed)


def harmed(folder: pathlib.Path, plan: chaos.Plan, seed: int) -> None:
    """Facts are what the records say, whatever happened meanwhile."""
    report = asyncio.run(chaos.run(folder, plan, seed, patience=180))
    assert (report.happened["connector killed"], report.happened["host crashed"]) == (plan.kills, plan.crashes)
    assert report.happened["portal killed"] == plan.portal_kills and report.unanswered > 0
    assert report.differences == 0, report


def test_commands_and_reload(tmp_path: pathlib.Path, portal: TelephonyServer, tls: Tls) -> None:
    async def test() -> None:
        ami = AmiServer()
        await ami.start()
        program = ConnectorProcess(tmp_path, portal.webhook(1), tls.authority, ami.login)
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
        program = ConnectorProcess(folder, portal.webhook(1), tls.authority, AmiLogin("127.0.0.1", 1, "x", "secret"))
        for path in (folder / "state", *(folder / "state").iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        (folder / "state").chmod(0o700)
        program.store.unlink()
        assert asyncio.run(program.said("hold")) == "changed\n"
        assert {path.stat().st_uid for path in (folder / "state").iterdir()} == {nobody.pw_uid}
