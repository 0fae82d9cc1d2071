# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs, what people have changed on both sides, and every reason not to begin."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import planning as p
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.comparing import Comparison
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import Synced
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.mapping import Ref
from unit.plugins.module_utils.crm.transfer.two_stores import BOX, CLOUD, TwoStores

LATER = "2026-11-25T10:00:00+03:00"


@pytest.fixture
def both(tmp_path: Path) -> t.Iterator[TwoStores]:
    two = TwoStores(tmp_path)
    yield two
    two.close()


def in_both(both: TwoStores, kind: str, number: int, **fields: t.Any) -> None:
    both.cloud.item(kind, number, **fields)
    both.box.item(kind, number, **fields)


def created(comparison: Comparison, kind: str) -> list[int]:
    return [number for _moment, number in comparison.plan.creates.get(kind, [])]


def fields_of(comparison: Comparison, kind: str, number: int) -> dict[str, t.Any]:
    planned = comparison.planned(kind, number)
    assert planned is not None
    return planned.fields


def codes(comparison: Comparison) -> list[str]:
    return [each.code for each in comparison.plan.refusals]


def skipped(comparison: Comparison) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for one in comparison.plan.skipped:
        found.setdefault(one.code, []).append((one.kind, one.id))
    return found


class TestWhatIsWritten:
    def test_equal_portals_need_nothing(self, both: TwoStores) -> None:
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        plan = both.compared().plan
        assert plan.writes() == 0
        assert plan.counts() == {"lead": {"create": 0, "update": 0, "delete": 0, "equal": 1}}

    def test_above_the_baseline_the_same_number_is_another_record(self, both: TwoStores) -> None:
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        both.cloud.item("lead", 6, LATER, title="from the cloud")
        both.box.item("lead", 6, "2026-11-21T10:00:00+03:00", title="made in the box")
        comparison = both.compared()
        assert created(comparison, "lead") == [6]
        assert comparison.plan.own == {"lead": 1}
        fields = fields_of(comparison, "lead", 6)
        assert (fields["originatorId"], fields["originId"]) == (f"boxlift:{CLOUD}", "6")
        assert fields["createdTime"] == LATER

    def test_new_records_come_in_the_order_of_their_creation(self, both: TwoStores) -> None:
        both.begin()
        both.cloud.item("lead", 7, "2026-11-25T10:00:00+03:00")
        both.cloud.item("lead", 8, "2026-11-25T06:30:00+00:00")  # the earlier one, in another zone
        assert created(both.compared(), "lead") == [8, 7]

    def test_a_second_pass_writes_nothing_again(self, both: TwoStores) -> None:
        both.begin()
        both.cloud.item("lead", 7)
        both.compared()
        both.box.item("lead", 900, title="lead 7")
        both.idmap.add_pairs("lead", [(7, 900)])
        comparison = both.compared()
        assert comparison.plan.writes() == 0
        assert [each[:3] for each in comparison.plan.found_equal] == [("lead", 7, 900)]

    def test_only_changed_fields_are_written(self, both: TwoStores) -> None:
        in_both(both, "lead", 5, opportunity=100, sourceId="CALL")
        both.begin(lead=5, user=1, status=5)
        both.cloud.change("lead", 5, opportunity=250, stageId="IN_PROCESS")
        (update,) = both.compared().plan.updates["lead"]
        assert (update.target_id, update.fields) == (5, {"opportunity": 250, "stageId": "IN_PROCESS"})

    def test_instants_are_compared_not_their_spelling(self, both: TwoStores) -> None:
        both.cloud.describe("lead", UF_CRM_AT="datetime", UF_CRM_DAY="date")
        both.box.describe("lead", UF_CRM_AT="datetime", UF_CRM_DAY="date")
        day = {"UF_CRM_DAY": "2026-11-20T00:00:00+03:00"}
        both.cloud.item("lead", 5, "2026-11-20T10:00:00+03:00", UF_CRM_AT="2026-11-20T10:00:00+03:00", **day)
        day = {"UF_CRM_DAY": "2026-11-20T00:00:00+05:00"}
        both.box.item("lead", 5, "2026-11-20T12:00:00+05:00", UF_CRM_AT="2026-11-20T12:00:00+05:00", **day)
        both.begin(lead=5, user=1)
        comparison = both.compared()
        assert comparison.plan.writes() == 0 and not comparison.plan.refusals

    def test_a_day_is_written_without_a_zone(self, both: TwoStores) -> None:
        both.begin()
        both.cloud.item("lead", 5, birthdate="1980-05-09T00:00:00+03:00")
        assert fields_of(both.compared(), "lead", 5)["birthdate"] == "1980-05-09"

    def test_moved_stays_between_created_and_updated(self, both: TwoStores) -> None:
        both.begin()
        both.cloud.item(
            "lead", 5, LATER, movedTime="2026-11-24T10:00:00+03:00", updatedTime="2026-11-24T11:00:00+03:00"
        )
        fields = fields_of(both.compared(), "lead", 5)
        assert (fields["movedTime"], fields["updatedTime"]) == (LATER, LATER)

    def test_a_new_record_that_got_the_same_number_is_none_of_the_backup(self, both: TwoStores) -> None:
        """Written, and killed before anything else was noted. The target has other times for an activity."""
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        row = {"OWNER_ID": "5", "OWNER_TYPE_ID": "1", "TYPE_ID": "6", "SUBJECT": "Visit", "RESPONSIBLE_ID": "1"}
        both.cloud.put("activity", 9, ID="9", CREATED="2026-11-20T10:00:00+03:00", **row)
        both.box.put("activity", 9, ID="9", CREATED=LATER, **row)
        both.idmap.add_pairs("activity", [(9, 9)])
        comparison = both.compared()
        assert comparison.plan.refusals == [] and comparison.plan.writes() == 0


