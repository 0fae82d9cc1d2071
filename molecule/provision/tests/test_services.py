# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services run, start at boot, and come back whatever ends them: the side effect kills them before the last run."""

from __future__ import annotations

import pytest
from testinfra.host import Host

SERVICES = ("mariadb", "redis-server", "nginx", "cron")


def php(host: Host) -> str:
    return "php8.4-fpm" if host.system_info.release.startswith("13") else "php8.2-fpm"


@pytest.mark.parametrize("name", [*SERVICES, "php"])
def test_runs_and_starts_at_boot(host: Host, name: str) -> None:
    service = host.service(php(host) if name == "php" else name)
    assert service.is_running
    assert service.is_enabled


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_the_database_is_the_last_to_end_where_memory_is_short(host: Host) -> None:
    """systemd gives no process less than it may give, and a container's may not: what counts is what the unit says."""
    asked = "systemctl show --property=OOMScoreAdjust --value %s"
    database = int(host.check_output(asked, "mariadb"))
    others = {name: int(host.check_output(asked, name)) for name in ("redis-server", "portal-search")}
    assert database < 0 < min(others.values()), others


@pytest.mark.parametrize("name", ["redis-server", "portal-search"])
def test_memory_has_a_bound(host: Host, name: str) -> None:
    assert host.check_output("systemctl show --property=MemoryMax --value %s", name).isdecimal()


def test_logs_are_rotated(host: Host) -> None:
    said = host.run("logrotate --debug /etc/logrotate.conf")
    assert said.rc == 0 and "error:" not in said.stderr, said.stderr
    for log in ("/var/log/portal/*.log", "/var/log/nginx/*.log", "/var/log/sphinxsearch/*.log"):
        assert f"rotating pattern: {log}" in said.stderr
