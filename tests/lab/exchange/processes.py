# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real connector and the simulated portal, each in a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import ssl
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.packing import packed
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import command
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.ami import AmiLogin
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store

from lab.exchange.events import LINE
from lab.rest.service import CODE

TESTS = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def kill(process: asyncio.subprocess.Process) -> bool:
    """Whether it was running until now."""
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    return await process.wait() == -signal.SIGKILL


class ConnectorProcess:
    """`call-connector` as systemd runs it: its settings, its store, the exchange's records, and the recordings."""

    def __init__(self, folder: Path, portal: str, authority: Path, login: AmiLogin) -> None:
        """`portal` is a webhook's address."""
        self.folder, self.metrics_port = folder, free_port()
        self.program, self.settings = folder / "call-connector", folder / "settings.json"
        self.program.write_bytes(packed(command.__name__, sys.executable))
        (folder / "state").mkdir()
        self.store, self.log = folder / "state/calls.db", folder / "log"
        content = {
            "store": str(self.store),
            "portal": {"url": portal, "ca_path": str(authority), "timeout": 3},
            "wording": {"fallback_user": 1},
            "exchange": {"host": "pbx1", "trunks": {"carrier": LINE}},
            "ami": {"host": login.host, "port": login.port, "user": login.user, "secret": login.secret},
            "cdr": str(folder / "boxlift.csv"),
            "recordings": {"folder": str(folder), "quiet_seconds": 0},
            "metrics": {"address": "127.0.0.1", "port": self.metrics_port},
            "retention_days": 90,
            "show_numbers": False,
        }
        self.settings.write_text(json.dumps(content))
        store = Store(str(self.store), time.time)
        store.set_meta("first_start", "0")  # calls of tests may lie a little in the past
        store.set_meta("backfilled_until", str(time.time() - 3600))
        store.close()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.program), "--settings", str(self.settings), *arguments]

    async def start(self) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(*self._command("run"), stdout=log, stderr=log, cwd="/")

    async def said(self, *arguments: str) -> str:
        """What a command prints."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*arguments), stdout=asyncio.subprocess.PIPE, cwd="/"
        )
        said, _error = await process.communicate()
        return said.decode()

    async def closed(self, number: int) -> None:
        """Wait until so many calls are told to the end."""
        store = Store(str(self.store), time.time)
        try:
            while store.counts()["closed"] < number:
                await asyncio.sleep(0.05)
        finally:
            store.close()

    def record(self, line: str) -> None:
        """What the exchange writes when a call has ended."""
        with (self.folder / "boxlift.csv").open("a") as file:
            file.write(line)


class PortalProcess:
    """The simulated portal. What it knows outlives `kill`."""

    def __init__(self, folder: Path, certificate: Path, key: Path, authority: Path, settings: dict[str, t.Any]) -> None:
        self.port = free_port()
        self._log, given = folder / "portal.log", folder / "portal.json"
        given.write_text(json.dumps(settings))
        self._arguments = ["--certificate", str(certificate), "--key", str(key), "--port", str(self.port)]
        self._arguments += ["--store", str(folder / "portal.db"), "--settings", str(given)]
        self._tls = ssl.create_default_context(cafile=str(authority))

    @property
    def webhook(self) -> str:
        return f"https://127.0.0.1:{self.port}/rest/1/{CODE}/"

    async def start(self) -> asyncio.subprocess.Process:
        """Started, and listening."""
        command = [sys.executable, "-m", "lab.telephony.server", *self._arguments]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=environment)
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                if process.returncode is not None:
                    raise RuntimeError(self._log.read_text()[-2000:]) from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return process

    def ask(self, name: str, given: t.Any = None) -> t.Any:
        """A page of /_lab/: state, a table, set."""
        return json.loads(self._page(name, given))

    def record(self, number: object) -> bytes:
        return self._page(f"record/{number}")

    def _page(self, name: str, given: t.Any = None) -> bytes:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self._tls)
        try:
            connection.request("GET" if given is None else "POST", f"/_lab/{name}", json.dumps(given or {}))
            return connection.getresponse().read()
        finally:
            connection.close()


def peak_megabytes(process: asyncio.subprocess.Process) -> float:
    """The most memory that a running process has had resident."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def processor_seconds(process: asyncio.subprocess.Process) -> float:
    """Time of processors that a running process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
