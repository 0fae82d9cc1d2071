# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import socket
import types
import typing as t

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.finding import FAIL_ON
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.modules import portal_health
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN, PASSWORD
from unit.plugins.playbook import run_playbook

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal
authority = toy_fixtures.authority
good_context = toy_fixtures.good_context
world = toy_fixtures.world


#: Checks that ask PHP-FPM, hosts beside the portal, or port 80.
NEIGHBOURS = {
    *("environment.web_modules", "environment.web_settings", "environment.web_limits", "environment.encoding"),
    *("identity.session_storage", "mail.transport", "web.reaches_itself", "web.redirect"),
    *("identity.ldap", "mail.mailboxes"),
}


def by_id(result: dict[str, t.Any]) -> dict[str, dict[str, str]]:
    return {finding["id"]: finding for finding in result["findings"]}


def test_areas_of_a_healthy_portal(portal: t.Any, run_module: t.Any) -> None:
    wanted = {"document_root": str(portal.root), "areas": ["agents", "search", "database"]}
    result = run_module(portal_health, check=True, **wanted, fail_on="warn")
    assert not result["failed"] and result["changed"] is False
    # There are no after_connect files.
    assert result["summary"] == {"pass": len(result["findings"]) - 1, "warn": 0, "fail": 0, "unknown": 0, "skip": 1}
    assert {"database.reachable", "agents.cron"} <= set(by_id(result))


