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
