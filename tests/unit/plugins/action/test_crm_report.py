# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.crm_report, in real runs of ansible-playbook."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.crm import transfer_page
from unit.plugins.playbook import run_playbook
from unit.plugins.plugin_utils.crm import sample_transfer

PLAYBOOK = """
- name: Page
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Make the page
      boxlift.portal.crm_report:
        result: "{{ playbook_dir }}/final-result.json"
        dest: "{{ playbook_dir }}/reports/crm-final.html"
      register: made
    - name: Make it again
      boxlift.portal.crm_report:
        result: "{{ playbook_dir }}/final-result.json"
        dest: "{{ playbook_dir }}/reports/crm-final.html"
      register: again
    - name: Show what it returned
      ansible.builtin.copy:
        content: "{{ [made, again] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
      check_mode: false
"""


def run(folder: Path, *arguments: str) -> t.Any:
    return run_playbook(folder, PLAYBOOK, *arguments, name="page.yml", ANSIBLE_CALLBACKS_ENABLED="")


@pytest.mark.parametrize("check", [False, True])
def test_the_page_is_made_once(tmp_path: Path, check: bool) -> None:
    (tmp_path / "final-result.json").write_text(json.dumps(sample_transfer.good()), encoding="utf-8")
    done = run(tmp_path, *(["--check"] if check else []))
    assert done.returncode == 0, done.stdout + done.stderr
    made, again = json.loads((tmp_path / "returned.json").read_text(encoding="utf-8"))
    page = tmp_path / "reports" / "crm-final.html"
    assert (made["changed"], again["changed"]) == (True, check)
    assert made["grade"] == "good" and made["text"].startswith("portal.example.com has everything")
    assert made["html"] == str(page)
    assert page.exists() is not check
    if not check:
        assert page.read_text(encoding="utf-8") == transfer_page.render(sample_transfer.good())
        assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    missing = run(tmp_path)
    assert missing.returncode != 0 and "Run the transfer first" in missing.stdout + missing.stderr
    (tmp_path / "final-result.json").write_text("{}")
    wrong = run(tmp_path)
    assert wrong.returncode != 0 and "is not the result of a transfer" in wrong.stdout + wrong.stderr
