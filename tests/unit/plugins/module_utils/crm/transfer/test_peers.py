# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that nobody here wrote read from the box what ours wrote: counts and contents are those of the cloud."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from lab.authority import Authority
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT
from unit.plugins.module_utils.crm.transfer import reading_peer
from unit.plugins.module_utils.crm.transfer.two_portals import Move

Row = dict[str, t.Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def move(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Move]:
    made = Move(authority, tmp_path_factory.mktemp("move"))
    try:
        made.transfer("begin")
        made.work_on()
        made.transfer("final")
        yield made
    finally:
        made.close()


def read(client: str, webhook: str, authority: Authority) -> dict[str, list[Row]]:
    trusted = {"SSL_CERT_FILE": str(authority.certificate), "REQUESTS_CA_BUNDLE": str(authority.certificate)}
    done = subprocess.run(
        [sys.executable, str(Path(reading_peer.__file__)), client, webhook],
        env={**ENVIRONMENT, **trusted, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Row]] = json.loads(done.stdout.splitlines()[-1])
    return found


def instant(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def phones(row: Row) -> list[tuple[str, str, str]]:
    return sorted((each["typeId"], each["valueType"], each["value"]) for each in row.get("fm") or [])


def plain(row: Row, users: t.Mapping[int, str], contacts: t.Mapping[int, str]) -> Row:
    """What a record says, without an id of its portal."""
    found = {
        name: row.get(name) or None for name in ("title", "name", "lastName", "stageId", "sourceId", "opportunity")
    }
    found |= {"created": instant(row["createdTime"]), "by": users[row["createdBy"]], "fm": phones(row)}
    found |= {"responsible": users[row["assignedById"]]}
    found["contacts"] = sorted(contacts[number] for number in row.get("contactIds") or [])
    return found


@pytest.mark.parametrize("client", ["fast_bitrix24", "b24pysdk"])
def test_counts_and_contents_are_those_of_the_cloud(client: str, move: Move, authority: Authority) -> None:
    seen = read(client, move.box.server.webhook(1), authority)
    cloud = move.cloud.crm
    users = {row["ID"]: row["EMAIL"] for row in cloud.rows("user")}
    users_there = {int(row["ID"]): row["EMAIL"] for row in seen["user"]}
    contacts = {row["id"]: row["lastName"] for row in cloud.rows("contact")}
    contacts_there = {row["id"]: row["lastName"] for row in seen["contact"]}
    for kind in ("company", "contact", "lead", "deal"):
        ours = [plain(row, users, contacts) for row in cloud.rows(kind)]
        theirs = [plain(row, users_there, contacts_there) for row in seen[kind]]
        assert len(theirs) == cloud.count(kind)
        assert sorted(map(repr, theirs)) == sorted(map(repr, ours)), kind
    meetings = sorted((row["SUBJECT"], instant(row["START_TIME"])) for row in cloud.rows("activity"))
    assert sorted((row["SUBJECT"], instant(row["START_TIME"])) for row in seen["activity"]) == meetings


def test_they_see_the_damage_that_the_proof_sees(move: Move, authority: Authority) -> None:
    """Else an equal result would prove nothing."""
    move.box.crm.touch("lead", move.there("lead", 7), opportunity=1.0)
    seen = read("b24pysdk", move.box.server.webhook(1), authority)
    assert next(row for row in seen["lead"] if row["title"] == "New lead 1")["opportunity"] == 1.0
