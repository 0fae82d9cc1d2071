# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of a site said, and what they left in its folder."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import typing as t
from pathlib import Path

import pytest
import yaml

COMMANDS = yaml.safe_load(Path(__file__).parent.parent.joinpath("vars", "site.yml").read_text(encoding="utf-8"))[
    "site_commands"
]
WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SITE = WORK / "site"


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What each command said, in order."""
    return [path.read_text(encoding="utf-8") for path in sorted(WORK.glob("said-*.txt"))]


def recap(text: str) -> dict[str, dict[str, int]]:
    lines = re.findall(r"^(\S+) +: (ok=.*)$", text[text.rindex("PLAY RECAP") :], re.MULTILINE)
    return {host: {key: int(count) for key, count in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines}


def test_every_command_ended_well(said: list[str]) -> None:
    assert len(said) == len(COMMANDS)
    for text in said:
        assert all(counts["failed"] == counts["unreachable"] == 0 for counts in recap(text).values()), text


def test_the_collection_is_the_installed_one() -> None:
    installed = SITE / "collections" / "ansible_collections" / "boxlift" / "portal"
    assert (installed / "FILES.json").is_file() and not installed.is_symlink()


def test_the_vault_is_encrypted_and_nothing_else_holds_its_passwords() -> None:
    vault = SITE / "inventory" / "group_vars" / "all" / "vault.yml"
    assert vault.read_text().startswith("$ANSIBLE_VAULT;")
    manifest = json.loads((WORK / "backup" / "manifest.json").read_text(encoding="utf-8"))
    for secret in ("canary-database-password", manifest["password"]):
        holding = [path for path in SITE.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()] + [
            path for path in WORK.glob("said-*.txt") if secret in path.read_text(encoding="utf-8")
        ]
        assert holding == []


def test_journal_and_report_are_where_the_guide_says() -> None:
    lines = [json.loads(line) for line in (SITE / "journal" / "move.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 100
    report = json.loads((SITE / "boxlift-report" / "report.json").read_text(encoding="utf-8"))
    assert report["result"] and report["findings"] and report["restore"], report["problems"]
    assert (SITE / "boxlift-report" / "report.html").stat().st_size > 10_000


def test_a_second_copy_was_asked_for_with_a_text_and_made(said: list[str]) -> None:
    first, second = (
        text for command, text in zip(COMMANDS, said, strict=True) if "boxlift.portal.preproduction" in command
    )
    task = "Fetch the rows and files that differ"
    assert task in first and task in second
    assert recap(second)["portal-preprod"]["changed"] < recap(first)["portal-preprod"]["changed"]


def test_production_and_its_copy_answer_by_their_own_names(host: t.Any) -> None:
    context = ssl.create_default_context(cafile=str(WORK / "pki" / "root.pem"))
    addresses = host.backend.get_variables()["lab_names"]
    for name in ("box12.boxlift.test", "box13.boxlift.test"):
        with (
            socket.create_connection((addresses[name], 443), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
            assert secure.recv(15).split()[1] == b"200", name
