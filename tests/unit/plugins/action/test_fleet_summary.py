# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.fleet_summary without any site; test_site_run.py runs it with sites."""

from __future__ import annotations

import json
from pathlib import Path

from unit.plugins.playbook import run_playbook

STEPS = """
- name: Nothing
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Sum up nothing
      boxlift.portal.fleet_summary: {sites: {}, playbook: boxlift.portal.health, dest: out}
      register: summed
    - name: Show it
      ansible.builtin.copy:
        content: "{{ summed | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""


def test_no_site_is_no_success(tmp_path: Path) -> None:
    done = run_playbook(tmp_path, STEPS, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "returned.json").read_text())
    assert (found["ok"], found["text"], found["json"]) == (
        False,
        ["No site was run."],
        str(tmp_path / "out/fleet.json"),
    )
