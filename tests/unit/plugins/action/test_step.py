# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.step, in real runs of ansible-playbook with the journal enabled."""

from __future__ import annotations

import hashlib
import json
import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.step import begin, trouble
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import UNKNOWN, Attempt, read
from unit.plugins.playbook import run_playbook, start_playbook

STEPS = """
- name: Move
  hosts: localhost
  gather_facts: false
  vars:
    database_password: CANARY-secret
  tasks:
    - name: Begin
      boxlift.portal.step:
        id: move.fetch
        state: begin
        stage: final
        watcher: B. Lee
      register: begun
    - name: Work
      ansible.builtin.command: "{{ work | default('true') }}"
      changed_when: true
    - name: End
      boxlift.portal.step:
        id: move.fetch
        state: end
        stage: final
        outcome: ok
        waiting_for: customer
        values: {backup_bytes: 31540211712, note: "with {{ database_password }}"}
        evidence: [proof.txt]
      register: ended
    - name: Keep what they returned
      ansible.builtin.copy:
        content: "{{ [begun, ended] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""
SETTINGS = {"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22", "SUDO_USER": "anna"}


def move(site: Path, *arguments: str, code: int = 0, journal: str = "journal/final.jsonl", **more: str) -> str:
    (site / "proof.txt").write_text("300 of 300", encoding="utf-8")
    settings = {"BOXLIFT_JOURNAL": str(site / journal) if journal else "", **SETTINGS, **more}
    done = run_playbook(site, STEPS, *arguments, **settings)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def returned(site: Path) -> list[dict[str, t.Any]]:
    content: list[dict[str, t.Any]] = json.loads((site / "returned.json").read_text(encoding="utf-8"))
    return content


def attempts(site: Path, journal: str = "journal/final.jsonl") -> list[Attempt]:
    return read([str(site / journal)]).steps["move.fetch"]


@pytest.mark.slow
def test_a_step_is_written_before_and_after(tmp_path: Path) -> None:
    move(tmp_path)
    path = tmp_path / "journal/final.jsonl"
    assert verify.verify(path.read_bytes()).code == verify.WHOLE
    (attempt,) = attempts(tmp_path)
    assert (attempt.outcome, attempt.number, attempt.stage) == ("ok", 1, "final")
    assert (attempt.operator, attempt.operator_from, attempt.watcher) == ("anna", "192.0.2.7", "B. Lee")
    assert attempt.waiting_for == "customer"
    assert attempt.values == {"backup_bytes": 31540211712, "note": "with ********"}
    proof = hashlib.sha256(b"300 of 300").hexdigest()
    assert attempt.evidence == [{"path": str(tmp_path / "proof.txt"), "sha256": proof, "bytes": 10}]
    assert [task.name for task in attempt.tasks] == ["Work"]
    begun, ended = returned(tmp_path)
    assert (begun["attempt"], begun["earlier"], begun["known_errors"]) == (1, [], [])
    assert attempt.seconds and abs(ended["seconds"] - attempt.seconds) < 0.5
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [event["seq"] for event in events if event["event"] == "step"] == [begun["line"], ended["line"]]
    # The line before the step was on the disk before the work began.
    work = next(event for event in events if event.get("name") == "Work")
    assert events[begun["line"] - 1]["time"] <= work["start"] <= events[ended["line"] - 1]["time"]
    assert "CANARY" not in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_error_is_known_to_the_next_run_of_the_step_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    move(tmp_path, "-e", "work='cat /nothing'", code=2, journal="journal/rehearsal.jsonl")
    (attempt,) = attempts(tmp_path, "journal/rehearsal.jsonl")
    assert (attempt.outcome, attempt.end, len(attempt.failures)) == (UNKNOWN, None, 1)
    remarks = """
    - import_playbook: boxlift.portal.remark
    """
    text = "Made the file by hand"
    given = {"remark_step": "move.fetch", "remark_text": text, "remark_minutes": 12, "remark_operator": "boris"}
    arguments = ["-e", json.dumps(given)]
    settings = {"BOXLIFT_JOURNAL": str(tmp_path / "journal/rehearsal.jsonl"), **SETTINGS}
    for changed in (1, 0):  # the same remark again changes nothing
        done = run_playbook(tmp_path, remarks, *arguments, name="remark.yml", **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"changed={changed}" in done.stdout
    done = run_playbook(tmp_path, remarks, name="remark.yml", **settings)
    assert f"known error (line {attempt.failures[0].line}): Work, localhost: non-zero return code" in done.stdout
    assert "took 12 min" in done.stdout

    said = move(tmp_path)  # another journal in the same folder
    assert "move.fetch: known error" in said and "  cure: Made the file by hand (took 12 min)" in said
    (error,) = returned(tmp_path)[0]["known_errors"]
    assert error["journal"] == str(tmp_path / "journal/rehearsal.jsonl")
    assert error["message"].startswith("non-zero return code\ncat: /nothing: No such file")
    assert [(cure["seconds"], cure["operator"]) for cure in error["cures"]] == [(720, "boris")]
    assert returned(tmp_path)[0]["earlier"] == []


@pytest.mark.slow
def test_a_killed_run_is_unknown_and_nobody_else_may_do_its_step(tmp_path: Path) -> None:
    path = tmp_path / "journal/final.jsonl"
    (tmp_path / "proof.txt").touch()
    settings = {"BOXLIFT_JOURNAL": str(path), **SETTINGS}
    slow = STEPS.replace("{{ work | default('true') }}", "sleep 300")
    with start_playbook(tmp_path, slow, name="slow.yml", **settings) as process:
        try:
            end = time.monotonic() + 60
            while not path.exists() or b'"step":"move.fetch"' not in path.read_bytes():
                assert time.monotonic() < end and process.poll() is None
                time.sleep(0.02)
            said = move(tmp_path, code=2)
            assert "Step move.fetch is at work: anna began it at 20" in said
        finally:
            os.kill(process.pid, 9)
            process.communicate()
    assert [attempt.outcome for attempt in attempts(tmp_path)] == [UNKNOWN]
    move(tmp_path)
    assert [attempt.outcome for attempt in attempts(tmp_path)] == [UNKNOWN, "ok"]
    assert returned(tmp_path)[0]["earlier"] == [{"outcome": UNKNOWN, "seconds": None}]
    assert verify.verify(path.read_bytes()).code == verify.WHOLE


@pytest.mark.slow
def test_check_mode_writes_no_step(tmp_path: Path) -> None:
    move(tmp_path, "--check")
    assert read([str(tmp_path / "journal/final.jsonl")]).steps == {}


@pytest.mark.slow
def test_what_cannot_be_written_down_is_not_begun(tmp_path: Path) -> None:
    said = move(tmp_path, code=2, journal="")
    assert "No journal is configured" in said and "BOXLIFT_JOURNAL" in said
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    said = move(tmp_path, code=2, journal="file/final.jsonl")
    assert "The journal" in said  # the callback's warning
    assert "A file stands where a folder must be" in said
    assert "ok=0" in said


END = """
- hosts: localhost
  gather_facts: false
  tasks:
    - boxlift.portal.step: {id: move.fetch, state: end, outcome: ok, evidence: "{{ evidence }}"}
