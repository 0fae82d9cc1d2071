# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.sign: keys, codes, waivers, and what is not even written."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from unit.plugins.playbook import run_playbook

ASK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Ask
      boxlift.portal.gate:
        gate: prepared
        requested_by: coordinator
        plan: "{{ playbook_dir }}/plan.yml"
      register: asked
      failed_when: asked.decision | default('requested') != 'requested'
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    code, kept = gate.new_code()
    (tmp_path / "code").write_text(code, encoding="utf-8")
    plan = {
        "people": {
            "approver": {"key": (tmp_path / "key.pub").read_text(encoding="utf-8").strip(), "codes": [kept]},
        },
        "gates": {"prepared": {"inputs": ["entitlement"], "needs": [{"role": "approver", "org": "customer"}]}},
    }
    (tmp_path / "plan.yml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    return tmp_path


def run(site: Path, *tasks: t.Mapping[str, t.Any], code: int = 0) -> str:
    """Each of the tasks by the approver; the first one that fails ends it."""
    plan = {"gate": "prepared", "person": "approver", "plan": str(site / "plan.yml")}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"boxlift.portal.sign": {**plan, **each}} for each in tasks],
    }
    done = run_playbook(site, json.dumps([play]), BOXLIFT_JOURNAL=str(site / "move.jsonl"), SUDO_USER="anna")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


WAIVER = {"verdict": "waive", "input": "entitlement", "reason": "seen", "days": 2}


def test_a_waiver_a_key_and_a_code(site: Path) -> None:
    words = {**WAIVER, "text": "approver waives prepared entitlement"}
    assert "types exactly: approver waives prepared entitlement" in run(site, {**words, "text": "yes"}, code=2)
    assert "Nobody has asked for the gate" in run(site, {"text": "yes"}, code=2)
    stranger = {**WAIVER, "person": "operator", "text": "operator waives prepared entitlement"}
    assert "does not name operator of contractor as a signer" in run(site, stranger, code=2)
    # Waived before the gate is asked for; the account may be the same, since nobody has asked yet.
    run(site, words)
    journal = {"BOXLIFT_JOURNAL": str(site / "move.jsonl"), "SUDO_USER": "boris"}
    asked = run_playbook(site, ASK, **journal)
    assert asked.returncode == 0, asked.stdout
    run(site, {"write": str(site / "statement")})
    # The right key, for another purpose.
    command = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(site / "key"), str(site / "statement")]
    subprocess.run(command, check=True)
    assert "not one of this person's key" in run(site, {"signature": str(site / "statement.sig")}, code=2)
    assert "has no such code" in run(site, {"code": "0000000000"}, code=2)
    before = (site / "move.jsonl").read_bytes()
    said = run(site, {"code": (site / "code").read_text(encoding="utf-8")})
    assert (site / "code").read_text(encoding="utf-8") not in said
    added = (site / "move.jsonl").read_bytes()[len(before) :]
    assert added.count(b'"event":"gate_') == 1
    plan = load(str(site / "plan.yml"))
    found = Proceedings(plan, str(site / "move.jsonl")).decision(plan.gates["prepared"])
    assert found.state == "open" and [each.reason for each in found.waived] == ["seen"]
    # Who was killed behind the line, and signs again, is told that it stands.
    before = (site / "move.jsonl").read_bytes()
    assert "changed=0" in run(site, {"text": "approver approves prepared again"})
    assert b'"event":"gate_' not in (site / "move.jsonl").read_bytes()[len(before) :]
