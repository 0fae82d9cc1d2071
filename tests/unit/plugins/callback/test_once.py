# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user reads: every message once and as text, never one that is hidden, and a wait as a wait."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.boxlift.portal.plugins.callback import once
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


TALK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug: {msg: "two\\nlines\\n"}
    - ansible.builtin.debug: {msg: [a list, "of \\"two\\""]}
    - ansible.builtin.debug: {msg: "of {{ item }}"}
      loop: [a loop]
    - ansible.builtin.debug: {msg: {a: mapping}}
"""


@pytest.mark.parametrize("result_format", ["json", "yaml"])
def test_a_message_is_text(tmp_path: Path, result_format: str) -> None:
    settings = {"ANSIBLE_STDOUT_CALLBACK": "boxlift.portal.once", "ANSIBLE_CALLBACK_RESULT_FORMAT": result_format}
    done = run_playbook(tmp_path, TALK, **settings)
    assert done.returncode == 0, done.stdout
    assert "\n    two\n    lines\n" in done.stdout and '\n    a list\n    of "two"\n' in done.stdout
    assert "(item=a loop) => \n    of a loop\n" in done.stdout
    assert {"json": '"a": "mapping"', "yaml": "a: mapping"}[result_format] in done.stdout


def test_a_wait_is_no_failure_and_is_said_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = once.CallbackModule()
    monkeypatch.setattr(callback, "_run_is_verbose", lambda result, verbosity: False)
    clock = 1000.0
    monkeypatch.setattr(once.time, "monotonic", lambda: clock)
    for attempts in range(1, 8):
        result = SimpleNamespace(
            host=SimpleNamespace(get_name=lambda: "box"),
            task=SimpleNamespace(_uuid="one", delegate_to=None),
            task_name="Wait until it is done",
            result={"retries": 60, "attempts": attempts},
        )
        callback.v2_runner_retry(result)
        clock += 4
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "waiting for 12 s: [box]: Wait until it is done (56 tries left)",
        "waiting for 24 s: [box]: Wait until it is done (53 tries left)",
    ]
