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
from unit.roles.rendering import rendered

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
        ("keepalived", True),
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


SITE = {"production": ["w1", "w2", "b1", "b2", "db"], "web": ["w1", "w2", "copy"], "balancer": ["b1", "b2"],
        "preproduction": ["copy"]}  # fmt: skip


@pytest.mark.parametrize(
    ("host", "groups", "drains", "leaves"),
    [
        ("w1", SITE, True, False),
        ("b1", SITE, False, True),
        ("db", SITE, False, False),
        ("copy", SITE, False, False),
        # Nobody could take over.
        ("w1", {**SITE, "web": ["w1", "copy"]}, False, False),
        ("b1", {**SITE, "balancer": ["b1"]}, False, False),
        ("one", {"production": ["one"], "web": ["one"]}, False, False),
    ],
)
def test_others_do_the_work_where_they_can(host: str, groups: dict[str, list[str]], drains: bool, leaves: bool) -> None:
    site = {"inventory_hostname": host, "groups": groups}
    assert rendered(ROLE, "{{ __upkeep_drains }}", site) is drains
    assert rendered(ROLE, "{{ __upkeep_leaves }}", site) is leaves
    told = str(rendered(ROLE, "{{ __upkeep_stays_aside }}", site))
    assert (host in told) is (drains or leaves)


def test_a_host_is_out_of_service_before_its_packages_change_and_back_after_the_look() -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "update_host.yml").read_text("utf-8"))
    (block,) = [task["block"] for task in tasks if "block" in task]
    names = [task.get("ansible.builtin.include_tasks", task["name"]) for task in block]
    order = ["aside.yml", "Change the packages", "Stop at what is new", "back.yml"]
    assert [name for name in names if name in order] == order
