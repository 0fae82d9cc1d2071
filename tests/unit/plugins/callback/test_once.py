# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user reads of failed tasks: every message once, and never one that is hidden."""

from __future__ import annotations

from pathlib import Path

from unit.plugins.playbook import run_playbook

TASKS = {
    "an action's": "ansible.builtin.fail: {msg: the first reason}",
    "a module's": "ansible.builtin.stat: {path: /, get_checksum: the second reason}",
    "ours": "boxlift.portal.backup_verify: {path: third-reason.tar}",
    "a host's": "ansible.builtin.ping: {}\n          delegate_to: far",
    "a loop's": "ansible.builtin.fail: {msg: 'reason {{ item }}'}\n          loop: [fourth, fifth]",
    "a template's": "ansible.builtin.debug: {msg: '{{ sixth_reason }}'}",
    "a hidden": "ansible.builtin.fail: {msg: canary}\n          no_log: true",
    "a command's": "ansible.builtin.command: sh -c 'echo seventh reason >&2; exit 3'",
}
BLOCK = """
    - block:
        - name: Fail
          {task}
          ignore_unreachable: true
      rescue:
        - ansible.builtin.meta: noop
"""


def failed(folder: Path, callback: str) -> str:
    head = "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
    (folder / "hosts.yml").write_text(
        "all: {hosts: {localhost: {ansible_connection: local}, far: {ansible_host: 127.0.0.1, ansible_port: 9}}}\n",
        encoding="utf-8",
    )
    text = head + "".join(BLOCK.format(task=task) for task in TASKS.values())
    done = run_playbook(folder, text, "-i", "hosts.yml", ANSIBLE_STDOUT_CALLBACK=callback, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout
    shown = [line for line in (done.stdout + done.stderr).splitlines() if not line.lstrip()[:1].isdigit()]  # no source
    return "\n".join(shown)


def test_every_message_once(tmp_path: Path) -> None:
    said = failed(tmp_path, "boxlift.portal.once")
    assert said.count("FAILED! =>") + said.count("failed: [") + said.count("UNREACHABLE! =>") == 9, said
    reasons = ("the first reason", "the second reason", "No part of third-reason.tar was found", "reason fourth")
    for reason in (*reasons, "reason fifth", "Connection refused"):
        assert said.count(reason) == 1, (reason, said)
    assert '"stderr": "seventh reason"' in said and "'sixth_reason' is undefined" in said
    assert "canary" not in said and '"censored"' in said
