# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module crm_quota, run as Ansible runs it."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.modules import crm_quota
from unit.plugins.module_utils.crm.kept_portal import DAY, Site, running
from unit.plugins.modules.conftest import RunModule


@pytest.fixture
def site(tls: t.Any, tmp_path: Path) -> t.Iterator[Site]:
    with running(tls, tmp_path) as found:
        found.crm.rules.scopes += ("disk",)
        for number in range(3):
            found.crm.add("lead", title=f"Lead {number}")
        storage = found.server.drive.add_storage("Company")
        folder = found.server.drive.add_folder(storage, "Plans")
        found.server.drive.add_file(storage, "a", b"x" * 700, folder)
        found.server.drive.add_file(storage, "b", b"x" * 300)
        found.snapshot()
        yield found


@pytest.fixture
def given(site: Site) -> dict[str, t.Any]:
    return {"webhook": site.server.webhook(1), "ca_file": site.authority, "store": site.path}


def statuses(result: dict[str, t.Any]) -> dict[str, str]:
    return {each["id"].removeprefix("crm_quota."): each["status"] for each in result["findings"]}


def test_what_is_measured_and_what_is_not(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    thresholds = {"drive_bytes": "1MB", "records.lead": 4, "store_bytes": "1GB"}
    found = run_module(crm_quota, thresholds=thresholds, **given)
    assert statuses(found) == {
        "portal_space": "unknown",
        "records.company": "skip",
        "records.contact": "skip",
        "records.lead": "pass",
        "records.deal": "skip",
        "records.activity": "skip",
        "drive_bytes": "pass",
        "store_bytes": "pass",
    }
    values = {each["name"]: each["value"] for each in found["measures"]}
    assert values["drive_bytes"] == 1000 and values["records.lead"] == 3 and values["portal_space"] is None
    assert found["changed"] and found["noted"] and found["summary"]["unknown"] == 1
    again = run_module(crm_quota, thresholds=thresholds, **given)
    assert not again["changed"]


def test_a_threshold_that_is_reached_fails_the_task(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    found = run_module(crm_quota, thresholds={"records.lead": 3}, **given)
    assert found["failed"] and found["msg"] == "1 of 8 checks are not in order: crm_quota.records.lead."
    assert not run_module(crm_quota, thresholds={"records.lead": 3}, fail_on="never", **given)["failed"]
    assert run_module(crm_quota, fail_on="unknown", **given)["failed"]


def test_the_day_is_told_by_the_history(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    now = time.time()
    with Store(site.path) as store:
        points = [{"at": now - days * DAY, "values": {"records.lead": 3 - days}} for days in (2, 1)]
        store.set_note("quota", points)
    found = run_module(crm_quota, thresholds={"records.lead": 20}, **given)
    finding = next(each for each in found["findings"] if each["id"] == "crm_quota.records.lead")
    assert finding["status"] == "warn" and "the threshold is reached in 17 days" in finding["observed"]
    assert (
        statuses(run_module(crm_quota, thresholds={"records.lead": 20}, warn_days=5, **given))["records.lead"] == "pass"
    )


def test_check_mode_notes_nothing(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    found = run_module(crm_quota, check=True, **given)
    assert not found["changed"] and not found["failed"]
    with Store(site.path) as store:
        assert store.note("quota") is None


def test_without_the_scope_the_drive_is_unknown(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    site.crm.rules.scopes = ("crm", "user")
    assert statuses(run_module(crm_quota, **given))["drive_bytes"] == "unknown"
    assert "drive_bytes" not in statuses(run_module(crm_quota, drive=False, **given))


def test_a_box_on_its_own_host(
    run_module: RunModule, site: Site, given: dict[str, t.Any], tmp_path: Path, mariadb: t.Any
) -> None:
    name = mariadb.fresh_database("quota_module")
    with mariadb.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE a (b INT) ENGINE=InnoDB")
    (tmp_path / "upload").mkdir()
    database = {"unix_socket": mariadb.login.unix_socket, "name": name}
    options = {"upload_folder": str(tmp_path / "upload"), "thresholds": {"free_bytes": "1EB"}, "fail_on": "never"}
    found = statuses(run_module(crm_quota, database=database, **options, **given))
    assert found["free_bytes"] == "fail" and found["upload_bytes"] == found["database_bytes"] == "skip"
    broken = {**database, "unix_socket": str(tmp_path / "none.sock")}
    found = statuses(run_module(crm_quota, database=broken, **{**options, "upload_folder": "/nowhere"}, **given))
    assert found["database_bytes"] == found["upload_bytes"] == found["free_bytes"] == "unknown"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": {"drive_bytes": "much"}}, "thresholds: drive_bytes is 'much'."),
        ({"thresholds": {"drive_bytes": -1}}, "thresholds: drive_bytes is -1."),
        ({"kinds": ["comment"]}, "Records of kind comment cannot be counted."),
    ],
)
def test_wrong_options(
    run_module: RunModule, site: Site, given: dict[str, t.Any], options: dict[str, t.Any], message: str
) -> None:
    refused = run_module(crm_quota, **{**given, **options})
    assert refused["failed"] and message in refused["msg"] and refused["remedy"]
