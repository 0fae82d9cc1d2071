# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cron runs the agents of a portal that is configured, and never those of one whose settings name another database."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from unit.roles import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles/portal"
SETTINGS = """<?php
return array('connections' => array('value' => array('default' => array('host' => '%s', 'password' => 'it\\'s'))));
"""


@pytest.mark.parametrize(
    ("settings", "ran"),
    [
        (SETTINGS % "localhost", True),
        # Restored and not configured yet: agents would work for the portal in the cloud.
        (SETTINGS % "10.12.0.17", False),
        (SETTINGS % "", False),
        ("<?php return array('utf_mode' => array('value' => true));", False),
        ("<?php return array('connections' => ", False),
        (None, False),
    ],
)
def test_agents_run_where_the_settings_name_this_sites_database(
    tmp_path: Path, settings: str | None, ran: bool
) -> None:
    agents = tmp_path / "bitrix/modules/main/tools/cron_events.php"
    agents.parent.mkdir(parents=True)
    agents.write_text(f"<?php touch('{tmp_path}/ran');")
    if settings is not None:
        (tmp_path / "bitrix/.settings.php").write_text(settings)
    known = {"portal_user": "nobody", "portal_document_root": str(tmp_path), "portal_database_host": "localhost"}
    lines = rendering.rendered(ROLE, (ROLE / "templates/agents.cron.j2").read_text(), known).splitlines()
    # As cron reads it: a sixth field that is the account, and no % in what the shell gets.
    command = lines[-1].split("nobody ", 1)[1].partition(" 2>&1 | logger")[0]
    assert "%" not in command
    subprocess.run(["sh", "-c", command], capture_output=True, check=False)  # its status says whether it was the turn
    assert (tmp_path / "ran").exists() == ran


def test_one_of_several_web_hosts_asks_for_the_lease_first() -> None:
    known = {"portal_user": "portal", "portal_agents_lease": True}
    lines = rendering.rendered(ROLE, (ROLE / "templates/agents.cron.j2").read_text(), known).splitlines()
    program = "/usr/local/bin/boxlift-web"
    assert lines[-1] == f"* * * * * portal test -x {program} && {program} agents 2>&1 | logger -t portal-agents"
    assert not any("cron_events.php" in line for line in lines)


@pytest.mark.parametrize(
    ("host", "web", "lease"),
    [
        ("web1", ["web1"], False),
        ("web1", ["web1", "web2"], True),
        ("web1", ["web1", "copy"], False),
        # The copy is one host, also where production is several.
        ("copy", ["web1", "web2", "copy"], False),
    ],
)
def test_the_lease_is_for_several_web_hosts_of_production(host: str, web: list[str], lease: bool) -> None:
    groups = {"web": web, "production": ["web1", "web2", "db"], "preproduction": ["copy"], "balancer": ["db"]}
    known = {"inventory_hostname": host, "groups": groups}
    assert rendering.rendered(ROLE, "{{ portal_agents_lease }}", known) is lease
    # Without a balancer each is a site of its own, as in a lab.
    alone = {**known, "groups": {**groups, "balancer": []}}
    assert rendering.rendered(ROLE, "{{ portal_agents_lease }}", alone) is False
