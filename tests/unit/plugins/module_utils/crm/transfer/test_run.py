# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole passes between two simulated portals."""

from __future__ import annotations

import base64
import contextlib
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.options import Refused
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.authority import Authority
from lab.rest.faults import Fault
from unit.plugins.module_utils.crm.transfer.move import Move, told


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def move(tmp_path: Path, authority: Authority) -> t.Iterator[Move]:
    with contextlib.ExitStack() as stack:
        yield Move(tmp_path, authority, stack)


@pytest.fixture
def restored(move: Move) -> Move:
    """A move after the restore: three records of each kind in both portals, and the pass begin."""
    for number in range(1, 4):
        company = move.cloud.add("company", {"title": f"Firm {number}"})
        contact = move.cloud.add(
            "contact", {"name": f"Anna {number}", "companyIds": [company], "PHONE": [{"VALUE": f"+7900{number}"}]}
        )
        lead = move.cloud.add("lead", {"title": f"Lead {number}", "contactIds": [contact], "companyId": company})
        move.cloud.add("deal", {"title": f"Deal {number}", "contactIds": [contact], "leadId": lead})
        move.later()
    move.restore()
    move.later()
    begun = move.run("begin")
    assert begun.baseline["lead"] == 3 and begun.refusals == [] and begun.plan["lead"]["create"] == 0
    move.later()
    return move


