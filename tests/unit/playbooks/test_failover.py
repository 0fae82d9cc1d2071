# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes part in a failover, and in which order a switch is undone."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from unit.plugins.playbook import run_playbook
from unit.roles import rendering

ROOT = Path(__file__).resolve().parents[3]
PLAYS: list[dict[str, t.Any]] = yaml.safe_load((ROOT / "playbooks/failover.yml").read_text())
TASKS = {task["name"]: task for play in PLAYS for task in play["tasks"]}


@pytest.mark.parametrize(("unreached", "hosts"), [([], ["db2", "db3", "db1"]), (["db1"], ["db2", "db3"])])
def test_an_old_primary_whose_server_alone_is_gone_learns_of_it(unreached: list[str], hosts: list[str]) -> None:
    expression = TASKS["Choose the database hosts that take part"]["ansible.builtin.set_fact"]["failover_databases"]
    plan = {"target": "db2", "followers": ["db3"], "old": "db1"}
    given = {"failover_plan": plan, "database_live": {"unreached": unreached}}
    assert rendering.rendered(ROOT / "roles/database", expression, given) == hosts


def test_the_old_one_goes_on_only_behind_the_new_one_that_gave_up() -> None:
    noted, withdrawn = TASKS["Make the new one the primary"]["rescue"]
    assert noted["ansible.builtin.set_fact"] and withdrawn["register"] == "failover_withdrawn"
    assert withdrawn["boxlift.portal.database_replication"]["state"] == "demoted"
    again = TASKS["Go on with the old one where the new one did not take over"]
    assert "['failover_withdrawn'] | default({'failed': true}) is success" in again["when"]


def test_each_host_that_is_gone_may_have_been_the_primary() -> None:
    task = TASKS["Refuse where a web host still reaches the old primary, which then must be powered off first"]
    given = {
        "failover_plan": {"gone": ["db1", "db2", "db3"], "old": "db1"},
        "database_live": {"unreached": ["db1", "db3"]},
    }
    assert rendering.rendered(ROOT / "roles/database", task["loop"], given) == ["db1", "db3"]
    host = {**given, "item": "db3", "hostvars": {"db3": {"ansible_host": "192.0.2.3"}}}
    assert rendering.rendered(ROOT / "roles/database", task["ansible.builtin.wait_for"]["host"], host) == "192.0.2.3"
    assert task["when"] == "failover_plan['kind'] == 'unplanned'" and task["check_mode"] is False


ONE_HOST = """
all:
  vars: {ansible_connection: local}
  children:
    production: {hosts: {one: {}}}
    web: {hosts: {one: {}}}
    database: {hosts: {one: {}}}
"""
UPDATE = """
- ansible.builtin.import_playbook: boxlift.portal.failover
  when: groups['update_last'] | default([]) | length > 0
"""


def test_where_an_update_switches_nothing_nothing_is_asked(tmp_path: Path) -> None:
    """Playbook update imports it on every site; a loop is read before its condition."""
    (tmp_path / "hosts.yml").write_text(ONE_HOST, encoding="utf-8")
    done = run_playbook(tmp_path, UPDATE, "-i", "hosts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok=0 " in done.stdout.splitlines()[-2] and "changed=0 " in done.stdout.splitlines()[-2]


def test_an_update_leaves_the_primary_for_last_and_switches_before() -> None:
    plays = yaml.safe_load((ROOT / "playbooks/update.yml").read_text())
    *_others, every, switch, last = plays
    assert every["hosts"].endswith(":!update_last") and last["hosts"] == "update_last"
    assert switch["ansible.builtin.import_playbook"] == "boxlift.portal.failover"
    assert every["tasks"] == last["tasks"]