class TestReferences:
    def test_they_go_through_the_id_map(self, both: TwoStores) -> None:
        in_both(both, "contact", 3)
        in_both(both, "company", 4)
        both.begin(contact=3, company=4, user=1)
        both.cloud.item("contact", 9, LATER)
        both.box.item("contact", 70, LATER)
        both.idmap.add_pairs("contact", [(9, 70)])
        both.cloud.item("deal", 2, LATER, contactIds=[3, 9, 10], companyId=4, leadId=8)
        both.cloud.item("contact", 10, LATER)
        both.cloud.item("lead", 8, LATER)
        comparison = both.compared()
        fields = fields_of(comparison, "deal", 2)
        assert fields["contactIds"] == [3, 70, Ref("contact", 10)]
        assert (fields["companyId"], fields["leadId"]) == (4, Ref("lead", 8))
        assert comparison.plan.waves() == [["contact", "lead"], ["deal"]]

    def test_a_circle_begins_with_the_usual_order(self, both: TwoStores) -> None:
        both.begin()
        both.cloud.item("contact", 1, leadId=1)
        both.cloud.item("lead", 1, contactIds=[1])
        assert both.compared().plan.waves() == [["contact"], ["lead"]]

    def test_user_fields_that_refer_to_records(self, both: TwoStores) -> None:
        one: dict[str, t.Any] = {"type": "crm", "settings": {"LEAD": "Y", "DEAL": "N"}}
        several: dict[str, t.Any] = {"type": "crm", "isMultiple": True, "settings": {"LEAD": "Y", "COMPANY": "Y"}}
        for portal in (both.cloud, both.box):
            portal.describe("lead", UF_CRM_ONE=one, UF_CRM_SEVERAL=several)
        in_both(both, "company", 4)
        both.begin(company=4, user=1)
        both.cloud.item("lead", 12, LATER, UF_CRM_ONE="11", UF_CRM_SEVERAL=["L_11", "CO_4"])
        both.cloud.item("lead", 11, LATER)
        both.box.item("lead", 80, LATER)
        both.idmap.add_pairs("lead", [(11, 80)])
        fields = fields_of(both.compared(), "lead", 12)
        assert (fields["UF_CRM_ONE"], fields["UF_CRM_SEVERAL"]) == (80, ["L_80", "CO_4"])

    def test_smart_processes_are_found_by_their_title(self, both: TwoStores) -> None:
        both.cloud.put("type", 5, id=5, entityTypeId=128, title="Objects")
        both.box.put("type", 9, id=9, entityTypeId=140, title="Objects")
        both.cloud.describe("smart:128", UF_CRM_5_1="string")
        both.box.describe("smart:140", UF_CRM_9_1="string")
        both.box.describe("deal", parentId140="crm_entity")
        both.begin()
        both.cloud.item("smart:128", 3, UF_CRM_5_1="red")
        both.cloud.item("deal", 2, parentId128=3)
        comparison = both.compared()
        assert not comparison.plan.refusals
        fields = fields_of(comparison, "smart:128", 3)
        assert fields["UF_CRM_9_1"] == "red" and fields["xmlId"] == f"boxlift:{CLOUD}:3"
        assert fields_of(comparison, "deal", 2)["parentId140"] == Ref("smart:128", 3)

    def test_an_activity_takes_its_owner_and_its_clients(self, both: TwoStores) -> None:
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        both.cloud.item("contact", 9, LATER)
        client = {"ID": "77", "TYPE": "PHONE", "VALUE": "+7900", "ENTITY_ID": "9", "ENTITY_TYPE_ID": "3"}
        row = {"OWNER_ID": "5", "OWNER_TYPE_ID": "1", "TYPE_ID": "2", "SUBJECT": "Call", "RESPONSIBLE_ID": "1"}
        both.cloud.put("activity", 40, ID="40", CREATED=LATER, COMMUNICATIONS=[client], COMPLETED="Y", **row)
        fields = fields_of(both.compared(), "activity", 40)
        assert (fields["OWNER_ID"], fields["OWNER_TYPE_ID"], fields["COMPLETED"]) == (5, 1, "Y")
        where = {"ENTITY_ID": Ref("contact", 9), "ENTITY_TYPE_ID": 3}
        assert fields["COMMUNICATIONS"] == [{"TYPE": "PHONE", "VALUE": "+7900", **where}]
        assert (fields["ORIGINATOR_ID"], fields["ORIGIN_ID"]) == (f"boxlift:{CLOUD}", "40")

    def test_a_comment_says_when_and_by_whom_it_was_written(self, both: TwoStores) -> None:
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        row = {"ENTITY_ID": "5", "ENTITY_TYPE": "lead", "COMMENT": "Called back", "AUTHOR_ID": "1"}
        both.cloud.put("comment", 3, ID="3", CREATED="2026-11-28T14:03:11+03:00", **row)
        fields = fields_of(both.compared(), "comment", 3)
        assert fields["COMMENT"] == "[2026-11-28 14:03, Anna Ivanova]\nCalled back"
        assert (fields["ENTITY_TYPE"], fields["ENTITY_ID"]) == ("lead", 5)