class TestForward:
    def test_what_arrives_after_the_backup_is_carried_over(self, restored: Move) -> None:
        cloud, box = restored.cloud, restored.box
        company = cloud.add("company", {"title": "New firm"})
        contact = cloud.add(
            "contact",
            {
                "name": "Vera",
                "companyIds": [company, 1],
                "PHONE": [{"VALUE": "+7911"}, {"VALUE": "+7912", "VALUE_TYPE": "MOBILE"}],
            },
        )
        lead = cloud.add(
            "lead", {"title": "New lead", "contactIds": [contact, 2], "EMAIL": [{"VALUE": "v@example.com"}]}
        )
        restored.later()
        box.store.insert("lead", dict(box.get("lead", 1) or {}, id=4))  # the box uses the number itself
        result = restored.run("warm")
        assert result.written["lead"] == {"created": 1}, told(result)
        row = restored.in_box("lead", lead)
        assert row["id"] == 5 and row["title"] == "New lead"
        new_contact = restored.in_box("contact", contact)
        assert row["contactIds"] == [new_contact["id"], 2]
        assert [(each["value"], each["valueType"]) for each in new_contact["fm"]] == [
            ("+7911", "WORK"),
            ("+7912", "MOBILE"),
        ]
        assert new_contact["companyIds"] == [restored.in_box("company", company)["id"], 1]
        assert box.automation == {}
        again = restored.run("warm")
        assert not again.changed and again.written == {}, told(again)
        box.delete("lead", 4)
        final = restored.run("final")
        assert final.grade == "perfect", told(final)

    def test_everything_else_that_belongs_to_a_record(self, restored: Move) -> None:
        cloud = restored.cloud
        deal = cloud.add("deal", {"title": "Big deal", "contactIds": [1], "leadId": 2, "observers": [1]})
        lead = cloud.add("lead", {"title": "Converted", "contactIds": [1], "originatorId": "shop", "originId": "77"})
        contact = cloud.add("contact", {"name": "Zoya", "leadId": lead})
        cloud.update("lead", lead, {"contactIds": [contact], "stageId": "CONVERTED"})
        client = {"TYPE": "PHONE", "VALUE": "+7911", "ENTITY_ID": contact, "ENTITY_TYPE_ID": 3}
        with restored.transfer() as transfer:
            activity = {"OWNER_ID": lead, "OWNER_TYPE_ID": 1, "RESPONSIBLE_ID": 1, "COMMUNICATIONS": [client]}
            call = transfer.cloud.call(
                "crm.activity.add",
                {
                    "fields": {
                        **activity,
                        "SUBJECT": "Call",
                        "TYPE_ID": 2,
                        "DIRECTION": 1,
                        "COMPLETED": "Y",
                        "ORIGIN_ID": "VI_abc",
                    }
                },
            ).result
            mail = {**activity, "SUBJECT": "Offer", "TYPE_ID": 4, "DIRECTION": 2, "COMPLETED": "Y"}
            sent = transfer.cloud.call("crm.activity.add", {"fields": mail}).result
            comment = {"ENTITY_TYPE": "lead", "ENTITY_ID": lead, "COMMENT": "Called back\ntwice"}
            first = transfer.cloud.call("crm.timeline.comment.add", {"fields": comment}).result
            second = transfer.cloud.call("crm.timeline.comment.add", {"fields": comment}).result
            rows = [{"productName": "Tiles", "price": 10.5, "quantity": 3}, {"productName": "Glue", "price": 2}]
            given = {"ownerId": deal, "ownerType": "D", "productRows": rows}
            transfer.cloud.call("crm.item.productrow.set", given)
        mails = restored.box.mail.total()
        restored.later()
        warm = restored.run("warm")
        assert [(one.kind, one.id) for one in warm.skipped if one.code == "mail_activity"] == [("activity", sent)]
        assert restored.box.mail.total() == mails
        assert restored.in_box("contact", contact)["leadId"] == restored.in_box("lead", lead)["id"]
        assert restored.in_box("lead", lead)["contactIds"] == [restored.in_box("contact", contact)["id"]]
        assert not [one for one in warm.skipped if "BINDINGS" in one.fields]
        there = restored.in_box("activity", call)
        assert (there["OWNER_ID"], there["COMPLETED"]) == (restored.in_box("lead", lead)["id"], "Y")
        assert there["COMMUNICATIONS"][0]["ENTITY_ID"] == str(restored.in_box("contact", contact)["id"])
        texts = [restored.in_box("comment", each)["COMMENT"] for each in (first, second)]
        assert texts == ["[2027-01-15 11:05, Admin Admin]\nCalled back\ntwice"] * 2
        assert restored.in_box("comment", first)["ID"] != restored.in_box("comment", second)["ID"]
        products = [
            row for row in restored.box.rows("productrow") if row["ownerId"] == restored.in_box("deal", deal)["id"]
        ]
        assert [(row["productName"], row["price"], row["quantity"]) for row in products] == [
            ("Tiles", 10.5, 3),
            ("Glue", 2, 1),
        ]
        assert restored.run("warm").written == {}
        final = restored.run("final")
        assert final.grade == "good", told(final)
        row = restored.in_box("lead", lead)
        assert (row["originatorId"], row["originId"], row["stageId"]) == ("shop", "77", "CONVERTED")
        assert restored.in_box("activity", call)["ORIGIN_ID"] == "VI_abc"
        once_more = restored.run("final")
        assert not once_more.changed and restored.box.count("lead") == 4, told(once_more)

    def test_changes_are_written_as_they_are_and_listed(self, restored: Move) -> None:
        cloud, box = restored.cloud, restored.box
        box.add_field("contact", "UF_CRM_TAGS", "string", multiple=True)
        cloud.add_field("contact", "UF_CRM_TAGS", "string", multiple=True)
        cloud.update("contact", 1, {"UF_CRM_TAGS": ["a", "b"]})
        (phone,) = [each["id"] for each in (cloud.get("contact", 1) or {})["fm"]]
        cloud.update(
            "contact", 1, {"fm": [{"id": phone, "value": "+7999"}, {"typeId": "EMAIL", "value": "a@example.com"}]}
        )
        assert restored.run("warm").written == {"contact": {"updated": 1}}
        row = box.get("contact", 1) or {}
        assert [(each["typeId"], each["value"]) for each in row["fm"]] == [
            ("PHONE", "+7999"),
            ("EMAIL", "a@example.com"),
        ]
        assert row["UF_CRM_TAGS"] == ["a", "b"]
        restored.later()
        numbers = [each["id"] for each in (cloud.get("contact", 1) or {})["fm"]]
        cloud.update("contact", 1, {"UF_CRM_TAGS": [], "fm": [{"id": numbers[1], "value": ""}], "name": "Renamed"})
        assert restored.run("warm").written == {"contact": {"updated": 1}}
        row = box.get("contact", 1) or {}
        assert [each["value"] for each in row["fm"]] == ["+7999"] and "UF_CRM_TAGS" not in row
        final = restored.run("final")
        assert final.grade == "good", told(final)
        assert [(one.code, one.kind, one.id) for one in final.skipped] == [("updated_time", "contact", 1)]

    def test_product_rows_of_an_old_deal(self, restored: Move) -> None:
        with restored.transfer() as transfer:
            given: dict[str, t.Any] = {
                "ownerId": 2,
                "ownerType": "D",
                "productRows": [{"productName": "Tiles", "price": 10}],
            }
            transfer.cloud.call("crm.item.productrow.set", given)
            restored.cloud.update("deal", 2, {"title": "Tiles"})  # rows alone do not move the deal's time
        restored.later()
        assert restored.run("warm").written["productrow"] == {"updated": 1}
        final = restored.run("final")
        assert final.grade == "good" and final.proof is not None, told(final)
        assert [each.compared for each in final.proof.kinds if each.kind == "productrow"] == [1]
        with restored.transfer() as transfer:
            restored.cloud.update("deal", 2, {"title": "Nothing"})
            transfer.cloud.call("crm.item.productrow.set", {**given, "productRows": []})
        restored.later()
        restored.run("warm")
        assert restored.box.count("productrow") == 0

    def test_both_have_changed_a_record(self, restored: Move) -> None:
        restored.cloud.update("lead", 2, {"title": "cloud", "opportunity": 5})
        restored.box.update("lead", 2, {"title": "box", "comments": "from the box"})
        restored.later()
        result = restored.run("final")
        row = restored.box.get("lead", 2) or {}
        assert (row["title"], row["opportunity"], row["comments"]) == ("cloud", 5, "from the box")
        (conflict,) = result.conflicts
        assert (conflict.fields, conflict.only_target, conflict.kept) == (("title",), ("comments",), "source")
        assert result.grade == "good", told(result)
        # Decided once: it is no conflict of the next pass, too.
        assert restored.run("warm").written == {}

    @pytest.mark.parametrize("title", [None, "box"])
    def test_what_was_left_to_the_box_stays_when_the_cloud_changes_more(
        self, restored: Move, title: str | None
    ) -> None:
        """A change of the box alone, and one that the option conflicts has kept."""
        restored.box.update("lead", 2, {"comments": "from the box", **({"title": title} if title else {})})
        if title:
            restored.cloud.update("lead", 2, {"title": "cloud"})
        restored.later()
        restored.run("warm", conflicts="target")
        restored.cloud.update("lead", 2, {"opportunity": 7})
        restored.later()
        final = restored.run("final", conflicts="target")
        row = restored.box.get("lead", 2) or {}
        assert (row["title"], row["opportunity"], row["comments"]) == (title or "Lead 2", 7, "from the box")
        assert final.grade == "good", told(final)
        restored.cloud.update("lead", 2, {"comments": "from the cloud"})
        restored.later()
        restored.run("warm", conflicts="target")
        assert (restored.box.get("lead", 2) or {})["comments"] == "from the cloud"

    def test_comments_whose_first_lines_are_odd(self, restored: Move) -> None:
        """An author with brackets in the name, and a text that an earlier move has brought."""
        restored.user(7, "Vera [sales]", EMAIL="vera@example.com")
        for author, text in ((7, "Called"), (1, "[2026-11-28 14:03, Anna]\nOld")):
            row = {"ENTITY_TYPE": "lead", "ENTITY_ID": 2, "COMMENT": text, "AUTHOR_ID": author}
            restored.cloud.add("comment", row)
        restored.cloud.update("lead", 2, {"title": "Talked about"})
        restored.later()
        final = restored.run("final")
        assert [row["COMMENT"].split(", ")[1] for row in restored.box.rows("comment")][0] == "Vera (sales)]\nCalled"
        assert final.grade == "good", told(final)

    @pytest.mark.parametrize("new", [False, True])
    def test_a_change_of_the_box_alone_is_told_whenever_it_was_made(self, restored: Move, new: bool) -> None:
        lead = restored.cloud.add("lead", {"title": "New"}) if new else 2
        restored.later()
        restored.run("warm")
        restored.later()
        restored.box.update("lead", restored.in_box("lead", lead)["id"], {"comments": "from the box"})
        restored.later()
        final = restored.run("final")
        (conflict,) = final.conflicts
        assert (conflict.id, conflict.fields, conflict.only_target) == (lead, (), ("comments",))
        assert restored.in_box("lead", lead)["comments"] == "from the box"
        assert final.grade == "good", told(final)

    def test_a_text_of_an_activity_that_was_emptied(self, restored: Move) -> None:
        client = {"TYPE": "PHONE", "VALUE": "+7911", "ENTITY_ID": 1, "ENTITY_TYPE_ID": 3}
        fields = {"OWNER_ID": 1, "OWNER_TYPE_ID": 1, "RESPONSIBLE_ID": 1, "SUBJECT": "Call", "TYPE_ID": 2}
        with restored.transfer() as transfer:
            texts = {"DESCRIPTION": "He said: a=b & \u201cc\u201d \U0001f642", "COMMUNICATIONS": [client]}
            number = transfer.cloud.call("crm.activity.add", {"fields": {**fields, **texts}}).result
            restored.later()
            transfer.run("warm")
            assert restored.in_box("activity", number)["DESCRIPTION"] == texts["DESCRIPTION"]
            restored.later()
            transfer.cloud.call("crm.activity.update", {"id": number, "fields": {"DESCRIPTION": ""}})
        restored.later()
        final = restored.run("final")
        assert not restored.in_box("activity", number).get("DESCRIPTION")
        assert final.grade == "good", told(final)

    def test_deletions(self, restored: Move) -> None:
        restored.cloud.delete("deal", 1)
        listed = restored.run("warm")
        assert [(one.code, one.kind, one.id) for one in listed.skipped] == [("deleted_in_source", "deal", 1)]
        assert restored.box.get("deal", 1) is not None
        assert restored.run("warm", deletions="apply").written == {"deal": {"deleted": 1}}
        assert restored.box.get("deal", 1) is None
        assert restored.run("final", deletions="apply").grade == "perfect"

    def test_a_record_that_is_deleted_takes_its_comments_with_it(self, move: Move) -> None:
        for portal in (move.cloud, move.box):
            lead = portal.add("lead", {"title": "gone soon", "createdTime": "2026-01-01T10:00:00+03:00"})
            portal.add("comment", {"ENTITY_TYPE": "lead", "ENTITY_ID": lead, "COMMENT": "called", "AUTHOR_ID": 1})
        move.later()
        move.run("begin")
        move.cloud.delete("lead", lead)
        move.later()
        final = move.run("final")
        assert {(one.code, one.kind) for one in final.skipped} == {
            ("deleted_in_source", "lead"),
            ("deleted_in_source", "comment"),
        }
        assert final.grade == "good", told(final)

    def test_an_empty_box_gets_everything(self, move: Move) -> None:
        move.user(5, "Vera", box=False, EMAIL="vera@example.com")
        move.box.add_user(9, "Vera", EMAIL="vera@example.com")
        for number in range(1, 31):
            lead = move.cloud.add("lead", {"title": f"Lead {number}", "assignedById": 5})
            move.cloud.add("contact", {"name": f"Anna {number}", "leadId": lead})
            move.later(1)
        move.later()
        begun = move.run("begin")
        assert begun.baseline == {} and begun.plan["lead"]["create"] == 30
        final = move.run("final")
        assert final.grade in ("perfect", "good"), told(final)
        assert move.in_box("lead", 7)["assignedById"] == 9
        assert move.in_box("contact", 7)["leadId"] == move.in_box("lead", 7)["id"]

    def test_a_dry_run_writes_nothing_anywhere(self, restored: Move) -> None:
        restored.cloud.add("lead", {"title": "New"})
        restored.later()
        before = (restored.folder / "transfer.sqlite").read_bytes()
        result = restored.run("warm", check=True)
        assert result.changed and result.plan["lead"]["create"] == 1 and result.written == {}
        assert result.forecast["requests"] == 1
        assert restored.box.count("lead") == 3
        assert (restored.folder / "transfer.sqlite").read_bytes() == before


