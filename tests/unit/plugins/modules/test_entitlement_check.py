# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module entitlement_check, run as Ansible runs it."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute
from ansible_collections.boxlift.portal.plugins.modules import entitlement_check
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from unit.plugins.modules.conftest import RunModule

USES = [{"feature": "voice_library", "title": "Voice library"}, {"feature": "fax"}]
KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()


@pytest.fixture
def file(tmp_path: Path) -> dict[str, t.Any]:
    (tmp_path / "a.lic").write_text("F=voice_library, fax\nE=2027-12-31\n")
    return {"path": str(tmp_path / "a.lic"), "fields": {"features": "F", "expires": "E"}}


def statuses(result: dict[str, t.Any]) -> dict[str, str]:
    return {each["id"]: each["status"] for each in result["findings"]}


def test_what_is_granted_passes(run_module: RunModule, file: dict[str, t.Any]) -> None:
    for check in (False, True):
        result = run_module(entitlement_check, check, uses=USES, licence_files=[file], day="2026-12-05")
        assert not result["failed"] and result["changed"] is False
        assert statuses(result) == {"entitlement.voice_library": "pass", "entitlement.fax": "pass"}
        assert result["summary"] == {"pass": 2, "warn": 0, "fail": 0, "unknown": 0, "skip": 0}
        assert result["debts"] == [] and result["files"][0]["features"] == ["fax", "voice_library"]


def test_the_names_of_the_design_are_taken_too(run_module: RunModule, file: dict[str, t.Any]) -> None:
    result = run_module(entitlement_check, required=USES, licence=[file], on="2028-01-01")
    assert result["failed"]
    assert result["msg"] == "2 of 2 checks are not in order: entitlement.voice_library, entitlement.fax."


@pytest.mark.parametrize(
    ("fail_on", "day", "failed"),
    [
        ("never", "2030-01-01", False),
        ("fail", "2030-01-01", True),
        ("fail", "2027-12-20", False),
        ("warn", "2027-12-20", True),
    ],
)
def test_findings_fail_the_task_as_it_is_told(
    run_module: RunModule, file: dict[str, t.Any], fail_on: str, day: str, failed: bool
) -> None:
    result = run_module(entitlement_check, uses=USES, licence_files=[file], day=day, fail_on=fail_on)
    assert result["failed"] is failed and len(result["findings"]) == 2
    assert len(result["debts"]) == (2 if day.startswith("2027") else 0)


def test_without_uses_nobody_knows(run_module: RunModule) -> None:
    assert statuses(run_module(entitlement_check)) == {"entitlement.uses": "unknown"}
    assert run_module(entitlement_check, fail_on="unknown")["failed"]
    assert statuses(run_module(entitlement_check, uses=[])) == {"entitlement.uses": "skip"}


def test_the_clock_of_the_host_counts_without_a_day(run_module: RunModule, file: dict[str, t.Any]) -> None:
    for end, status in (("2020-01-01", "fail"), ("2999-01-01", "pass")):
        Path(file["path"]).write_text(f"F=fax\nE={end}\n")
        result = run_module(entitlement_check, uses=USES[1:], licence_files=[file], fail_on="never")
        assert statuses(result) == {"entitlement.fax": status}


def test_what_the_action_brought_is_read_in_place_of_the_hosts_file(run_module: RunModule, tmp_path: Path) -> None:
    content = base64.b64encode(b"F=fax\n").decode()
    # The host has another file of this name.
    (tmp_path / "x.lic").write_text("F=fax\n")
    path = str(tmp_path / "x.lic")
    entry = {"path": path, "fields": {"features": "F"}, "controller": True}
    assert not run_module(entitlement_check, uses=USES[1:], licence_files=[{**entry, "content": content}])["failed"]
    absent = run_module(entitlement_check, uses=USES[1:], licence_files=[{**entry, "absent": True}])
    assert absent["findings"][0]["observed"] == f"{path} is not there"
    closed = run_module(
        entitlement_check, uses=USES[1:], licence_files=[{**entry, "problem": "a closed vault"}], fail_on="never"
    )
    assert set(statuses(closed).values()) == {"unknown"} and "a closed vault" in closed["findings"][0]["observed"]
    broken = run_module(entitlement_check, uses=USES[1:], licence_files=[{**entry, "content": "?"}], fail_on="never")
    assert set(statuses(broken).values()) == {"unknown"}


def test_a_detached_signature_lies_beside_its_licence(run_module: RunModule, file: dict[str, t.Any]) -> None:
    path = Path(file["path"])
    told = {"method": "ed25519", "public_key_file": "x.pub", "verify_with": PUBLIC, "signature_file": f"{path}.sig"}
    entry = {**file, "signed": told}

    def found() -> dict[str, t.Any]:
        return run_module(entitlement_check, uses=USES, licence_files=[entry], day="2026-12-05", fail_on="never")

    assert set(statuses(found()).values()) == {"unknown"}
    Path(f"{path}.sig").write_bytes(KEY.sign(path.read_bytes()))
    assert set(statuses(found()).values()) == {"pass"} and found()["files"][0]["proven"]
    path.write_text(path.read_text() + "F=everything\n")
    forged = found()
    assert set(statuses(forged).values()) == {"unknown"} and forged["files"][0]["features"] == []
    Path(f"{path}.sig").unlink()
    Path(f"{path}.sig").mkdir()
    assert set(statuses(found()).values()) == {"unknown"}


