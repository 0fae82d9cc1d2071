# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.size, in a real run of ansible-playbook."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from unit.plugins.playbook import run_playbook

STEPS = """
- name: Size
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what would be written
      boxlift.portal.size: &asked {people: 800, gigabytes: 400, link_mbit: 200, dest: out}
      check_mode: true
      register: predicted
    - name: See that nothing is there
      ansible.builtin.stat: {path: out}
      register: before
    - name: Write it
      boxlift.portal.size: *asked
      register: made
    - name: Write it again
      boxlift.portal.size: *asked
      register: again
    - name: Ask without a page
      boxlift.portal.size: {people: "lots", gigabytes: 400, link_mbit: 200}
      register: refused
      ignore_errors: true
    - name: Show what they returned
      ansible.builtin.copy:
        content: "{{ [predicted, before, made, again, refused] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""


def test_check_write_write_again_(tmp_path: Path) -> None:
    done = run_playbook(tmp_path, STEPS, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout + done.stderr
    predicted, before, made, again, refused = json.loads((tmp_path / "returned.json").read_text())
    assert (predicted["changed"], before["stat"]["exists"]) == (True, False)
    assert (made["changed"], again["changed"]) == (True, False)
    assert made["html"] == str(tmp_path / "out/size.html") and made["size"]["people"] == 800
    assert refused["msg"] == "size_people is 'lots'. Give a number above 0." and refused["remedy"]
    assert stat.S_IMODE((tmp_path / "out/size.html").stat().st_mode) == 0o600
