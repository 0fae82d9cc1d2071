# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal, written by real runs of ansible-playbook against localhost."""

from __future__ import annotations

import errno
import json
import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.boxlift.portal.plugins.callback import journal
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from unit.plugins.playbook import run_playbook

CANARY = "CANARY"

# A module with the name of one of the collection's own: what it returns goes into the journal.
OWN_MODULE = """
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(
    argument_spec={"password": {"type": "str", "no_log": True}, "text": {"type": "str"}, "fail": {"type": "bool"}},
    supports_check_mode=True,
)
finding = {"id": "web.tls", "area": "web", "status": "fail", "observed": module.params["text"], "remedy": "Mend it."}
result = {
    "findings": [finding],
    "summary": {"fail": 1},
    "raw": "CANARYraw",
    "diff": {"before": "CANARYbefore", "after": ""},
    "msg": "1 check failed",
}
if module.params["fail"]:
    module.fail_json(**result)
module.exit_json(changed=False, **result)
"""

PLAYBOOK = """
- name: Prepare with {{ app_password }}
  hosts: localhost
  gather_facts: false
  vars:
    app_password: CANARYplayvar
    composed: "user:{{ app_password }}@db"
    database:
      login_password: CANARYnested
    vaulted: !vault |
{vault}
    vault_token: "{{ vaulted }}"
  tasks:
    - name: Greet {{ app_password }}
      ansible.builtin.command: echo {{ composed }}
      changed_when: true

    - name: Hide
      ansible.builtin.command: echo CANARYhidden
      no_log: true
      changed_when: true

    - name: Hide {{ ['can', 'ary'] | join | upper }}name
      ansible.builtin.command: echo a
      no_log: true
      changed_when: false

    - name: Hide a failure
      block:
        - name: Fail in the dark
          ansible.builtin.command: cat /CANARYdark
          no_log: true
      rescue:
        - name: Fail aloud
          ansible.builtin.command: "cat /nothing/{{ app_password }}/https://me:CANARYurl@host/rest/1/CANARYwebhook/"
          register: aloud
          ignore_errors: true

    - name: Look, with a secret in the sight
      portal_health:
        text: "{{ database.login_password }} and {{ vault_token }} and CANARYoption were seen"
        password: CANARYoption

    - name: Look in the dark
      portal_health:
        text: CANARYdarkresult
      no_log: true

    - name: Look twice
      portal_health:
        text: "{{ item }}"
        fail: true
      loop: [first, "second {{ app_password }}"]
      ignore_errors: true

    - name: Look apart from the connection
      portal_health:
        text: CANARYasync was seen
        password: CANARYasync
      async: 60
      poll: 1

    - name: Skip
      ansible.builtin.debug:
      when: false

    - name: Warn
      ansible.builtin.debug:
        msg: "{{ lookup('ansible.builtin.file', '/nothing', errors='warn') }}"

    - name: Work as a role does
      ansible.builtin.include_role:
        name: web

    - name: Reach a host that is not there
      ansible.builtin.ping:
      delegate_to: unreachable.boxlift.test
      ignore_unreachable: true
      vars:
        ansible_connection: ssh
        ansible_ssh_common_args: -o ConnectTimeout=1 -o BatchMode=yes
        ansible_host: 127.0.0.1
        ansible_port: 1
"""

ROLE = """
- name: Tell the handler
  ansible.builtin.command: echo role
  changed_when: true
  notify: Restart it
"""

