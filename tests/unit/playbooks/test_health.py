# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook health.yml against the toy portal: both vantage points, the site's own checks, the list of users."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN, PASSWORD
from unit.plugins.playbook import run_playbook

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal
authority = toy_fixtures.authority
good_context = toy_fixtures.good_context
world = toy_fixtures.world

PLAYBOOK = """
- name: Check the portal's health
  ansible.builtin.import_playbook: boxlift.portal.health

- name: Keep what was found
  hosts: here
  gather_facts: false
  tasks:
    - name: Write the findings down
      ansible.builtin.copy:
        content: "{{ health_findings | to_json }}"
        dest: "{{ playbook_dir }}/findings.json"
        mode: "0600"
"""
OWN_CHECK = """
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import passed
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check


@check("branch.name", why="x", expected="x", remedy="x", needs=("database.reachable",))
def branch_name(context):
    return passed(context.option("main", "server_name"))
"""


@pytest.fixture
def health(world: t.Any, tmp_path: pathlib.Path) -> t.Callable[..., t.Any]:
    """Runs the playbook with more variables; what it printed, and the findings by their ids."""
    host = {"ansible_connection": "local"}
    variables = {
        "site_domain": f"{DOMAIN}:{world.site.tls.server_address[1]}",
        "site_ca_path": str(world.authority.path),
        "web_document_root": str(world.portal.root),
        "health_outside_address": "127.0.0.1",
    }
    places = {
        "health_authority_here": str(tmp_path / "there" / "ca.pem"),
        "health_checks_here": str(tmp_path / "there" / "checks"),
    }
    groups = {"web": {"hosts": {"here": host}}, "production": {"hosts": {"here": {}}}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"children": groups, "vars": variables}}))

    def run(*arguments: str, **more: t.Any) -> tuple[t.Any, dict[str, t.Any]]:
        done = run_playbook(tmp_path, PLAYBOOK, "-i", "hosts.json", "-e", json.dumps({**places, **more}), *arguments)
        written = tmp_path / "findings.json"
        return done, {f["id"]: f for f in json.loads(written.read_text())} if written.exists() else {}

    return run


@pytest.mark.slow
def test_one_list_from_two_places(health: t.Any, world: t.Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "branch.py").write_text(OWN_CHECK)
    stale = tmp_path / "there" / "checks" / "stale.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("raise AssertionError('the site has this check no more')")
    world.portal.sql("UPDATE b_user SET PASSWORD = '' WHERE ID = 2")
    baseline = {"counts": {"tasks": 3}}
    users = tmp_path / "users.csv"
    done, found = health(health_baseline=baseline, health_users_csv=str(users))
    assert done.returncode == 0, done.stdout + done.stderr
    # The host does not know the name; from outside, the way is given.
    assert found["web.answers"]["status"] == "fail"
    assert "Nobody can work" not in done.stdout
    assert "; from outside: https://portal.boxlift.test" in found["web.answers"]["observed"]
    assert found["web.answers"]["seen_from"] == ["host", "outside"]
    assert (found["content.count_work"]["status"], found["content.count_work"]["before"]) == ("fail", "3 tasks")
    assert (found["branch.name"]["observed"], found["branch.name"]["seen_from"]) == (DOMAIN, ["host"])
    assert "2,anna," in users.read_text("utf-8-sig") and not stale.exists()
    assert "FAIL content.count_work: now 1 tasks" in done.stdout.replace("\\n", "\n")
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_dead_kernel_is_the_first_line(health: t.Any, world: t.Any) -> None:
    world.site.answers["/"] = (200, {}, b"The period of the trial is over.")
    done, found = health(health_fail_on="never")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.replace("\\n", "\n").replace("\\", "")
    assert said.index("Nobody can work: ") < said.index("\nfail ")
    assert 'with no page of the portal: "The period of the trial is over."' in said
    # The host of this test cannot resolve the portal's name; from outside the page is seen.
    assert [found[name]["status"] for name in ("licence.header", "domain.page_links")] == ["fail", "fail"]


@pytest.mark.slow
def test_health_fail_on_stops_the_run_after_everything_was_said(health: t.Any) -> None:
    done, found = health(health_fail_on="fail", health_outside=False)
    assert done.returncode == 2 and not found
    assert "Say how the portal is" in done.stdout
    assert "checks are not in order: " in done.stdout + done.stderr


@pytest.mark.slow
def test_check_mode_changes_nothing(health: t.Any, tmp_path: pathlib.Path) -> None:
    done, _found = health("--check", health_users_csv=str(tmp_path / "users.csv"), site_ca_path="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "there").exists() and not (tmp_path / "users.csv").exists()


@pytest.mark.slow
def test_the_inventory_says_what_is_looked_at(health: t.Any, tmp_path: pathlib.Path) -> None:
    inventory = json.loads((tmp_path / "hosts.json").read_text())
    inventory["all"]["vars"].update(health_outside=False, health_areas=["settings"])
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    done, found = health()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {tuple(each.get("seen_from", ["host"])) for each in found.values()} == {("host",)}
    assert "settings" in {each["area"] for each in found.values()} and "mail" not in {
        each["area"] for each in found.values()
    }


@pytest.mark.parametrize(("databases", "asked"), [(["db"], False), (["db", "db2"], True)])
def test_a_database_host_that_nobody_stands_in_for_is_not_asked(
    tmp_path: pathlib.Path, databases: list[str], asked: bool
) -> None:
    """It may be out of the controller's reach; the portal is looked at from its web host."""
    every = {name: {} for name in ("here", *databases)}
    groups = {"web": {"hosts": {"here": {}}}, "database": {"hosts": every.copy()}, "production": {"hosts": every}}
    del groups["database"]["hosts"]["here"]
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"children": groups}}))
    done = run_playbook(tmp_path, PLAYBOOK, "-i", "hosts.json", "--list-hosts")
    assert done.returncode == 0, done.stdout + done.stderr
    first = done.stdout.partition("play #1")[2].partition("play #2")[0]
    assert "here" in first and (" db\n" in first) == asked, done.stdout
