# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role portal demands proof: a kernel that starts, an index with entries, an agent that ran."""

from __future__ import annotations

import getpass
import json
import pathlib
import subprocess
import typing as t

import pytest
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.playbook import REPOSITORY, run_playbook

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal

PLAYBOOK = """
- name: Demand proof
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Role portal
      ansible.builtin.import_role:
        name: boxlift.portal.portal
        tasks_from: "{{ step }}"
"""
OVER = "<?php echo '<p>The period of the trial\n is over.</p>'; die();"
SENTENCE = "The period of the trial is over."
KERNEL = """<?php
class CModule { static function IncludeModule($name) { return true; } }
class CSearch { static function ReIndexAll() { %s return 2; } }
"""
STATEMENT = "(new mysqli('localhost', '%s', '%s', '%s', 0, '%s'))->query(\"%s\");"
PROLOG, AGENTS = "bitrix/modules/main/include/prolog_before.php", "bitrix/modules/main/tools/cron_events.php"
REINDEX = REPOSITORY / "roles" / "portal" / "files" / "reindex.php"


@pytest.fixture
def statement(portal: t.Any) -> t.Callable[[str], str]:
    """PHP that runs a statement in the toy portal's database."""
    login = portal.login
    return lambda sql: STATEMENT % (login.user, login.password, portal.database, login.unix_socket, sql)


@pytest.fixture
def step(portal: t.Any, tmp_path: pathlib.Path) -> t.Callable[..., t.Any]:
    """Runs one file of the role's tasks; what the playbook gave."""
    login = portal.login
    variables = {
        "portal_document_root": str(portal.root),
        "portal_user": getpass.getuser(),
        "portal_group": getpass.getuser(),
        "portal_domain": "portal.boxlift.test",
        "portal_database_password": login.password,
        "__portal_reindex": str(tmp_path / "reindex.php"),
        "__portal_query_login": {
            "login_unix_socket": login.unix_socket,
            "login_user": login.user,
            "login_password": login.password,
            "login_db": portal.database,
        },
        "__portal_configured": {"changed": False},
    }

    def run(name: str, **more: t.Any) -> t.Any:
        given = json.dumps({**variables, "step": name, **more})
        return run_playbook(tmp_path, PLAYBOOK, "-c", "local", "-i", "localhost,", "-e", given)

    return run


def put(portal: t.Any, prolog: str, agents: str = "<?php") -> None:
    portal.write(PROLOG, prolog, 0o644)
    portal.write(AGENTS, agents, 0o644)


def reindex(portal: t.Any, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(["php", "-f", REINDEX, portal.root, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [(), ("look",)])
@pytest.mark.parametrize(
    "prolog, said",
    [
        (OVER, f'said: "{SENTENCE}"'),
        ("<?php ob_start(); echo 'Site '; ob_start(); echo 'closed'; exit(0);", 'said: "Site closed"'),
        ("<?php exit;", 'said: ""'),
        ("The licence is not accepted", "CModule is missing"),
        ("<?php throw new Exception('DB query error');", "DB query error"),
    ],
)
def test_a_kernel_that_stops_is_an_error(portal: t.Any, arguments: t.Sequence[str], prolog: str, said: str) -> None:
    put(portal, prolog)
    status, _output, problem = reindex(portal, *arguments)
    assert (status, said in problem) == (3, True), problem


def test_the_end_of_the_work_is_said(portal: t.Any) -> None:
    put(portal, KERNEL % "echo 'noise';")
    assert reindex(portal, "look") == (0, "The portal's kernel works; no entries were made.\n", "")
    assert reindex(portal) == (0, "The portal's kernel works; 2 entries were made.\n", "")


def test_a_kernel_that_stops_while_the_index_is_built_is_an_error(portal: t.Any) -> None:
    put(portal, KERNEL % "echo 'Licence'; die();")
    assert reindex(portal, "look")[0] == 0
    assert reindex(portal)[::2] == (3, 'The portal\'s kernel stopped and said: "Licence"\n')


@pytest.mark.slow
def test_configure_refuses_a_dead_kernel_and_quotes_it(portal: t.Any, step: t.Any) -> None:
    put(portal, OVER)
    done = step("kernel.yml")
    assert done.returncode == 2
    assert f'Nobody can work: The portal\'s kernel stopped and said: \\"{SENTENCE}\\"' in done.stdout
    put(portal, KERNEL % "")
    done = step("kernel.yml")
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout


@pytest.mark.slow
def test_configure_counts_the_entries_itself(portal: t.Any, step: t.Any, statement: t.Any) -> None:
    for table in ("b_search_content", "b_search_content_text"):
        portal.sql(f"DELETE FROM {table}")
    put(portal, KERNEL % "")
    assert step("kernel.yml").returncode == 0  # brings the script
    answers = {"query_result": [[], [{"agents": 1}], [{"entries": 0}]]}
    done = step("search.yml", __portal_answers=answers)
    assert (done.returncode, "Nobody can find anything" in done.stdout) == (2, True), done.stdout
    entry = "INSERT INTO b_search_content (DATE_CHANGE, MODULE_ID, ITEM_ID) VALUES (NOW(), 'tasks', '1')"
    put(portal, KERNEL % statement(entry))
    done = step("search.yml", __portal_answers=answers)
    assert done.returncode == 0, done.stdout


OLD = "UPDATE b_agent SET LAST_EXEC = NOW() - INTERVAL 3 DAY, NEXT_EXEC = NOW() - INTERVAL 2 DAY"


@pytest.mark.slow
def test_configure_demands_that_an_agent_ran(portal: t.Any, step: t.Any, statement: t.Any) -> None:
    portal.sql(OLD)
    put(portal, KERNEL % "", OVER)
    done = step("agents.yml", __portal_configured={"changed": True})
    assert (done.returncode, "no agent has run since this began" in done.stdout) == (2, True), done.stdout
    assert "ended with status 0 and said:" in done.stdout and "is over.</p>" in done.stdout
    # On a portal that is configured already, too.
    (portal.root / AGENTS).unlink()
    done = step("agents.yml")
    assert (done.returncode, "cron_events.php does not exist" in done.stdout) == (2, True), done.stdout
    put(portal, KERNEL % "", "<?php " + statement("UPDATE b_agent SET LAST_EXEC = NOW() WHERE ID = 1"))
    done = step("agents.yml")
    assert (done.returncode, "changed=1" in done.stdout) == (0, True), done.stdout
    # They ran just now, and nothing waits for cron: there is nothing to do, and nothing to wait for.
    done = step("agents.yml")
    assert (done.returncode, "changed=0" in done.stdout) == (0, True), done.stdout


@pytest.mark.slow
def test_agents_that_ran_just_before_are_proof_only_if_none_waits(portal: t.Any, step: t.Any) -> None:
    put(portal, KERNEL % "", "<?php echo 'over';")
    portal.sql("UPDATE b_agent SET LAST_EXEC = NOW() - INTERVAL 2 MINUTE, NEXT_EXEC = NOW() - INTERVAL 1 MINUTE")
    assert "no agent has run" in step("agents.yml", __portal_configured={"changed": True}).stdout
    portal.sql("UPDATE b_agent SET NEXT_EXEC = NOW() + INTERVAL 1 HOUR")
    assert step("agents.yml", __portal_configured={"changed": True}).returncode == 0
