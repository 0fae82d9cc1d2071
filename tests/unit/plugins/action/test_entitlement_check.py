# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action entitlement_check: what concerns this host, and the files that lie here."""

from __future__ import annotations

import base64
import os
import typing as t
from pathlib import Path
from unittest import mock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.boxlift.portal.plugins.action import entitlement_check

VARIABLES: dict[str, t.Any] = {
    "inventory_hostname": "prod",
    "groups": {"web": ["prod"], "telephony": ["pbx"], "push": []},
}


def run(loader: DataLoader | None = None, variables: dict[str, t.Any] | None = None, **options: t.Any) -> t.Any:
    """What the module is given; the result where it is not run."""
    task = mock.Mock(args=options, check_mode=False, async_val=0, diff=False)
    task.get_search_path.return_value = []
    action = entitlement_check.ActionModule(task, mock.Mock(), mock.Mock(), loader or DataLoader(), None, None)
    given: list[dict[str, t.Any]] = []

    def module(module_args: dict[str, t.Any], task_vars: t.Any) -> dict[str, t.Any]:
        given.append(module_args)
        return {"changed": False}

    with mock.patch.object(action, "_execute_module", module):
        result = action.run(None, VARIABLES if variables is None else variables)
    return given[0] if given else result


def content(entry: dict[str, t.Any]) -> bytes:
    return base64.b64decode(entry["content"])


@pytest.mark.parametrize("name", ["uses", "required"])
def test_a_host_gets_what_is_for_its_groups(name: str) -> None:
    entries = [{"feature": "a"}, {"feature": "b", "group": "telephony"}, {"feature": "c", "group": "web"}]

    def features(host: str, **options: t.Any) -> list[str]:
        given = run(variables={**VARIABLES, "inventory_hostname": host}, **{name: entries}, **options)
        return [each["feature"] for each in given["uses"]]

    assert features("prod") == ["a", "c"] and features("pbx") == ["a", "b"]
    assert features("prod", default_group="web") == ["a", "c"] and features("pbx", default_group="web") == ["b"]


@pytest.mark.parametrize("group", ["push", "telefony"])
def test_what_is_for_nobody_would_never_be_looked_at(group: str) -> None:
    refused = run(uses=[{"feature": "a", "group": group}])
    assert refused["failed"] and f"for the group {group}, which has no host" in refused["msg"]


def test_what_is_not_given_stays_so() -> None:
    assert run(fail_on="never") == {"fail_on": "never"}
    assert run(**{"on": "2026-12-05", "licence": "no list"}) == {"day": "2026-12-05", "licence_files": "no list"}


def test_files_of_the_controller_are_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.lic").write_bytes(b"F=\xff")
    (tmp_path / "a.sig").write_bytes(b"\0\1")
    (tmp_path / "k.pub").write_bytes(b"key")
    signed = {"method": "ed25519", "public_key_file": "k.pub", "signature_file": "a.sig"}
    (entry,) = run(licence_files=[{"path": "a.lic", "controller": True, "signed": signed}])["licence_files"]
    assert content(entry) == b"F=\xff" and entry["absent"] is False and "problem" not in entry
    assert base64.b64decode(entry["signed"]["proof"]) == b"\0\1"
    assert base64.b64decode(entry["signed"]["verify_with"]) == b"key"
    # The key is the inventory's also where the licence lies on the host; nothing else is brought then.
    (there,) = run(licence_files=[{"path": "/etc/a.lic", "signed": signed}])["licence_files"]
    assert base64.b64decode(there["signed"]["verify_with"]) == b"key"
    assert not {"content", "absent", "problem"} & set(there) and "proof" not in there["signed"]


def test_the_modules_own_names_cannot_be_given_a_forged_key(tmp_path: Path) -> None:
    signed = {"method": "ed25519", "public_key_file": str(tmp_path / "none.pub"), "verify_with": "Zm9yZ2Vk"}
    (entry,) = run(licence_files=[{"path": "/etc/a.lic", "signed": signed}])["licence_files"]
    assert entry["signed"]["verify_with"] == ""


def test_what_is_not_there_or_cannot_be_read_is_the_modules_finding(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(2**21)
    paths = [str(tmp_path / name) for name in ("none", "pipe", "big")]
    given = run(licence_files=[{"path": path, "controller": True} for path in paths])["licence_files"]
    assert given[0]["absent"] is True
    assert "pipe" in given[1]["problem"] and "2.0 MiB" in given[2]["problem"]


def test_a_licence_in_a_vault_is_opened(tmp_path: Path) -> None:
    secrets = [("default", VaultSecret(b"password"))]
    (tmp_path / "a.lic").write_bytes(VaultLib(secrets).encrypt(b"F=fax"))
    entry = {"path": str(tmp_path / "a.lic"), "controller": True}
    loader = DataLoader()
    loader.set_vault_secrets(secrets)
    assert content(run(loader, licence_files=[entry])["licence_files"][0]) == b"F=fax"
    assert not loader._tempfiles
    assert "vault" in run(licence_files=[entry])["licence_files"][0]["problem"]
