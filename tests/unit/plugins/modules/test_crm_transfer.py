# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import sqlite3
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import crm_transfer
from lab.authority import Authority
from unit.plugins.module_utils.crm.transfer.move import Move


@pytest.fixture
def move(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Move]:
    with contextlib.ExitStack() as stack:
        found = Move(tmp_path, Authority(tmp_path_factory.mktemp("authority")), stack)
        for number in range(1, 4):
            found.cloud.add("lead", {"title": f"Lead {number}"})
            found.later()
        found.restore()
        yield found


@pytest.fixture
def given(move: Move, tmp_path: Path) -> dict[str, t.Any]:
    return {
        "cloud_webhook": move.servers["cloud"].webhook(1),
        "box_webhook": move.servers["box"].webhook(1),
        "ca_file": move.authority,
        "proxy": "",
        "cloud_store": str(tmp_path / "crm" / "cloud.sqlite"),
        "box_store": str(tmp_path / "crm" / "box.sqlite"),
        "id_map": str(tmp_path / "crm" / "transfer.sqlite"),
    }


def test_a_whole_move(run_module: t.Any, move: Move, given: dict[str, t.Any]) -> None:
    begun = run_module(crm_transfer, mode="begin", **given)
    assert not begun["failed"] and begun["changed"] and begun["baseline"]["lead"] == 3, begun
    assert not run_module(crm_transfer, mode="begin", **given)["changed"]
    lead = move.cloud.add("lead", {"title": "New"})
    move.later()
    planned = run_module(crm_transfer, check=True, mode="warm", **given)
    assert planned["changed"] and planned["plan"]["lead"]["create"] == 1 and move.box.count("lead") == 3
    warm = run_module(crm_transfer, mode="warm", **given)
    assert warm["changed"] and warm["written"] == {"lead": {"created": 1}} and warm["grade"] is None
    assert not run_module(crm_transfer, mode="warm", **given)["changed"]
    final = run_module(crm_transfer, mode="final", frozen_at=time.time() - 5, **given)
    assert final["grade"] == final["delta"]["grade"] == "perfect", final
    assert final["delta"]["frozen_seconds"] > 0
    assert json.loads(Path(final["paths"]["result"]).read_text())["delta"] == final["delta"]
    with contextlib.closing(sqlite3.connect(final["idmap"])) as database:
        assert database.execute("SELECT kind, cloud_id, box_id FROM pair").fetchall() == [("lead", lead, 4)]
    move.box.update("lead", 4, {"title": "Worked on"})
    move.later()
    back = run_module(crm_transfer, mode="reverse", **given)
    assert back["written"] == {"lead": {"updated": 1}} and (move.cloud.get("lead", lead) or {})["title"] == "Worked on"


def test_what_stops_it_is_told_with_its_remedy(run_module: t.Any, move: Move, given: dict[str, t.Any]) -> None:
    run_module(crm_transfer, mode="begin", **given)
    move.cloud.add_user(7, "Gleb", EMAIL="gleb@example.com")
    move.cloud.add("lead", {"title": "New", "assignedById": 7})
    move.later()
    result = run_module(crm_transfer, mode="final", **given)
    assert result["failed"] and [each["code"] for each in result["refusals"]] == ["user_without_match"]
    assert "fallback_user" in result["remedy"] and move.box.count("lead") == 3
    assert not run_module(crm_transfer, mode="final", fallback_user=1, **given)["failed"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kinds": ["leads"]}, "There is no kind of CRM record called leads."),
        ({"leave_out": ["UF_CRM_1"]}, "leave_out names no field of a kind: UF_CRM_1."),
        ({"rate_share": 0.0}, "rate_share is 0."),
        ({"mode": "warm"}, "no baseline"),
    ],
)
def test_wrong_options(run_module: t.Any, given: dict[str, t.Any], wrong: dict[str, t.Any], message: str) -> None:
    result = run_module(crm_transfer, **{"mode": "begin", **given, **wrong})
    assert result["failed"] and message in result["msg"]


def test_kinds_that_only_snapshots_keep_are_named(run_module: t.Any, given: dict[str, t.Any]) -> None:
    result = run_module(crm_transfer, mode="begin", **{**given, "kinds": ["lead", "quote", "call", "user"]})
    (warning,) = result["warnings"]
    assert warning["event"]["msg"] == "Of these kinds nothing is carried over: call, quote."


def test_the_code_of_a_webhook_is_never_told(run_module: t.Any, move: Move, given: dict[str, t.Any]) -> None:
    code = given["box_webhook"].rstrip("/").rpartition("/")[2]
    move.servers["box"].crm.rules.closed = True
    result = run_module(crm_transfer, mode="begin", **given)
    assert result["failed"] and code not in json.dumps(result)