class TestFiles:
    @pytest.fixture
    def with_files(self, restored: Move) -> Move:
        for portal in (restored.cloud, restored.box):
            portal.add_field("lead", "UF_CRM_PLAN", "file")
            portal.add_field("lead", "UF_CRM_PHOTOS", "file", multiple=True)
        return restored

    @staticmethod
    def file(text: str) -> list[str]:
        return [f"{text}.txt", base64.b64encode(text.encode()).decode()]

    def contents(self, move: Move, lead: int) -> list[bytes]:
        row = move.in_box("lead", lead)
        files = [row.get("UF_CRM_PLAN"), *(row.get("UF_CRM_PHOTOS") or [])]
        return [(move.box.store.file(each["id"]) or ("", b""))[1] for each in files if each]

    def test_their_contents_are_carried_over_and_proven(self, with_files: Move) -> None:
        lead = with_files.cloud.add(
            "lead", {"UF_CRM_PLAN": self.file("plan"), "UF_CRM_PHOTOS": [self.file("a"), self.file("b")]}
        )
        with_files.cloud.add("lead", {"title": "Without"})
        with_files.later()
        assert with_files.run("warm", files=True).written == {"lead": {"created": 2}}
        assert self.contents(with_files, lead) == [b"plan", b"a", b"b"]
        assert with_files.run("warm", files=True).written == {}
        with_files.cloud.update("lead", lead, {"UF_CRM_PLAN": self.file("new plan")})
        with_files.later()
        assert with_files.run("warm", files=True).written == {"lead": {"updated": 1}}
        assert self.contents(with_files, lead)[0] == b"new plan"
        final = with_files.run("final", files=True)
        assert final.grade == "good", told(final)

    def test_or_they_are_listed(self, with_files: Move) -> None:
        lead = with_files.cloud.add("lead", {"title": "New", "UF_CRM_PLAN": self.file("plan")})
        with_files.later()
        final = with_files.run("final")
        assert self.contents(with_files, lead) == []
        assert [(one.code, one.id, one.fields) for one in final.skipped] == [("file_left", lead, ("UF_CRM_PLAN",))]
        assert final.grade == "good", told(final)

    def test_which_stays_true_after_the_pass_that_wrote_them(self, with_files: Move) -> None:
        """Later passes find nothing to write, and the proof asks why the files are missing."""
        lead = with_files.cloud.add("lead", {"title": "New", "UF_CRM_PLAN": self.file("plan")})
        with_files.later()
        with_files.run("warm")
        with_files.later()
        final = with_files.run("final")
        assert [(one.code, one.id) for one in final.skipped] == [("file_left", lead)]
        assert final.grade == "good", told(final)
        with_files.cloud.update("lead", lead, {"UF_CRM_PLAN": ""})
        with_files.later()
        with_files.cloud.update("lead", lead, {"title": "Renamed"})
        assert [one.code for one in with_files.run("warm").skipped] == ["updated_time"]


