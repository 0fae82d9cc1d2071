# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.modules import crm_diff, crm_snapshot
from lab.crm.server import CrmServer

FIELDS = {"fields": {"stageId": {"type": "crm_status", "title": "Stage", "statusType": "STATUS"}}}


def fill(
    path: str, leads: t.Mapping[int, str], gone: t.Sequence[int] = (), portal: str = "cloud", at: float = 0
) -> None:
    with Store(path, clock=lambda: at) as store, store.new_pass(portal, False):
        store.put("field", 1, FIELDS)
        store.put("user", 7, {"ID": 7, "NAME": "Anna", "LAST_NAME": "Ivanova"})
        for number, code in (("1", "NEW"), ("2", "DONE")):
            store.put("status", int(number), {"ENTITY_ID": "STATUS", "STATUS_ID": code, "NAME": code.title()})
        for number, stage in leads.items():
            content = {"id": number, "title": f"Lead {number}", "stageId": stage, "updatedBy": 7}
            store.put("lead", number, {**content, "updatedTime": "2026-11-30T10:00:00+03:00"})
        store.gone("lead", gone)


@pytest.fixture
def path(tmp_path: Path) -> str:
    store = str(tmp_path / "cloud.sqlite")
    fill(store, dict.fromkeys(range(1, 101), "NEW"), at=1_000_000)
    fill(store, {1: "DONE"}, at=2_000_000)
    fill(store, {101: "NEW"}, gone=range(40, 80), at=3_000_000)
    return store


def test_the_last_two_snapshots(run_module: t.Any, path: str) -> None:
    result = run_module(crm_diff, store=path, diff=True)
    assert not result["failed"] and not result["changed"]
    found = result["difference"]
    assert (found["before"]["snapshot"], found["after"]["snapshot"]) == (2, 3)
    (lead,) = [each for each in found["kinds"] if each["added"] or each["deleted"]]
    assert (lead["title"], lead["before"], lead["after"], lead["added"], lead["deleted"]) == ("Leads", 100, 61, 1, 40)
    assert found["alerts"][0]["text"] == "40 of 100 lead records were deleted (40.0 %, more than 5 %)"
    assert [each["records"] for each in found["trend"]] == [104, 104, 65]
    assert result["diff"]["after"] == "lead 101 Lead 101\n" and result["diff"]["before"].count("\n") == 40


def test_which_snapshots(run_module: t.Any, path: str) -> None:
    for before, after, numbers in (
        ("first", "newest", (1, 3)),
        ("1", "2", (1, 2)),
        ("1970-01-25T00:00+00:00", "newest", (2, 3)),
        ("1970-01-12T13:46:41", "previous", (1, 2)),
    ):
        found = run_module(crm_diff, store=path, before=before, after=after)["difference"]
        assert (found["before"]["snapshot"], found["after"]["snapshot"]) == numbers
    changed = run_module(crm_diff, store=path, before="1", after="2", kinds=["lead"])["difference"]["records"]
    assert [(each["id"], each["when"], each["who"]) for each in changed] == [
        (1, "2026-11-30T10:00:00+03:00", "Anna Ivanova (7)")
    ]
    assert changed[0]["fields"] == [
        {
            "field": "stageId",
            "title": "Stage",
            "before": "NEW",
            "after": "DONE",
            "before_name": "New",
            "after_name": "Done",
        }
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"before": "yesterday"}, "'yesterday' names no snapshot."),
        ({"before": "9"}, "has no snapshot 9."),
        ({"before": "1970-01-02"}, "has no snapshot before 1970-01-02."),
        ({"thresholds": {"lead": {"delete": 5}}}, "The threshold of lead is not of the form"),
        ({"thresholds": {"lead": {"deleted": "few"}}}, "The threshold of lead is not a number."),
        ({"thresholds": {"leads": {}}}, "no kind of CRM record called leads"),
        ({"record": {"kind": "lead", "id": 4711}}, "has a lead 4711."),
        ({"live": True}, "webhook"),
    ],
)
def test_refusals(run_module: t.Any, path: str, wrong: dict[str, t.Any], message: str) -> None:
    result = run_module(crm_diff, store=path, **wrong)
    assert result["failed"] and message in result["msg"]


def test_a_store_that_is_not_there(run_module: t.Any, tmp_path: Path) -> None:
    result = run_module(crm_diff, store=str(tmp_path / "none.sqlite"))
    assert result["failed"] and "There is no store" in result["msg"] and not (tmp_path / "none.sqlite").exists()


def test_fail_on_alert(run_module: t.Any, path: str) -> None:
    result = run_module(crm_diff, store=path, fail_on_alert=True)
    assert result["failed"] and result["msg"].startswith("40 of 100 lead records were deleted")
    assert result["difference"]["alerts"] and "raise the threshold" in result["remedy"]
    assert not run_module(crm_diff, store=path, fail_on_alert=True, thresholds={"other": {"deleted": 50}})["failed"]


def test_the_history_of_a_record(run_module: t.Any, path: str) -> None:
    result = run_module(crm_diff, store=path, record={"kind": "lead", "id": 1})
    assert [(each["snapshot"], each["what"], each["who"]) for each in result["history"]] == [
        (1, "added", "Anna Ivanova (7)"),
        (2, "changed", "Anna Ivanova (7)"),
    ]
    assert result["history"][1]["fields"][0]["after_name"] == "Done" and result["record"]["portal"] == "cloud"
    gone = run_module(crm_diff, store=path, record={"kind": "lead", "id": 50})["history"]
    assert (gone[-1]["what"], gone[-1]["seen"]) == ("deleted", 3_000_000)


def test_two_portals(run_module: t.Any, path: str, tmp_path: Path) -> None:
    other = str(tmp_path / "box.sqlite")
    fill(other, {**dict.fromkeys([*range(1, 40), *range(80, 102)], "NEW")}, portal="box")
    found = run_module(crm_diff, store=path, other_store=other)["difference"]
    assert (found["before"]["portal"], found["after"]["portal"]) == ("cloud", "box")
    assert [(each["id"], each["what"]) for each in found["records"]] == [(1, "changed")]


def test_live(run_module: t.Any, tls: t.Any, tmp_path: Path) -> None:
    store = str(tmp_path / "live.sqlite")
    with CrmServer(tls.certificate, tls.key) as server:
        for number in range(1, 30):
            server.crm.add("lead", title=f"Kitchen {number}")
        given = {"webhook": server.webhook(1), "ca_file": str(tls.authority), "store": store, "kinds": ["lead"]}
        run_module(crm_snapshot, **given)
        server.crm.update("lead", 3, title="Office")
        server.crm.delete("lead", 4)
        told = run_module(crm_diff, check=True, live=True, **given)
        assert told["changed"] and told["difference"] is None and told["plan"]["kinds"][0]["portal"] == 28
        result = run_module(crm_diff, live=True, **given)
    assert result["changed"]
    assert [(each["id"], each["what"]) for each in result["difference"]["records"]] == [(3, "changed"), (4, "deleted")]
    with Store(store) as opened:
        assert len(opened.snapshots()) == 2
