# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision.yml without preflight before it: what the inventory lacks is named before anything is done."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from unit.plugins.playbook import run_playbook


def test_missing_variables_are_named_as_preflight_names_them(tmp_path: Path) -> None:
    here = {"ansible_connection": "local"}
    inventory = {
        "production": {
            "vars": {"site_domain": "https://portal.example.com/"},
            "hosts": {"here": here, "there": here},
        },
        "web": {"hosts": {"here": None}},
        "database": {"hosts": {"there": None}},
        "cache": {"hosts": {"there": None}},
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    run = run_playbook(tmp_path, "- import_playbook: boxlift.portal.provision\n", "-i", "hosts.yml", "--check")
    said = run.stdout + run.stderr
    assert run.returncode == 2, said
    assert "The portal cannot come yet." in said
    assert re.findall(r"^ *\d+\. controller: (\w+) is (?:not set|')", said, re.MULTILINE) == [
        "site_domain",
        "site_database_password",
        "site_database_host",
        "site_database_restore_password",
        "site_cache_host",
        "certificate_file",
        "site_entitlements",  # to look at: a licence may come later
        "site_crm_cloud_webhook",
        "site_backup_password",
    ]
    assert "Set or correct site_database_password in group_vars/all/vault.yml" in said
    assert "Build every host" not in said and "Gathering Facts" not in said
