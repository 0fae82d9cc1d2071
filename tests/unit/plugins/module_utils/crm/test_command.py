# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program boxlift-crm against a simulated portal: a night, what it says of it, and each thing that goes wrong."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import command, nightly
from ansible_collections.boxlift.portal.plugins.module_utils.crm.settings import PortalAccess, Settings
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import note_outcome
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import KindCount, Snapshot, Store
from lab.crm.server import CrmServer

KEY = "ab" * 32


@pytest.fixture
def server(tls: t.Any) -> t.Iterator[CrmServer]:
    with CrmServer(certificate=tls.certificate, key=tls.key) as made:
        yield made


class Program:
    """The program with its settings file; `run` gives the exit status and what was said."""

    def __init__(self, folder: Path, server: CrmServer, authority: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = folder / "settings.json"
        self.folder = folder / "crm"
        self.folder.mkdir(mode=0o700)
        self.webhook = server.webhook(1)
        portals = {"box": {"webhook": self.webhook, "ca_file": authority}, "cloud": {"webhook": ""}}
        self.given: dict[str, t.Any] = {"folder": str(self.folder), "portals": portals}
        self.capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self.settings.write_text(json.dumps(self.given), "utf-8")
        status = command.main(["--settings", str(self.settings), *arguments])
        said = self.capsys.readouterr()
        # Whatever goes wrong, the webhook's code is in nothing that is said.
        assert self.webhook.rstrip("/").rpartition("/")[2] not in said.out + said.err
        return status, said.out, said.err

    def said(self, *arguments: str) -> t.Any:
        status, out, err = self.run(*arguments)
        assert status == 0, err
        return json.loads(out)


@pytest.fixture
def program(tmp_path: Path, server: CrmServer, tls: t.Any, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, server, str(tls.authority), capsys)


def test_nights(program: Program, server: CrmServer) -> None:
    leads = [server.crm.add("lead", {"title": f"lead {number}"}) for number in range(30)]
    first = program.said("snapshot")
    assert (first["full"], first["alerts"]) == (True, []) and first["records"] >= 30
    assert stat.S_IMODE((program.folder / "box.sqlite").stat().st_mode) == 0o600

    server.crm.update("lead", leads[0], {"title": "another name"})
    server.crm.delete("lead", *leads[1:26])
    second = program.said("snapshot")
    assert (second["full"], second["changed"], second["deleted"]) == (False, 1, 25)
    assert len(second["alerts"]) == 1 and "lead" in second["alerts"][0]

    box = program.said("status", "--prove")["box"]
    assert (box["snapshots"], box["problem"], box["webhook"]) == (2, "", "")
    assert box["last"]["alerts"] == second["alerts"]

    versions = program.said("history", "lead", str(leads[0]))
    assert [version["content"]["title"] for version in versions] == ["lead 0", "another name"]
    assert [version["content"] is None for version in program.said("history", "lead", str(leads[1]))] == [False, True]
    assert program.said("snapshot", "--full")["full"]

    assert program.said("prune")["snapshots"] == []
    program.given.update(keep_all_days=0, keep={"daily": 1, "weekly": 0, "monthly": 0})
    assert program.said("prune")["snapshots"] == [1, 2]
    assert program.said("status")["box"]["snapshots"] == 1


def test_a_kind_that_cannot_be_read_any_more_is_an_alert(program: Program, server: CrmServer) -> None:
    server.crm.add("lead", {"title": "one"})
    server.crm.add("lead", {"title": "another"})
    program.said("snapshot")
    unread = {"lead": "The account sees none.", "call": "No scope."}
    path = str(program.folder / "box.sqlite")
    with Store(path) as store, store.new_pass(store.snapshots()[-1].portal, full=False) as pass_:
        note_outcome(pass_, unread, "lead 1 was made twice")
    alerts = program.said("status")["box"]["last"]["alerts"]
    assert alerts == [
        "lead could not be read, the store keeps what it had: The account sees none.",
        "the portal did not go on from the snapshot before: lead 1 was made twice",
    ]
    assert program.said("snapshot")["alerts"] == []


def test_without_a_choice_all_kinds_are_kept(program: Program, server: CrmServer) -> None:
    server.crm.add("quote", {"title": "Estimate"})
    server.crm.add("invoice", {"title": "Invoice"})
    server.crm.add("comment", {"ENTITY_TYPE": "dynamic_31", "ENTITY_ID": 1, "COMMENT": "Paid"})
    program.said("snapshot")
    assert program.said("history", "comment", "1")[0]["content"]["COMMENT"] == "Paid"
    for kind in ("quote", "invoice"):
        assert program.said("history", kind, "1")[0]["content"]["title"] in ("Estimate", "Invoice")


def test_an_encrypted_store(program: Program, server: CrmServer) -> None:
    number = server.crm.add("lead", {"title": "nobody else's business"})
    key = program.folder / "store.key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    program.given["store_key_file"] = str(key)
    program.said("snapshot")
    assert b"business" not in (program.folder / "box.sqlite").read_bytes()
    assert program.said("history", "lead", str(number))[0]["content"]["title"] == "nobody else's business"
    program.given["store_key_file"] = ""
    assert "is encrypted" in program.said("status")["box"]["problem"]


def test_before_the_first_night(program: Program) -> None:
    assert program.said("status") == {}
    assert program.run("check")[0] == 0
    status, _out, err = program.run("history", "lead", "7")
    assert status == 1 and "There is no store" in err
    (program.folder / "box.sqlite").touch()  # as the role makes it
    assert program.said("status") == {}
    program.said("snapshot")
    status, _out, err = program.run("history", "lead", "7")
    assert status == 1 and "has no lead 7" in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"portals": {}}, "hold no webhook of the box"),
        ({"portals": {"box": {"webhook": "http://portal.example.com/rest/1/canary/"}}}, "does not begin with https://"),
        ({"portals": {"box": {"hook": "x"}}}, "unexpected keyword argument 'hook'"),
        ({"portals": None}, "'items'"),
        ({"folder": None, "colour": "red"}, "unexpected keyword argument 'colour'"),
    ],
)
def test_wrong_settings(program: Program, change: dict[str, t.Any], words: str) -> None:
    program.given.update(change)
    status, _out, err = program.run("check")
    assert status == 1 and words in err and "crm_nightly" in err and "canary" not in err


