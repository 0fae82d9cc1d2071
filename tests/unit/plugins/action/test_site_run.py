# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions boxlift.portal.site_run and fleet_summary in a real run: each site opens its own vault alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from unit.plugins.playbook import run_playbook

CONFIGURATION = """\
[defaults]
inventory = hosts.yml
callbacks_enabled = boxlift.portal.journal
vault_identity_list = {name}@vault-password
[boxlift_journal]
path = journal/move.jsonl
"""
WORK = """
- name: Work
  hosts: all
  gather_facts: false
  tasks:
    - name: Use the secret
      ansible.builtin.copy:
        content: "{{ vault_word | length }} {{ word }}"
        dest: "{{ inventory_dir }}/made"
        mode: "0600"
"""
STEPS = """
- name: Sites
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what the first site would do
      boxlift.portal.site_run: &first {folder: first, playbook: ../work.yml, extra_vars: {word: canary}}
      check_mode: true
      register: predicted
    - name: See that it did nothing
      ansible.builtin.stat: {path: first/made}
      register: before
    - name: Do it
      boxlift.portal.site_run: *first
      register: made
    - name: Do it with the vault of the first site in the second one
      boxlift.portal.site_run: {folder: second, playbook: ../work.yml, extra_vars: {word: canary}}
      register: other
    - name: Say what would be summed up
      boxlift.portal.fleet_summary: &all {sites: "{{ {'first': made, 'second': other} }}", playbook: work, dest: out}
      check_mode: true
      register: would
    - name: See that nothing is there
      ansible.builtin.stat: {path: out}
      register: nothing
    - name: Sum up
      boxlift.portal.fleet_summary: *all
      register: summed
    - name: Sum up again
      boxlift.portal.fleet_summary: *all
      register: again
    - name: Show what they returned
      ansible.builtin.copy:
        content: "{{ [predicted, before, made, other, would, nothing, summed, again] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""


def site(folder: Path, name: str, password: str) -> Path:
    (folder / name / "group_vars").mkdir(parents=True)
    (folder / name / "ansible.cfg").write_text(CONFIGURATION.format(name=name))
    (folder / name / "vault-password").write_text(password)
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / name / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"here": here}}}))
    return folder / name / "group_vars/all.yml"


@pytest.mark.slow
def test_each_site_opens_its_own_vault(tmp_path: Path) -> None:
    (tmp_path / "work.yml").write_text(WORK)
    first, second = (site(tmp_path, name, f"canary-{name}") for name in ("first", "second"))
    first.write_text("vault_word: canary-in-the-vault\n")
    vault = str(Path(sys.executable).with_name("ansible-vault"))
    lock = [vault, "encrypt", "--encrypt-vault-id", "first", "--vault-id", f"first@{tmp_path}/first/vault-password"]
    subprocess.run([*lock, str(first)], check=True, capture_output=True)
    second.write_text(first.read_text())

    done = run_playbook(tmp_path, STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    predicted, before, made, other, would, nothing, summed, again = json.loads((tmp_path / "returned.json").read_text())
    assert predicted["failures"] == []
    assert (predicted["state"], before["stat"]["exists"]) == ("done", False)
    assert (made["state"], made["status"], made["tasks"], made["changed"]) == ("done", 0, 1, True)
    assert (tmp_path / "first/made").read_text() == "19 canary"
    assert other["state"] == "failed" and not (tmp_path / "second/made").exists()
    assert "vault" in other["failures"][0]["message"].lower()

    assert (would["changed"], nothing["stat"]["exists"]) == (True, False)
    assert (summed["changed"], again["changed"], summed["bad"]) == (True, False, ["second"])
    written = json.loads((tmp_path / "out/fleet.json").read_text())
    assert (written["playbook"], written["sites"]["first"]["state"]) == ("work", "done")
    # What the fleet was given as a variable is in no journal, and in no command line that was written down.
    fleet = next((tmp_path / "boxlift-journal").glob("*.jsonl")).read_text()
    assert "canary" not in fleet + (tmp_path / "out/fleet.json").read_text()