"""


def test_an_end_needs_its_begin_and_its_evidence(tmp_path: Path) -> None:
    settings = {"BOXLIFT_JOURNAL": str(tmp_path / "move.jsonl")}
    for evidence, text in (("[]", "Step move.fetch has not begun"), ("[absent.txt]", "absent.txt: No such file")):
        done = run_playbook(tmp_path, END, "-e", f'{{"evidence": {evidence}}}', **settings)
        assert done.returncode == 2
        assert text in done.stdout + done.stderr


def test_the_end_of_a_step_says_which_notices_failed(tmp_path: Path) -> None:
    path = str(tmp_path / "move.jsonl")
    for matter, outcome, reason in (
        ("move.fetch@final", "failed", "451 later"),
        ("move.fetch@final", "failed", "451 later"),
        ("move.fetch@final", "sent", ""),
        ("move.fetch@rehearsal", "failed", "gone"),
    ):
        writer.append(path, "notice", {"matter": matter, "channel": "mail", "outcome": outcome, "reason": reason})
    assert trouble(path, "move.fetch@final", 0.0) == ["move.fetch@final: notices failed by mail: 451 later"]
    assert trouble(path, "move.fetch@final", time.time() + 60) == []


def test_a_step_that_a_site_leaves_to_people_is_awaited_where_a_playbook_would_do_it(tmp_path: Path) -> None:
    path = str(tmp_path / "move.jsonl")
    options: dict[str, t.Any] = {"id": "prepare.preflight", "stage": "prepare", "await_people": True, "history": []}
    options |= {"by_people": False, "message": "", "operator": None, "watcher": "", "waiting_for": ""}
    options["plan"] = {
        "steps": {"prepare.preflight": {"manual": True}},
        "done": {"prepare.inventory@prepare": "2026-01-01"},
    }
    with pytest.raises(BoxliftError, match="It is for Contractor now: Preflight"):
        begin(path, options, lambda value: value, False)
    assert not Path(path).exists()
    options["plan"]["done"]["prepare.preflight@prepare"] = "2026-01-02"
    assert begin(path, options, lambda value: value, False)["done"]
    # Where the plan has a playbook for it, it begins.
    options["plan"] = {"done": {"prepare.inventory@prepare": "2026-01-01"}}
    assert not begin(path, options, lambda value: value, False)["done"]