HANDLER = """
- name: Restart it
  ansible.builtin.command: echo handler
  changed_when: false
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One run of everything at -vvv: the journal and Ansible's own output."""
    folder = tmp_path_factory.mktemp("played")
    for name, text in (
        ("library/portal_health.py", OWN_MODULE),
        ("roles/web/tasks/main.yml", ROLE),
        ("roles/web/handlers/main.yml", HANDLER),
        ("vault", "opensesame"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "group_vars").mkdir()
    (folder / "group_vars/all.yml").write_text("site_domain: portal.boxlift.test\n", encoding="utf-8")
    vault = VaultLib([("default", VaultSecret(b"opensesame"))]).encrypt("CANARYvault", VaultSecret(b"opensesame"))
    indented = "\n".join("      " + line for line in vault.decode().splitlines())
    done = run_playbook(folder, PLAYBOOK.replace("{vault}", indented), "-vvv", "--vault-password-file=vault")
    assert done.returncode == 0, done.stdout + done.stderr
    return next((folder / "boxlift-journal").iterdir()), done.stdout + done.stderr


def events(path: Path) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def task(played: tuple[Path, str], name: str) -> dict[str, t.Any]:
    return next(event for event in events(played[0]) if event["event"] == "task" and event["name"] == name)


def test_no_planted_secret_is_in_the_journal(played: tuple[Path, str]) -> None:
    path, output = played
    assert output.count(CANARY) > 5, "the canaries were not even used"
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if CANARY in line] == []


def test_no_warning_comes_from_the_journal(played: tuple[Path, str]) -> None:
    assert "Callback dispatch" not in played[1]
    assert "DEPRECATION" not in played[1]


