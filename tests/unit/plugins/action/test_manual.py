# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.manual and its playbook in real runs, and what stands behind the command that it writes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.manual import make
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk
from unit.plugins.playbook import REPOSITORY, run_playbook

PLAN = """\
site: portal.example.com
language: ru
supervision: {mode: dictated, operator: executor, watchers: [coordinator]}
"""
STEPS = """
- name: Manual
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what would be made
      boxlift.portal.manual: {plan: plan.yml, dest: out}
      check_mode: true
      diff: true
      register: predicted
    - name: See that nothing is there
      ansible.builtin.stat: {path: out}
      register: before
    - name: Make it
      boxlift.portal.manual: {plan: plan.yml, dest: out}
      register: made
    - name: Make it again
      boxlift.portal.manual: {plan: plan.yml, dest: out}
      register: again
    - name: Show what they returned
      ansible.builtin.copy:
        content: "{{ [predicted, before, made, again] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""
WRONG = """
- name: Manual
  hosts: localhost
  gather_facts: false
  ignore_errors: true
  tasks:
    - {name: No plan, boxlift.portal.manual: {plan: absent.yml, dest: out}}
    - {name: No language, boxlift.portal.manual: {plan: {language: fr}, dest: out}}
    - {name: No envelopes, boxlift.portal.manual: {plan: plan.yml, dest: out, envelopes: absent.json}}
    - {name: Open envelopes, boxlift.portal.manual: {plan: plan.yml, dest: out, envelopes: plan.yml}}
    - {name: No history, boxlift.portal.manual: {plan: plan.yml, dest: out, history: [absent.jsonl]}}
    - {name: No folder, boxlift.portal.manual: {plan: plan.yml, dest: plan.yml/out}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "plan.yml").write_text(PLAN, encoding="utf-8")
    return tmp_path


def noted(journal: Path) -> list[dict[str, object]]:
    return [line for line in map(json.loads, journal.read_text().splitlines()) if line["event"] == "manual"]


def test_check_make_and_make_again(site: Path) -> None:
    done = run_playbook(site, STEPS, BOXLIFT_JOURNAL=str(site / "move.jsonl"))
    assert done.returncode == 0, done.stdout + done.stderr
    predicted, before, made, again = json.loads((site / "returned.json").read_text())
    assert (predicted["changed"], before["stat"]["exists"]) == (True, False)
    assert (made["changed"], again["changed"]) == (True, False)
    content = (site / "out/manual.html").read_bytes()
    assert made["sha256"] == hashlib.sha256(content).hexdigest() == predicted["sha256"]
    assert made["id"] in content.decode()
    assert (made["language"], made["item_count"], made["envelopes"]) == ("ru", 48, "")
    assert made["pages"] == content.decode().count("<section ")
    assert "diff" not in made
    names = {Path(one["after_header"]).name for one in predicted["diff"]}
    assert {"manual.html", "codes.html", "3.4.json"} <= names
    # The journal says once which manual is valid.
    [line] = noted(site / "move.jsonl")
    assert (line["plan"], line["id"]) == (made["plan_sha256"], made["id"])
    assert line["files"] == {
        "manual.html": made["sha256"],
        "mig": hashlib.sha256((site / "out/mig").read_bytes()).hexdigest(),
    }
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (site / "out").rglob("*") if path.is_file()}
    assert modes.pop("mig") == 0o700
    assert set(modes.values()) == {0o600}


def test_wrong_options_say_what_to_do(site: Path) -> None:
    (site / "plan.yml").chmod(0o644)
    done = run_playbook(site, WRONG, ANSIBLE_CALLBACKS_ENABLED="")
    assert "ignored=6" in done.stdout, done.stdout + done.stderr
    tasks = dict(re.findall(r"^TASK \[(.*?)\] \**\n(.*?)^(?=TASK|PLAY)", done.stdout, re.MULTILINE | re.DOTALL))
    for name, message in (
        ("No plan", "absent.yml: No such file or directory."),
        ("No language", "language"),
        ("No envelopes", "absent.json"),
        ("Open envelopes", "Others may read"),
        ("No history", "There is no journal absent.jsonl"),
        ("No folder", "out"),
    ):
        assert message in " ".join(tasks[name].split()), tasks[name]
    assert not (site / "out").exists()


