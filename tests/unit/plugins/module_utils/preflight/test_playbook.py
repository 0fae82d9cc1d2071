# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook as a user runs it: one task refuses, with every reason of the inventory and of every host."""

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


def test_nothing_set_at_all(tmp_path: Path) -> None:
    code, said = preflight(tmp_path)
    assert code == 2, said
    assert missing(said) == ["site_domain", "site_database_password", "certificate_file"]
    assert "group_vars/all.yml" in said


SPLIT = {"web": ["here"], "database": ["lost"], "cache": ["lost"]}
APART = {
    "site_database_host": "192.0.2.12",
    "site_database_clients": ["192.0.2.10"],
    "site_database_restore_password": SECRET.strip(),
    "site_cache_host": "192.0.2.12",
    "site_cache_password": SECRET.strip(),
}


def test_a_database_host_of_its_own_must_be_known(tmp_path: Path) -> None:
    _code, said = preflight(tmp_path, SPLIT)
    assert [name for name in missing(said) if name in APART] == list(APART)
    assert "the IPv4 address of the database host (lost) in the network that it shares with the web host (here)" in said
    assert "inventory.hosts" not in said and "production has" not in said

    # An address at which nobody else reaches it is wrong too.
    _code, said = preflight(
        tmp_path, SPLIT, **{**APART, "site_database_host": "127.0.0.1", "site_database_clients": []}
    )
    assert "controller: site_database_host is '127.0.0.1'" in said
    assert [name for name in missing(said) if name in APART] == ["site_database_clients"]

    _code, said = preflight(tmp_path, SPLIT, **APART)
    assert not any(re.search(rf"^ *\d+\. controller: {name} ", said, re.MULTILINE) for name in APART), said
    assert "canary" not in said


def test_several_web_hosts_are_refused_by_their_names(tmp_path: Path) -> None:
    code, said = preflight(tmp_path, {"web": ["here", "lost"], "database": ["here", "lost"]})
    assert code == 2
    reason = r"^ *\d+\. controller: production has 2 web hosts \(here, lost\) and 2 database hosts \(here, lost\)$"
    assert len(re.findall(reason, said, re.MULTILINE)) == 1, said
    assert "Leave one host of production in the group web and in the group database of the inventory." in said

    _code, said = preflight(tmp_path, {"web": [], "database": ["here"]})
    assert "production has 0 web hosts (none)" in said


def missing(said: str) -> list[str]:
    """The variables that are said not to be set."""
    return re.findall(r"^ *\d+\. controller: (\w+) is not set", said, re.MULTILINE)