def test_what_an_address_may_hold_is_never_logged(run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible logs a module's parameters before the module runs; an address without secrets stays readable."""
    logged: list[str] = []
    monkeypatch.setattr(
        "ansible.module_utils.basic.AnsibleModule.log",
        lambda _self, msg, log_args=None: logged.append(f"{msg} {log_args}"),
    )
    for address in ("https://some:hidden1@portal.test/?token=hidden2", "https://plain.test"):
        run_module(portal_health, vantage="outside", base_url=address, areas=["none"])
    assert "https://plain.test" in logged[1]
    assert [secret for secret in ("hidden1", "hidden2") if secret in logged[0]] == []


@pytest.mark.parametrize(("fail_on", "fails"), [("never", False), ("fail", True), ("unknown", True), ("warn", True)])
def test_a_failure_comes_with_all_findings(portal: t.Any, run_module: t.Any, fail_on: str, fails: bool) -> None:
    portal.sql("UPDATE b_agent SET LAST_EXEC = NULL")
    wanted = {"document_root": str(portal.root), "areas": ["agents"], "fail_on": fail_on}
    result = run_module(portal_health, **wanted)
    assert result["failed"] is fails and result["summary"]["fail"] == 1
    assert ("msg" in result) is fails
    if fails:
        assert result["msg"] == "1 of 7 checks are not in order: agents.cron."


@pytest.mark.parametrize(("fail_on", "fails"), [("fail", False), ("unknown", True), ("warn", True)])
def test_a_check_that_cannot_look(portal: t.Any, run_module: t.Any, fail_on: str, fails: bool) -> None:
    portal.sql("UPDATE b_agent SET ACTIVE = 'N'")
    wanted = {"document_root": str(portal.root), "areas": ["agents"], "fail_on": fail_on}
    result = run_module(portal_health, **wanted)
    assert (result["failed"], result["summary"]["unknown"]) == (fails, 1)


def test_programs_are_run_as_threads_may(portal: t.Any, run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[t.Sequence[str]] = []
    real = program.run
    monkeypatch.setattr(program, "run", lambda command: ran.append(command) or real(command))
    result = run_module(portal_health, document_root=str(portal.root), areas=["environment"], fail_on="never")
    assert ran and by_id(result)["environment.php"]["status"] != "unknown"


def test_fails_by_default(portal: t.Any, run_module: t.Any) -> None:
    portal.sql("UPDATE b_agent SET LAST_EXEC = NULL")
    assert run_module(portal_health, document_root=str(portal.root), areas=["agents"])["failed"]


def test_the_whole_through_the_web(world: t.Any, run_module: t.Any) -> None:
    port = world.site.tls.server_address[1]
    # The real ports of this test, where a site has those of its services.
    world.portal.edit(
        "bitrix/.settings.php",
        "'path_to_publish' => 'http://127.0.0.1:8895/bitrix/pub/'",
        f"'path_to_publish' => 'http://127.0.0.1:{world.site.publishing.server_address[1]}/bitrix/pub/',"
        f"'path_to_modern_listener_secure' => 'https://#DOMAIN#:{port}/bitrix/sub/',"
        f"'path_to_websocket_secure' => 'wss://#DOMAIN#:{port}/bitrix/subws/'",
    )
    result = run_module(
        portal_health,
        document_root=str(world.portal.root),
        base_url=f"https://{DOMAIN}:{port}/",
        address="127.0.0.1",
        ca_path=str(world.authority.path),
        skip=["environment.php"],
        fail_on="never",
    )
    found = by_id(result)
    assert set(found) == set(all_checks().checks) - {"security.open_ports"}
    assert found["web.certificate"]["status"] == "pass", found["web.certificate"]
    assert found["security.denied_paths"]["status"] == "pass"
    assert found["environment.php"]["observed"] == "left out by request"
    # The port of this test is in no table; PHP-FPM and the portal's neighbours are not on this machine.
    off = {
        name: each["observed"]
        for name, each in found.items()
        if each["status"] in ("fail", "unknown")
        and not all_checks().checks[name].run.__module__.endswith(("_host", "_portal"))
    }
    assert set(off) - NEIGHBOURS == {"domain.everywhere"}, off
    assert PASSWORD not in json.dumps(result)


def test_from_outside(world: t.Any, run_module: t.Any) -> None:
    port = world.site.tls.server_address[1]
    world.site.answers["/restore.php"] = (200, {}, b"")
    wanted = {"base_url": f"https://{DOMAIN}:{port}", "address": "127.0.0.1", "vantage": "outside"}
    result = run_module(portal_health, **wanted, ca_path=str(world.authority.path), fail_on="never")
    found = by_id(result)
    assert found["security.leftovers_outside"]["status"] == "fail"
    areas = {finding["area"] for finding in found.values()}
    assert areas == {"web", "push", "security", "licence", "identity", "domain"}
    assert result["vantage"] == "outside"


def test_a_baseline_is_compared_with(portal: t.Any, run_module: t.Any) -> None:
    wanted = {"document_root": str(portal.root), "areas": ["content"], "fail_on": "never"}
    before = {"counts": {"tasks": 5, "comments": 2}}
    for given in (before, {"portal": before}):
        found = by_id(run_module(portal_health, **wanted, baseline=given))["content.count_work"]
        assert (found["status"], found["before"]) == ("fail", "5 tasks, 2 comments")
        assert found["observed"] == "now 1 tasks, 2 comments; lost: 4 tasks"
    assert by_id(run_module(portal_health, **wanted))["content.count_work"]["status"] == "skip"
    assert "baseline has neither" in run_module(portal_health, **wanted, baseline={"leads": 5})["msg"]


def test_users_who_cannot_log_in_are_listed(portal: t.Any, run_module: t.Any, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "users.csv"
    portal.sql("UPDATE b_user SET EXTERNAL_AUTH_ID = 'socservices' WHERE ID = 2")
    wanted = {"document_root": str(portal.root), "areas": ["identity"], "users_csv": str(path), "fail_on": "never"}
    dry = run_module(portal_health, check=True, **wanted)
    assert (dry["changed"], dry["users"], path.exists()) == (False, 1, False)
    assert run_module(portal_health, **wanted)["changed"] is True
    assert path.read_text("utf-8-sig").splitlines()[1].startswith("2,anna,")
    assert run_module(portal_health, **wanted)["changed"] is False
    # Where the check could not look, an older list stays.
    portal.sql("DELETE FROM b_utm_user")
    result = run_module(portal_health, **wanted)
    assert "users" not in result and "anna" in path.read_text()
    portal.sql("RENAME TABLE b_user TO b_user_gone")
    result = run_module(portal_health, **wanted)
    assert by_id(result)["identity.login"]["observed"].startswith("the table b_user is missing")
    assert "users" not in result and "anna" in path.read_text()


def test_a_sites_own_checks(
    portal: t.Any, run_module: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(all_checks(), "checks", dict(all_checks().checks))
    wanted = {"document_root": str(portal.root), "checks_dir": str(tmp_path), "areas": ["branch"], "fail_on": "never"}
    (tmp_path / "own.py").write_text(
        "from ansible_collections.boxlift.portal.plugins.module_utils.health.model import failed\n"
        "from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check\n"
        "@check('branch.line', why='x', expected='x', remedy='x', needs=('database.reachable',))\n"
        "def line(context):\n    return failed(context.option('main', 'server_name'))\n"
    )
    (tmp_path / "own.py").chmod(0o644)
    assert by_id(run_module(portal_health, **wanted))["branch.line"]["observed"] == DOMAIN
    (tmp_path / "own.py").write_text("\nnonsense\n")
    assert "own.py, line 2: NameError" in run_module(portal_health, **wanted)["msg"]


def test_a_place_without_a_portal_is_unknown(tmp_path: pathlib.Path, run_module: t.Any) -> None:
    result = run_module(portal_health, document_root=str(tmp_path / "none"), areas=["settings"], fail_on="never")
    assert not result["failed"]
    assert "is no directory" in by_id(result)["settings.readable"]["observed"]
    assert result["summary"]["pass"] == 0


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "one of the following is required"),
        ({"vantage": "outside", "document_root": "/"}, "base_url"),
        ({"base_url": "portal.example.com"}, "is no URL of a host"),
        ({"base_url": "https://x.test/path"}, "is no URL of a host"),
        ({"document_root": "/", "areas": ["nonsense"]}, "areas: nonsense is not known"),
        ({"document_root": "/", "skip": ["nonsense"]}, "skip: nonsense is not known"),
    ],
)
def test_bad_input(run_module: t.Any, params: dict[str, t.Any], words: str) -> None:
    result = run_module(portal_health, **params)
    assert result["failed"] and words in result["msg"]


def test_the_documentation_names_every_area_and_level() -> None:
    options = yaml.safe_load(portal_health.DOCUMENTATION)["options"]
    assert all(f"V({area})" in options["areas"]["description"] for area in all_checks().areas)
    assert options["fail_on"]["choices"] == list(FAIL_ON)


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/boxlift.portal.portal:
      document_root: {root}
  tasks:
    - name: Settings
      boxlift.portal.portal_settings:
        settings: {{crypto: {{crypto_key: canary-of-a-key}}, connections: {{default: {{password: {password}}}}}}}
        constants: {{BX_CRONTAB_SUPPORT: true}}
    - name: Option
      boxlift.portal.portal_option:
        module: pull
        options: {{nginx: 'Y', signature_key: canary-of-a-push-key}}
    - name: Site
      boxlift.portal.portal_site:
        domain: {domain}
    - name: Info
      boxlift.portal.portal_info:
    - name: Health
      boxlift.portal.portal_health:
        skip: [environment.php]
        fail_on: never
      register: health
    - name: Result
      ansible.builtin.debug:
        msg: "{{{{ health.summary }}}}"
"""


@pytest.mark.slow
def test_ansible_runs_all_five_and_shows_no_secret(portal: t.Any, tmp_path: pathlib.Path) -> None:
    text = PLAYBOOK.format(root=portal.root, password=PASSWORD, domain=DOMAIN)
    done = run_playbook(tmp_path, text, "-vvv", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=2" in done.stdout, done.stdout[-2000:]
    assert "(secret, changed)" in done.stdout and "(secret)" in done.stdout
    for canary in ("canary-of-a-key", "canary-of-a-push-key", PASSWORD):
        assert canary not in done.stdout + done.stderr
    again = run_playbook(tmp_path, text, "--check")
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout


@pytest.mark.parametrize(("vantage", "led_to"), [("host", "portal.example.com"), ("outside", "192.0.2.7")])
def test_only_from_outside_other_ports_are_looked_for_at_the_address(
    monkeypatch: pytest.MonkeyPatch, vantage: str, led_to: str
) -> None:
    asked: list[tuple[str, int]] = []

    def refuse(place: tuple[str, int], _timeout: float) -> socket.socket:
        asked.append(place)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    params = {
        **{"base_url": "https://portal.example.com", "address": "192.0.2.7", "vantage": vantage, "timeout": 15},
        **dict.fromkeys(("document_root", "database", "ca_path", "baseline")),
        "push": True,
    }
    module: t.Any = types.SimpleNamespace(params=params)
    context = portal_health.build_context(module)
    assert context.reaches("portal.example.com", 3306) == "[Errno 111] refused"
    assert asked == [(led_to, 3306)]