def test_the_host_is_this_one_unless_another_is_told(run_module: RunModule, tmp_path: Path) -> None:
    (tmp_path / "a.lic").write_text("F=fax\nM=00:16:3e:aa:bb:cc\nD=portal.example.com\n")
    entry = {"path": str(tmp_path / "a.lic"), "fields": {"features": "F", "mac": "M", "domain": "D"}}
    options = {"uses": USES[1:], "licence_files": [entry], "domains": ["portal.example.com"], "fail_on": "never"}
    assert statuses(run_module(entitlement_check, **options))["entitlement.fax"] in ("fail", "unknown")
    there = run_module(entitlement_check, **options, identity={"mac": ["00-16-3E-AA-BB-CC"]})
    assert statuses(there) == {"entitlement.fax": "pass"}


@pytest.mark.parametrize(("field", "asked"), [("host_name", True), ("domain", False)])
def test_the_name_service_is_asked_only_for_a_licence_by_name(
    run_module: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, asked: bool
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(entitlement_check.socket, "getfqdn", lambda: calls.append("") or "pbx.example.com")
    (tmp_path / "a.lic").write_text("H=pbx.example.com\n")
    entry = {"path": str(tmp_path / "a.lic"), "grants": ["fax"], "fields": {field: "H"}}
    options = {"uses": USES[1:], "licence_files": [entry], "domains": ["pbx.example.com"]}
    assert statuses(run_module(entitlement_check, **options)) == {"entitlement.fax": "pass"}
    assert bool(calls) is asked


class TestSeenInUse:
    def test_modules_that_are_known_from_elsewhere(self, run_module: RunModule) -> None:
        result = run_module(
            entitlement_check,
            uses=[],
            asterisk_modules=["res_fax_digium", "app_dial"],
            portal_modules=["crm", "acme.editor"],
            fail_on="never",
        )
        assert statuses(result) == {"entitlement.res_fax_digium": "fail", "entitlement.acme.editor": "warn"}

    def test_asterisk_is_asked(self, run_module: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = tmp_path / "asterisk"
        program.write_text(
            "#!/bin/sh\n[ \"$*\" = '-rx module show' ] && echo 'codec_g729a.so  G.729A  0  Running  core'\n"
        )
        program.chmod(0o755)
        (tmp_path / "modules.conf").write_text("load = res_fax_digium.so\n")
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(entitlement_check, "MODULES_CONF", str(tmp_path / "modules.conf"))
        found = statuses(run_module(entitlement_check, uses=[], exchange=True, fail_on="never"))
        assert found == {"entitlement.codec_g729a": "fail", "entitlement.res_fax_digium": "fail"}
        program.write_text("#!/bin/sh\necho 'Unable to connect' >&2\nexit 1\n")
        found = statuses(run_module(entitlement_check, uses=[], exchange=True, fail_on="never"))
        assert found == {"entitlement.asterisk_modules": "unknown", "entitlement.res_fax_digium": "fail"}

    def test_the_portals_database_says_what_is_installed(
        self, run_module: RunModule, tmp_path: Path, mariadb: t.Any
    ) -> None:
        root = tmp_path / "www"
        options = {"uses": [], "document_root": str(root), "fail_on": "never"}
        assert statuses(run_module(entitlement_check, **options))["entitlement.portal_modules"] == "skip"
        (root / "bitrix").mkdir(parents=True)
        assert statuses(run_module(entitlement_check, **options))["entitlement.portal_modules"] == "unknown"
        database = mariadb.fresh_database()
        connection = mariadb.connect(database)
        execute(connection, "CREATE TABLE b_module (ID varchar(50))")
        execute(connection, "INSERT INTO b_module VALUES ('main'), ('acme.editor'), ('bitrix.eshop')")
        connection.commit()
        connection.close()
        login = f"'host' => 'localhost:{mariadb.login.unix_socket}', 'login' => 'root', 'password' => ''"
        (root / "bitrix" / ".settings.php").write_text(
            f"<?php return ['connections' => ['value' => ['default' => [{login}, 'database' => '{database}']]]];"
        )
        assert statuses(run_module(entitlement_check, **options)) == {"entitlement.acme.editor": "warn"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"uses": [{"feature": "Voice Library"}]},
            "The feature 'Voice Library' of site_entitlements has no proper id.",
        ),
        ({"uses": [{"feature": "a"}, {"feature": "a"}]}, "is there twice"),
        ({"timezone": "Mars"}, "The time zone 'Mars' is not known"),
        ({"day": "tomorrow"}, "'tomorrow' is no date of the format iso"),
        ({"soon_days": -1}, "soon_days is -1."),
        ({"soon_days": 10**9}, "soon_days is 1000000000."),
    ],
)
def test_what_the_inventory_has_wrong_is_refused(run_module: RunModule, options: dict[str, t.Any], words: str) -> None:
    result = run_module(entitlement_check, **options)
    assert result["failed"] and words in result["msg"] and result["remedy"]
