# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.report, in real runs of ansible-playbook."""

from __future__ import annotations

import base64
import json
import re
import stat
import typing as t
from pathlib import Path

import pytest
from unit.plugins.playbook import run_playbook
from unit.plugins.plugin_utils import sample_journal, sample_move

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

SAID = "People can work, with limits: Messenger and live updates (push.server). 1 of 13 checks failed."
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


STEPS = """
- name: Report
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what would be made
      boxlift.portal.report: {dest: out}
      check_mode: true
      register: predicted
    - name: See that nothing is there
      ansible.builtin.stat: {path: out}
      register: before
    - name: Make the report
      boxlift.portal.report: {dest: out}
      register: made
    - name: Make it again
      boxlift.portal.report: {dest: out}
      register: again
    - name: Say what would be made again
      boxlift.portal.report: {dest: out}
      check_mode: true
      register: predicted_again
    - name: See what is there
      ansible.builtin.slurp: {src: out/report.html}
      register: kept
    - name: Give it another title
      boxlift.portal.report: {dest: out, title: Another}
      register: another
    - name: Show what they returned
      ansible.builtin.copy:
        content: "{{ [predicted, before, made, again, predicted_again, kept, another] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""


def test_check_make_and_make_again(site: Path) -> None:
    # The journal stays away from the folder of journals: this run is no part of the move.
    done = run_playbook(site, STEPS, name="report.yml", ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = json.loads((site / "returned.json").read_text(encoding="utf-8"))
    predicted, before, made, again, predicted_again, kept, another = steps
    assert predicted["changed"] is True
    assert before["stat"]["exists"] is False
    assert made["changed"] is True
    assert made["result"] == {"level": "bad", "text": SAID}
    assert Path(made["html"]) == site / "out" / "report.html"
    page = base64.b64decode(kept["content"]).decode()
    assert SAID in page
    content = json.loads(Path(made["json"]).read_text(encoding="utf-8"))
    assert len(content["steps"]) == 273
    assert [stat.S_IMODE(path.stat().st_mode) for path in (site / "out").iterdir()] == [0o600, 0o600]
    assert (again["changed"], predicted_again["changed"], another["changed"]) == (False, False, True)
    assert (site / "out" / "report.html").read_text(encoding="utf-8") != page


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
    assert made["result"]["text"] == SAID


def test_with_a_plan_the_report_is_the_handover(tmp_path: Path) -> None:
    (tmp_path / "boxlift-journal").mkdir()
    sample_move.write(tmp_path / "boxlift-journal" / "move.jsonl")
    (tmp_path / "plan.json").write_text(json.dumps(sample_move.PLAN), encoding="utf-8")
    options = "{dest: out, plan: plan.json, today: '2026-06-09'}"
    assert make(tmp_path, options)["changed"] is True
    again = make(tmp_path, options)
    assert again["changed"] is False
    assert again["result"]["text"].startswith("People can work, with limits: Messenger and live updates")
    content = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert content["move"]["state"] == "committed"
    assert [each["in_force"] for each in content["move"]["waivers"]] == [False], "today was not heard"
    assert "Acceptance protocol" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


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


# Each of them is meant to fail, and the play must go on behind it.
WRONG = """
- name: Report
  hosts: localhost
  gather_facts: false
  ignore_errors: true
  tasks:
    - {name: No journal, boxlift.portal.report: {dest: out, journal: [nothing.jsonl]}}
    - {name: No folder, boxlift.portal.report: {dest: report.yml/out}}
    - {name: No place, boxlift.portal.report: {title: Only}}
    - {name: No plan, boxlift.portal.report: {dest: out, plan: nothing.yml}}
    - {name: No mapping, boxlift.portal.report: {dest: out, plan: [1]}}
    - {name: No day, boxlift.portal.report: {dest: out, plan: {id: x}, today: tomorrow}}
    - {name: No such option, boxlift.portal.report: {dest: out, titel: Wrong}}
"""


def test_wrong_options_say_what_to_do(site: Path) -> None:
    done = run_playbook(site, WRONG, name="report.yml", ANSIBLE_CALLBACKS_ENABLED="")
    assert "ignored=7" in done.stdout, done.stdout + done.stderr
    tasks = dict(re.findall(r"^TASK \[(.*?)\] \**\n(.*?)^(?=TASK|PLAY)", done.stdout, re.MULTILINE | re.DOTALL))
    for name, message in (
        ("No journal", "There is no journal nothing.jsonl. Run the playbooks with"),
        ("No folder", "report.yml/out/report.html cannot be written: Not a directory. Give a"),
        ("No place", "missing required arguments: dest"),
        ("No plan", "nothing.yml"),
        ("No mapping", "plan is neither a path nor a mapping. Give the path of the site's plan."),
        ("No day", "today: tomorrow is no day. Write it as YEAR-MONTH-DAY, such as 2026-11-28."),
        ("No such option", "titel"),
    ):
        assert message in tasks[name], done.stdout
    assert not (site / "out").exists()
