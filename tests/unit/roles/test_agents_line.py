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
