# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are in the files that need them and nowhere else: no journal, no process list, nothing of a killed run."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from testinfra.host import Host

WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SETTINGS, DBCONN = "/srv/portal/www/bitrix/.settings.php", "/srv/portal/www/bitrix/php_interface/dbconn.php"
# Whose work cannot be done without them. Redis and MariaDB keep hashes; what restores keeps its password nowhere.
# (The files of the push server, /etc/push-server/*.json, are scenario health's.)
NEEDED = {
    "database_password": {SETTINGS, DBCONN},
    "portal_cache_password": {SETTINGS},
    "portal_push_key": {SETTINGS},
    "portal_mail_password": {"/etc/msmtprc"},
}


def canaries() -> dict[str, str]:
    """Where each canary was let out, by its text."""
    return t.cast("dict[str, str]", json.loads((WORK / "canaries.json").read_text()))


@pytest.fixture(scope="module")
def found(host: Host) -> dict[str, set[str]]:
    """Where the host shows them, by where they were let out."""
    source = Path(__file__).parent.parent.joinpath("look.py").read_text()
    seen = json.loads(host.check_output("python3 -c %s", source))
    return {canaries()[canary]: set(places) for canary, places in seen.items()}


def test_every_kind_of_secret_was_let_out() -> None:
    let_out = set(canaries().values())
    assert {"backup_restore source, query", "portal_settings settings", *NEEDED} <= let_out
    assert len(let_out) > 35


def test_secrets_are_where_they_are_needed_and_nowhere_else(found: dict[str, set[str]]) -> None:
    assert found == NEEDED


def test_files_with_secrets_are_not_for_others(host: Host) -> None:
    for path in set().union(*NEEDED.values()):
        assert host.file(path).mode & 0o027 == 0, path


def test_a_run_has_its_secrets_in_memory_alone(host: Host) -> None:
    flight = json.loads((WORK / "flight.json").read_text())
    seen = {canaries()[canary]: places for canary, places in flight.items()}
    for secret in ("source, password", "source, query", "headers", "password"):
        (place,) = seen[f"backup_restore {secret}"]
        assert place.startswith("/run/boxlift/ansible/ansible-tmp-")
    assert host.check_output("stat --file-system --format %T /run/boxlift/ansible") == "tmpfs"
    assert host.check_output("stat --format '%a %U' /run/boxlift/ansible /run/boxlift/async") == "700 root\n700 root"


def test_a_killed_run_is_removed(host: Host) -> None:
    assert host.check_output("find /run/boxlift/ansible /root/.ansible/tmp -mindepth 1") == ""


def test_the_log_of_the_controller_shows_none() -> None:
    log = (WORK / "ansible.log").read_text()
    assert "Give the modules their secrets" in log
    assert [where for canary, where in canaries().items() if canary in log] == []