def test_settings_that_cannot_be_read(program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content, words in (("{", "it is no JSON"), ("[]", "it holds no object")):
        program.settings.write_text(content, "utf-8")
        assert command.main(["--settings", str(program.settings), "check"]) == 1
        assert words in capsys.readouterr().err
    assert command.main(["--settings", str(tmp_path / "none.json"), "check"]) == 1
    assert "none.json" in capsys.readouterr().err


def test_a_webhook_that_does_not_work(program: Program, server: CrmServer) -> None:
    program.said("snapshot")
    wrong = program.webhook.rstrip("/").rpartition("/")[0] + "/wrong-canary/"
    program.given["portals"]["box"]["webhook"] = wrong
    status, _out, err = program.run("snapshot")
    assert status == 1 and err and "wrong-canary" not in err
    box = program.said("status", "--prove")["box"]
    assert box["webhook"] and "wrong-canary" not in box["webhook"]


def test_a_damaged_store(program: Program) -> None:
    program.said("snapshot")
    store = program.folder / "box.sqlite"
    content = bytearray(store.read_bytes())
    content[4096 * 2 : 4096 * 5] = bytes(4096 * 3)
    store.write_bytes(content)
    assert program.said("status", "--prove")["box"]["problem"]
    status, _out, err = program.run("history", "lead", "1")
    assert status == 1 and "damaged" in err
    store.write_bytes(b"no database" * 1000)
    assert "cannot be read" in program.said("status")["box"]["problem"]


def snapshot(**kinds: KindCount) -> Snapshot:
    return Snapshot(2, "portal.example.com", False, 0.0, 1.0, "", 9, kinds)


@pytest.mark.parametrize(
    ("count", "given", "found"),
    [
        (KindCount(records=900, deleted=100), {}, ["deleted"]),
        (KindCount(records=1000, added=1000), {}, []),  # the first one
        (KindCount(records=900, deleted=100, changed=500), {}, ["changed", "deleted"]),
        (KindCount(records=900, deleted=100), {"lead": {"deleted": 50}}, []),
        (KindCount(records=0, deleted=12), {}, ["deleted"]),  # fewer than 20, but all of them
        (KindCount(records=0, deleted=2), {}, []),
        (KindCount(records=0, deleted=12), {"lead": {"deleted": 100}}, []),
        (KindCount(records=990, deleted=10), {"other": {"deleted": 0.5, "least": 5}}, ["deleted"]),
    ],
)
def test_alerts(count: KindCount, given: dict[str, t.Any], found: list[str]) -> None:
    access = PortalAccess("https://portal.example.com/rest/1/canary/")
    settings = Settings("/nowhere", {"box": access}, thresholds=given)
    alerts = nightly.alerts(settings, snapshot(lead=count))
    assert [word for alert in alerts for word in ("changed", "deleted") if word in alert] == found
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(("days_ago", "due"), [(1, False), (7, True), (-400, True)])
def test_a_full_pass_of_a_clock_that_was_ahead_does_not_count(days_ago: float, due: bool) -> None:
    now = 1_800_000_000.0
    ended = now - days_ago * nightly.DAY
    before = [Snapshot(1, "portal.example.com", True, ended - 60, ended, "", 9, {})]
    assert nightly._full_is_due(before, now, 7) is due
