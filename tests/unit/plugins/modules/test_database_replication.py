# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.replication import seed
from ansible_collections.boxlift.portal.plugins.module_utils.replication.settings import Settings, read_note
from ansible_collections.boxlift.portal.plugins.modules import database_replication
from unit.plugins.module_utils.replication import conftest as replication

empty_pair, pair = replication.empty_pair, replication.pair
Run = t.Callable[..., "dict[str, t.Any]"]


@pytest.fixture
def on(run_module: Run, tmp_path: pathlib.Path) -> t.Callable[..., dict[str, t.Any]]:
    """`on(host, **options)`: what the module returns on that host."""

    def run(host: replication.Host, **options: t.Any) -> dict[str, t.Any]:
        file = tmp_path / f"{host.settings.host}.json"
        told = {name: getattr(host.settings, name) for name in ("host", "user", "password", "socket", "note", "seen")}
        file.write_text(json.dumps({**told, "peers": [peer._asdict() for peer in host.settings.peers]}))
        return run_module(database_replication, settings=str(file), **options)

    return run


def test_says_what_each_host_is(pair: t.Any, on: t.Any) -> None:
    first, second = (on(host) for host in pair)
    assert (first["role"], first["term"], first["writable"], first["following"]) == ("primary", 1, True, None)
    assert (second["role"], second["primary"], second["writable"]) == ("replica", "db1", False)
    assert (second["following"]["receiving"], second["following"]["lag"]) == ("Yes", 0)
    assert first["tables"] == second["tables"] == 1
    assert first["position"] == second["position"]
    assert (first["replicas"], first["server_id"], first["changed"], first["failed"]) == (1, 1, False, False)


def test_a_switch_and_the_second_run_of_each_step(pair: t.Any, on: t.Any) -> None:
    first, second = pair
    assert on(first, state="demoted", primary="db2", check=True)["changed"]
    assert on(first)["writable"]
    ended = on(first, state="demoted", primary="db2")
    assert ended["changed"] and not ended["writable"] and ended["position"]
    assert not on(first, state="demoted", primary="db2")["changed"]
    assert on(second, state="primary", position=ended["position"], check=True)["changed"]
    assert not on(second)["writable"]
    begun = on(second, state="primary", position=ended["position"])
    assert (begun["changed"], begun["writable"], begun["term"]) == (True, True, 2)
    assert not on(second, state="primary", position=ended["position"])["changed"]
    assert on(first, state="replica", primary="db2", check=True)["changed"]
    followed = on(first, state="replica", primary="db2")
    assert (followed["changed"], followed["needs_seed"], followed["following"]["receiving"]) == (True, "", "Yes")
    assert not on(first, state="replica", primary="db2")["changed"]


def test_the_primary_follows_nobody_by_accident(pair: t.Any, on: t.Any) -> None:
    refused = on(pair[0], state="replica", primary="db2")
    assert refused["failed"] and refused["msg"].startswith("db1 is noted as the primary of term 1, and follows nobody.")
    unknown = on(pair[1], state="replica", primary="db9")
    assert unknown["msg"] == "db2 knows no database host db9, but db1. Run the playbook provision."


def test_an_old_primary_is_not_seeded_without_leave(pair: t.Any, on: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair
    second.do("STOP SLAVE")
    first.do("INSERT INTO portal.orders VALUES (7)")
    assert on(second, state="primary", unplanned=True, gone=["db1"])["changed"]
    assert read_note(second.settings.note).gone == ("db1",)
    on(first, state="demoted", primary="db2")

    def bring(*_arguments: t.Any) -> seed.Brought:
        raise AssertionError("nobody has allowed it")

    monkeypatch.setattr(seed, "bring", bring)
    for leave in ("never", "empty"):
        told = on(first, state="replica", primary="db2", seed=leave)
        assert "it has diverged from its primary" in told["needs_seed"] and not told["seeded"] and not told["failed"]


def test_a_server_that_does_not_answer(tmp_path: pathlib.Path, run_module: Run) -> None:
    file, note = tmp_path / "database.json", tmp_path / "note.json"
    note.write_text('{"role": "primary", "term": 3, "primary": "db1"}')
    told = {"host": "db1", "peers": [], "user": "u", "password": "canary", "socket": f"{tmp_path}/none"}
    file.write_text(json.dumps({**told, "note": str(note)}))
    found = run_module(database_replication, settings=str(file))
    assert (found["role"], found["term"], found["writable"], found["failed"]) == ("primary", 3, None, False)
    assert found["problem"].startswith("Cannot connect to root at")
    # It stays closed when it comes back.
    assert run_module(database_replication, settings=str(file), state="demoted", primary="db2")["changed"]
    assert read_note(str(note))[:3] == ("replica", 3, "db2")
    assert not run_module(database_replication, settings=str(file), state="demoted", primary="db2")["changed"]
    assert run_module(database_replication, settings=str(file), state="primary")["failed"]


def test_a_host_that_the_role_has_not_prepared(
    tmp_path: pathlib.Path, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    unprepared = Settings("", (), "", "", socket=f"{tmp_path}/none", note=f"{tmp_path}/note")
    monkeypatch.setattr(database_replication, "_UNPREPARED", unprepared)
    found = run_module(database_replication, settings=f"{tmp_path}/absent")
    assert (found["role"], found["tables"], found["failed"]) == ("", None, False)
    assert found["problem"].startswith("Cannot connect to root at")


def test_a_seeding_that_was_killed_once_it_followed_ends(
    pair: t.Any, on: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Its position stands by then, and the server refuses another one while it follows."""
    place = seed.Places(*(str(tmp_path / name) for name in ("stage", "old", "kept", "progress.json")))
    (tmp_path / "progress.json").write_text("{}")
    monkeypatch.setattr(seed, "places", lambda _settings: place)
    asked = list[int]()

    def bring(*_arguments: t.Any, term: int) -> seed.Brought:
        asked.append(term)
        return seed.Brought("0-1-1", place.kept, 1)

    monkeypatch.setattr(seed, "bring", bring)
    told = on(pair[1], state="replica", primary="db1")
    assert (told["failed"], told["seeded"], told["following"]["receiving"], asked) == (False, True, "Yes", [0])
    assert not (tmp_path / "progress.json").exists()
    assert not on(pair[1], state="replica", primary="db1")["changed"]
