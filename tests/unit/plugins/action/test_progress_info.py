# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.progress_info, in real runs of ansible-playbook."""

from __future__ import annotations

import os
import signal
import typing as t
from pathlib import Path

from unit.plugins.action.watching import playbook, returned, run, stopped, wait_for
from unit.plugins.playbook import REPOSITORY, run_playbook


def test_progress_info_tells_what_runs_and_what_ran(backup_site: Path) -> None:
    look = f"""
    - name: Look
      hosts: localhost
      gather_facts: false
      tasks:
        - name: Look
          boxlift.portal.progress_info:
            directory: {backup_site}/run
          register: proven
        - name: Keep what it returned
          ansible.builtin.copy:
            content: "{{{{ proven | to_json }}}}"
            dest: "{{{{ playbook_dir }}}}/returned.json"
            mode: "0600"
    """

    def seen() -> dict[str, t.Any]:
        done = run_playbook(backup_site, look, name="look.yml", ANSIBLE_CALLBACKS_ENABLED="")
        assert done.returncode == 0, done.stdout
        return returned(backup_site)

    assert seen()["runs"] == []
    with stopped(backup_site, playbook()) as job:
        found = seen()
        (one,) = found["runs"]
        assert (one["operation"], one["outcome"], one["pid"]) == ("backup_verify", "running", job.pid)
        assert found["text"][0].startswith("backup_verify: running for ")
        os.kill(job.pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{job.pid}").exists())
        found = seen()
        assert found["runs"][0]["outcome"] == "killed"
    assert found["text"][0].startswith("backup_verify: killed without a last word, heard ")
    assert found["changed"] is False
    run(backup_site, playbook())
    assert seen()["text"][0].startswith("backup_verify: done after ")


def test_the_playbook_status_shows_what_ran_without_being_told_where(backup_site: Path) -> None:
    run(backup_site, playbook(progress=None))
    status = (REPOSITORY / "playbooks/status.yml").read_text(encoding="utf-8")
    done = run_playbook(backup_site, status, "-e", "status_hosts=localhost", name="status.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    assert '"backup_verify: done after ' in done.stdout


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