class TestMeaning:
    def test_a_status_of_the_same_name_and_another_id(self, both: TwoStores) -> None:
        both.cloud.status(30, "SOURCE", "UC_1", "Fair")
        both.box.status(31, "SOURCE", "7", "fair ")
        both.begin()
        both.cloud.item("lead", 5, sourceId="UC_1")
        comparison = both.compared()
        assert fields_of(comparison, "lead", 5)["sourceId"] == "7" and not comparison.plan.refusals

    def test_a_stage_of_a_pipeline_with_another_number(self, both: TwoStores) -> None:
        both.cloud.category(4, "Export")
        both.cloud.status(40, "DEAL_STAGE_4", "C4:NEW", "New")
        both.box.category(9, "Export")
        both.box.status(90, "DEAL_STAGE_9", "C9:NEW", "New")
        both.begin()
        both.cloud.item("deal", 5, categoryId=4, stageId="C4:NEW")
        fields = fields_of(both.compared(), "deal", 5)
        assert (fields["categoryId"], fields["stageId"]) == (9, "C9:NEW")

    def test_a_stage_that_was_renamed_since_the_backup(self, both: TwoStores) -> None:
        both.begin(lead=1, status=5, user=1)
        both.cloud.status(2, "STATUS", "IN_PROCESS", "Being worked on")
        both.cloud.item("lead", 5, stageId="IN_PROCESS")
        comparison = both.compared()
        assert fields_of(comparison, "lead", 5)["stageId"] == "IN_PROCESS" and not comparison.plan.refusals

    def test_values_of_list_fields_by_their_texts(self, both: TwoStores) -> None:
        for portal, first in ((both.cloud, 10), (both.box, 50)):
            items = [{"ID": str(first), "VALUE": "red"}, {"ID": str(first + 1), "VALUE": "blue"}]
            portal.describe("lead", UF_CRM_C={"type": "enumeration", "isMultiple": True, "items": items})
        both.begin()
        both.cloud.item("lead", 5, UF_CRM_C=[11, 10])
        assert fields_of(both.compared(), "lead", 5)["UF_CRM_C"] == ["51", "50"]

    def test_users_by_id_within_the_backup_else_by_address(self, both: TwoStores) -> None:
        both.cloud.user(2, "boris@example.com")
        both.box.user(2, "boris@elsewhere.example.com")  # he has changed his address: he is the same
        both.cloud.user(8, "vera@example.com", active=False)
        both.box.user(3, "vera@example.com")
        both.begin(user=2, lead=1)
        both.cloud.item("lead", 5, assignedById=2, observers=[8, 1])
        fields = fields_of(both.compared(), "lead", 5)
        assert (fields["assignedById"], fields["observers"]) == (2, [3, 1])

    def test_a_user_whom_the_box_has_given_the_same_number_is_another_one(self, both: TwoStores) -> None:
        both.cloud.user(12, "oleg@example.com", "Oleg")
        both.box.user(12, "admin@example.com", "Integration")
        both.begin(user=12, lead=1)
        both.cloud.item("lead", 5, assignedById=12)
        assert codes(both.compared()) == ["user_without_match"]
        assert fields_of(both.compared(fallback_user=1), "lead", 5)["assignedById"] == 1

    def test_in_an_empty_box_a_number_says_nothing(self, both: TwoStores) -> None:
        both.box.user(1, "other@example.com")
        both.box.user(4, "anna@example.com")
        both.begin()
        both.cloud.item("lead", 5)
        assert fields_of(both.compared(), "lead", 5)["assignedById"] == 4

    def test_a_user_to_stand_in(self, both: TwoStores) -> None:
        both.cloud.user(8, "vera@example.com")
        both.begin(user=1, lead=1)
        both.cloud.item("lead", 5, assignedById=8)
        comparison = both.compared(fallback_user=1)
        assert fields_of(comparison, "lead", 5)["assignedById"] == 1 and not comparison.plan.refusals


