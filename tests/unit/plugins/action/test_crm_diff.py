# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.crm_diff, in real runs of ansible-playbook."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.crm_diff import written
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.playbook import run_playbook

PLAYBOOK = """
- name: Compare
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what changed
      boxlift.portal.crm_diff:
        store: "{{ playbook_dir }}/cloud.sqlite"
        dest: "{{ playbook_dir }}/pages/crm"
        fail_on_alert: true
        progress: "{{ playbook_dir }}/run/diff.json"
      register: told
    - name: Say what happened to one
      boxlift.portal.crm_diff:
        store: "{{ playbook_dir }}/cloud.sqlite"
        record: {kind: lead, id: 1}
        dest: "{{ playbook_dir }}/pages/one"
        progress: "{{ playbook_dir }}/run/one.json"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    with Store(str(tmp_path / "cloud.sqlite")) as store:
        for title in ("Kitchen", "Office"):
            with store.new_pass("example.bitrix24.com", False):
                for number in range(1, 101):
                    store.put("lead", number, {"title": title if number == 1 else "Flat"})
    return tmp_path


@pytest.mark.slow
def test_pages_on_the_controller(site: Path) -> None:
    assert run_playbook(site, PLAYBOOK, "--check").returncode == 0
    assert not (site / "pages").exists()
    run = run_playbook(site, PLAYBOOK)
    assert run.returncode == 0, run.stdout
    page = (site / "pages/crm/crm-diff.html").read_text(encoding="utf-8")
    assert "What changed in the CRM of example.bitrix24.com" in page and "Office" in page
    content: dict[str, t.Any] = json.loads((site / "pages/crm/crm-diff.json").read_text(encoding="utf-8"))
    assert content["records"][0]["id"] == 1 and len(content["trend"]) == 2
    assert stat.S_IMODE((site / "pages/crm/crm-diff.html").stat().st_mode) == 0o600
    assert "History of lead 1" in (site / "pages/one/crm-diff.html").read_text(encoding="utf-8")
    # A difference that stops the run is on the page all the same.
    with Store(str(site / "cloud.sqlite")) as store, store.new_pass("example.bitrix24.com", False):
        store.gone("lead", range(50, 101))
    run = run_playbook(site, PLAYBOOK)
    assert run.returncode == 2 and "51 of 100 lead records were deleted" in run.stdout
    assert "more than is usual" in (site / "pages/crm/crm-diff.html").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BoxliftError, match="cannot be written"):
        written(str(tmp_path / "file" / "pages"), {"html": ""})
