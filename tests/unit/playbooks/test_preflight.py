# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook preflight.yml as a user runs it: one task refuses, with the reasons of the inventory and every host."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from unit.plugins.playbook import run_playbook

MOVE = """
- import_playbook: boxlift.portal.preflight
- hosts: production
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: the move goes on
"""
SECRET = " canary-secret"


def preflight(folder: Path, groups: dict[str, list[str]] | None = None, **variables: object) -> tuple[int, str]:
    """Against this machine, and a host without Python; the exit code and what was said."""
    here = {"ansible_connection": "local"}
    lost = {**here, "ansible_python_interpreter": "/nonexistent"}
    inventory: dict[str, object] = {"production": {"vars": variables, "hosts": {"here": here, "lost": lost}}}
    inventory.update({name: {"hosts": dict.fromkeys(hosts)} for name, hosts in (groups or {}).items()})
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    run = run_playbook(folder, MOVE, "-i", "hosts.yml", "--check", ANSIBLE_CALLBACKS_ENABLED="")
    return run.returncode, run.stdout + run.stderr


def test_every_reason_at_once(tmp_path: Path) -> None:
    code, said = preflight(
        tmp_path,
        site_domain="https://portal.example.com/",
        site_database_password=SECRET,
        source_url="http://cloud.example.com/canary-signature",
        source_path=str(tmp_path / "absent"),
        certificate_file=str(tmp_path / "absent.pem"),
        database_name="no-name",
    )
    assert code == 2, said
    refusal = said[said.index("The portal cannot come yet.") :]
    for reason in (
        "controller: site_domain is 'https://portal.example.com/'",
        "controller: site_database_password is wrong (not shown)",
        "controller: source_url is wrong (not shown)",
        "controller: database_name is 'no-name'",
        f"controller: certificate_file is '{tmp_path}/absent.pem', and there is no such file",
        "here: source_url is not set, and ",
        "lost: this host could not be asked: The module interpreter '/nonexistent' was not found",
    ):
        assert len(re.findall(rf"^ *\d+\. {re.escape(reason)}", refusal, re.MULTILINE)) == 1, (reason, refusal)
    assert "canary" not in said
    assert "the move goes on" not in said


SPLIT = {"web": ["here"], "database": ["lost"], "cache": ["lost"]}
APART = ("site_database_host", "site_database_restore_password", "site_cache_host")


def test_nothing_set_at_all_and_a_vault_that_is_not_there(tmp_path: Path) -> None:
    code, said = preflight(tmp_path, SPLIT, site_database_password="{{ vault_database_password }}")
    assert code == 2, said
    assert re.findall(r"^ *\d+\. controller: (\w+) is not set", said, re.MULTILINE) == [
        *("site_domain", "site_database_password", *APART, "certificate_file"),
        "site_entitlements",  # one to look at, which refuses nothing
        "site_crm_cloud_webhook",
        "site_backup_password",
    ]
    assert "group_vars/all/main.yml" in said and "group_vars/all/vault.yml" in said
    assert "the IPv4 address of the database host (lost) in the network that it shares with the web host (here)" in said
    assert "inventory.hosts" not in said and "production has" not in said


def test_the_connection_is_read_as_the_inventory_writes_it(tmp_path: Path) -> None:
    groups = {"web": ["here"], "database": ["here"], "cache": ["here"], "preproduction": ["copy"]}
    code, said = preflight(
        tmp_path,
        groups,
        names={"here": "127.0.0.1", "lost": "127.0.0.2"},
        ansible_host="{{ names[inventory_hostname] }}",
    )
    assert code == 2, said
    assert "controller: ansible_host of here is a template over inventory_hostname" in said, said