def test_the_file_is_its_owners_alone(played: tuple[Path, str]) -> None:
    assert stat.S_IMODE(played[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(played[0].parent.stat().st_mode) == 0o700
    assert played[0].name.startswith("move-2")
    assert played[0].suffix == ".jsonl"


def test_every_task_has_its_outcome(played: tuple[Path, str]) -> None:
    steps = read([str(played[0])]).runs[0].steps
    assert [(step.name, step.role, step.host, step.status) for step in steps] == [
        ("Greet ********", "", "localhost", "changed"),
        ("Hide", "", "localhost", "changed"),
        ("Hide {{ ['can', 'ary'] | join | upper }}name", "", "localhost", "ok"),
        ("Fail in the dark", "", "localhost", "failed"),
        ("Fail aloud", "", "localhost", "failed"),
        ("Look, with a secret in the sight", "", "localhost", "ok"),
        ("Look in the dark", "", "localhost", "ok"),
        ("Look twice", "", "localhost", "failed"),
        ("Look apart from the connection", "", "localhost", "ok"),
        ("Skip", "", "localhost", "skipped"),
        ("Warn", "", "localhost", "ok"),
        ("Work as a role does", "", "localhost", "ok"),
        ("Tell the handler", "web", "localhost", "changed"),
        ("Reach a host that is not there", "", "localhost -> unreachable.boxlift.test", "unreachable"),
        ("Restart it", "web", "localhost", "ok"),
    ]


def test_messages_and_warnings_are_kept_with_secrets_masked(played: tuple[Path, str]) -> None:
    failed = task(played, "Fail aloud")
    assert failed["ignored"] is True
    assert "non-zero return code" in failed["message"]
    assert "cat: '/nothing/********/https://********@host/rest/1/********/'" in failed["message"]
    assert "message" not in task(played, "Fail in the dark")
    assert task(played, "Fail in the dark")["hidden"] is True
    assert "/nothing" in task(played, "Warn")["warnings"][0]
    assert "Connection refused" in task(played, "Reach a host that is not there")["message"]
    assert task(played, "Skip")["message"] == "Conditional result was False"


def test_results_of_own_modules_are_kept_and_nothing_else(played: tuple[Path, str]) -> None:
    seen = task(played, "Look, with a secret in the sight")
    assert seen["message"] == "1 check failed"
    assert set(seen["results"][0]) == {"findings", "summary"}
    assert seen["results"][0]["findings"][0]["observed"] == "******** and ******** and ******** were seen"
    assert seen["results"][0]["summary"] == {"fail": 1}
    apart = task(played, "Look apart from the connection")
    assert apart["results"][0]["findings"][0]["observed"] == "******** was seen"
    assert "results" not in task(played, "Look in the dark")
    assert "results" not in task(played, "Greet ********")


def test_a_loop_keeps_every_result_and_the_failure(played: tuple[Path, str]) -> None:
    looped = task(played, "Look twice")
    assert [item["findings"][0]["observed"] for item in looped["results"]] == ["first", "second ********"]
    assert looped["message"] == "1 check failed"


def test_run_site_and_end_are_there(played: tuple[Path, str]) -> None:
    first, *middle, last = events(played[0])
    assert (first["event"], first["playbook"], first["version"]) == ("start", "move", 2)
    assert [event["domain"] for event in middle if event["event"] == "site"] == ["portal.boxlift.test"]
    assert [event["name"] for event in middle if event["event"] == "play"] == ["Prepare with ********"]
    assert last["event"] == "end"
    assert last["hosts"]["localhost"]["rescued"] == 1
    slowest = task(played, "Greet ********")
    assert 0.05 < slowest["seconds"] < last["seconds"] < 120


SMALL = """
- name: Small
  hosts: localhost
  gather_facts: false
  tasks:
    - name: One
      ansible.builtin.debug:
    - name: Two
      ansible.builtin.debug:
"""


def test_a_journal_that_cannot_be_opened_warns_once_and_the_play_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = run_playbook(tmp_path, SMALL, BOXLIFT_JOURNAL=str(tmp_path / "file/journal.jsonl"))
    assert done.returncode == 0
    assert "ok=2" in done.stdout
    output = " ".join((done.stdout + done.stderr).split())
    assert output.count("cannot be written") == 1
    assert "name a writable file in BOXLIFT_JOURNAL" in output


def test_a_named_journal_gathers_runs_and_check_mode_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "all" / "move.jsonl"
    config = tmp_path / "ansible.cfg"
    config.write_text("[boxlift_journal]\npath = all/move.jsonl\n", encoding="utf-8")
    assert run_playbook(tmp_path, SMALL, ANSIBLE_CONFIG=str(config)).returncode == 0
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"event":"task","ti')  # a run that was killed while it wrote
    assert run_playbook(tmp_path, SMALL, "--check", ANSIBLE_CONFIG=str(config)).returncode == 0
    journal_read = read([str(path)])
    assert [(run.check, run.finished, len(run.steps)) for run in journal_read.runs] == [
        (False, True, 2),
        (True, True, 2),
    ]
    assert len(journal_read.damaged) == 1


class Spoken:
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.verbosity = 0

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def callback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> journal.CallbackModule:
    plugin = journal.CallbackModule(display=Spoken())
    monkeypatch.setattr(plugin, "get_option", lambda name: str(tmp_path / "move.jsonl"))
    plugin._open("move")
    return plugin


def test_every_line_is_forced_to_the_disk(callback: journal.CallbackModule, monkeypatch: pytest.MonkeyPatch) -> None:
    callback._write("play", name="One")
    synced: list[int] = []
    monkeypatch.setattr(journal.os, "fsync", synced.append)
    callback._write("play", name="Two")
    callback._write("play", name="Three")
    assert len(synced) == 2


def test_a_full_disk_warns_once(callback: journal.CallbackModule, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal.os, "write", full)
    callback._write("play", name="One")
    callback._write("play", name="Two")
    assert len(callback._display.warnings) == 1
    assert "No space left on device" in callback._display.warnings[0]
    assert callback.disabled


def test_a_write_that_takes_only_a_part_is_continued(
    callback: journal.CallbackModule, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write = os.write
    monkeypatch.setattr(journal.os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    callback._write("play", name="ä" * 50)
    assert events(tmp_path / "move.jsonl")[0]["name"] == "ä" * 50


def test_only_the_collections_own_modules_are_kept() -> None:
    assert journal.own_module("boxlift.portal.backup_fetch") == "backup_fetch"
    assert journal.own_module("backup_fetch") == "backup_fetch"
    assert journal.own_module("other.portal.backup_fetch") == ""
    assert journal.own_module("ansible.builtin.command") == ""
