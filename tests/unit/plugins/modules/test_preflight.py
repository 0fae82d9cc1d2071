# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on the machine that runs the tests: it answers, hides the address and changes nothing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import preflight
from lab.archive_writer import Entry, write_archive
from lab.cloud.faults import Fault
from lab.cloud.server import CloudServer
from lab.crm.server import CrmServer

from .conftest import RunModule


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.mark.parametrize("trusted", ["source_ca", "further_ca"])
def test_a_source_over_tls(tmp_path: Path, tls: tuple[Path, Path], run_module: RunModule, trusted: str) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir()
    parts = write_archive(
        [Entry(b"a", data=bytes(30000))], folder, "base", kind="enc.gz", password="x", part_limit=8192
    )
    with CloudServer(folder, certificate=tls[0], key=tls[1]) as cloud:
        options = {
            "source_url": f"{cloud.url}{parts[0].name}?signature=canary",
            "source_path": str(tmp_path / "absent"),
            "document_root": str(tmp_path / "portal/www"),
            "sizes": {"database": 1},
            "ports": [{"port": 1, "holders": ["nobody"]}],
            "controller_time": time.time(),
        }
        before = sorted(tmp_path.rglob("*"))
        answers = [run_module(preflight, check=check, **options, **{trusted: tls[0].read_text()}) for check in (0, 1)]
        untrusted = run_module(preflight, **options)
        served = [request.path for request in cloud.served]
    assert sorted(tmp_path.rglob("*")) == before
    assert {path.partition("?")[0] for path in served} == {f"/backup/{parts[0].name}"}
    for result in answers:
        assert not result["failed"], result
        assert not result["changed"]
        found = {finding["id"]: finding for finding in result["findings"]}
        assert found["backup.source"]["status"] == "pass", found
        assert f"{len(parts)} parts" in found["backup.source"]["observed"]
        assert found["backup.password"]["status"] == "fail"
        assert found["ports.1"]["status"] == "pass"
        assert found["time.clock"]["status"] == "pass"
        assert sum(result["summary"].values()) == len(result["findings"])
        assert "canary" not in str(result)
    (source,) = [finding for finding in untrusted["findings"] if finding["id"] == "backup.source"]
    assert source["status"] == "fail"
    assert "certificate of 127.0.0.1 is not trusted" in source["observed"]
    assert "source_ca_path" in source["remedy"]


def test_an_expired_link(tmp_path: Path, tls: tuple[Path, Path], run_module: RunModule) -> None:
    with CloudServer(tmp_path, certificate=tls[0], key=tls[1], faults={"b.tar": [Fault("expired")]}) as cloud:
        (tmp_path / "b.tar").write_bytes(bytes(1024))
        result = run_module(preflight, source_url=f"{cloud.url}b.tar", source_ca=tls[0].read_text())
    (source,) = [finding for finding in result["findings"] if finding["id"] == "backup.source"]
    assert (source["status"], source["remedy"]) == ("fail", "Get a new link to the backup and set source_url to it.")


def test_unreadable_authorities(run_module: RunModule) -> None:
    result = run_module(preflight, source_url="https://127.0.0.1/b.tar", source_ca="nonsense")
    assert not result["failed"], result
    assert "source_ca_path holds no certificate" in str(result["findings"])


@pytest.mark.parametrize("trusted", [True, False])
def test_the_webhook_of_the_cloud(tls: tuple[Path, Path], run_module: RunModule, trusted: bool) -> None:
    with CrmServer(certificate=tls[0], key=tls[1]) as server:
        webhook = server.webhook(1)
        result = run_module(
            preflight,
            domain="portal.example.com",
            crm_cloud_webhook=webhook,
            crm_ca=tls[0].read_text() if trusted else "",
            timeout=2,
        )
    assert not result["failed"], result
    found = {each["id"]: each["status"] for each in result["findings"] if each["area"] == "crm"}
    if trusted:
        assert found["crm.cloud_answers"] == found["crm.cloud_administrator"] == found["crm.cloud_portal"] == "pass"
        assert found["crm.cloud_scopes"] == "warn"  # no telephony
    else:
        assert found["crm.cloud_answers"] == "fail"
    assert webhook.rstrip("/").rpartition("/")[2] not in str(result)