def test_what_the_plan_has_no_more_goes_away(site: Path) -> None:
    dest = str(site / "out")
    sealed = str(site / "pages.json")
    whole = load(str(site / "plan.yml"))
    code = "40711 22694 55086"
    Path(sealed).write_text(json.dumps({"plan": whole.sha256, "envelopes": [{"purpose": "stop", "code": code}]}))
    Path(sealed).chmod(0o600)
    made = make(whole, dest, sealed, [], "", check=False)
    assert "40711</span><span>22694" in Path(made["envelopes"]).read_text()
    assert code.replace(" ", "") not in json.dumps(made).replace(" ", "")
    assert [one["after"] for one in made["diff"] if one["after_header"].endswith("envelopes.html")] == [
        "(codes are not shown)\n"
    ]
    assert (site / "out/steps/4.6.json").exists()
    smaller = load({"steps": {"settle.watch": None}})
    again = make(smaller, dest, None, [], "", check=False)
    assert again["envelopes"] == ""
    assert not (site / "out/envelopes.html").exists()
    assert not (site / "out/steps/4.6.json").exists()
    assert (site / "out/steps/4.5.json").exists()
    assert make(smaller, dest, None, [], "", check=False)["changed"] is False


def test_a_failed_write_leaves_the_old_manual(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, dest = load(str(site / "plan.yml")), str(site / "out")
    make(plan, dest, None, [], "", check=False)
    before = (site / "out/manual.html").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises((BoxliftError, OSError), match="No space left on device"):
        make(load({}), dest, None, [], "", check=False)
    assert (site / "out/manual.html").read_bytes() == before


def test_the_playbook_reads_the_sites_inventory(site: Path) -> None:
    (site / "inventory/group_vars/all").mkdir(parents=True)
    (site / "inventory/hosts.yml").write_text("all: {children: {production: {hosts: {portal-prod: }}}}\n")
    (site / "inventory/group_vars/all/main.yml").write_text(
        'migration_plan: "{{ inventory_dir }}/../plan.yml"\nmanual_dir: pages\n'
    )
    text = "- {name: Manual, ansible.builtin.import_playbook: boxlift.portal.manual}\n"
    done = run_playbook(site, text, "-i", "inventory", ANSIBLE_CALLBACKS_ENABLED="")
    assert "changed=1" in done.stdout, done.stdout + done.stderr
    assert (site / "pages/manual.html").exists()


class Telephone:
    """A site's folder with everything that a dictated move needs, and the supervisor at the other end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = load(str(folder / "plan.yml"))
        self.journal = folder / "journal/move.jsonl"
        self.session, _papers = session.make(self.plan)
        session.write(session.place_of(str(self.journal)), self.session)
        make(self.plan, str(folder / "boxlift-manual"), None, [], str(self.journal), check=False)
        (folder / "hosts.yml").write_text(
            "all: {hosts: {localhost: {ansible_connection: local}}, vars: {migration_plan: plan.yml}}\n"
        )
        (folder / "ansible.cfg").write_text(
            "[defaults]\ninventory = hosts.yml\ncallbacks_enabled = boxlift.portal.journal\n"
            f"collections_path = {REPOSITORY}/.cache/collections\nhome = {folder}/.ansible\nlocalhost_warning = false\n"
            f"[boxlift_journal]\npath = {self.journal}\n"
        )

    def code(self, number: str) -> str:
        given = Desk(self.plan, str(self.folder / "mirror.jsonl"), self.session).give(number)
        assert given is not None
        return given.code

    def types(self, *words: str) -> tuple[int, str]:
        """What the operator types, wherever he stands, and what the screen shows then."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "BOXLIFT_"))}
        done = subprocess.run(
            [str(self.folder / "boxlift-manual/mig"), *words],
            cwd="/",
            env={**clean, "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}", "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout


def test_a_page_is_worked_through_as_it_is_printed(site: Path) -> None:
    """People's work by its number and code, told as done: the screen ends with the digits, as on the page."""
    telephone = Telephone(site)
    code, screen = telephone.types("1.1", *telephone.code("1.1").split())
    assert (code, "mig 1.1 ok" in screen) == (0, True), screen
    code, screen = telephone.types("1.1", "ok")
    assert (code, "Result: OK" in screen) == (0, True), screen
    assert re.search(r"^ +(\d ){4}\d {5}(\d ){4}\d {5}(\d ){4}\d$", screen, re.MULTILINE), screen


def test_a_code_of_another_page_does_nothing(site: Path) -> None:
    telephone = Telephone(site)
    code, screen = telephone.types("1.2", *telephone.code("1.1").split())
    assert code != 0
    assert "Say on the telephone" in screen, screen