class TestRefusals:
    """Each with its code, the thing it is about, and what to do."""

    def refused(self, comparison: Comparison, code: str, *texts: str) -> None:
        (refusal,) = comparison.plan.refusals
        assert refusal.code == code and refusal.remedy
        for text in texts:
            assert text in refusal.text

    def test_the_target_has_a_newer_record(self, both: TwoStores) -> None:
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        both.box.item("lead", 6, "2026-11-27T10:00:00+03:00")
        both.cloud.item("lead", 6, LATER)
        both.cloud.item("lead", 7, "2026-11-28T10:00:00+03:00")
        self.refused(both.compared(), "target_newer", "newer lead (6", "than 1 that", "lead 6: ")

    def test_or_older_ones_get_its_date(self, both: TwoStores) -> None:
        both.begin(lead=5, user=1)
        both.box.item("lead", 6, "2026-11-27T10:00:00+03:00")
        both.cloud.item("lead", 6, LATER)
        comparison = both.compared(older_records="shift")
        assert not comparison.plan.refusals
        fields = fields_of(comparison, "lead", 6)
        assert fields["createdTime"] == fields["updatedTime"] == "2026-11-27T10:00:00+03:00"
        assert skipped(comparison) == {"date_shifted": [("lead", 6)]}

    def test_the_same_number_is_another_record(self, both: TwoStores) -> None:
        both.cloud.item("lead", 5, "2026-11-20T10:00:00+03:00")
        both.box.item("lead", 5, "2026-11-20T10:00:01+03:00")
        both.begin(lead=5, user=1)
        self.refused(both.compared(), "not_the_same_record", "lead 5", "10:00:00", "10:00:01")

    def test_an_unknown_field_that_is_used(self, both: TwoStores) -> None:
        both.cloud.describe("lead", UF_CRM_X={"type": "string", "title": "Colour"}, UF_CRM_UNUSED="string")
        both.begin()
        both.cloud.item("lead", 5, UF_CRM_X="red", UF_CRM_UNUSED="")
        both.cloud.item("lead", 6, UF_CRM_X="blue", UF_CRM_UNUSED=None)
        self.refused(both.compared(), "unknown_field", "lead.UF_CRM_X (Colour)", "2 records, the first is lead 5")

    def test_or_it_is_left_out_and_listed(self, both: TwoStores) -> None:
        both.cloud.describe("lead", UF_CRM_X="string")
        both.begin()
        both.cloud.item("lead", 5, UF_CRM_X="red")
        comparison = both.compared(leave_out=("lead.UF_CRM_X",))
        assert not comparison.plan.refusals and "UF_CRM_X" not in fields_of(comparison, "lead", 5)
        assert skipped(comparison) == {"field_left": [("lead", 5)]}

    def test_a_field_of_another_type(self, both: TwoStores) -> None:
        both.cloud.describe("lead", UF_CRM_X="string[]")
        both.box.describe("lead", UF_CRM_X="string")
        both.begin()
        both.cloud.item("lead", 5, UF_CRM_X=["red"])
        self.refused(both.compared(), "field_type", "UF_CRM_X (string (several) there, string here)")

    def test_a_missing_value_of_a_list_field(self, both: TwoStores) -> None:
        for portal, text in ((both.cloud, "green"), (both.box, "red")):
            items = [{"ID": "1", "VALUE": "red"}, {"ID": "2", "VALUE": text}]
            portal.describe("lead", UF_CRM_C={"type": "enumeration", "items": items})
        both.begin()
        both.cloud.item("lead", 5, UF_CRM_C="1")
        assert codes(both.compared()) == []
        both.cloud.item("lead", 6, UF_CRM_C="7")
        both.cloud.describe("lead", UF_CRM_C={"type": "enumeration", "items": [{"ID": "7", "VALUE": "green"}]})
        both.cloud.delete("lead", 5)
        self.refused(both.compared(), "missing_value", "green", "lead 6")

    def test_a_missing_stage(self, both: TwoStores) -> None:
        both.cloud.status(33, "STATUS", "UC_9", "Waiting for papers")
        both.begin(lead=1, status=5, user=1)
        both.cloud.item("lead", 5, stageId="UC_9")
        self.refused(both.compared(), "missing_stage", "Waiting for papers (UC_9)", "lead 5")

    def test_a_missing_entry_of_a_list(self, both: TwoStores) -> None:
        both.cloud.status(34, "SOURCE", "UC_9", "Fair")
        both.begin()
        both.cloud.item("lead", 5, sourceId="UC_9")
        self.refused(both.compared(), "missing_status", "Fair (UC_9)")
        created_ = both.compared(missing_statuses="create").mapping.to_create
        assert [(each.entity, each.status_id, each.name) for each in created_.values()] == [("SOURCE", "UC_9", "Fair")]

    def test_a_pipeline_made_after_the_backup(self, both: TwoStores) -> None:
        both.begin(deal=1, user=1, **{"category:2": 3})
        both.cloud.category(4, "Export")
        both.cloud.status(40, "DEAL_STAGE_4", "C4:NEW", "New")
        both.box.category(4, "Made in the box under the same number")
        both.cloud.item("deal", 5, categoryId=4, stageId="C4:NEW")
        comparison = both.compared()
        assert set(codes(comparison)) == {"missing_category"}
        assert "Export" in comparison.plan.refusals[0].text

    def test_a_smart_process_that_the_target_lacks(self, both: TwoStores) -> None:
        both.cloud.put("type", 5, id=5, entityTypeId=128, title="Objects")
        both.begin()
        both.cloud.item("smart:128", 3)
        self.refused(both.compared(), "missing_type", "Objects", "smart:128 3")

    def test_a_user_without_a_match(self, both: TwoStores) -> None:
        both.cloud.user(8, "vera@example.com", "Vera")
        both.begin(user=1, lead=1)
        both.cloud.item("lead", 5, assignedById=8)
        self.refused(both.compared(), "user_without_match", "8 (Vera, vera@example.com)", BOX, "lead 5")


