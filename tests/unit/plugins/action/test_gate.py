# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates as people meet them: asked for, signed, and not got round by any of Ansible's ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.gate import asks_anew
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from unit.plugins.playbook import run_playbook

PLAN = """
gates:
  prepared: {inputs: [], timeout_minutes: 30, needs: [{role: approver, org: customer}], after: [prepare.agree]}
done: {prepare.accept: 2026-11-01}
"""
WORK = """
- import_playbook: boxlift.portal.steps.begin
  vars: {step_id: move.order_backup}
- name: The work of the step
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Work
      ansible.builtin.file:
        path: "{{ playbook_dir }}/worked"
        state: touch
        mode: "0600"
      tags: [work]
      when: lookup('boxlift.portal.under_way', 'move.order_backup')
- import_playbook: boxlift.portal.steps.end
  vars: {step_id: move.order_backup}
"""
INVENTORY = """
all:
  hosts: {localhost: {ansible_connection: local}}
  vars: {migration_plan: "{{ inventory_dir }}/plan.yml"}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "plan.yml").write_text(PLAN, encoding="utf-8")
    (tmp_path / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    return tmp_path


def run(site: Path, text: str, *arguments: str, account: str = "anna", code: int = 0) -> str:
    settings = {"BOXLIFT_JOURNAL": str(site / "move.jsonl"), "SUDO_USER": account}
    done = run_playbook(site, text, "-i", "hosts.yml", *arguments, **settings)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def ask(site: Path, code: int = 0) -> str:
    call = ("-e", "gate=prepared", "-e", "ask_by=coordinator")
    return run(site, "- import_playbook: boxlift.portal.ask", *call, code=code)


def sign(site: Path, person: str, text: str, account: str = "boris", code: int = 0) -> str:
    call = ("-e", "gate=prepared", "-e", f"sign_person={person}", "-e", f'sign_text="{text}"')
    return run(site, "- import_playbook: boxlift.portal.sign", *call, account=account, code=code)


def state(site: Path) -> str:
    plan = load(str(site / "plan.yml"))
    proceedings = Proceedings(plan, str(site / "move.jsonl"))
    return proceedings.decision(plan.gates["prepared"]).state


def test_a_gate_from_the_request_to_the_work_behind_it(site: Path) -> None:
    assert "The gate prepared is closed" in run(site, WORK, code=2)
    said = ask(site, code=2)
    assert "1 approver of customer must sign: approver." in said
    request = re.findall(r"NAME approves prepared ([0-9a-f]{8})", said)[0]
    wording = f"approver approves prepared {request}"
    assert f"types exactly: {wording}" in sign(site, "approver", "yes", code=2)
    assert "typed by the account that asked" in sign(site, "approver", wording, account="anna", code=2)
    assert "Nobody approves" not in sign(site, "approver", wording)
    assert state(site) == "open"
    assert "The gate prepared is open: approver signed." in ask(site)
    run(site, WORK)
    assert (site / "worked").exists()
    # What is done is not done twice.
    (site / "worked").unlink()
    assert "was done before" in run(site, WORK)
    assert not (site / "worked").exists()


def test_what_is_only_worded_anew_takes_back_no_signature(site: Path) -> None:
    plan = load(str(site / "plan.yml"))
    proceedings = Proceedings(plan, str(site / "move.jsonl"))
    wanted = plan.gates["prepared"]
    seen = gate.Input("forecast", True, "opening by 23:10")
    proceedings.write(gate.REQUEST, gate.request(plan, wanted, "coordinator", "anna", [seen], proceedings.now))
    found = proceedings.decision(wanted)
    assert not asks_anew(proceedings, wanted, found, [gate.Input("forecast", True, "opening by 23:11")])
    assert asks_anew(proceedings, wanted, found, [gate.Input("forecast", False, "opening by 23:11")])


@pytest.mark.parametrize(
    "way",
    [
        ("--tags", "work"),
        ("--skip-tags", "always"),
        ("--start-at-task", "Work"),
        ("-e", "migration_plan="),
        ("-e", "ansible_check_mode=true", "--tags", "work"),
        ("-e", "migration_stage=final", "--tags", "work"),
    ],
)
def test_no_way_of_ansible_gets_round_a_gate(site: Path, way: tuple[str, ...]) -> None:
    ask(site, code=2)
    said = run(site, WORK, *way, code=2)
    assert not (site / "worked").exists()
    assert "is not under way in this run" in said or "migration_plan is not set" in said or "may not begin" in said
