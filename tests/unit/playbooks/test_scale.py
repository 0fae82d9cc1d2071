# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks that work on the controller alone: sizes, and many sites."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from unit.plugins.playbook import run_playbook


def named(name: str, **given: t.Any) -> tuple[str, list[str]]:
    """A playbook that imports one of ours, and its variables as arguments."""
    text = f"- {{name: Ours, ansible.builtin.import_playbook: boxlift.portal.{name}}}\n"
    return text, ["-e", json.dumps(given)]


def test_size(tmp_path: Path) -> None:
    """Values of the command line are texts; those of the production hosts count where there are none."""
    (tmp_path / "hosts.yml").write_text(
        json.dumps({"production": {"hosts": {"prod": {"size_people": 9000, "size_directory": str(tmp_path / "own")}}}})
    )
    text, arguments = named("size", size_people="80", size_gigabytes="40", size_link_mbit="200")
    done = run_playbook(tmp_path, text, "-i", "hosts.yml", *arguments, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "80 people, a backup of 37.3 GiB" in done.stdout and "One host carries it." in done.stdout
    assert "Hosts and times for 80 people" in (tmp_path / "own/size.html").read_text()


PLAYBOOK = """
- name: Work
  hosts: all
  gather_facts: false
  tasks:
    - name: Begin
      ansible.builtin.debug:
        msg: "{{ inventory_dir }} {{ layer }} {{ given }}"
    - name: Go on
      ansible.builtin.assert:
        that: not bad
    - name: Finish
      ansible.builtin.debug:
        msg: finished
"""
CONFIGURATION = """\
[defaults]
inventory = ../../defaults/hosts.yml,hosts.yml
callbacks_enabled = boxlift.portal.journal
[boxlift_journal]
path = journal/move.jsonl
"""


def fleet(folder: Path, count: int, bad: t.Collection[int], absent: t.Collection[int] = ()) -> list[str]:
    """Simulated sites: each has a host that is this machine. Their names."""
    names = [f"site-{number:02}" for number in range(count)]
    (folder / "work.yml").write_text(PLAYBOOK)
    (folder / "fleet.yml").write_text(json.dumps({"fleet": {"hosts": dict.fromkeys(names, {})}}))
    (folder / "defaults/group_vars").mkdir(parents=True)
    (folder / "defaults/hosts.yml").write_text("{all: {}}\n")
    (folder / "defaults/group_vars/all.yml").write_text("{layer: defaults, bad: false, ansible_connection: local}\n")
    for number, name in enumerate(names):
        if number not in absent:
            (folder / "sites" / name).mkdir(parents=True)
            (folder / "sites" / name / "ansible.cfg").write_text(CONFIGURATION)
            host = {"bad": True} if number in bad else {}
            (folder / "sites" / name / "hosts.yml").write_text(json.dumps({"all": {"hosts": {f"host-{number}": host}}}))
    return names


def run_fleet(folder: Path, forks: int) -> tuple[t.Any, dict[str, t.Any]]:
    variables = {"given": "canary-of-the-fleet"}
    text, arguments = named("fleet", fleet_playbook=str(folder / "work.yml"), fleet_extra_vars=variables)
    done = run_playbook(folder, text, "-i", "fleet.yml", "-f", str(forks), *arguments, ANSIBLE_CALLBACKS_ENABLED="")
    return done, json.loads((folder / "boxlift-fleet/fleet.json").read_text())


def holds_alone(folder: Path, name: str, number: int) -> None:
    """The site's journal is its own, and has nothing of another one."""
    files = sorted(path.name for path in (folder / "sites" / name / "journal").iterdir())
    assert files == ["move.jsonl", "work.log"]
    journal = (folder / "sites" / name / "journal/move.jsonl").read_text()
    hosts = {json.loads(line).get("host") for line in journal.splitlines()} - {None}
    assert hosts == {f"host-{number}"}
    log = (folder / "sites" / name / "journal/work.log").read_text()
    assert f"{folder}/sites/{name} defaults canary-of-the-fleet" in log


@pytest.mark.slow
def test_one_bad_site_does_not_stop_the_others(tmp_path: Path) -> None:
    names = fleet(tmp_path, 4, bad=[1], absent=[2])
    done, found = run_fleet(tmp_path, forks=2)
    assert done.returncode == 2, done.stdout + done.stderr
    assert found["bad"] == ["site-02", "site-01"] and not found["ok"]
    assert (found["counts"]["done"], found["counts"]["failed"], found["counts"]["refused"]) == (2, 1, 1)
    assert (found["sites"]["site-01"]["reached"], found["sites"]["site-01"]["status"]) == ("Go on", 2)
    assert found["sites"]["site-01"]["failures"] == [{"host": "host-1", "task": "Go on", "message": "Assertion failed"}]
    assert "4 sites: 1 refused, 1 failed, 2 done." in done.stdout
    for number in (0, 1, 3):
        holds_alone(tmp_path, names[number], number)


@pytest.mark.soak
def test_fifty_sites(tmp_path: Path) -> None:
    bad = [7, 31, 49]
    names = fleet(tmp_path, 50, bad)
    done, found = run_fleet(tmp_path, forks=8)
    assert done.returncode == 2, done.stdout + done.stderr
    assert found["bad"] == [names[number] for number in bad]
    assert found["counts"]["done"] == 47
    for number, name in enumerate(names):
        holds_alone(tmp_path, name, number)
        assert found["sites"][name]["reached"] == ("Go on" if number in bad else "Finish")


def test_a_fleet_without_sites_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("{all: {hosts: {portal-prod: {}}}}\n")
    text, arguments = named("fleet", fleet_playbook="boxlift.portal.health")
    done = run_playbook(tmp_path, text, "-i", "hosts.yml", *arguments, ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 2 and "has no group fleet with a site in it" in done.stdout + done.stderr
