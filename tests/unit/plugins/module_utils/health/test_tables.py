# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that are missing or empty: every check judges, and none ends in an error of its own."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health.tables import missing_table, owner
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed, failed
from unit.plugins.module_utils.health.toy_portal import ToyPortal

TABLES = [str(re.findall(r"CREATE TABLE `?(\w+)", definition)[0]) for definition in ToyPortal.definitions()]
# What an error of Python or of the database's client looks like in a finding.
CRASH = re.compile(r"\b\w*(?:Error|Exception|Warning)\b: |\(\d{4}, ")


def judged(world: t.Any) -> dict[str, Finding]:
    """All findings; the web is left out, so that only files and database are asked."""
    world.context._memory.clear()
    world.context.http_client = None
    found: dict[str, Finding] = world.findings()
    assert [f"{name}: {finding.observed}" for name, finding in found.items() if CRASH.search(finding.observed)] == []
    return found


@pytest.mark.slow
def test_each_table_missing(world: t.Any) -> None:
    whole = judged(world)
    said: dict[str, dict[str, str]] = {}
    for table in TABLES:
        world.portal.sql(f"RENAME TABLE {table} TO {table}_gone")
        found = judged(world)
        world.portal.sql(f"RENAME TABLE {table}_gone TO {table}")
        # A check that answers otherwise now names the table, or one that it needs has done so.
        said[table] = {name: finding.status for name, finding in found.items() if finding != whole[name]}
        for name in said[table]:
            text = found[name].observed
            assert table in text or "not in order" in text or found[name].status != "unknown", (
                f"{table}, {name}: {text}"
            )
    # Those of main are needed; one of a module that is installed is lost; else nothing is wrong.
    assert said["b_agent"]["agents.cron"] == said["b_file"]["content.files"] == "fail"
    assert said["b_im_chat"]["content.task_chats"] == said["b_tasks"]["search.index"] == "fail"
    assert said["b_option"]["database.reachable"] == "fail"
    assert {said["b_utm_user"][name] for name in ("licence.users", "identity.arrived")} == {"pass"}
    assert world.context.query("SELECT 1 AS one FROM b_module WHERE ID = 'disk'")
    world.portal.sql("DELETE FROM b_module WHERE ID = 'disk'")
    world.portal.sql("RENAME TABLE b_disk_object TO b_disk_object_gone")
    skipped = judged(world)["content.attachments"]
    assert (skipped.status, skipped.observed) == (
        "skip",
        "there is no table b_disk_object: the module disk is not installed",
    )


@pytest.mark.slow
def test_each_table_empty(world: t.Any) -> None:
    for table in TABLES:
        world.portal.sql(f"CREATE TABLE kept AS SELECT * FROM {table}")
        world.portal.sql(f"DELETE FROM {table}")
        judged(world)
        world.portal.sql(f"INSERT INTO {table} SELECT * FROM kept")
        world.portal._run("DROP TABLE kept")


@pytest.mark.slow
def test_a_portal_with_nothing_at_all(world: t.Any) -> None:
    for table in TABLES:
        world.portal.sql(f"DELETE FROM {table}")
    found = judged(world)
    counted = ("people", "work", "messages", "files")
    assert {found[f"content.count_{name}"].status for name in counted} == {"fail"}
    for table in TABLES:
        world.portal.sql(f"RENAME TABLE {table} TO {table}_gone")
    judged(world)


@pytest.mark.parametrize(
    "newest, status, words",
    [
        ({"users": None, "tasks": None}, "skip", "the baseline has no dated record"),
        ({"leads": "2026-01-03 10:00:00"}, "fail", "older than before: leads none"),
        ({}, "skip", "the baseline has no newest"),
    ],
)
def test_a_portal_without_a_dated_record(world: t.Any, newest: t.Any, status: str, words: str) -> None:
    for table in (
        "b_user",
        "b_tasks",
        "b_forum_message",
        "b_im_message",
        "b_file",
        "b_disk_object",
        "b_search_content",
    ):
        world.portal.sql(f"DELETE FROM {table}")
    world.context.baseline["newest"] = newest
    finding = world.finding("content.newest")
    assert (finding.status, words in finding.observed) == (status, True), finding.observed


def test_no_file_in_the_database(world: t.Any) -> None:
    world.portal.sql("UPDATE b_file SET HANDLER_ID = 1")
    assert world.finding("content.files").status == "skip"
    world.portal.sql("DELETE FROM b_file")
    finding = world.finding("content.files")
    assert (finding.status, "such as upload/disk/" in finding.observed) == ("fail", True), finding.observed
    for path in world.portal.root.glob("upload/disk/*/*"):
        path.unlink()
    assert world.finding("content.files").status == "warn"


def test_without_departments_every_person_counts(world: t.Any) -> None:
    world.portal.sql("RENAME TABLE b_utm_user TO b_utm_user_gone")
    world.portal.sql("UPDATE b_option SET VALUE = '1' WHERE NAME = 'PARAM_MAX_USERS'")
    finding = world.finding("licence.users")
    assert finding.status == "fail"
    assert finding.observed == ("2 of 1 users (without b_utm_user there are no departments: every active user counts)")
    world.portal.sql("UPDATE b_user SET PASSWORD = '' WHERE ID = 2")
    finding = world.finding("identity.login")
    # The bot is no person; the guest is known to the directory.
    assert (finding.status, "1 of 3 employees cannot log in (1 no password): anna" in finding.observed) == (
        "fail",
        True,
    )
    world.portal.sql("UPDATE b_sec_user SET ACTIVE = 'N' WHERE USER_ID = 1")
    assert "admin" in world.finding("identity.one_time_codes").observed


def test_a_statement_that_the_server_refuses_says_why(world: t.Any) -> None:
    world.portal.sql("ALTER TABLE b_agent DROP COLUMN RETRY_COUNT")
    finding = world.finding("agents.stuck")
    assert finding.status == "unknown"
    assert finding.observed.startswith("could not look: the database says: Unknown column 'RETRY_COUNT'")
    assert finding.remedy


@pytest.mark.parametrize(
    "table, module",
    [
        *(("b_user", "main"), ("b_utm_user", "main"), ("b_file", "main"), ("b_app_password", "main")),
        *(
            ("b_tasks", "tasks"),
            ("b_tasks_task_chat", "tasks"),
            ("b_im_chat", "im"),
            ("b_imconnectors_status", "imconnector"),
        ),
        *(("b_crm_lead", "crm"), ("b_sec_user", "security"), ("b_search_content", "search"), ("b_forum", "forum")),
    ],
)
def test_whose_table_it_is(table: str, module: str) -> None:
    assert owner(table) == module


def test_which_table_is_missing() -> None:
    def failed_with(*arguments: t.Any) -> DatabaseFailed:
        return failed(Exception(*arguments), "root at localhost:3306", "portal")

    assert missing_table(failed_with(1146, "Table 'portal.b_x' doesn't exist")) == "b_x"
    assert missing_table(failed_with(1146, "Table 'b_x' doesn't exist")) == "b_x"
    assert missing_table(failed_with(1054, "Unknown column 'b_x'")) == missing_table(failed_with()) == ""
