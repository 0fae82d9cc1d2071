# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module crm_restore, run as Ansible runs it."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.boxlift.portal.plugins.modules import crm_restore
from lab.rest.answers import Refused
from unit.plugins.module_utils.crm.kept_portal import Site, moment, running
from unit.plugins.modules.conftest import RunModule


@pytest.fixture
def site(tls: t.Any, tmp_path: Path) -> t.Iterator[Site]:
    with running(tls, tmp_path) as found:
        found.crm.add("contact", name="Anna", lastName="Ivanova", createdTime=moment(30))
        found.crm.add("deal", title="Office", contactId=1, contactIds=[1], stageId="EXECUTING", createdTime=moment(20))
        found.comment("deal", 1, "Blue ones")
        yield found


@pytest.fixture
def given(site: Site) -> dict[str, t.Any]:
    return {"webhook": site.server.webhook(1), "ca_file": site.authority, "store": site.path}


def test_check_mode_the_work_and_a_second_run(
    run_module: RunModule, site: Site, given: dict[str, t.Any], tmp_path: Path
) -> None:
    site.snapshot()
    site.crm.update("deal", 1, stageId="LOSE")
    site.crm.delete("contact", 1)
    records = [{"kind": "deal", "id": 1}, {"kind": "contact", "id": 1}]
    told = run_module(crm_restore, check=True, diff=True, records=records, **given)
    assert told["changed"] and not told["failed"]
    assert [(step["kind"], step["action"]) for step in told["plan"]] == [("contact", "create"), ("deal", "update")]
    assert told["plan"][1]["changes"] == [{"field": "stageId", "now": "LOSE", "then": "EXECUTING"}]
    assert told["links"] == [{"kind": "deal", "id": 1, "field": "contactIds"}]
    assert told["diff"]["before"] == "deal 1: stageId: LOSE\n"
    assert "contact 1: imported anew, 'Ivanova'" in told["diff"]["after"]
    assert "deal 1: stageId: EXECUTING" in told["diff"]["after"]
    assert site.crm.count("contact") == 0 and told["created"] == []
    done = run_module(crm_restore, records=records, progress=str(tmp_path / "run/p.json"), **given)
    assert done["changed"] and done["refused"] == [] and done["lost_answers"] == 0
    assert done["created"] == [{"kind": "contact", "id": 1, "target": 2}]
    assert done["counts"]["updated"] == 1 and done["requests"] > 5
    assert json.loads((tmp_path / "run/p.json").read_text())["outcome"] == "done"
    again = run_module(crm_restore, records=records, **given)
    assert not again["changed"] and not again["failed"] and again["counts"]["same"] == 2


def test_all_that_was_lost(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    site.snapshot()
    site.crm.delete("contact", 1)
    done = run_module(crm_restore, lost=["contact", "deal"], **given)
    assert done["counts"]["created"] == 1 and site.crm.count("contact") == 1


def test_a_version_by_moment(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    site.snapshot()
    site.crm.update("deal", 1, title="Second")
    site.snapshot()
    when = "2999-01-01T00:00:00+03:00"
    told = run_module(crm_restore, check=True, records=[{"kind": "deal", "id": 1}], moment=when, **given)
    assert told["plan"][0]["snapshot"] == 2
    told = run_module(crm_restore, check=True, records=[{"kind": "deal", "id": 1}], snapshot=1, **given)
    assert told["plan"][0]["changes"] == [{"field": "title", "now": "Second", "then": "Office"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"records": [{"kind": "deel", "id": 1}]}, "There is no kind of CRM record called deel."),
        ({"records": [{"kind": "comment", "id": 1}]}, "Records of kind comment do not stand alone."),
        ({"records": [{"kind": "deal", "id": 0}]}, "deal 0 is no record."),
        ({"lost": ["productrow"]}, "Records of kind productrow do not stand alone."),
        ({"records": [{"kind": "deal", "id": 1}], "moment": "Friday"}, "The moment Friday cannot be read."),
        ({"records": [{"kind": "deal", "id": 1}], "moment": "2026-11-28T10:00:00"}, "The moment 2026-11-28T10:00:00"),
        ({"records": [{"kind": "deal", "id": 7}]}, "No snapshot has deal 7"),
        ({"records": [{"kind": "deal", "id": 1}], "snapshot": 9}, "has no snapshot 9. It has: 1."),
        ({"records": [{"kind": "deal", "id": 1}], "rate_share": 2}, "rate_share is 2."),
        (
            {"records": [{"kind": "deal", "id": 1}], "archive": "/nowhere/a.sqlite"},
            "There is no store /nowhere/a.sqlite",
        ),
        ({}, "one of the following is required: records, lost"),
        ({"records": [], "lost": []}, "mutually exclusive: records|lost"),
        ({"lost": [], "snapshot": 1, "moment": "x"}, "mutually exclusive: snapshot|moment"),
    ],
)
def test_wrong_options(
    run_module: RunModule, site: Site, given: dict[str, t.Any], options: dict[str, t.Any], message: str
) -> None:
    site.snapshot()
    refused = run_module(crm_restore, **{**given, **options})
    assert refused["failed"] and message in refused["msg"]


def test_a_store_that_is_not_there(run_module: RunModule, given: dict[str, t.Any]) -> None:
    refused = run_module(crm_restore, records=[{"kind": "deal", "id": 1}], **given)
    assert refused["failed"] and "There is no store" in refused["msg"] and not Path(given["store"]).exists()


def test_refusals_are_listed_and_the_webhook_is_not(run_module: RunModule, site: Site, given: dict[str, t.Any]) -> None:
    site.snapshot()
    site.crm.delete("deal", 1)
    employee = {**given, "webhook": site.server.webhook(2)}
    refused = run_module(crm_restore, records=[{"kind": "deal", "id": 1}], **employee)
    assert refused["failed"] and [each["code"] for each in refused["refusals"]] == ["not_administrator"]
    assert "hook0" not in refused["msg"] and refused["remedy"]


def test_a_write_that_the_portal_refuses_fails_the_task(
    run_module: RunModule, site: Site, given: dict[str, t.Any]
) -> None:
    site.snapshot()
    site.crm.delete("deal", 1)

    def no(asked: t.Any) -> t.Any:
        if "fields" not in asked.parameters:
            raise Refused("Could not find value for parameter {fields}", code="100")
        raise Refused("Title is too odd", "ODD")

    with mock.patch.dict(site.server.service.methods(), {"crm.item.import": no}):
        refused = run_module(crm_restore, records=[{"kind": "deal", "id": 1}], **given)
    assert refused["failed"]
    assert refused["msg"].startswith(
        "The portal refused 1 writes, the first one: deal 1: import: crm.item.import: Title"
    )
    assert refused["plan"][0]["action"] == "create"
