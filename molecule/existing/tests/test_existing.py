# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The portal on a host that others built: it answers, health judged it, and the host's own things are as they were."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


@pytest.fixture(scope="module")
def findings() -> dict[str, dict[str, t.Any]]:
    found = json.loads((WORK / "findings.json").read_text(encoding="utf-8"))
    return {finding["id"]: finding for finding in found}


@pytest.mark.parametrize(
    "check",
    (
        *("web.answers", "database.reachable", "settings.readable", "settings.credentials", "domain.page_links"),
        *("content.files", "content.count_people", "search.index", "agents.configuration"),
    ),
)
def test_what_makes_a_portal_is_good(findings: dict[str, dict[str, t.Any]], check: str) -> None:
    assert findings[check]["status"] == "pass", findings[check]


def test_every_check_judged(findings: dict[str, dict[str, t.Any]]) -> None:
    assert len(findings) > 100
    assert [f for f in findings.values() if f["status"] == "unknown" and "Traceback" in f["observed"]] == []


def test_files_are_the_accounts_own(host: t.Any) -> None:
    assert host.run("find /home/bitrix/www -not -user bitrix -print -quit").stdout == ""
    assert host.file("/home/bitrix/www/bitrix/.settings.php").mode == 0o640


def test_the_hosts_own_configuration_is_as_it_was(host: t.Any) -> None:
    for package in ("nginx", "apache2", "mariadb-server"):
        assert host.package(package).is_installed
    assert not host.file("/etc/nginx/portal.d").exists
    assert not host.file("/srv/portal").exists
    assert host.file("/etc/apache2/ports.conf").content_string == "Listen 127.0.0.1:8888\n"


def test_agents_run_from_cron_as_the_account(host: t.Any) -> None:
    line = host.file("/etc/cron.d/portal-agents").content_string
    assert " bitrix " in line and "/home/bitrix/www/bitrix/modules/main/tools/cron_events.php" in line
