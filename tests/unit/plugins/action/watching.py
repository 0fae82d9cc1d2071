# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks with a watched task, run or held in the middle of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from unit.plugins.playbook import run_playbook, start_playbook

VERIFY = """
- name: Prove
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Prove the backup
      boxlift.portal.backup_verify: {options}
      {keywords}
      register: proven
    - name: Keep what it returned
      ansible.builtin.copy:
        content: "{{{{ proven | to_json }}}}"
        dest: "{{{{ playbook_dir }}}}/returned.json"
        mode: "0600"
      check_mode: false
"""
# Only what will never come takes so long: a loaded machine needs many seconds to start a playbook.
SECONDS = 100.0


def playbook(keywords: str = "", **options: t.Any) -> str:
    given = {"path": "backup", "password": "canary-1", "progress": "run/verify.json", **options}
    return VERIFY.format(options=json.dumps(given), keywords=keywords)


def absolute(site: Path, text: str) -> str:
    return text.replace('"backup"', f'"{site}/backup"').replace('"run/', f'"{site}/run/')


def run(site: Path, text: str, *arguments: str, code: int = 0, **environment: str) -> str:
    done = run_playbook(site, absolute(site, text), *arguments, ANSIBLE_CALLBACKS_ENABLED="", **environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "canary" not in done.stdout.replace("canary-1/", "")
    return done.stdout + done.stderr


def returned(site: Path) -> dict[str, t.Any]:
    content: dict[str, t.Any] = json.loads((site / "returned.json").read_text(encoding="utf-8"))
    return content


def told(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("localhost | backup_verify: ")]


def until_told(stream: t.IO[str], times: int) -> str:
    """What a playbook says until it has told so many times how far the work is."""
    output = ""
    while len(told(output.replace("\r", ""))) < times:
        line = stream.readline()
        assert line, output
        output += line
    return output


class Stopped(t.NamedTuple):
    """A playbook that watches a process which stands still, and that process."""

    watcher: subprocess.Popen[str]
    pid: int


class NeverBegan(AssertionError):
    """The playbook ended before the module's process told anything."""


@contextlib.contextmanager
def stopped(site: Path, text: str, output: int = subprocess.PIPE, **environment: str) -> t.Iterator[Stopped]:
    """Start the playbook, and hold the module's process as soon as it has told what it does."""
    path = site / "run/verify.json"
    environment["ANSIBLE_CALLBACKS_ENABLED"] = ""
    with start_playbook(site, absolute(site, text), output=output, **environment) as watcher:
        wait_for(lambda: (path.exists() and json.loads(path.read_text(encoding="utf-8"))["phase"]) or watcher.poll())
        if watcher.poll() is not None:
            raise NeverBegan(str(watcher.communicate()))
        pid = json.loads(path.read_text(encoding="utf-8"))["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: Path(f"{path}.job").exists() or watcher.poll() is not None)
            yield Stopped(watcher, pid)
        finally:
            watcher.kill()
            with contextlib.suppress(ProcessLookupError):  # where the test has ended it, or let it end
                os.kill(pid, signal.SIGKILL)


def wait_for(ready: t.Callable[[], t.Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)
