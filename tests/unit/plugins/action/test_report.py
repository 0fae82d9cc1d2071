# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.report, in real runs of ansible-playbook."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.report import holds, write
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.playbook import run_playbook
from unit.plugins.plugin_utils import sample_journal

# What the action returns is printed as JSON on lines of their own.
PLAYBOOK = """
- name: Report
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Make the report
      boxlift.portal.report:
        {options}
      register: made
    - name: Show what it returned
      ansible.builtin.copy:
        content: "{{{{ made | to_json }}}}"
        dest: "{{{{ playbook_dir }}}}/returned.json"
        mode: "0600"
      check_mode: false
"""

# Without the second task, for runs that fail or are journaled.
ONLY_REPORT = PLAYBOOK[: PLAYBOOK.index("    - name: Show")]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the journal of a move in it."""
    (tmp_path / "boxlift-journal").mkdir()
    sample_journal.write(tmp_path / "boxlift-journal" / "move.jsonl")
    return tmp_path


def make(site: Path, options: str, *arguments: str, **environment: str) -> dict[str, t.Any]:
    # The journal stays away from the folder of journals: this run is no part of the move.
    settings = {"ANSIBLE_CALLBACKS_ENABLED": "", **environment}
    done = run_playbook(site, PLAYBOOK.format(options=options), *arguments, name="report.yml", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    returned: dict[str, t.Any] = json.loads((site / "returned.json").read_text(encoding="utf-8"))
    return returned


def test_check_make_and_make_again(site: Path) -> None:
    predicted = make(site, "dest: out", "--check")
    assert predicted["changed"] is True
    assert not (site / "out").exists()

    made = make(site, "dest: out")
    assert made["changed"] is True
    assert made["result"] == {"level": "bad", "text": "1 of 13 checks failed."}
    assert Path(made["html"]) == site / "out" / "report.html"
    page = (site / "out" / "report.html").read_text(encoding="utf-8")
    assert "1 of 13 checks failed." in page
    content = json.loads(Path(made["json"]).read_text(encoding="utf-8"))
    assert len(content["steps"]) == 273
    assert [stat.S_IMODE(path.stat().st_mode) for path in (site / "out").iterdir()] == [0o600, 0o600]

    assert make(site, "dest: out")["changed"] is False
    assert make(site, "dest: out", "--check")["changed"] is False
    assert make(site, "{dest: out, title: Another}")["changed"] is True


def test_a_run_of_the_report_with_a_journal_of_its_own_changes_nothing(site: Path) -> None:
    only_report = ONLY_REPORT.format(options="dest: out")
    for expected in ("changed=1", "changed=0"):
        done = run_playbook(site, only_report, name="report.yml")
        assert done.returncode == 0, done.stdout
        assert expected in done.stdout
    assert len(list((site / "boxlift-journal").iterdir())) > 1, "the report's runs were not journaled at all"


def test_the_journal_that_the_callback_is_told_to_write_is_the_default(site: Path) -> None:
    (site / "boxlift-journal/move.jsonl").rename(site / "elsewhere.jsonl")
    made = make(site, "dest: out", BOXLIFT_JOURNAL=str(site / "elsewhere.jsonl"))
    assert made["result"]["text"] == "1 of 13 checks failed."


def test_a_report_in_the_middle_of_a_move_shows_what_was_done_so_far(tmp_path: Path) -> None:
    text = """
    - name: Move
      hosts: localhost
      gather_facts: false
      tasks:
        - name: Do something
          ansible.builtin.command: echo done
          changed_when: true
        - name: Make the report
          boxlift.portal.report:
            dest: out
    """
    done = run_playbook(tmp_path, text)
    assert done.returncode == 0, done.stdout
    content = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert [step["name"] for step in content["steps"]] == ["Do something"]
    assert content["runs"][0]["state"] == "in progress"
    assert content["result"]["level"] == "unknown"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{dest: out, journal: [nothing.jsonl]}", "There is no journal nothing.jsonl. Run the playbooks with"),
        ("{dest: report.yml/out}", "The report report.yml/out/report.html cannot be written: Not a directory. Give a"),
        ("{title: Only}", "missing required arguments: dest"),
        ("{dest: out, titel: Wrong}", "titel"),
    ],
)
def test_wrong_options_say_what_to_do(site: Path, options: str, message: str) -> None:
    text = ONLY_REPORT.format(options=options)
    done = run_playbook(site, text, name="report.yml", ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 2
    assert message in done.stdout + done.stderr
    assert not (site / "out").exists()


def test_a_failed_write_leaves_the_old_report_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "report.html")
    write(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BoxliftError, match="No space left on device"):
        write(path, "new")
    assert holds(path, "old")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
