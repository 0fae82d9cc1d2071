# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sqlite3
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import crm_snapshot
from lab.crm.server import CrmServer

KINDS = ["status", "category", "field", "user", "contact", "lead", "deal", "smart", "productrow", "activity", "comment"]


@pytest.fixture
def server(tls: t.Any) -> t.Iterator[CrmServer]:
    with CrmServer(tls.certificate, tls.key) as running:
        for number in range(1, 61):
            running.crm.add("contact", name=f"Anna {number}")
        for number in range(1, 121):
            running.crm.add("lead", title=f"Kitchen {number}", fm=[{"typeId": "PHONE", "value": f"+7900{number}"}])
        yield running


@pytest.fixture
def given(server: CrmServer, tls: t.Any, tmp_path: Path) -> dict[str, t.Any]:
    return {
        "webhook": server.webhook(1),
        "ca_file": str(tls.authority),
        "store": str(tmp_path / "crm" / "cloud.sqlite"),
        "kinds": KINDS,
    }


def test_check_mode_then_full_then_incremental(
    run_module: t.Any, given: dict[str, t.Any], server: CrmServer, tmp_path: Path
) -> None:
    told = run_module(crm_snapshot, check=True, **given)
    assert told["changed"] and told["plan"]["full"] and not os.path.exists(given["store"])
    wanted = {each["kind"]: (each["portal"], each["whole"]) for each in told["plan"]["kinds"]}
    assert wanted == {"contact": (60, True), "lead": (120, True), "deal": (0, True), "activity": (0, True)}
    first = run_module(crm_snapshot, progress=str(tmp_path / "run" / "progress.json"), **given)
    assert not first["failed"], first
    assert first["changed"] and first["snapshot"]["full"] and first["snapshot"]["number"] == 1
    assert first["snapshot"]["kinds"]["lead"]["records"] == 120 and first["alerts"] == [] and first["unread"] == {}
    # The plan said how much it would be.
    assert abs(told["plan"]["requests"] - first["snapshot"]["requests"]) < 20
    assert json.loads((tmp_path / "run" / "progress.json").read_text())["outcome"] == "done"
    server.crm.update("lead", 5, title="Office")
    told = run_module(crm_snapshot, check=True, **given)
    lead = next(each for each in told["plan"]["kinds"] if each["kind"] == "lead")
    assert (
        told["changed"] and not told["plan"]["full"] and (lead["new"], lead["portal"], lead["store"]) == (0, 120, 120)
    )
    second = run_module(crm_snapshot, **given)
    assert second["changed"] and not second["snapshot"]["full"]
    assert second["snapshot"]["kinds"]["lead"]["changed"] == 1
    third = run_module(crm_snapshot, **given)
    assert not third["changed"] and third["snapshot"]["number"] == 3
    assert third["size"]["bytes"] > 10_000 and third["size"]["snapshots"] == 3 and third["size"]["per_day"] is None


def test_check_mode_leaves_an_empty_store_empty(run_module: t.Any, given: dict[str, t.Any], tmp_path: Path) -> None:
    """As the role makes it: whether it is encrypted is decided by whoever writes first."""
    Path(given["store"]).parent.mkdir(parents=True, exist_ok=True)
    Path(given["store"]).touch()
    assert run_module(crm_snapshot, check=True, **given)["plan"]["full"]
    assert os.path.getsize(given["store"]) == 0
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    assert not run_module(crm_snapshot, store_key_file=str(key), **given)["failed"]


def test_alerts_retention_and_proof(run_module: t.Any, given: dict[str, t.Any], server: CrmServer) -> None:
    run_module(crm_snapshot, **given)
    server.crm.delete("contact", *range(1, 31))
    result = run_module(crm_snapshot, keep={"daily": 1, "weekly": 0, "monthly": 0}, verify=True, **given)
    assert result["alerts"] == ["30 of 60 contact records were deleted (50.0 %, more than 5 %)"]
    assert result["pruned"]["snapshots"] == [1] and result["pruned"]["versions"] == 30 and result["damage"] == []
    with sqlite3.connect(given["store"]) as db:
        db.execute("UPDATE content SET data = x'00' WHERE number = (SELECT max(number) FROM content)")
    damaged = run_module(crm_snapshot, verify=True, **given)
    assert damaged["failed"] and "is damaged" in damaged["msg"] and len(damaged["damage"]) == 1 and damaged["remedy"]


def test_encrypted(run_module: t.Any, given: dict[str, t.Any], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    assert not run_module(crm_snapshot, store_key_file=str(key), **given)["failed"]
    assert b"Kitchen" not in Path(given["store"]).read_bytes()
    assert run_module(crm_snapshot, **given)["msg"].startswith(f"The store {given['store']} is encrypted.")
    key.write_text("cd" * 32)
    wrong = run_module(crm_snapshot, store_key_file=str(key), **given)
    assert "is not the one" in wrong["msg"] and "store_key_file" in wrong["remedy"]
    key.chmod(0o644)
    assert "Others may read" in run_module(crm_snapshot, store_key_file=str(key), **given)["msg"]


def test_refusals(run_module: t.Any, given: dict[str, t.Any], server: CrmServer) -> None:
    result = run_module(crm_snapshot, **{**given, "kinds": ["leads"]})
    assert result["failed"] and result["msg"].startswith("There is no kind of CRM record called leads.")
    result = run_module(crm_snapshot, **given, rate_share=1.5)
    assert result["failed"] and "rate_share is 1.5" in result["msg"]
    result = run_module(crm_snapshot, **{**given, "webhook": "http://example.com/rest/1/secret/"})
    assert result["failed"] and "webhook is not of the form" in result["msg"] and "secret" not in json.dumps(result)
    code = server.webhook(1).rstrip("/").rpartition("/")[2]
    result = run_module(crm_snapshot, **{**given, "webhook": server.webhook(1).replace(code, code[:-1] + "x")})
    assert result["failed"] and code[:-1] not in json.dumps({key: result[key] for key in ("msg", "remedy")})