class TestBothSides:
    @pytest.fixture
    def changed(self, both: TwoStores) -> TwoStores:
        """Lead 5 was equal; then people changed its title on both sides, and each side one field more."""
        in_both(both, "lead", 5, opportunity=1, sourceId="CALL")
        both.begin(lead=5, user=1, status=9)
        both.cloud.change("lead", 5, title="cloud", opportunity=2)
        both.box.change("lead", 5, title="box", sourceId="", updatedBy=1)
        return both

    def test_the_source_wins_by_default_and_people_hear_of_it(self, changed: TwoStores) -> None:
        plan = changed.compared().plan
        (update,), (conflict,) = plan.updates["lead"], plan.conflicts
        assert update.fields == {"title": "cloud", "opportunity": 2}
        assert (conflict.fields, conflict.only_target, conflict.kept) == (("title",), ("sourceId",), "source")

    def test_or_the_target_where_it_shall(self, changed: TwoStores) -> None:
        plan = changed.compared(conflicts="target").plan
        assert plan.updates["lead"][0].fields == {"opportunity": 2}
        assert plan.conflicts[0].kept == "target"

    def test_a_day_that_only_the_target_has_changed_is_no_conflict(self, both: TwoStores) -> None:
        """The source writes it as a moment; that is no change of its own."""
        in_both(both, "lead", 5, birthdate="1980-05-09T00:00:00+03:00")
        both.begin(lead=5, user=1)
        both.box.change("lead", 5, birthdate="1981-05-09T00:00:00+03:00")
        plan = both.compared().plan
        (conflict,) = plan.conflicts
        assert plan.writes() == 0 and (conflict.fields, conflict.only_target) == ((), ("birthdate",))

    def test_the_base_is_what_was_last_equal_not_the_backup(self, both: TwoStores) -> None:
        in_both(both, "lead", 5, opportunity=1)
        both.begin(lead=5, user=1)
        for portal in (both.cloud, both.box):
            portal.change("lead", 5, opportunity=2)
        passes = (both.cloud.keep(), both.box.keep())
        digest = kinds.hash_of("lead", both.cloud.rows["lead"][5])
        both.idmap.set_synced_many([("lead", 5, 5, Synced(digest, digest, *passes))])
        both.cloud.change("lead", 5, opportunity=3)
        plan = both.compared().plan
        assert plan.conflicts == [] and plan.updates["lead"][0].fields == {"opportunity": 3}

    def test_a_change_of_ours_that_was_cut_off_is_no_conflict(self, both: TwoStores) -> None:
        in_both(both, "lead", 5, opportunity=1)
        both.begin(lead=5, user=1)
        both.box.change("lead", 5, opportunity=2)  # written by us, then killed
        both.idmap.owe("lead", 5, "sent", {"opportunity": 2})
        both.cloud.change("lead", 5, opportunity=3)
        plan = both.compared().plan
        assert plan.conflicts == [] and plan.updates["lead"][0].fields == {"opportunity": 3}

    def test_deleted_in_the_target(self, both: TwoStores) -> None:
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        both.box.delete("lead", 5)
        comparison = both.compared()
        assert comparison.plan.writes() == 0 and skipped(comparison) == {"deleted_in_target": [("lead", 5)]}

    def test_deleted_in_the_source(self, both: TwoStores) -> None:
        for number in (5, 6):
            in_both(both, "lead", number)
        both.begin(lead=6, user=1)
        both.cloud.delete("lead", 5)
        both.cloud.delete("lead", 6)
        both.box.change("lead", 6, title="somebody needs it")
        listed = both.compared()
        assert listed.plan.writes() == 0 and skipped(listed) == {"deleted_in_source": [("lead", 5), ("lead", 6)]}
        plan = both.compared(deletions="apply").plan
        assert [each.target_id for each in plan.deletes["lead"]] == [5]
        assert [each.target_id for each in plan.conflicts] == [6]

    def test_a_record_the_box_never_had_is_created(self, both: TwoStores) -> None:
        both.cloud.item("lead", 4)
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        both.idmap.add_absent("lead", [4])
        assert created(both.compared(), "lead") == [4]


