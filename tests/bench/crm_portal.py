# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated CRM in a process of its own, and clients against it, each in another one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import ssl
import subprocess
import sys
import typing as t
import urllib.request
from pathlib import Path

from lab.authority import Authority
from lab.crm import peers

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
OURS = "ours"
LONGEST = 600.0  # seconds that a client may take
WEBHOOK = "rest/1/hook0123456789ab/"


@dataclasses.dataclass
class Run:
    """What a client did. `requests` and `refused` are what the portal has seen."""

    ids: list[int]
    seconds: float
    megabytes: float
    requests: int
    refused: int
    error: str


@dataclasses.dataclass
class BenchPortal:
    """A portal that is running."""

    url: str
    authority: Path

    def lab(self, what: str, given: t.Any = None) -> t.Any:
        body = None if given is None else json.dumps(given).encode()
        context = ssl.create_default_context(cafile=str(self.authority))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(urllib.request.Request(f"{self.url}_lab/{what}", body)) as answer:
            return json.loads(answer.read())

    def run(self, client: str, task: str, amount: int = 0) -> Run:
        """Let a client work: ours, fast_bitrix24 or b24pysdk."""
        before = len(self.lab("requests"))
        webhook = self.url + WEBHOOK
        if client == OURS:
            command = [sys.executable, str(HERE / "crm_client.py"), webhook, str(self.authority), task, str(amount)]
            environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / ".cache" / "collections")}
            ended = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=LONGEST, check=True
            )
            done = json.loads(ended.stdout)
            ids = [int(each) for each in done["ids"].split(",") if each]
        else:
            done = peers.run(client, webhook, self.authority, task, amount, seconds=LONGEST)
            ids = [int(each) for each in done["ids"]]
        seen = self.lab("requests")[before:]
        refused = sum(entry["STATUS"] in (429, 503) for entry in seen)
        return Run(ids, done["seconds"], done["peak_megabytes"], len(seen), refused, done["error"])


@contextlib.contextmanager
def bench_portal(work: Path, leads: int) -> t.Iterator[BenchPortal]:
    """A portal with so many leads. Their rows are encoded before anybody is measured."""
    work.mkdir(parents=True, exist_ok=True)
    authority = Authority(work / "authority")
    issued = authority.issue("127.0.0.1")
    command = [sys.executable, "-m", "lab.crm.server", "--certificate", str(issued.certificate)]
    command += ["--key", str(issued.key), "--leads", str(leads)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "tests")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the simulated portal did not start")
            yield BenchPortal(url.rstrip("/") + "/", authority.certificate)
        finally:
            process.terminate()
