# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role web makes of its options: memory that adds up, logs without secrets, log-ins that are counted."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from unit.plugins.playbook import REPOSITORY

ROLE = REPOSITORY / "roles" / "web"


def role(**given: t.Any) -> Templar:
    """The role's variables on a host, with those that a site gives."""
    loader = DataLoader()
    variables: dict[str, t.Any] = {}
    for place in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / place / "main.yml"), trusted_as_template=True)
    variables |= {
        "ansible_facts": {"distribution": "Debian", "distribution_major_version": "12", "memtotal_mb": 8192},
        "ansible_check_mode": False,
        "inventory_hostname": "box",
        "groups": {"database": ["box"], "cache": ["box"], "web": ["box"]},
        "__web_certificate": {"stat": {"exists": True}},
        "__web_inet6": {"stat": {"exists": False}},
        "web_domain": "portal.example",
        "role_path": str(ROLE),
    }
    return Templar(loader=loader, variables={**variables, **given})


def value(name: str, **given: t.Any) -> t.Any:
    return role(**given).template(trust_as_template("{{ " + name + " }}"))


def rendered(name: str, **given: t.Any) -> str:
    return str(role(**given).template(trust_as_template((ROLE / "templates" / name).read_text())))


def problems(**given: t.Any) -> list[str]:
    """What the role refuses, as it says it."""
    return [found["text"] for found in value("__web_problems", **given) if found["found"]]


@pytest.mark.parametrize("memory", [4096, 8192, 16384, 65536])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_php_database_and_cache_fit_into_the_host(memory: int, elsewhere: bool) -> None:
    facts = {"distribution": "Debian", "distribution_major_version": "12", "memtotal_mb": memory}
    given: dict[str, t.Any] = {"ansible_facts": facts}
    if elsewhere:
        given |= {"groups": {}, "site_database_host": "10.0.0.5", "site_cache_host": "10.0.0.6"}
    php = int(value("__web_memory", **given))
    # As the roles database and cache take it, and an eighth for the host.
    others = 0 if elsewhere else int(memory * 0.4) + memory // 8
    assert php + others + max(memory // 8, 512) == memory
    assert 5 <= int(value("__web_processes", **given)) <= 200


def test_a_copy_has_its_database_on_its_own_host() -> None:
    """Pre-production is in no group of production's."""
    copy = {"groups": {"database": ["other"], "cache": ["other"]}, "site_database_host": "localhost"}
    assert value("__web_memory", **copy) == value("__web_memory")
    one_host_of_many = {
        "groups": {"database": ["box"]},
        "site_database_host": "10.0.0.5",
        "site_cache_host": "10.0.0.6",
    }
    assert int(value("__web_memory", **one_host_of_many)) == 8192 - 1024 - 3276


def test_what_a_site_gives_to_the_others_counts() -> None:
    assert int(value("__web_memory", database_memory_mb="1000", cache_memory_mb=500)) == 8192 - 1024 - 1500
    assert value("__web_processes", web_php_processes="7") == 7
    assert problems(web_memory_mb="2800") == []
    assert "web_memory_mb is 7000, and this host has 8192 MiB" in problems(web_memory_mb="7000")[0]


def test_a_small_host_still_runs_the_largest_request() -> None:
    facts = {"distribution": "Debian", "distribution_major_version": "12", "memtotal_mb": 1024}
    assert int(value("__web_memory", ansible_facts=facts)) == 512 + 256


def test_the_document_root_is_no_mount_of_its_own() -> None:
    """A restore renames it, and what it puts there must be writable at once."""
    writes = value("__web_php_writes")
    assert "/srv/portal" in writes and "/srv/portal/www" not in writes
    assert not value("__web_in_homes")
    assert value("__web_in_homes", web_document_root="/home/bitrix/www")
    unit = rendered("service.conf.j2", web_document_root="/home/bitrix/www", service=value("__web_php_unit"))
    assert "ProtectHome=read-only\n" in unit
    assert "ProtectHome=yes\n" in rendered("service.conf.j2", service=value("__web_php_unit"))


def test_open_basedir_can_be_left_out() -> None:
    pool = rendered("pool.conf.j2", web_php_folders=["/mnt/disk"])
    assert "php_admin_value[open_basedir] = /srv/portal/www/:" in pool and ":/mnt/disk/:" in pool
    assert "open_basedir" not in rendered("pool.conf.j2", web_php_open_basedir="false")
    assert "request_terminate_timeout = 600s\n" in pool
    assert "request_terminate_timeout = 2400s\n" in rendered(
        "pool.conf.j2", web_php_settings={"max_execution_time": 1200}
    )


def counted(request: str) -> bool:
    return re.search(str(value("__web_logins")), request, re.IGNORECASE) is not None


@pytest.mark.parametrize(
    "request_line",
    ["POST /auth/", "POST /auth/?x=1", "POST //login", "POST /?login=yes", "POST /crm/deal/?a=1&login=yes",
     "POST /bitrix/admin/", "POST /bitrix/admin/index.php?lang=ru", "POST /?forgot_password=yes"],
)  # fmt: skip
def test_log_ins_are_counted(request_line: str) -> None:
    assert counted(request_line)


@pytest.mark.parametrize(
    "request_line",
    ["GET /auth/", "POST /authors/", "POST /bitrix/admin/dump.php", "POST /bitrix/services/main/ajax.php?action=x",
     "POST /rest/1/a/b.json", "GET /?login=yes"],
)  # fmt: skip
def test_other_work_is_not(request_line: str) -> None:
    assert not counted(request_line)


def test_the_firewall_lets_out_what_the_site_names() -> None:
    given = {
        "web_egress": [
            {"address": "192.0.2.0/24", "port": "443"},
            {"address": "2001:db8::1", "port": 53, "protocol": "udp"},
        ],
    }
    lines = [line.strip() for line in rendered("egress.nft.j2", **given).splitlines() if "daddr" in line]
    assert lines == [
        "ip daddr 192.0.2.0/24 tcp dport 443 accept",
        "ip6 daddr 2001:db8::1 udp dport 53 accept",
    ]
    assert problems(**given) == []
    assert "web_egress names a.example, and" in problems(web_egress=[{"address": "a.example", "port": 1}])[0]
