# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that others use read and write against the simulated CRM; and the simulator as a program of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import requests
from lab.authority import Authority, Issued
from lab.crm.filling import activities, fill
from lab.crm.peers import run
from lab.crm.server import CrmServer
from lab.rest.faults import Fault
from lab.rest.service import CODE

TESTS = Path(__file__).resolve().parents[2]
LEADS = 230


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(authority: Authority) -> t.Iterator[CrmServer]:
    issued = authority.issue("127.0.0.1")
    with CrmServer(issued.certificate, issued.key) as server:
        fill(server.crm, "lead", LEADS)
        yield server


@pytest.mark.parametrize(
    ("client", "task"),
    [
        ("fast_bitrix24", "read"),
        ("fast_bitrix24", "read_items"),
        ("b24pysdk", "read"),
        ("b24pysdk", "read_items"),
        ("b24pysdk", "read_by_number"),
    ],
)
def test_they_read_every_lead(server: CrmServer, authority: Authority, client: str, task: str) -> None:
    done = run(client, server.webhook(1), authority.certificate, task)
    assert done["error"] == ""
    assert sorted(map(int, done["ids"])) == list(range(1, LEADS + 1))
    # The first page, and all others in one batch.
    assert [row["METHOD"].lower() for row in server.service.requests][-1] == "batch"
    assert len(server.service.requests) == 2


@pytest.mark.parametrize("client", ["fast_bitrix24", "b24pysdk"])
def test_they_add_leads(server: CrmServer, authority: Authority, client: str) -> None:
    done = run(client, server.webhook(1), authority.certificate, "add", 120)
    assert done["error"] == ""
    assert sorted(map(int, done["ids"])) == list(range(LEADS + 1, LEADS + 121))
    assert server.crm.automation == {"lead add": 120} and len(server.service.requests) == 3


def test_a_lost_answer_doubles_what_is_written_again(server: CrmServer, authority: Authority) -> None:
    server.faults.set([Fault("lose_answer", "batch")])
    done = run("fast_bitrix24", server.webhook(1), authority.certificate, "add", 50)
    assert done["error"] == "" and len(done["ids"]) == 50
    assert server.crm.count("lead") == LEADS + 100


def test_filling_repeats_and_goes_on(authority: Authority) -> None:
    issued = authority.issue("127.0.0.1")
    contents = []
    for _time in range(2):
        with CrmServer(issued.certificate, issued.key, clock=lambda: 1_800_000_000.0) as server:
            for kind in ("company", "contact", "lead", "deal"):
                fill(server.crm, kind, 20)
            fill(server.crm, "lead", 20, seed=1)
            activities(server.crm, "lead", 30)
            rows = server.crm.rows("lead")
            dates = [row["createdTime"] for row in rows]
            assert dates == sorted(dates) and [row["id"] for row in rows] == list(range(1, 41))
            assert server.crm.count("activity") == 30
            numbers = [
                each["id"]
                for kind in ("company", "contact", "lead")
                for row in server.crm.rows(kind)
                for each in row["fm"]
            ]
            assert len(numbers) == len(set(numbers)) == 160
            contents.append(rows)
    assert contents[0] == contents[1]


class Program:
    """python -m lab.crm.server"""

    def __init__(self, issued: Issued, *options: str) -> None:
        command = [sys.executable, "-m", "lab.crm.server", "--certificate", str(issued.certificate)]
        command += ["--key", str(issued.key), *options]
        environment = {**os.environ, "PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_a_store_survives_a_kill(authority: Authority, tmp_path: Path) -> None:
    session = requests.Session()
    session.trust_env, session.verify = False, str(authority.certificate)
    options = ["--store", str(tmp_path / "crm.sqlite"), "--leads", "100", "--user-fields", "3", "--warm"]
    first = Program(authority.issue("127.0.0.1"), *options)
    try:
        hook = f"{first.url}/rest/1/{CODE}/"
        made = session.post(f"{hook}crm.item.import", json={"entityTypeId": 1, "fields": {"title": "last"}}, timeout=10)
        assert made.json()["result"]["item"]["id"] == 101
        token = session.post(f"{first.url}/_lab/set", json={"tokens": {"abc": [1, "3"]}}, timeout=10)
        assert token.status_code == 200
    finally:
        first.kill()
    second = Program(authority.issue("127.0.0.1"), *options)
    try:
        listed = session.post(
            f"{second.url}/rest/crm.item.list?auth=abc", json={"entityTypeId": 1, "filter": {">id": 99}}, timeout=10
        ).json()
        assert [row["id"] for row in listed["result"]["items"]] == [100, 101] and listed["total"] == 2
        assert listed["result"]["items"][1]["title"] == "last"
        session.post(f"{second.url}/_lab/delete", json={"kind": "lead", "ids": [101]}, timeout=10)
        assert session.get(f"{second.url}/_lab/count/lead", timeout=10).json() == 100
        state = session.get(f"{second.url}/_lab/state", timeout=10).json()
        assert (state["calls"], state["automation"]) == ({"crm.item.list": 1}, {})
    finally:
        second.kill()