class TestHowRecordsAreWritten:
    @pytest.mark.parametrize("way", ["batchImport", "import", "import at last", "single"])
    def test_as_the_portal_allows_it(self, restored: Move, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
        rules = restored.box.rules
        if way == "import":
            rules.batch_imports = False
        if way == "import at last":
            rules.batch_imports_in_batch = False
        if way == "single":
            rules.batch_imports = False
            service = restored.servers["box"].service
            monkeypatch.setattr(service, "batchable", lambda method: method not in ("batch", "crm.item.import"))
        for number in range(45):
            restored.cloud.add("lead", {"title": f"New {number}"})
        restored.later()
        assert restored.run("warm").written == {"lead": {"created": 45}}
        assert restored.run("final").grade == "perfect"
        calls = restored.servers["box"].service.calls
        assert (calls["crm.item.batchimport"] > 0) == (way == "batchImport")

    def test_a_record_that_the_portal_refuses_ends_nothing(self, restored: Move) -> None:
        """In the middle of a batch, whose other records must keep their dates."""
        restored.box.add_field("lead", "UF_CRM_AT", "datetime")
        restored.cloud.add_field("lead", "UF_CRM_AT", "datetime")
        for number in range(45):
            bad = number == 22
            lead = restored.cloud.add("lead", {"title": f"New {number}"})
            if bad:
                row = restored.cloud.get("lead", lead) or {}
                restored.cloud.store.replace("lead", lead, {**row, "UF_CRM_AT": "never"})
                refused = lead
            restored.later(1)
        restored.later()
        result = restored.run("warm")
        assert result.written["lead"] == {"created": 44, "refused": 1}, told(result)
        (one,) = [one for one in result.skipped if one.code == "refused"]
        assert (one.kind, one.id) == ("lead", refused) and "UF_CRM_AT" in one.text
        final = restored.run("final")
        assert final.grade == "investigate", told(final)

    def test_a_reference_that_could_not_be_written_gives_way_to_a_newer_one(self, restored: Move) -> None:
        for portal in (restored.cloud, restored.box):
            portal.add_field("contact", "UF_CRM_AT", "datetime")
        contact = restored.cloud.add("contact", {"name": "Refused"})
        row = restored.cloud.get("contact", contact) or {}
        restored.cloud.store.replace("contact", contact, {**row, "UF_CRM_AT": "never"})
        lead = restored.cloud.add("lead", {"title": "New", "contactIds": [contact]})
        restored.later()
        warm = restored.run("warm")
        assert [(one.kind, one.id) for one in warm.skipped if one.code == "reference_missing"] == [("lead", lead)]
        restored.cloud.update("lead", lead, {"contactIds": [2]})
        restored.later()
        after = restored.run("warm")
        assert restored.in_box("lead", lead)["contactIds"] == [2]
        assert [one.code for one in after.skipped] == ["refused", "updated_time"]

    def test_a_command_that_fails_stops_its_batch(self, restored: Move) -> None:
        """What comes behind it would forbid the dates of its records."""
        for number in range(60):
            restored.cloud.add("lead", {"title": f"New {number}"})
            restored.later(1)
        restored.later()
        restored.servers["box"].faults.set([Fault("refuse", "crm.item.batchImport", skip=1)])
        result = restored.run("warm")
        assert result.written == {"lead": {"created": 60}}, told(result)
        assert restored.run("final").grade == "perfect"

    def test_foreign_origins_are_given_back_at_the_end(self, restored: Move) -> None:
        lead = restored.cloud.add("lead", {"title": "Shop", "originatorId": "shop", "originId": "9"})
        restored.later()
        restored.run("warm")
        assert restored.in_box("lead", lead)["originatorId"] == "boxlift:127.0.0.1"
        final = restored.run("final")
        assert restored.in_box("lead", lead)["originatorId"] == "shop"
        assert final.written["origins"] == {"updated": 1} and final.grade == "good", told(final)

    def test_those_of_an_earlier_move_too(self, restored: Move) -> None:
        """The cloud's records came from another portal, once."""
        lead = restored.cloud.add("lead", {"title": "Old", "originatorId": "boxlift:old.example.com", "originId": "9"})
        restored.later()
        restored.run("warm")
        final = restored.run("final")
        assert restored.in_box("lead", lead)["originatorId"] == "boxlift:old.example.com"
        assert final.grade == "good", told(final)

    def test_a_lost_id_map_is_found_again_by_the_keys(self, restored: Move) -> None:
        for number in range(5):
            restored.cloud.add("lead", {"title": f"New {number}"})
        restored.later()
        restored.run("warm")
        with restored.idmap() as idmap:
            for number in range(4, 9):
                idmap.forget_pair("lead", number)
        assert restored.run("warm").written == {}
        assert restored.box.count("lead") == 8

    @pytest.mark.parametrize("empty", [False, True])
    def test_a_lost_file_is_made_anew(self, restored: Move, empty: bool) -> None:
        """The pass begin stands before what the lost transfer wrote, and not behind it."""
        cloud = restored.cloud
        if empty:
            for kind in ("deal", "lead", "contact", "company"):
                for number in range(1, 4):
                    restored.box.delete(kind, number)
            self.lose(restored)
            restored.run("begin")
        restored.box.delete("lead", restored.box.add("lead", {"title": "The box has used a number"}))
        leads = [cloud.add("lead", {"title": f"New {number}"}) for number in range(2)]
        cloud.update("lead", leads[1], {"originatorId": "shop", "originId": "9"})
        old = cloud.get("lead", 1) or {}
        # A number that is not in the order of the dates, as other tools' imports make them.
        row = cloud.get("lead", leads[1]) or {}
        cloud.store.replace("lead", leads[1], {**row, "createdTime": (cloud.get("lead", 3) or old)["createdTime"]})
        client = {"TYPE": "PHONE", "VALUE": "+7911", "ENTITY_ID": 1, "ENTITY_TYPE_ID": 3}
        activity = {"OWNER_ID": leads[0], "OWNER_TYPE_ID": 1, "RESPONSIBLE_ID": 1, "COMMUNICATIONS": [client]}
        comment = {"ENTITY_TYPE": "lead", "COMMENT": "Called"}
        with restored.transfer() as transfer:
            transfer.cloud.call("crm.activity.add", {"fields": {**activity, "SUBJECT": "Call", "TYPE_ID": 2}})
            for owner in (leads[0], leads[0], 2):
                transfer.cloud.call("crm.timeline.comment.add", {"fields": {**comment, "ENTITY_ID": owner}})
        restored.later()
        restored.run("warm")
        kinds = ("company", "contact", "lead", "deal", "activity", "comment")
        counts = {kind: restored.box.count(kind) for kind in kinds}
        assert counts == {kind: cloud.count(kind) for kind in kinds}
        self.lose(restored)
        restored.later()
        begun = restored.run("begin")
        assert begun.refusals == [] and begun.baseline.get("lead", 0) == (0 if empty else 3)
        cloud.add("lead", {"title": "Newest"})
        restored.later()
        final = restored.run("final")
        assert {kind: restored.box.count(kind) for kind in kinds} == {**counts, "lead": 6}
        assert restored.in_box("lead", leads[1])["originatorId"] == "shop"
        assert final.grade == "good", told(final)

    @staticmethod
    def lose(move: Move) -> None:
        for path in move.folder.glob("transfer.sqlite*"):
            path.unlink()

    def test_a_second_record_of_the_same_key_is_removed(self, restored: Move) -> None:
        lead = restored.cloud.add("lead", {"title": "New"})
        restored.later()
        restored.run("warm")
        row = restored.in_box("lead", lead)
        restored.box.store.insert("lead", {**row, "id": 0})
        restored.box.tell("lead", ())
        assert restored.run("warm").doubles_removed == 1
        assert restored.box.count("lead") == 4 and restored.in_box("lead", lead)["id"] == row["id"]


class TestWhatPassesBeforeHaveListed:
    def test_other_dates(self, restored: Move) -> None:
        restored.cloud.add("lead", {"title": "New"})
        restored.later()
        call = restored.box.add("lead", {"title": "Somebody called"})
        restored.later()
        restored.run("warm", older_records="shift")
        restored.box.delete("lead", call)
        restored.later()
        final = restored.run("final", older_records="shift")
        assert [one.code for one in final.skipped] == ["date_shifted"] and final.grade == "good", told(final)

    def test_a_product_that_the_box_lacks(self, restored: Move) -> None:
        with restored.transfer() as transfer:
            row = {"productName": "Tiles", "price": 10, "productId": 77}
            transfer.cloud.call("crm.item.productrow.set", {"ownerId": 2, "ownerType": "D", "productRows": [row]})
            restored.cloud.update("deal", 2, {"title": "Tiles"})
        restored.later()
        restored.run("warm")
        restored.later()
        final = restored.run("final")
        assert "product_missing" in [one.code for one in final.skipped] and final.grade == "good", told(final)

    def test_product_rows_of_the_target_that_stay(self, restored: Move) -> None:
        def sell(portal: t.Any, **row: t.Any) -> None:
            rows = [{"productName": "Tiles", **row}]
            portal.call("crm.item.productrow.set", {"ownerId": 2, "ownerType": "D", "productRows": rows})

        for portal in (restored.cloud, restored.box):
            portal.update("deal", 2, {"isManualOpportunity": "Y"})
        with restored.transfer() as transfer:
            sell(transfer.cloud, price=10)
            restored.cloud.update("deal", 2, {"title": "Tiles"})
            restored.later()
            transfer.run("warm")
            restored.later()
            sell(transfer.cloud, price=11)
            sell(transfer.box, price=12)
        restored.cloud.update("deal", 2, {"title": "More tiles"})
        restored.box.update("deal", 2, {"title": "More tiles"})
        restored.later()
        final = restored.run("final", conflicts="target")
        assert [one.fields for one in final.conflicts] == [("productRows",)]
        assert final.grade == "good", told(final)


class TestRefusals:
    """Nothing is written, and people hear why and what to do."""

    def refused(self, move: Move, **options: t.Any) -> list[str]:
        move.cloud.add("lead", {"title": "New"})
        move.later()
        with pytest.raises(Refused) as raised:
            move.run("warm", **options)
        assert move.box.count("lead") == 3 and raised.value.remedy
        return [each.code for each in raised.value.refusals]

    def test_not_an_administrator(self, restored: Move) -> None:
        restored.box.add_user(2, "Boris")
        assert self.refused(restored, box_user=2) == ["not_admin"]

    def test_no_import(self, restored: Move) -> None:
        restored.box.rules.imports = False
        assert self.refused(restored) == ["no_import"]

    def test_a_plan_without_offline_events(self, restored: Move) -> None:
        restored.cloud.rules.offline_extended = False
        assert self.refused(restored, offline_events="required") == ["no_offline_events"]
        restored.run("warm")

    def test_several_at_once(self, restored: Move) -> None:
        restored.cloud.add_user(7, "Gleb", EMAIL="gleb@example.com")
        restored.cloud.add_field("lead", "UF_CRM_X", "string")
        restored.cloud.add("lead", {"UF_CRM_X": "red", "assignedById": 7})
        assert self.refused(restored) == ["unknown_field", "user_without_match"]

    def test_without_begin(self, move: Move) -> None:
        with pytest.raises(BoxliftError, match="no baseline"):
            move.run("warm")

    def test_reverse_without_final(self, restored: Move) -> None:
        with pytest.raises(BoxliftError, match="no final pass"):
            restored.run("reverse")

    def test_missing_statuses_are_made_where_people_want_it(self, restored: Move) -> None:
        with restored.transfer() as transfer:
            given = {"entityTypeId": 2, "fields": {"name": "Export"}}
            category = transfer.cloud.call("crm.category.add", given).result["category"]["id"]
            status = {"ENTITY_ID": "STATUS", "STATUS_ID": "WAIT", "NAME": "Waiting", "SORT": 35}
            transfer.cloud.call("crm.status.add", {"fields": status})
        restored.cloud.add("deal", {"title": "Export", "categoryId": category, "stageId": f"C{category}:NEW"})
        restored.cloud.add("lead", {"title": "Waits", "stageId": "WAIT"})
        assert self.refused(restored) == ["missing_category", "missing_stage"]
        restored.run("warm", missing_statuses="create")
        assert restored.in_box("lead", 4)["stageId"] == "WAIT"
        assert restored.run("final", missing_statuses="create").grade == "perfect"


class TestNumbersThatBothHaveUsed:
    """People or telephony have made records in the box before the baseline was noted."""

    @pytest.fixture
    def crossed(self, move: Move) -> Move:
        for number in range(1, 3):
            move.cloud.add("lead", {"title": f"Lead {number}"})
            move.later()
        move.restore()
        move.later()
        move.cloud.add("lead", {"title": "of the cloud"})  # 3
        move.later()
        for number in range(3):
            move.box.add("lead", {"title": f"call {number}"})  # 3 to 5
        move.later()
        return move

    def test_each_is_a_record_of_its_own(self, crossed: Move) -> None:
        begun = crossed.run("begin")
        assert begun.baseline["lead"] == 2
        assert [each["code"] for each in begun.refusals] == ["target_newer"]
        assert "Delete lead 5" in begun.refusals[0]["remedy"]
        for number in (3, 4, 5):
            crossed.box.delete("lead", number)
        crossed.later()
        final = crossed.run("final")
        assert final.written["lead"] == {"created": 1} and final.grade == "perfect", told(final)

    def test_also_one_that_the_cloud_makes_later(self, crossed: Move) -> None:
        crossed.cloud.delete("lead", 3)
        crossed.later()
        begun = crossed.run("begin")
        assert begun.baseline["lead"] == 5  # 3 to 5 may as well have been deleted in the cloud
        crossed.later()
        crossed.cloud.add("lead", {"title": "arrived"})
        crossed.later()
        result = crossed.run("warm", deletions="list")
        assert result.written["lead"] == {"created": 1}
        assert crossed.in_box("lead", 4)["title"] == "arrived" and crossed.box.count("lead") == 6

    def test_another_record_that_was_deleted_in_the_box_is_no_reason_to_leave_this_one(self, move: Move) -> None:
        for number in range(1, 4):
            for portal in (move.cloud, move.box):
                portal.add("lead", {"title": f"Lead {number}"})
                move.later(0 if number == 3 or portal is move.cloud and number == 1 else 1)
        move.later()
        move.run("begin")
        move.box.delete("lead", 2)
        move.later()
        with pytest.raises(Refused) as raised:
            move.run("final")
        assert "not_the_same_record" in [each.code for each in raised.value.refusals]

    def test_what_the_source_has_too_is_not_to_be_deleted(self, restored: Move) -> None:
        restored.cloud.add("lead", {"title": "New"})
        restored.later()
        restored.run("warm")
        restored.later()
        old = restored.cloud.add("lead", {"title": "With an older date, by another tool"})
        row = restored.cloud.get("lead", old) or {}
        restored.cloud.store.replace("lead", old, {**row, "createdTime": "2027-01-01T00:00:00+03:00"})
        with pytest.raises(Refused) as raised:
            restored.run("warm")
        assert raised.value.remedy.startswith("Set older_records to shift")


class TestFinal:
    def test_somebody_still_works_in_the_cloud(self, restored: Move) -> None:
        restored.cloud.add("lead", {"title": "New"})
        restored.cloud.add_user(3, "Vera")
        restored.later()
        calls = restored.servers["box"].service.calls

        with restored.transfer() as transfer:
            progress = Watcher(lambda: restored.cloud.update("lead", 1, {"title": "late"}, user=3))
            transfer._progress = progress
            result = transfer.run("final")
        assert calls["crm.item.batchimport"] == 1
        assert result.grade == "investigate"
        (late,) = result.late
        assert (late["kind"], late["id"], late["what"], late["who"]) == ("lead", 1, "changed", "Vera (3)")
        again = restored.run("final")
        assert again.late == [] and again.grade == "good", told(again)


class Watcher:
    """Does something once, when the first records are written."""

    def __init__(self, work: t.Callable[[], t.Any]) -> None:
        self.work: t.Callable[[], t.Any] | None = work

    def tell(self, **values: t.Any) -> None:
        if self.work and values.get("phase", "").startswith("write "):
            work, self.work = self.work, None
            work()


class TestReverse:
    def test_what_the_box_has_made_goes_back(self, restored: Move) -> None:
        cloud, box = restored.cloud, restored.box
        arrived = cloud.add("lead", {"title": "Arrived"})
        restored.later()
        assert restored.run("final").grade == "perfect"
        restored.later()
        contact = box.add("contact", {"name": "Made in the box", "companyIds": [1]})
        there = restored.in_box("lead", arrived)["id"]
        deal = box.add("deal", {"title": "Sold", "contactIds": [contact], "leadId": there})
        box.update("lead", there, {"title": "Worked on"})
        box.update("lead", 2, {"comments": "called"})
        restored.later()
        result = restored.run("reverse")
        assert result.written["contact"]["created"] == 1 and result.written["lead"] == {"updated": 2}, told(result)
        with restored.idmap("reverse") as idmap:
            made = idmap.target_of("deal", deal)
            back = idmap.target_of("contact", contact)
        row = cloud.get("deal", made or 0) or {}
        assert (row["title"], row["contactIds"], row["leadId"]) == ("Sold", [back], arrived)
        assert (cloud.get("lead", arrived) or {})["title"] == "Worked on"
        assert (cloud.get("lead", 2) or {})["comments"] == "called"
        assert result.grade == "good", told(result)
        assert restored.run("reverse").written == {}

    def test_a_comment_that_was_edited_in_the_box_loses_its_first_line(self, restored: Move) -> None:
        """That line says who wrote it in the cloud, which knows that itself."""
        with restored.transfer() as transfer:
            given = {"ENTITY_TYPE": "lead", "ENTITY_ID": 2, "COMMENT": "Called\ntwice"}
            comment = transfer.cloud.call("crm.timeline.comment.add", {"fields": given}).result
            restored.later()
            transfer.run("final")
            restored.later()
            there = restored.in_box("comment", comment)
            edited = {"id": there["ID"], "fields": {"COMMENT": f"{there['COMMENT']}, and thrice"}}
            transfer.box.call("crm.timeline.comment.update", edited)
            restored.box.update("lead", 2, {"comments": "thrice"})
        restored.later()
        result = restored.run("reverse")
        assert (restored.cloud.get("comment", comment) or {})["COMMENT"] == "Called\ntwice, and thrice"
        assert result.grade == "good", told(result)

    def test_the_clouds_own_newer_records_refuse(self, restored: Move) -> None:
        restored.run("final")
        restored.later()
        restored.box.add("lead", {"title": "Made in the box"})
        restored.later()
        restored.cloud.add("lead", {"title": "Made in the cloud in spite of the freeze"})
        restored.later()
        with pytest.raises(Refused) as raised:
            restored.run("reverse")
        assert [each.code for each in raised.value.refusals] == ["target_newer"]
        result = restored.run("reverse", older_records="shift")
        assert result.written["lead"] == {"created": 1} and result.own == {"lead": 1}
