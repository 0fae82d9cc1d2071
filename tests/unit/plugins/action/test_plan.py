# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.plan and its playbook, in real runs of ansible-playbook."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.plan import make
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.playbook import run_playbook

PLAN = """\
site: portal.example.com
timezone: Europe/Moscow
cutover: {window_start: 2026-11-28 22:00, window_end: 2026-11-29 06:00}
"""
STEPS = """
- name: Plan
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what would be made
      boxlift.portal.plan: {plan: plan.yml, dest: out, today: "2026-10-24"}
      check_mode: true
      register: predicted
    - name: See that nothing is there
      ansible.builtin.stat: {path: out}
      register: before
    - name: Make it
      boxlift.portal.plan: {plan: plan.yml, dest: out, today: "2026-10-24"}
      register: made
    - name: Make it again
      boxlift.portal.plan: {plan: plan.yml, dest: out, today: "2026-10-24"}
      register: again
    - name: Say what another day would change
      boxlift.portal.plan: {plan: plan.yml, dest: out, today: "2026-10-30"}
      check_mode: true
      diff: true
      register: another
    - name: Take the window out
      boxlift.portal.plan: {plan: {site: portal.example.com}, dest: out}
      register: no_window
    - name: Show what they returned
      ansible.builtin.copy:
        content: "{{ [predicted, before, made, again, another, no_window] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""
WRONG = """
- name: Plan
  hosts: localhost
  gather_facts: false
  ignore_errors: true
  tasks:
    - {name: No plan, boxlift.portal.plan: {plan: absent.yml, dest: out}}
    - {name: Wrong plan, boxlift.portal.plan: {plan: wrong.yml, dest: out}}
    - {name: No plan at all, boxlift.portal.plan: {plan: [1], dest: out}}
    - {name: No day, boxlift.portal.plan: {plan: plan.yml, dest: out, today: tomorrow}}
    - {name: No addressee, boxlift.portal.plan: {plan: plan.yml, dest: out, letter_to: vendor}}
    - {name: No folder, boxlift.portal.plan: {plan: plan.yml, dest: plan.yml/out}}
    - {name: No place, boxlift.portal.plan: {plan: plan.yml}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "plan.yml").write_text(PLAN, encoding="utf-8")
    return tmp_path


def test_check_make_and_make_again(site: Path) -> None:
    done = run_playbook(site, STEPS, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout + done.stderr
    predicted, before, made, again, another, no_window = json.loads((site / "returned.json").read_text())
    assert (predicted["changed"], before["stat"]["exists"]) == (True, False)
    assert (made["changed"], again["changed"], another["changed"]) == (True, False, True)
    assert made["result"] == {"level": "bad", "text": "1 thing is late."}
    assert [one["text"] for one in made["late"]] == ["not ordered, a day late"]
    assert (made["conflicts"], len(made["sha256"])) == ([], 64)
    assert made["calendar"] == str(site / "out/plan.ics")
    assert "diff" not in made
    assert [Path(one["after_header"]).name for one in another["diff"]] == ["plan.html", "letter-customer.html"]
    assert "as of Sat 2026-10-24" in another["diff"][0]["before"]
    assert "as of Fri 2026-10-30" in another["diff"][0]["after"]
    # Dates of a plan that has none any more would mislead.
    assert (no_window["changed"], no_window["calendar"], no_window["result"]["level"]) == (True, "", "warn")
    assert sorted(path.name for path in (site / "out").iterdir()) == ["letter-customer.html", "plan.html"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (site / "out").iterdir()} == {0o600}


def test_wrong_options_say_what_to_do(site: Path) -> None:
    (site / "wrong.yml").write_text("site: a\nsteps:\n  move.fetch: {depends: [move.restor]}\n", encoding="utf-8")
    done = run_playbook(site, WRONG, ANSIBLE_CALLBACKS_ENABLED="")
    assert "ignored=7" in done.stdout, done.stdout + done.stderr
    tasks = dict(re.findall(r"^TASK \[(.*?)\] \**\n(.*?)^(?=TASK|PLAY)", done.stdout, re.MULTILINE | re.DOTALL))
    for name, message in (
        ("No plan", "absent.yml: No such file or directory."),
        (
            "Wrong plan",
            "wrong.yml:3: steps > move.fetch > depends[0]: There is no move.restor among steps. Did you mean",
        ),
        ("No plan at all", "plan is neither a path nor a mapping. Give the path of the site's plan."),
        ("No day", "today: tomorrow is no day. Write it as YEAR-MONTH-DAY, such as 2026-11-28."),
        ("No addressee", "letter_to: the plan has no organisation vendor. Possible are contractor, customer, sales."),
        ("No folder", "plan.html cannot be written: Not a directory. Give a writable folder as dest."),
        ("No place", "missing required arguments: dest"),
    ):
        assert message in tasks[name], tasks[name]
    assert not (site / "out").exists()


def test_the_playbook_reads_the_sites_inventory(site: Path) -> None:
    (site / "inventory/group_vars/all").mkdir(parents=True)
    (site / "inventory/hosts.yml").write_text("all: {children: {production: {hosts: {portal-prod: }}}}\n")
    (site / "inventory/group_vars/all/main.yml").write_text(
        'migration_plan: "{{ inventory_dir }}/../plan.yml"\nplan_dir: pages\nplan_today: "2026-10-24"\n'
    )
    text = "- {name: Plan, ansible.builtin.import_playbook: boxlift.portal.plan}\n"
    for expected in ("changed=1", "changed=0"):
        done = run_playbook(site, text, "-i", "inventory", ANSIBLE_CALLBACKS_ENABLED="")
        assert expected in done.stdout, done.stdout + done.stderr
        assert "1 thing is late." in done.stdout
        assert "LATE Hosts for production and pre-production (Customer): not ordered, a day late" in done.stdout
    assert sorted(path.name for path in (site / "pages").iterdir()) == [
        "letter-customer.html",
        "plan.html",
        "plan.ics",
    ]


def test_a_failed_write_leaves_the_old_page(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(str(site / "plan.yml"), str(site / "out"), "2026-10-24", "customer", check=False)
    before = (site / "out/plan.html").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises((BoxliftError, OSError), match="No space left on device"):
        make(str(site / "plan.yml"), str(site / "out"), "2026-10-30", "customer", check=False)
    assert (site / "out/plan.html").read_bytes() == before
    assert len(list((site / "out").iterdir())) == 3
