# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role upkeep, the health checks and the unattended updates have to agree about."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.health.hardening import UPDATES, UPKEEP_SKIPPED
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import notes

ROLES = pathlib.Path(__file__).parents[3] / "roles"
ROLE = ROLES / "upkeep"


def test_health_reads_what_role_and_program_leave() -> None:
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text("utf-8"))
    assert variables["__upkeep_skipped"]["path"] == UPKEEP_SKIPPED
    assert f"{notes.FOLDER}/{notes.HISTORY}" == UPDATES


@pytest.mark.parametrize(
    ("package", "waits"),
    [
        ("mariadb-server", True),
        ("mariadb-common", True),
        ("libmariadb3", True),
        ("galera-4", True),
        ("redis-server", True),
        ("php8.2-fpm", True),
        ("php8.4-mysql", True),
        ("nginx-common", True),
        ("haproxy", True),
        ("asterisk-modules", True),
        ("openssl", False),
        ("libc6", False),
        ("openssh-server", False),
        ("phpunit", False),
    ],
)
def test_servers_wait_and_the_rest_does_not(package: str, waits: bool) -> None:
    """unattended-upgrades compares as here: from the beginning of the name."""
    held = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text("utf-8"))["upkeep_held"]
    assert any(re.match(pattern, package) for pattern in held) is waits


def test_no_rule_of_a_role_copies_and_cuts_off() -> None:
    rules = list(ROLES.glob("*/templates/logrotate.j2"))
    assert len(rules) >= 5
    assert [rule.parent.parent.name for rule in rules if "copytruncate" in rule.read_text("utf-8")] == []
