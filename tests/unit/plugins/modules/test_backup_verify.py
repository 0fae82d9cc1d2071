# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the verification: what it returns, and when it fails."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import backup_verify
from lab.archive_writer import Entry, write_archive

from .conftest import RunModule


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    entries = [Entry(b"index.php", data=b"<?php"), Entry(b"upload", type="dir"), Entry(b"upload/a", data=bytes(9000))]
    return write_archive(entries, tmp_path, "base", kind="enc.gz", password="secret", part_limit=4096)


def test_intact(parts: list[Path], run_module: RunModule) -> None:
    result = run_module(backup_verify, path=str(parts[0]), password="secret")
    assert not result["failed"]
    assert not result["changed"]
    assert result["intact"]
    assert (result["format"], result["encrypted"], result["cipher"]) == ("enc.gz", True, "aes-256-ecb")
    assert (result["entries"], result["files"], result["directories"], result["bytes"]) == (3, 2, 1, 9005)
    assert [volume["name"] for volume in result["volumes"]] == [part.name for part in parts]
    assert [volume["data_size"] for volume in result["volumes"]][:2] == [4096, 4096]


def test_damage_fails_and_still_returns_everything(parts: list[Path], run_module: RunModule) -> None:
    parts[1].unlink()
    result = run_module(backup_verify, path=str(parts[0]), password="secret")
    assert result["failed"]
    assert f"{parts[1].name} is missing" in result["msg"]
    assert result["volumes"][1]["status"] == "missing"
    tolerated = run_module(backup_verify, path=str(parts[0]), password="secret", fail_on_damage=False)
    assert not tolerated["failed"]
    assert not tolerated["intact"]


def test_errors_are_told_in_one_sentence(tmp_path: Path, parts: list[Path], run_module: RunModule) -> None:
    wrong = run_module(backup_verify, path=str(parts[0]), password="guess")
    assert wrong["failed"]
    assert wrong["msg"].startswith(f"The password does not open {parts[0].name}.")
    assert "guess" not in str(wrong).replace("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "")
    absent = run_module(backup_verify, path=str(tmp_path / "other.tar"))
    assert "No part of other.tar was found" in absent["msg"]


def test_manifest_is_written_once_and_compared_with_then(
    parts: list[Path], tmp_path: Path, run_module: RunModule
) -> None:
    manifest = tmp_path / "base.enc.gz.manifest.json"
    asked = {"path": str(parts[0]), "manifest": str(manifest)}
    assert run_module(backup_verify, check=True, password="secret", **asked)["changed"]
    assert not manifest.exists()
    first = run_module(backup_verify, password="secret", **asked)
    assert (first["failed"], first["changed"]) == (False, True)
    assert manifest.stat().st_mode & 0o777 == 0o600
    again = run_module(backup_verify, **asked)
    assert (again["failed"], again["changed"], again["files"]) == (False, False, 2)
    content = bytearray(parts[1].read_bytes())
    content[50] ^= 1
    parts[1].write_bytes(content)
    damaged = run_module(backup_verify, **asked)
    assert damaged["failed"]
    assert damaged["volumes"][1]["ranges"] == [[0, len(content) - 1]]


def test_no_manifest_of_a_damaged_backup(parts: list[Path], tmp_path: Path, run_module: RunModule) -> None:
    parts[1].unlink()
    manifest = tmp_path / "m.json"
    result = run_module(
        backup_verify, path=str(parts[0]), password="secret", manifest=str(manifest), fail_on_damage=False
    )
    assert (result["changed"], result["intact"], manifest.exists()) == (False, False, False)


def test_expected_sums(parts: list[Path], run_module: RunModule) -> None:
    lines = [f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}" for part in parts]
    asked = {"path": str(parts[0]), "password": "secret"}
    assert not run_module(backup_verify, expected=lines, **asked)["failed"]
    lines[0] = "0" * 64 + lines[0][64:]
    wrong = run_module(backup_verify, expected=lines, **asked)
    assert f"{parts[0].name} is corrupt (its sha256 is not the one that was taken at the source)" in wrong["msg"]
    nothing = run_module(backup_verify, expected=[], **asked)
    assert nothing["failed"]
    assert "have none for a part of base.enc.gz" in nothing["msg"]


def test_it_says_how_far_it_has_come(tmp_path: Path, parts: list[Path], run_module: RunModule) -> None:
    file = tmp_path / "run" / "verify.json"
    run_module(backup_verify, path=str(parts[0]), password="secret", progress=str(file))
    state = json.loads(file.read_text(encoding="utf-8"))
    size = sum(part.stat().st_size for part in parts)
    assert (state["operation"], state["outcome"], state["phase"]) == ("backup_verify", "done", "verify")
    assert (state["done"], state["total"], state["phases"]["verify"]["bytes"]) == (size, size, size)
    assert state["parts"] == {"total": len(parts), "done": len(parts), "damaged": 0, "repaired": 0}

    parts[1].unlink()
    run_module(backup_verify, path=str(parts[0]), password="secret", progress=str(file))
    state = json.loads(file.read_text(encoding="utf-8"))
    assert state["outcome"] == "failed"
    assert f"{parts[1].name} is missing" in state["message"]
    assert state["parts"]["damaged"] == 1

    file.unlink()
    run_module(
        backup_verify, check=True, path=str(parts[0]), password="secret", fail_on_damage=False, progress=str(file)
    )
    assert not file.exists()
