# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module crm_archive, run as Ansible runs it."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.modules import crm_archive, crm_restore
from unit.plugins.module_utils.crm.kept_portal import Site, moment, running
from unit.plugins.modules.conftest import RunModule

OLD = dict.fromkeys(("createdTime", "updatedTime", "lastActivityTime", "movedTime"), moment(4000))


@pytest.fixture
def site(tls: t.Any, tmp_path: Path) -> t.Iterator[Site]:
    """Ten years ago, so that the clock of this host finds it old."""
    with running(tls, tmp_path) as found:
        for number in range(120):
            found.crm.add("lead", {**OLD, "title": f"Junk {number}", "stageId": "JUNK"})
        found.crm.add("lead", {**OLD, "title": "Converted", "stageId": "CONVERTED"})
        found.crm.add("deal", {**OLD, "title": "Open", "stageId": "NEW", "leadId": 121})
        yield found


@pytest.fixture
def given(site: Site) -> dict[str, t.Any]:
    return {"webhook": site.server.webhook(1), "ca_file": site.authority, "store": site.path}


def test_check_store_confirm_and_back(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    archive = site.path.replace(".sqlite", "-archive.sqlite")
    told = run_module(crm_archive, check=True, **given)
    assert told["changed"] and told["plan"] == "" and told["counts"] == {"lead": 120} and len(told["records"]) == 100
    assert told["left"] == [{"kind": "lead", "id": 121, "code": "in_use", "reason": "it is needed by deal 1"}]
    assert not os.path.exists(archive)
    stored = run_module(crm_archive, **given)
    assert stored["changed"] and stored["stored"] == 120 and stored["removed"] == 0
    assert stored["remarks"] == [
        f"Nothing was removed. To remove these 120 records, run with confirm: {stored['plan']}"
    ]
    again = run_module(crm_archive, **given)
    assert not again["changed"] and again["plan"] == stored["plan"]
    assert site.crm.count("lead") == 121
    dry = run_module(crm_archive, check=True, confirm=stored["plan"], **given)
    assert dry["changed"] and dry["removed"] == 120 and site.crm.count("lead") == 121
    done = run_module(crm_archive, confirm=stored["plan"].upper(), **given)
    assert done["changed"] and done["removed"] == 120 and site.crm.count("lead") == 1
    assert "recycle bin" in done["remarks"][0]
    second = run_module(crm_archive, confirm=stored["plan"], **given)
    assert not second["changed"] and second["already_gone"] == 120
    site.snapshot()
    back = run_module(crm_restore, records=[{"kind": "lead", "id": 7}], **given)
    assert not back["failed"], back["msg"]
    assert back["plan"][0]["store"] == archive and site.crm.count("lead") == 2


def test_nothing_is_old_enough(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    found = run_module(crm_archive, older_than=100_000, **given)
    assert not found["changed"] and found["remarks"] == ["Nothing is old enough and closed."]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confirm": "0" * 64}, "There is no store"),
        ({"kinds": ["comment"]}, "Records of kind comment do not stand alone."),
        ({"kinds": ["deel"]}, "There is no kind of CRM record called deel."),
        ({"older_than": 0}, "older_than is 0.0."),
        ({"files_older_than": 0.5}, "files_older_than is 0.5."),
        ({"limit": -1}, "limit is -1."),
    ],
)
def test_wrong_options(
    run_module: RunModule, site: Site, given: dict[str, t.Any], options: dict[str, t.Any], message: str
) -> None:
    refused = run_module(crm_archive, **{**given, **options})
    assert refused["failed"] and message in refused["msg"] and refused["remedy"]
    assert site.crm.count("lead") == 121


def test_a_confirmation_of_another_plan(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    run_module(crm_archive, **given)
    refused = run_module(crm_archive, confirm="0" * 64, **given)
    assert refused["failed"] and "has no plan 0000" in refused["msg"] and site.crm.count("lead") == 121


def test_a_sealed_archive(run_module: RunModule, site: Site, given: dict[str, t.Any], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    stored = run_module(crm_archive, store_key_file=str(key), **given)
    assert run_module(crm_archive, store_key_file=str(key), confirm=stored["plan"], **given)["removed"] == 120
    assert run_module(crm_archive, confirm=stored["plan"], **given)["failed"]
    content = b"".join(path.read_bytes() for path in tmp_path.glob("*-archive.sqlite*"))
    assert content and b"Junk" not in content
