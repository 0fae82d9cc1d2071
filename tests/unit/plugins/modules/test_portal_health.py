# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.runner import FAIL_ON
from ansible_collections.boxlift.portal.plugins.modules import portal_health
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import DOMAIN, PASSWORD
from unit.plugins.playbook import run_playbook

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal
authority = toy_fixtures.authority
good_context = toy_fixtures.good_context
world = toy_fixtures.world


def by_id(result: dict[str, t.Any]) -> dict[str, dict[str, str]]:
    return {finding["id"]: finding for finding in result["findings"]}


def test_areas_of_a_healthy_portal(portal: t.Any, run_module: t.Any) -> None:
    wanted = {"document_root": str(portal.root), "areas": ["agents", "mail", "identity", "modules"]}
    result = run_module(portal_health, check=True, **wanted, fail_on="warn")
    assert not result["failed"] and result["changed"] is False
    assert result["summary"] == {"pass": len(result["findings"]), "warn": 0, "fail": 0, "unknown": 0, "skip": 0}
    assert {"database.reachable", "mail.queue"} <= set(by_id(result))


@pytest.mark.parametrize(("fail_on", "fails"), [("never", False), ("fail", True), ("unknown", True), ("warn", True)])
def test_a_failure_comes_with_all_findings(portal: t.Any, run_module: t.Any, fail_on: str, fails: bool) -> None:
    portal.sql("UPDATE b_agent SET LAST_EXEC = NULL")
    wanted = {"document_root": str(portal.root), "areas": ["agents"], "fail_on": fail_on}
    result = run_module(portal_health, **wanted)
    assert result["failed"] is fails and result["summary"]["fail"] == 1
    assert ("msg" in result) is fails
    if fails:
        assert result["msg"] == "1 of 5 checks are not in order: agents.cron."


@pytest.mark.parametrize(("fail_on", "fails"), [("fail", False), ("unknown", True), ("warn", True)])
def test_a_check_that_cannot_look(portal: t.Any, run_module: t.Any, fail_on: str, fails: bool) -> None:
    portal.sql("UPDATE b_agent SET ACTIVE = 'N'")
    wanted = {"document_root": str(portal.root), "areas": ["agents"], "fail_on": fail_on}
    result = run_module(portal_health, **wanted)
    assert (result["failed"], result["summary"]["unknown"]) == (fails, 1)


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
    assert set(found) == set(all_checks().checks)
    assert found["web.certificate"]["status"] == "pass", found["web.certificate"]
    assert found["security.denied_paths"]["status"] == "pass"
    assert found["environment.php"]["observed"] == "left out by request"
    # The port of this test is in no table; what listens on port 80 of this machine is not ours.
    off = {name: each["observed"] for name, each in found.items() if each["status"] in ("fail", "unknown")}
    assert set(off) - {"web.redirect"} == {"domain.everywhere"}, off
    assert PASSWORD not in json.dumps(result)


def test_from_outside(world: t.Any, run_module: t.Any) -> None:
    port = world.site.tls.server_address[1]
    world.site.answers["/restore.php"] = (200, {}, b"")
    wanted = {"base_url": f"https://{DOMAIN}:{port}", "address": "127.0.0.1", "vantage": "outside"}
    result = run_module(portal_health, **wanted, ca_path=str(world.authority.path), fail_on="never")
    found = by_id(result)
    assert found["security.leftovers_outside"]["status"] == "fail"
    assert {finding["area"] for finding in found.values()} == {"web", "push", "security", "licence"}
    assert result["vantage"] == "outside"


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
