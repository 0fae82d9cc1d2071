# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dictated site as its operator meets it: real runs of ansible-playbook, with work that is done on this host."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.supervise import obstacles
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, numbers, session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Refused, Site

REPOSITORY = Path(__file__).resolve().parents[4]
MOST_SECONDS = 120  # for one ansible-playbook on a busy machine
#: What ansible-playbook returns where it does not come to a task.
CODE_OF = {"boxlift.portal.restore": 4}
CANARIES = (b"CANARY-of-the-database", b"CANARY-of-an-option")
PLAN = """
supervision: {{mode: dictated, operator: executor, watchers: [coordinator]}}
steps:
  prepare.preflight: {{playbook: "{folder}/work.yml"}}
  prepare.provision: {{playbook: "{folder}/work.yml", vars: {{work_fails: true}}}}
done: {{prepare.agree: 2026-11-01, prepare.inventory: 2026-11-02}}
"""
WORK = """
- name: Work
  hosts: "{{ lookup('boxlift.portal.leave', 'localhost') }}"
  gather_facts: false
  tasks:
    - name: Show what is known to be secret by this task's options alone
      ansible.builtin.set_fact:
        work_salt: "{{ 'CANARY' ~ '-of-an-option' }}"
    - name: Work
      ansible.builtin.command: "{{ 'false' if work_fails | default(false) else 'true' }}"
      changed_when: true
      tags: [work]
    - name: Show what must not be seen
      ansible.builtin.debug:
        msg: "password={{ database_password }} and {{ database_password }}"
"""
INVENTORY = """
all:
  hosts: {localhost: {ansible_connection: local}}
  vars: {migration_plan: "{{ inventory_dir }}/plan.yml", database_password: CANARY-of-the-database}
"""


class Place:
    """The folder of a site, and the supervisor's journal for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plan.yml").write_text(PLAN.format(folder=folder), encoding="utf-8")
        (folder / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
        (folder / "work.yml").write_text(WORK, encoding="utf-8")
        self.plan = load(str(folder / "plan.yml"))
        self.journal = folder / "journal/move.jsonl"
        self.session, self.papers = session.make(self.plan)
        session.write(session.place_of(str(self.journal)), self.session)
        (folder / "steps").mkdir()
        for item in numbers.items(self.plan):
            step = {
                "supervise_number": item.number,
                "supervise_step": item.id,
                "migration_stage": item.stage,
                "supervise_kind": item.kind,
                "supervise_playbook": item.playbook,
                "supervise_plan": self.plan.sha256,
                **item.vars,
            }
            (folder / f"steps/{item.number}.json").write_text(json.dumps(step), encoding="utf-8")

    @property
    def desk(self) -> Desk:
        return Desk(self.plan, str(self.folder / "mirror.jsonl"), self.session)

    def code(self, number: str) -> str:
        given = self.desk.give(number)
        assert given is not None
        return given.code

    def run(self, playbook: str, *arguments: str, code: int = 0) -> str:
        """Its own group of processes, of which nothing is left behind whatever happens."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "BOXLIFT_"))}
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache/collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "boxlift.portal.journal",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_HOME": str(self.folder / ".ansible"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "true",
            "BOXLIFT_JOURNAL": str(self.journal),
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", playbook, *arguments]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env={**clean, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                said, _nothing = process.communicate(timeout=MOST_SECONDS)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert process.returncode == code, said
        return said

    def begin(self, number: str, typed: str, *arguments: str, code: int = 0) -> str:
        step = ("-e", f"@steps/{number}.json", "-e", f"supervise_code={typed.replace(' ', '')}")
        return self.run("boxlift.portal.supervise", *step, *arguments, code=code)

    def lines(self, *kinds: str) -> list[dict[str, t.Any]]:
        found = [json.loads(line) for line in self.journal.read_text(encoding="utf-8").splitlines()]
        return [line for line in found if line["event"] in kinds]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def read_back_on(screen: str) -> str:
    """The digits as the operator reads them out: the wide line of the last block."""
    wide = re.findall(r"^ {6}((?:\d ){4}\d {5}(?:\d ){4}\d {5}(?:\d ){4}\d)$", screen, re.MULTILINE)
    return " ".join(wide[-1].replace("     ", "|").replace(" ", "").split("|"))


def recorded(place: Place, step: str) -> bytes:
    """What was kept of the terminal of a step's only attempt; its sum is evidence, and no secret is anywhere."""
    (attempt,) = read([str(place.journal)]).steps[step]
    (proof,) = attempt.evidence
    file = Path(proof["path"])
    content = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (len(content), hashlib.sha256(content).hexdigest()) == (proof["bytes"], proof["sha256"])
    for other in place.folder.rglob("*"):
        if other.is_file() and other.name != "hosts.yml":
            assert not any(canary in other.read_bytes() for canary in CANARIES), other
    return content