class TestWhatStaysBehind:
    def test_mail_that_might_be_sent_again(self, both: TwoStores) -> None:
        in_both(both, "lead", 5)
        both.begin(lead=5, user=1)
        row = {"OWNER_ID": "5", "OWNER_TYPE_ID": "1", "TYPE_ID": "4", "SUBJECT": "Offer", "RESPONSIBLE_ID": "1"}
        both.cloud.put("activity", 40, ID="40", CREATED=LATER, DIRECTION="2", **row)
        both.cloud.put("activity", 41, ID="41", CREATED=LATER, DIRECTION="1", **row)
        comparison = both.compared()
        assert created(comparison, "activity") == [41] and skipped(comparison) == {"mail_activity": [("activity", 40)]}
        assert created(both.compared(mail_activities="write"), "activity") == [40, 41]

    def test_activities_of_what_is_not_carried_over(self, both: TwoStores) -> None:
        both.begin()
        row = {"OWNER_ID": "5", "OWNER_TYPE_ID": "31", "TYPE_ID": "1", "SUBJECT": "Pay", "RESPONSIBLE_ID": "1"}
        both.cloud.put("activity", 40, ID="40", CREATED=LATER, **row)
        assert skipped(both.compared()) == {p.OWNER_MISSING: [("activity", 40)]}

    def test_products_that_the_target_lacks(self, both: TwoStores) -> None:
        in_both(both, "deal", 2)
        both.begin(deal=2, user=1)
        row = {"ownerType": "D", "ownerId": 2, "price": 10, "quantity": 1}
        both.cloud.put("productrow", 1, id=1, productId=7, productName="Tiles", **row)
        both.cloud.put("productrow", 2, id=2, productId=8, productName="Glue", **row)
        comparison = both.compared(products={7: "Tiles"})
        (planned,) = comparison.plan.rows
        assert [each["productId"] for each in planned.fields["rows"]] == [7, 0]
        assert [one.text.split(" is ")[0] for one in comparison.plan.skipped] == ["Product 8 (Glue)"]

    def test_equal_product_rows_are_left_alone(self, both: TwoStores) -> None:
        in_both(both, "deal", 2)
        both.begin(deal=2, user=1)
        row = {"ownerType": "D", "ownerId": 2, "price": 10, "quantity": 1, "productName": "Tiles"}
        both.cloud.put("productrow", 1, id=1, **row)
        both.box.put("productrow", 99, id=99, **{**row, "price": 10.0})
        assert both.compared().plan.rows == []

    def test_product_rows_that_only_the_target_has_changed_stay(self, both: TwoStores) -> None:
        in_both(both, "deal", 2)
        row = {"ownerType": "D", "ownerId": 2, "price": 10, "quantity": 1, "productName": "Tiles"}
        for portal in (both.cloud, both.box):
            portal.put("productrow", 1, id=1, **row)
        both.begin(deal=2, user=1)
        both.box.change("productrow", 1, price=12)
        both.box.change("deal", 2, title="Sold")
        plan = both.compared().plan
        assert plan.writes() == 0
        both.idmap.add_conflicts(plan.conflicts)
        (conflict,) = both.idmap.conflicts()
        assert (conflict.fields, conflict.only_target) == ((), ("productRows", "title"))
        both.cloud.change("productrow", 1, price=11)
        plan = both.compared().plan
        assert [each.fields for each in plan.conflicts] == [(), ("productRows",)] and len(plan.rows) == 1
