# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.progress_info, in real runs of ansible-playbook."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from unit.plugins.action.watching import playbook, returned, run, stopped
from unit.plugins.playbook import REPOSITORY, run_playbook

LOOKS = """
- name: Look
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Look where nothing is
      boxlift.portal.progress_info: {{directory: absent}}
      register: nothing
    - name: Look at the work
      boxlift.portal.progress_info: {{directory: {site}/run}}
      register: running
    - name: Kill it, and wait until it is gone
      ansible.builtin.shell: kill -9 {pid}; while test -e /proc/{pid}; do sleep 0.01; done
      changed_when: true
    - name: Look at what was killed
      boxlift.portal.progress_info: {{directory: {site}/run}}
      register: killed
    - name: Prove the backup
      boxlift.portal.backup_verify: {{path: backup, password: canary-1, progress: run/verify.json}}
    - name: Look at what has ended
      boxlift.portal.progress_info: {{directory: {site}/run}}
      register: done
    - name: Keep what they returned
      ansible.builtin.copy:
        content: "{{{{ [nothing, running, killed, done] | to_json }}}}"
        dest: "{{{{ playbook_dir }}}}/returned.json"
        mode: "0600"
"""


@pytest.mark.slow
def test_progress_info_tells_what_runs_and_what_ran(backup_site: Path) -> None:
    with stopped(backup_site, playbook()) as job:
        # Its own playbook shall not hear of its end.
        job.watcher.send_signal(signal.SIGSTOP)
        run(backup_site, LOOKS.format(site=backup_site, pid=job.pid), name="look.yml")
    nothing, running, killed, done = returned(backup_site)
    assert nothing["runs"] == []
    (one,) = running["runs"]
    assert (one["operation"], one["outcome"], one["pid"]) == ("backup_verify", "running", job.pid)
    assert running["text"][0].startswith("backup_verify: running for ")
    assert killed["runs"][0]["outcome"] == "killed"
    assert killed["text"][0].startswith("backup_verify: killed without a last word, heard ")
    assert killed["changed"] is False
    assert done["text"][0].startswith("backup_verify: done after ")


def test_the_playbook_status_shows_what_ran_without_being_told_where(backup_site: Path) -> None:
    status = f"\n- import_playbook: {REPOSITORY}/playbooks/status.yml\n"
    said = run(backup_site, playbook(progress=None) + status, "-e", "status_hosts=localhost")
    assert '"backup_verify: done after ' in said
    assert said.count("changed=1") == 1, "more than the file with the result was changed"


def test_an_unknown_option_is_refused(backup_site: Path) -> None:
    text = """
    - name: Look
      hosts: localhost
      gather_facts: false
      tasks:
        - name: Look
          boxlift.portal.progress_info: {directry: /run}
    """
    done = run_playbook(backup_site, text, name="look.yml")
    assert done.returncode == 2
    assert "directry" in done.stdout + done.stderr