@pytest.mark.slow
def test_a_step_by_telephone(place: Place) -> None:
    said = place.begin("1.3", place.code("1.3"), "--skip-tags", "work", code=2)
    assert "A dictated step is begun without --skip-tags" in said
    # Its code was not used up.
    said = place.begin("1.3", place.code("1.3"))
    block = said.split("=" * 78)[-2]
    assert "1.3  Preflight: hosts, certificate, name, room on the disks" in block
    assert "Result: OK, about" in block
    assert "Read these digits out. Do not begin the next step before you have its code." in block
    assert said.rstrip().endswith("=" * 78), "nothing comes after it"
    ended = place.desk.take(read_back_on(said))
    assert (ended.entry.item, ended.entry.outcome) == ("1.3", "ok")
    assert ended.head in block
    assert verify.verify(place.journal.read_bytes()).code == verify.WHOLE
    assert [attempt.outcome for attempt in read([str(place.journal)]).steps["prepare.preflight"]] == ["ok"]
    kept = recorded(place, "prepare.preflight")
    assert b"password=********" in kept
    assert b"Read these digits out." in kept


@pytest.mark.slow
def test_a_step_that_fails_is_told_as_well(place: Place) -> None:
    for state in ("begin", "end"):
        fields = {"step": "prepare.preflight", "stage": "prepare", "state": state, "outcome": "ok"}
        writer.append(str(place.journal), "step", fields)
    said = place.begin("1.4", place.code("1.4"), "-vvv", code=2)
    block = said.split("=" * 78)[-2]
    assert "Result: FAILED" in block
    assert "mig 1.4 CODE         to do this step once more" in block
    ended = place.desk.take(read_back_on(said))
    assert (ended.entry.item, ended.entry.outcome) == ("1.4", "failed")
    assert [attempt.outcome for attempt in read([str(place.journal)]).steps["prepare.provision"]] == ["failed"]
    assert CANARIES[1].decode() in said, "what is shown is as it was"
    assert b"Result: FAILED" in recorded(place, "prepare.provision")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("playbook", "way", "answer"),
    [
        ("boxlift.portal.prepare", (), "begins with a code alone"),
        (
            "boxlift.portal.done",
            ("-e", "done_step=prepare.preflight", "-e", "migration_stage=prepare"),
            "with a code alone",
        ),
        ("boxlift.portal.ask", ("-e", "gate=prepared", "-e", "ask_by=executor"), "begins with a code alone"),
        ("boxlift.portal.prepare", ("-e", '{"migration_plan": {"title": "Free"}}'), "begins with a code alone"),
        ("boxlift.portal.restore", ("-e", "migration_plan=", "--start-at-task", "Restore"), "The site is dictated"),
    ],
)
def test_no_way_of_ansible_gets_round_the_code(place: Place, playbook: str, way: tuple[str, ...], answer: str) -> None:
    said = place.run(playbook, *way, code=CODE_OF.get(playbook, 2))
    assert answer in re.sub(r"\s+", " ", said)
    assert not place.journal.exists() or place.lines("step") == []


@pytest.mark.slow
def test_without_a_terminal_nobody_agrees(place: Place) -> None:
    plan = place.folder / "plan.yml"
    plan.write_text(plan.read_text().replace("mode: dictated", "mode: supervised"), encoding="utf-8")
    Path(session.place_of(str(place.journal))).unlink()
    said = place.run("boxlift.portal.prepare", code=2)
    assert "On:       this controller alone" in said
    assert "there is no terminal at which operator and watcher could agree" in re.sub(r"\s+", " ", said)
    assert place.lines("step") == []


@pytest.fixture
def site(place: Place) -> Site:
    return Site(place.plan, str(place.journal), "me")


def test_what_keeps_a_step_from_beginning_is_said_in_numbers(place: Place, site: Site) -> None:
    """No command that a dictated site refuses is named."""
    assert obstacles(site, site.items["1.3"], "1.3") == []
    assert obstacles(site, site.items["1.4"], "1.4") == ["Step 1.3 is not done yet."]
    assert obstacles(site, site.items["1.6"], "1.6") == ["Step 1.5 is not done yet."]
    found = obstacles(site, site.items["2.2"], "2.2")
    assert found[:2] == ["Step 2.1 is not done yet.", "Gate 1.6 is not open, it is closed."]
    assert obstacles(site, None, codes.ROLLBACK) == [
        "The move is planned: there is no cutover that could be taken back."
    ]
    assert obstacles(site, None, codes.STOP) == []


def test_what_was_done_without_a_code_is_told_with_one(place: Place, site: Site) -> None:
    for state in ("begin", "end"):
        fields = {"step": "prepare.preflight", "stage": "prepare", "state": state, "outcome": "ok"}
        writer.append(str(place.journal), "step", fields)
    assert obstacles(site, site.items["1.3"], "1.3") == []
    site.begin("1.3", place.code("1.3"))
    site.end(codes.OK, 0.0)
    with pytest.raises(Refused, match=r"Step 1\.3 is done already"):
        obstacles(site, site.items["1.3"], "1.3")
    with pytest.raises(Refused, match=r"Step 1\.1 is done already"):
        obstacles(site, site.items["1.1"], "1.1")
