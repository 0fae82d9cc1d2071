# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.bundle and its playbook: what its options mean, and what is refused at once."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action import bundle
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import build, manifest
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from unit.plugins.playbook import REPOSITORY, run_playbook

NOW = datetime.datetime(2026, 11, 29, 22, 30, tzinfo=datetime.timezone.utc)


def options(**given: t.Any) -> dict[str, t.Any]:
    defaults = {name: spec.get("default") for name, spec in bundle.ActionModule.SPEC.items()}
    return {**defaults, "dest": "/srv/bundle", **given}


def test_what_the_options_mean(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yml"
    plan.write_text("site: portal.example.com\n")
    asked = bundle.request(options(plan=str(plan), debs={12: ["~/a.deb"]}), NOW, [b"x"])
    assert asked.facts == manifest.Facts(
        site="portal.example.com",
        version=20261129223000,
        built_at="2026-11-29T22:30:00Z",
        valid_to="2027-02-27",
        plan_sha256=load(str(plan)).sha256,
        min_engine="2.19",
        python="3.11 3.13",
        releases="12 13",
    )
    assert asked.facts.id == "portal.example.com-20261129223000"
    assert asked.debs == {"12": [str(Path.home() / "a.deb")]} and asked.never == [b"x"]
    assert bundle.request(options(site="a", version=3, valid_days=1), NOW, []).facts.valid_to == "2026-11-30"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "Nobody says for which site the bundle is"),
        ({"site": "other", "plan": "PLAN"}, "The plan is for portal.example.com, and site is other"),
        ({"site": "a", "releases": ["11"]}, "Debian 11 is not known here"),
        ({"site": "a", "valid_days": 0}, "valid_days is 0"),
        ({"site": "a", "debs": {"14": []}}, "debs: 14 is no release"),
        ({"site": "a", "debs": {"12": "a.deb"}}, "debs: 12 is no release with a list"),
    ],
)
def test_what_cannot_be(tmp_path: Path, given: dict[str, t.Any], text: str) -> None:
    (tmp_path / "plan.yml").write_text("site: portal.example.com\n")
    if "plan" in given:
        given = {**given, "plan": str(tmp_path / "plan.yml")}
    with pytest.raises(BoxliftError, match=text):
        bundle.request(options(**given), NOW, [])


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Predict
      boxlift.portal.bundle: {dest: made, site: portal.example.com, inventory: inventory, manual: manual, cache: cache}
      check_mode: true
      register: predicted
    - name: Make it of an inventory with a secret
      boxlift.portal.bundle: {dest: made, site: portal.example.com, inventory: wrong, cache: cache}
      register: secret
      ignore_errors: true
    - name: Make it with the vault's password
      boxlift.portal.bundle: {dest: made, site: portal.example.com, manual: notes, cache: cache}
      register: password
      ignore_errors: true
    - name: Note
      ansible.builtin.copy:
        content: "{{ [predicted, secret, password] | to_json }}"
        dest: "{{ playbook_dir }}/returned.json"
        mode: "0600"
"""


def test_secrets_are_refused_in_a_real_run(tmp_path: Path) -> None:
    for name, text in (
        ("inventory/hosts.yml", "all: {}\n"),
        ("manual/manual.html", "<html></html>"),
        ("manual/codes.html", "Canary-1"),
        ("wrong/vars.yml", "site_database_password: Canary-2\n"),
        ("notes/readme.txt", "The vault opens by Canary-3.\n"),
        ("secret", "Canary-3\n"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = run_playbook(tmp_path, PLAYBOOK, "--vault-password-file=secret", ANSIBLE_CALLBACKS_ENABLED="")
    assert done.returncode == 0, done.stdout + done.stderr
    predicted, secret, password = json.loads((tmp_path / "returned.json").read_text())
    assert predicted["changed"] and predicted["kept_back"] == ["manual/codes.html"]
    assert predicted["site"] == "portal.example.com" and predicted["path"] == str(tmp_path / "made")
    assert "wrong/vars.yml:1: site_database_password is a secret by its name" in secret["msg"]
    assert "notes/readme.txt holds a password of the vault" in password["msg"]
    assert "Canary" not in done.stdout + (tmp_path / "returned.json").read_text()
    assert not (tmp_path / "made").exists()


def test_the_playbook_reads_the_sites_inventory(tmp_path: Path) -> None:
    (tmp_path / "inventory/group_vars").mkdir(parents=True)
    (tmp_path / "inventory/hosts.yml").write_text("all: {children: {production: {hosts: {portal-prod: }}}}\n")
    (tmp_path / "inventory/group_vars/all.yml").write_text(
        'site_domain: portal.example.com\nmigration_plan: "{{ inventory_dir }}/plan.yml"\n'
    )
    (tmp_path / "inventory/plan.yml").write_text("site: portal.example.com\n")
    text = (REPOSITORY / "playbooks/bundle.yml").read_text()
    done = run_playbook(
        tmp_path, text, "-i", "inventory", "--check", "-e", "bundle_dir=made", "-e", "bundle_cache=cache",
        "-e", '{"bundle_releases": ["12"]}', ANSIBLE_CALLBACKS_ENABLED="",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"in {tmp_path}/made: 0 files" in done.stdout and "portal.example.com-" in done.stdout


def test_the_engine_is_the_one_that_the_collection_asks_for() -> None:
    required = (REPOSITORY / "meta/runtime.yml").read_text()
    assert f'requires_ansible: ">={build.ENGINE_FROM}.0"' in required
    assert build.ENGINE.startswith(f"ansible-core>={build.ENGINE_FROM},")
    wanted = build.Installed().requirements()
    assert wanted[-1] == "pip"
    names = {one.split("=")[0].split(">")[0].lower() for one in wanted}
    assert {"ansible-core", "pymysql", "cryptography", "dnspython", "icalendar", "jsonschema", "jinja2"} <= names
