# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the download: parameters, check mode, and that a signed address is not shown."""

from __future__ import annotations

import hashlib
import json
import shutil
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.modules import backup_fetch
from lab.archive_writer import Entry, write_archive
from lab.cloud.faults import Fault
from lab.cloud.server import CloudServer

from .conftest import RunModule


def test_fetch(tmp_path: Path, tls: t.Any, run_module: RunModule) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir()
    noise = b"".join(bytes([number * number % 251]) for number in range(30000))
    parts = write_archive([Entry(b"a.bin", data=noise)], folder, "base", kind="enc.gz", password="x", part_limit=8192)
    damage = {parts[1].name: [Fault("bit_flip", at=100)]}
    with CloudServer(folder, certificate=tls.certificate, key=tls.key, faults=damage) as cloud:
        options = {
            "url": f"{cloud.url}{parts[0].name}?signature=canary",
            "dest": str(tmp_path / "dest"),
            "password": "x",
            "ca_path": str(tls.authority),
            "headers": {"X-Token": "canary"},
            "progress": str(tmp_path / "run" / "fetch.json"),
        }
        first = run_module(backup_fetch, check=True, **options)
        assert first.get("changed"), first
        assert cloud.served == []
        assert not (tmp_path / "run").exists()
        result = run_module(backup_fetch, **options)
        assert not result["failed"], result
        assert result["changed"]
        assert [repair["name"] for repair in result["repairs"]] == [parts[1].name]
        assert 0 < result["bytes_refetched"] <= parts[1].stat().st_size
        assert result["path"] == str(tmp_path / "dest" / parts[0].name)
        assert "canary" not in str(result)
        state = json.loads((tmp_path / "run" / "fetch.json").read_text(encoding="utf-8"))
        assert (state["operation"], state["outcome"], state["phase"]) == ("backup_fetch", "done", "fetch")
        assert "canary" not in str(state)
        assert not run_module(backup_fetch, check=True, **options)["changed"]
        assert not run_module(backup_fetch, **options)["changed"]


def test_a_disk_a_mirror_and_a_schedule(tmp_path: Path, tls: t.Any, run_module: RunModule) -> None:
    folder, disk = tmp_path / "cloud", tmp_path / "disk"
    folder.mkdir()
    parts = write_archive([Entry(b"a.bin", data=bytes(30000))], folder, "base", kind="tar", part_limit=8192)
    shutil.copytree(folder, disk)
    sums = {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in parts}
    bad = disk / parts[1].name
    bad.write_bytes(b"x" + bad.read_bytes()[1:])
    options = {
        "url": str(disk / parts[0].name),
        "dest": str(tmp_path / "dest"),
        "expected": [f"{value}  {name}" for name, value in sums.items()],
        "bandwidth_limit": 1,
        "bandwidth_schedule": [
            {"from": "00:00", "to": "12:00", "limit": 0},
            {"from": "12:00", "to": "00:00", "limit": 0},
        ],
        "ca_path": str(tls.authority),
    }
    with CloudServer(folder, certificate=tls.certificate, key=tls.key) as cloud:
        result = run_module(backup_fetch, **options, mirrors=[f"{cloud.url}{parts[0].name}?signature=canary"])
    assert not result["failed"], result
    assert [(repair["name"], repair["ranges"]) for repair in result["repairs"]] == [(parts[1].name, 2)]
    assert [volume["sha256"] for volume in result["volumes"]] == list(sums.values())
    assert [row["name"] for row in result["timeline"]] == list(sums)
    assert "canary" not in str(result)
    options["bandwidth_schedule"] = [{"from": "0", "to": "12:00", "limit": 0}]
    refused = run_module(backup_fetch, **options)
    assert refused["msg"].startswith("bandwidth_schedule: '0' is not a time of day.")


def test_a_missing_authority_file(tmp_path: Path, run_module: RunModule) -> None:
    options = {"url": "https://127.0.0.1/base.tar", "dest": str(tmp_path), "ca_path": str(tmp_path / "absent.pem")}
    result = run_module(backup_fetch, **options)
    assert result["failed"]
    assert "absent.pem cannot be read" in result["msg"]
