# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records come back from a snapshot, against the simulated portal."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import typing as t
from unittest import mock

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils import state
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Answer
from ansible_collections.boxlift.portal.plugins.module_utils.crm.present import Present
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restore_plan import Options
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.rest.faults import Fault
from unit.plugins.module_utils.crm.kept_portal import DAY, Site, moment, until_done
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT

LEAD, DEAL, CONTACT, COMPANY = 1, 2, 3, 4
PHONE = {"typeId": "PHONE", "valueType": "WORK", "value": "+79000000001"}
HOME = {"typeId": "PHONE", "valueType": "HOME", "value": "+79000000002"}
ROW = {"productName": "Desk", "price": 100, "quantity": 2}


def world(site: Site) -> None:
    """A company, two contacts, a deal with all that a deal has; contact 2 is the newest of its kind."""
    crm = site.crm
    crm.add("company", title="Brick", createdTime=moment(50))
    crm.add("contact", name="Anna", companyId=1, companyIds=[1], fm=[PHONE, HOME], createdTime=moment(40))
    crm.add("contact", name="Boris", companyId=1, companyIds=[1], createdTime=moment(30), assignedById=2)
    deal = {"title": "Office", "companyId": 1, "contactId": 1, "contactIds": [1, 2], "opportunity": 200}
    crm.add("deal", deal, stageId="EXECUTING", assignedById=2, createdBy=2, createdTime=moment(20))
    site.product_rows(1, ROW)
    site.call(DEAL, 1, "Offer")
    site.comment("deal", 1, "Wants blue ones")
    site.call(CONTACT, 2, "Hello")
    site.comment("contact", 2, "Calls on Mondays")


class TestNumbersThatAreUsedAgain:
    """The portal was put back, and numbers that it gave after that belong to other records."""

    def test_another_record_under_the_number_that_a_restored_one_had(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        assert site.restore(("deal", 1)).created[("deal", 1)] == 2
        site.clock[0] += 20 * DAY
        site.crm.delete("deal", 2)
        site.crm.add("deal", id=2, title="Somebody else's work")
        done = site.restore(("deal", 1))
        assert site.items(DEAL, 2)[2]["title"] == "Somebody else's work"
        assert done.created[("deal", 1)] == 3 and site.items(DEAL, 3)[3]["title"] == "Office"
        assert not site.restore(("deal", 1)).plan.changed()

    def test_no_link_leads_to_another_record(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("contact", 1)
        new = site.restore(("contact", 1)).created[("contact", 1)]
        site.clock[0] += 20 * DAY
        site.crm.delete("contact", new)
        site.crm.add("contact", id=new, name="Somebody else")
        site.crm.delete("deal", 1)
        made = site.restore(("deal", 1)).created[("deal", 1)]
        assert site.items(DEAL, made)[made]["contactIds"] == [2]

    def test_links_lead_to_restored_records_that_others_know_by_their_own_pair(self, site: Site) -> None:
        """It kept its date, and carries the pair of somebody else: only the snapshot tells that it is the one."""
        site.crm.add("contact", name="Anna", originatorId="shop", originId="7", createdTime=moment(5))
        site.crm.add("deal", title="Office", contactIds=[1], contactId=1, createdTime=moment(4))
        site.snapshot()
        site.crm.delete("contact", 1)
        new = site.restore(("contact", 1)).created[("contact", 1)]
        site.crm.delete("deal", 1)
        made = site.restore(("deal", 1)).created[("deal", 1)]
        assert site.items(DEAL, made)[made]["contactIds"] == [new]

    def test_another_record_under_its_own_number(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        site.crm.add("deal", id=1, title="Somebody else's work")
        with pytest.raises(BoxliftError, match="deal 1 of the portal was made at .* it is another record"):
            site.restore(("deal", 1))
        assert site.items(DEAL, 1)[1]["title"] == "Somebody else's work"

    def test_a_new_time_zone_makes_no_other_record(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        # The portal keeps times without their zone, and shows all of them two hours earlier now.
        site.crm.add("deal", id=1, title="Nothing", createdTime=moment(20 + 2 / 24))
        site.restore(("deal", 1))
        assert site.items(DEAL, 1)[1]["title"] == "Office"


class TestRecordsThatExist:
    def test_fields_go_back_and_children_too(self, site: Site) -> None:
        world(site)
        site.snapshot()
        before = site.items(DEAL, 1)[1]
        site.crm.update("deal", 1, stageId="LOSE", title="Nothing", contactIds=[2], contactId=2)
        site.product_rows(1, {"productName": "Chair", "price": 1, "quantity": 1})
        site.crm.delete("comment", 1)
        site.crm.delete("activity", 1)
        planned = site.restore(("deal", 1), check=True).plan
        (deal, call) = planned.steps
        changes = {each.field: (each.now, each.then) for each in deal.changes}
        assert changes["title"] == ("Nothing", "Office") and changes["stageId"] == ("LOSE", "EXECUTING")
        assert changes["contactIds"] == ([2], [1, 2])
        assert (deal.action, call.action, len(deal.comments)) == ("update", "create", 1)
        assert "automation" in planned.remarks[0]
        assert deal.remarks == ["Its 1 product rows of today are replaced: Chair (1 x 1)."]
        assert site.items(DEAL, 1)[1]["title"] == "Nothing"  # check mode
        done = site.restore(("deal", 1))
        after = site.items(DEAL, 1)[1]
        volatile = {"updatedTime", "updatedBy", "lastActivityTime", "lastActivityBy", "movedTime", "movedBy"}
        volatile |= {"previousStageId"}
        assert {k: v for k, v in after.items() if k not in volatile} == {
            k: v for k, v in before.items() if k not in volatile
        }
        assert site.rows_of(1) == [ROW]
        assert [row["SUBJECT"] for row in site.activities(DEAL, 1)] == ["Offer"]
        assert site.comments("deal", 1) == ["[2027-01-15 11:00, Admin Admin]\nWants blue ones"]
        assert list(done.created) == [("activity", 1)]
        again = site.restore(("deal", 1))
        assert not again.plan.changed() and again.plan.counts()["same"] == 2

    def test_phones_are_compared_by_value_and_written_by_id(self, site: Site) -> None:
        world(site)
        site.snapshot()
        numbers = {row["value"]: row["id"] for row in site.items(CONTACT, 1)[1]["fm"]}
        changed = [
            {"id": numbers["+79000000001"], "value": ""},
            {"id": numbers["+79000000002"], "value": "+79000000002", "valueType": "MOBILE"},
            {"typeId": "EMAIL", "valueType": "WORK", "value": "a@example.com"},
        ]
        site.ask("crm.item.update", entityTypeId=CONTACT, id=1, fields={"fm": changed})
        plan = site.restore(("contact", 1), check=True).plan
        assert [each.field for each in plan.steps[0].changes] == ["fm"]
        site.restore(("contact", 1))
        now = site.items(CONTACT, 1)[1]["fm"]
        assert sorted((row["value"], row["valueType"]) for row in now) == [
            ("+79000000001", "WORK"),
            ("+79000000002", "HOME"),
        ]
        assert {row["value"]: row["id"] for row in now}["+79000000002"] == numbers["+79000000002"]
        assert not site.restore(("contact", 1)).plan.changed()

    def test_a_lost_answer_doubles_no_phone(self, site: Site) -> None:
        world(site)
        site.snapshot()
        first = site.items(CONTACT, 1)[1]["fm"][0]["id"]
        site.ask("crm.item.update", entityTypeId=CONTACT, id=1, fields={"fm": [{"id": first, "value": ""}]})
        site.server.faults.set([Fault("lose_answer", "crm.item.update")])
        done = site.restore(("contact", 1))
        assert done.lost_answers == 1
        assert len(site.items(CONTACT, 1)[1]["fm"]) == 2

    def test_only_the_fields_that_are_named(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.update("deal", 1, stageId="LOSE", title="Nothing")
        site.crm.delete("comment", 1)
        done = site.restore(("deal", 1), options=Options(fields=["stageId"]))
        after = site.items(DEAL, 1)[1]
        assert (after["stageId"], after["title"]) == ("EXECUTING", "Nothing")
        assert site.comments("deal", 1) == [] and len(done.plan.steps) == 1

    def test_what_people_have_added_stays(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.comment("deal", 1, "Later")
        site.call(DEAL, 1, "Later call")
        assert not site.restore(("deal", 1)).plan.changed()
        assert len(site.comments("deal", 1)) == 2 and len(site.activities(DEAL, 1)) == 2

    def test_a_version_is_chosen_by_number_and_by_moment(self, site: Site) -> None:
        world(site)
        first = site.snapshot()
        seen = site.clock[0]
        site.crm.update("deal", 1, title="Second")
        site.snapshot()
        site.crm.update("deal", 1, title="Third")
        assert site.restore(("deal", 1), check=True).plan.steps[0].changes[0].then == "Second"
        assert site.restore(("deal", 1), check=True, snapshot=first).plan.steps[0].changes[0].then == "Office"
        assert site.restore(("deal", 1), check=True, moment=seen + 1).plan.steps[0].changes[0].then == "Office"


class TestRecordsThatAreGone:
    def test_a_deal_comes_back_whole_with_author_and_date(self, site: Site) -> None:
        world(site)
        site.snapshot()
        before = site.items(DEAL, 1)[1]
        site.crm.delete("deal", 1)
        plan = site.restore(("deal", 1), check=True).plan
        assert plan.counts() == {
            "created": 2,
            "updated": 0,
            "same": 0,
            "links": 0,
            "comments": 1,
            "product_rows": 1,
            "dates_lost": 0,
        }
        assert site.crm.count("deal") == 0
        done = site.restore(("deal", 1))
        assert done.created[("deal", 1)] == 2
        after = site.items(DEAL, 2)[2]
        changed = {name for name in before if before[name] != after[name]}
        # Setting product rows is a change of the deal.
        assert changed - {"lastActivityBy"} == {"id", "originatorId", "originId", "lastActivityTime", "updatedTime"}
        assert site.rows_of(2) == [ROW]
        (call,) = site.activities(DEAL, 2)
        assert (call["SUBJECT"], call["ORIGIN_ID"]) == ("Offer", "1")
        assert len(site.comments("deal", 2)) == 1
        assert site.crm.automation == {"deal update": 2} and not site.crm.mail  # product rows alone, twice
        again = site.restore(("deal", 1))
        assert not again.plan.changed() and site.crm.count("deal") == 1

    def test_records_that_referred_to_it_do_so_again(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("contact", 2)
        assert site.items(DEAL, 1)[1]["contactIds"] == [1]
        site.crm.update("deal", 1, contactIds=[1])
        done = site.restore(("contact", 2))
        new = done.created[("contact", 2)]
        deal = site.items(DEAL, 1)[1]
        assert deal["contactIds"] == [1, new] and deal["contactId"] == 1
        assert [row["SUBJECT"] for row in site.activities(CONTACT, new)] == ["Hello"]
        assert not site.restore(("contact", 2)).plan.changed()

    def test_a_company_gets_its_contacts_and_deals_back(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("company", 1)
        assert site.items(CONTACT, 1)[1]["companyId"] is None
        new = site.restore(("company", 1)).created[("company", 1)]
        assert site.items(CONTACT, 1)[1]["companyIds"] == [new]
        assert site.items(DEAL, 1)[1]["companyId"] == new

    def test_a_link_that_people_have_set_anew_is_left(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("company", 1)
        other = site.crm.add("company", title="Other", createdTime=moment(49))
        site.crm.update("deal", 1, companyId=other)
        done = site.restore(("company", 1))
        assert site.items(DEAL, 1)[1]["companyId"] == other
        assert any(f"points to company {other}" in each for each in done.plan.remarks)

    def test_records_that_refer_to_each_other_come_back_together(self, site: Site) -> None:
        world(site)
        site.crm.add("lead", title="Cycle", contactId=2, contactIds=[2], createdTime=moment(25))
        site.crm.update("contact", 2, leadId=1)
        site.snapshot()
        site.crm.delete("lead", 1)
        site.crm.delete("contact", 2)
        site.crm.delete("deal", 1)
        done = site.restore(("lead", 1), ("contact", 2), ("deal", 1))
        contact, lead, deal = (done.created[key] for key in (("contact", 2), ("lead", 1), ("deal", 1)))
        assert site.items(CONTACT, contact)[contact]["leadId"] == lead
        assert site.items(LEAD, lead)[lead]["contactIds"] == [contact]
        assert site.items(DEAL, deal)[deal]["contactIds"] == [1, contact]
        assert not site.restore(("lead", 1), ("contact", 2), ("deal", 1)).plan.changed()

    def test_a_reference_to_what_is_gone_too_is_told(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("company", 1)
        site.crm.delete("deal", 1)
        plan = site.restore(("deal", 1)).plan
        assert any("company 1 is gone too" in each for each in plan.steps[0].remarks)

    def test_an_older_record_gets_the_date_of_now_and_a_comment(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("contact", 1)
        plan = site.restore(("contact", 1), check=True).plan
        assert not plan.steps[0].dated and "date of now" in plan.steps[0].remarks[0]
        new = site.restore(("contact", 1)).created[("contact", 1)]
        assert site.items(CONTACT, new)[new]["createdTime"] > moment(1)
        assert site.comments("contact", new) == [f"[Restored from a snapshot: record 1, created {moment(40)}]"]
        again = site.restore(("contact", 1))
        assert not again.plan.changed(), again.plan.steps[0].as_dict()

    def test_an_activity_that_outlived_its_deal_belongs_to_the_new_one(self, site: Site) -> None:
        site.crm.rules.shared_activities_stay = True
        world(site)
        with_whom = [{"VALUE": "+79000000001", "ENTITY_TYPE_ID": CONTACT, "ENTITY_ID": 1}]
        shared = site.call(DEAL, 1, "Shared", COMMUNICATIONS=with_whom)
        site.snapshot()
        site.crm.delete("deal", 1)
        assert [row["SUBJECT"] for row in site.activities(CONTACT, 1)] == ["Shared"]
        done = site.restore(("deal", 1))
        assert ("activity", shared) not in done.created
        bound = site.ask("crm.activity.binding.list", activityId=shared)
        assert {"entityTypeId": DEAL, "entityId": done.created[("deal", 1)]} in bound
        assert not site.restore(("deal", 1)).plan.changed()

    def test_a_newer_record_that_comes_while_it_works(self, site: Site) -> None:
        """A call makes a lead between plan and import: the record loses its date, and not the restore its end."""
        for days in (9, 8, 7):
            site.crm.add("lead", title=f"Before {days}", createdTime=moment(days))
        site.snapshot()
        site.crm.delete("lead", 1, 2, 3)
        call = site.server.service.call

        def ring(method: str, asked: t.Any) -> t.Any:
            if method == "crm.item.import" and asked.parameters.get("fields") and not site.crm.count("lead"):
                site.crm.add("lead", title="Call")
            return call(method, asked)

        with mock.patch.object(site.server.service, "call", ring):
            done = site.restore(("lead", 1), ("lead", 2), ("lead", 3))
        assert len(done.created) == 3 and not done.refused
        assert {step.dated for step in done.plan.steps} == {False}
        assert len(site.comments("lead", done.created[("lead", 2)])) == 1
        assert not site.restore(("lead", 1), ("lead", 2), ("lead", 3)).plan.changed()

    def test_a_product_that_is_gone_is_a_name(self, site: Site) -> None:
        world(site)
        number = site.ask("crm.product.add", fields={"NAME": "Lamp", "PRICE": 7})
        site.product_rows(1, {**ROW, "productId": number, "productName": "Lamp"})
        site.snapshot()
        site.crm.delete("deal", 1)
        assert not site.restore(("deal", 1), check=True).plan.steps[0].remarks
        site.ask("crm.product.delete", id=number)
        done = site.restore(("deal", 1))
        assert "its row is a name alone" in done.plan.steps[0].remarks[0]
        new = done.created[("deal", 1)]
        found = site.ask("crm.item.productrow.list", filter={"=ownerType": "D", "=ownerId": new})["productRows"]
        assert [(row["productId"], row["productName"]) for row in found] == [(0, "Lamp")]
        assert not site.restore(("deal", 1)).plan.changed()

    def test_of_several_those_that_can_keep_their_date_do(self, site: Site) -> None:
        for days in (50, 40, 30, 20, 10):
            site.crm.add("company", title=f"Before {days}", createdTime=moment(days))
        site.snapshot()
        site.crm.delete("company", 1, 2, 4, 5)
        done = site.restore(*(("company", number) for number in (1, 2, 4, 5)))
        dated = {step.id: step.dated for step in done.plan.steps}
        assert dated == {1: False, 2: False, 4: True, 5: True}
        created = {key[1]: site.items(COMPANY, new)[new]["createdTime"] for key, new in done.created.items()}
        assert created[4] == moment(20) and created[5] == moment(10) and created[1] > moment(1)

    def test_the_pair_of_another_program_is_given_back(self, site: Site) -> None:
        site.crm.add("lead", title="Site", originatorId="shop", originId="77", createdTime=moment(5))
        site.snapshot()
        site.crm.delete("lead", 1)
        new = site.restore(("lead", 1)).created[("lead", 1)]
        row = site.items(LEAD, new)[new]
        assert (row["originatorId"], row["originId"]) == ("shop", "77")
        assert not site.restore(("lead", 1)).plan.changed()
        assert site.crm.count("lead") == 1

    def test_what_was_restored_and_deleted_again_comes_back_again(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        first = site.restore(("deal", 1)).created[("deal", 1)]
        site.snapshot()
        site.crm.delete("deal", first)
        second = site.restore(("deal", first)).created[("deal", first)]
        again = site.restore(("deal", 1)).plan
        assert not again.changed(), [step.as_dict() for step in again.steps]
        assert [row["title"] for row in site.items(DEAL, second).values()] == ["Office"]

    def test_everything_that_was_lost(self, site: Site) -> None:
        world(site)
        snapshot = site.snapshot()
        site.crm.delete("contact", 1, 2)
        site.crm.delete("deal", 1)
        site.snapshot()
        done = site.restore(names=["company", "contact", "deal", "activity"], snapshot=snapshot)
        assert {key for key in done.created if key[0] != "activity"} == {("contact", 1), ("contact", 2), ("deal", 1)}
        assert len(done.created) == 5
        again = site.restore(names=["company", "contact", "deal", "activity"], snapshot=snapshot)
        assert not again.plan.steps


def everything(site: Site) -> dict[str, t.Any]:
    """What people see of all records, whatever their numbers are."""
    rows = site.crm.rows
    return {
        "companies": sorted(row["title"] for row in rows("company")),
        "contacts": sorted((row["name"], len(row.get("fm", ())), len(row["companyIds"])) for row in rows("contact")),
        "deals": sorted((row["title"], len(row["contactIds"]), row["opportunity"]) for row in rows("deal")),
        "activities": sorted(row["SUBJECT"] for row in rows("activity")),
        "comments": sorted(row["COMMENT"].rpartition("\n")[2] for row in rows("comment")),
        "rows": sorted(row["productName"] for row in rows("productrow")),
    }


FAULTS = ("lose_answer", "error_after", "gateway_timeout", "half_batch", "cut", "drop", "html")
GONE = (("company", 1), ("contact", 1), ("contact", 2), ("deal", 1))


def lose_all(site: Site) -> dict[str, t.Any]:
    """The world, and then nothing of it. What it was."""
    world(site)
    site.snapshot()
    seen = everything(site)
    for kind, number in GONE:
        site.crm.delete(kind, number)
    assert not any(everything(site).values())
    return seen


class TestNothingTwice:
    def test_whatever_write_is_the_last_one_of_a_process(self, site: Site) -> None:
        seen = lose_all(site)
        kills = until_done(lambda dying: site.restore(*GONE, wrap=dying))
        assert kills >= 7
        assert everything(site) == seen
        assert not site.restore(*GONE).plan.changed()

    @pytest.mark.parametrize("kind", FAULTS)
    def test_answers_that_are_lost(self, site: Site, kind: str) -> None:
        seen = lose_all(site)
        methods = ("crm.item.import", "crm.activity.add", "crm.timeline.comment.add", "crm.item.productrow.set")
        site.server.faults.set([Fault(kind, method) for method in methods])
        done = site.restore(*GONE)
        assert everything(site) == seen
        assert done.lost_answers >= 3 or kind in ("drop", "cut")  # of what is cut, the first half may be whole
        assert not site.restore(*GONE).plan.changed()

    def test_a_portal_that_never_answers_ends_it_and_a_later_run_goes_on(self, site: Site) -> None:
        seen = lose_all(site)
        site.server.faults.set([Fault("error", "crm.activity.add", times=-1)])
        with pytest.raises(BoxliftError, match=r"did not answer crm\.activity\.add 5 times"):
            site.restore(*GONE)
        assert sum(site.slept) > 60  # longer than a portal works on any request
        site.server.faults.set([])
        site.restore(*GONE)
        assert everything(site) == seen

    def test_a_process_that_is_killed(self, site: Site) -> None:
        """The portal itself kills it, at the moment that a write is carried out."""
        seen = lose_all(site)
        methods = ["crm.item.import", "crm.item.productrow.set", "crm.activity.add", "crm.timeline.comment.add"]
        for method in methods:
            assert killed(site, method) == -signal.SIGKILL
        site.restore(*GONE)
        assert everything(site) == seen

    def test_one_at_a_time(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        lose_all(site)
        monkeypatch.setattr(state, "LOCK_PATIENCE", 0.0)
        with (
            state.Lock(f"{site.path}.restore.lock", "it"),
            pytest.raises(BoxliftError, match="already being worked on"),
        ):
            site.restore(*GONE)
        assert site.restore(*GONE, check=True).plan.counts()["created"] == 6
        assert site.crm.count("deal") == 0

    def test_what_the_portal_refuses_is_told_and_the_rest_goes_on(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        site.crm.rules.missing_references = "refuse"
        with mock.patch.object(Present, "items", there_in_vain):
            site.crm.store.remove("contact", [2])
            done = site.restore(("deal", 1), ("contact", 1))
        assert "deal 1: import: " in done.refused[0] and not done.created


def there_in_vain(present: Present, kind: str, ids: t.Iterable[int], select: t.Sequence[str] = ("*",)) -> t.Any:
    """Between the look and the write, somebody deletes contact 2."""
    found = ITEMS(present, kind, ids, select)
    return {**found, **({2: {"id": 2}} if kind == "contact" and 2 in list(ids) else {})}


ITEMS = Present.items
PROGRAM = """
import sys, time
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restore_plan import Options
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restoring import restore
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
webhook, authority, path = sys.argv[1:]
wanted = [("company", 1), ("contact", 1), ("contact", 2), ("deal", 1)]
restore(Rest(webhook, ca_file=authority), [Store(path)], wanted, Options(), sleep=lambda seconds: None)
"""


def killed(site: Site, method: str) -> int:
    """Status of a process that restores everything, killed as soon as the portal has carried this method out."""
    service = site.server.service
    call = service.call
    running: list[subprocess.Popen[bytes]] = []

    def deadly(name: str, asked: t.Any) -> t.Any:
        answer = call(name, asked)
        if name.lower() == method.lower():
            running[0].kill()
        return answer

    with mock.patch.object(service, "call", deadly):
        command = [sys.executable, "-c", PROGRAM, site.server.webhook(1), site.authority, site.path]
        running.append(subprocess.Popen(command, env=ENVIRONMENT))
        return running[0].wait(timeout=60)


class TestRefusals:
    def refused(self, site: Site, *wanted: t.Any, options: Options | None = None, **more: t.Any) -> list[str]:
        """The codes; nothing was written."""
        before = site.server.store.newest("activity"), everything(site)
        with pytest.raises(BoxliftError) as stop:
            site.restore(*wanted, options=options, **more)
        assert (site.server.store.newest("activity"), everything(site)) == before
        assert stop.value.remedy
        refusals = stop.value.details.get("refusals")
        return [each["code"] for each in refusals] if refusals else [stop.value.details["code"]]

    def test_no_snapshot_has_it(self, site: Site) -> None:
        world(site)
        Store(site.path).close()
        assert self.refused(site, ("deal", 1)) == ["no_snapshot"]
        site.snapshot()
        assert self.refused(site, ("deal", 99), ("lead", 5)) == ["not_in_snapshot", "not_in_snapshot"]
        assert self.refused(site, ("deal", 1), snapshot=7) == ["no_snapshot"]
        assert self.refused(site, ("deal", 1), moment=1.0) == ["no_snapshot"]

    def test_a_store_of_another_portal(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.update("deal", 1, title="Other")

        def elsewhere(rest: Rest) -> Rest:
            rest.name = "cloud.example.com"
            return rest

        assert self.refused(site, ("deal", 1), wrap=elsewhere) == ["other_portal"]
        assert site.restore(("deal", 1), wrap=elsewhere, renamed=True).plan.counts()["updated"] == 1

    def test_a_field_that_the_portal_does_not_have_any_more(self, site: Site) -> None:
        number = site.crm.add_field("deal", "UF_CRM_COLOUR")
        world(site)
        site.crm.update("deal", 1, UF_CRM_COLOUR="blue")
        site.snapshot()
        site.crm.store.remove("field", [number])
        site.crm.forget_fields()
        site.crm.update("deal", 1, title="Other")
        assert self.refused(site, ("deal", 1)) == ["unknown_field"]
        assert self.refused(site, ("deal", 1), options=Options(fields=["tittle"])) == ["unknown_field"]
        done = site.restore(("deal", 1), options=Options(skip_fields=["UF_CRM_COLOUR"]))
        assert done.plan.counts()["updated"] == 1
        site.crm.delete("deal", 1)
        assert self.refused(site, ("deal", 1)) == ["unknown_field"]

    def test_a_choice_that_the_list_does_not_have_any_more(self, site: Site) -> None:
        choices = [{"ID": 1, "VALUE": "red"}, {"ID": 2, "VALUE": "blue"}]
        number = site.crm.add_field("deal", "UF_CRM_COLOUR", "enumeration", LIST=choices)
        world(site)
        site.crm.update("deal", 1, UF_CRM_COLOUR=2)
        site.snapshot()
        site.crm.delete("deal", 1)
        row = site.crm.get("field", number) or {}
        site.crm.store.replace("field", number, {**row, "LIST": choices[:1]})
        site.crm.forget_fields()
        assert self.refused(site, ("deal", 1)) == ["missing_value"]

    def test_a_stage_a_pipeline_and_an_entry_that_are_gone(self, site: Site) -> None:
        world(site)
        site.ask("crm.status.add", fields={"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "TALK", "NAME": "Talk"})
        site.ask("crm.status.add", fields={"ENTITY_ID": "SOURCE", "STATUS_ID": "FAIR", "NAME": "Fair"})
        site.crm.update("deal", 1, stageId="TALK", sourceId="FAIR")
        site.snapshot()
        site.crm.update("deal", 1, stageId="NEW", sourceId="WEB")
        gone = [row["ID"] for row in site.crm.rows("status") if row["STATUS_ID"] in ("TALK", "FAIR")]
        site.crm.store.remove("status", gone)
        assert sorted(self.refused(site, ("deal", 1))) == ["missing_stage", "missing_status"]
        assert site.restore(("deal", 1), options=Options(fields=["title"])).plan.counts()["same"] == 1
        category = site.ask("crm.category.add", entityTypeId=2, fields={"name": "Wholesale"})["category"]["id"]
        site.crm.add("deal", title="Big", categoryId=category, stageId=f"C{category}:NEW", createdTime=moment(1))
        site.snapshot()
        site.crm.delete("deal", 2)
        stages = [row["ID"] for row in site.crm.rows("status") if row["ENTITY_ID"] == f"DEAL_STAGE_{category}"]
        site.crm.store.remove("status", stages)
        assert self.refused(site, ("deal", 2)) == ["missing_category"]
        # A record that is gone comes back without what there is no more, where people say so.
        without = Options(skip_fields=["stageId", "sourceId"])
        assert not site.restore(("deal", 1), options=without, snapshot=1).plan.changed()
        site.crm.delete("deal", 1)
        assert sorted(self.refused(site, ("deal", 1), snapshot=1)) == ["missing_stage", "missing_status"]
        done = site.restore(("deal", 1), options=without, snapshot=1)
        made = done.created[("deal", 1)]
        assert site.items(DEAL, made)[made]["title"] == "Office" and site.items(DEAL, made)[made]["stageId"] == "NEW"

    def test_employees_who_are_gone(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        site.crm.store.remove("user", [2])
        assert self.refused(site, ("deal", 1)) == ["user_gone", "user_gone"]
        assert self.refused(site, ("deal", 1), options=Options(fallback_user=77)) == ["user_gone"]
        new = site.restore(("deal", 1), options=Options(fallback_user=1)).created[("deal", 1)]
        row = site.items(DEAL, new)[new]
        assert (row["assignedById"], row["createdBy"]) == (1, 1)
        assert not site.restore(("deal", 1), options=Options(fallback_user=1)).plan.changed()

    def test_dismissed_employees_are_known(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        site.crm.add_user(2, "Boris", ACTIVE=False)
        assert site.restore(("deal", 1)).created

    def test_only_an_administrator_may_import(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        assert self.refused(site, ("deal", 1), user=2) == ["not_administrator"]

    def test_a_portal_without_import(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        site.crm.rules.imports = False
        assert self.refused(site, ("deal", 1)) == ["no_import"]

    def test_a_record_that_is_too_old_where_dates_must_stay(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("contact", 1)
        assert self.refused(site, ("contact", 1), options=Options(old_dates="refuse")) == ["too_old"]

    def test_an_activity_without_its_record(self, site: Site) -> None:
        world(site)
        site.snapshot()
        site.crm.delete("deal", 1)
        assert self.refused(site, ("activity", 1)) == ["owner_gone"]

    def test_a_smart_process_that_is_gone(self, site: Site) -> None:
        number = site.ask("crm.type.add", fields={"title": "Repair", "entityTypeId": 130})["type"]["id"]
        site.crm.add("smart:130", title="Door", createdTime=moment(3))
        site.snapshot()
        site.crm.delete("smart:130", 1)
        done = site.restore(("smart:130", 1))
        assert done.created == {("smart:130", 1): 2}
        site.crm.delete("smart:130", 2)
        site.ask("crm.type.delete", id=number)
        assert self.refused(site, ("smart:130", 1)) == ["kind_gone"]


def test_a_portal_that_does_not_know_a_filter_answers_with_all_records() -> None:
    """Others' records with the same number in their origin id are none of ours."""
    rows = [
        {"id": 5, "originatorId": "shop", "originId": "1"},
        {"id": 6, "originatorId": "boxlift:box.example.com", "originId": "1"},
        {"id": 7, "originatorId": "boxlift:box.example.com", "originId": "2"},
    ]
    rest = mock.Mock(batch=lambda commands: [Answer({"items": rows})])
    rest.name = "box.example.com"
    assert Present(rest).by_origin("deal", [1]) == {1: 6}


class TestEmails:
    def mail(self, site: Site) -> None:
        world(site)
        letter = [{"VALUE": "a@example.com", "ENTITY_TYPE_ID": 2, "ENTITY_ID": 1}]
        site.call(DEAL, 1, "Letter", TYPE_ID=4, DIRECTION=2, COMMUNICATIONS=letter)
        site.crm.mail.clear()
        site.snapshot()
        site.crm.delete("deal", 1)

    def test_are_left_out_and_told(self, site: Site) -> None:
        self.mail(site)
        plan = site.restore(("deal", 1)).plan
        told = [step.remarks for step in plan.steps if step.remarks and step.kind == "activity"]
        assert len(told) == 1 and "not added again" in told[0][0]
        assert not site.restore(("deal", 1)).plan.changed()

    def test_are_added_and_not_sent_where_it_is_wanted(self, site: Site) -> None:
        self.mail(site)
        new = site.restore(("deal", 1), options=Options(emails=True)).created[("deal", 1)]
        letters = [row for row in site.activities(DEAL, new) if row["TYPE_ID"] == "4"]
        assert [(row["SUBJECT"], row["COMPLETED"]) for row in letters] == [("Letter", "Y")]
        assert not site.crm.mail


class TestFiles:
    def test_come_back_from_the_store(self, site: Site) -> None:
        site.files = True
        site.crm.add_field("lead", "UF_CRM_PLAN", "file")
        content = base64.b64encode(b"plan" * 40_000).decode()
        fields = {"title": "With a plan", "UF_CRM_PLAN": ["plan.pdf", content]}
        site.ask("crm.item.add", entityTypeId=LEAD, fields=fields, useOriginalUfNames="Y")
        said = {"ENTITY_TYPE": "lead", "ENTITY_ID": 1, "COMMENT": "See it", "FILES": [["a.txt", "YQ=="]]}
        site.ask("crm.timeline.comment.add", fields=said)
        site.call(LEAD, 1, "Recorded", FILES=[{"fileData": ["r.mp3", "cmVj"]}])
        site.snapshot()
        site.crm.delete("lead", 1)
        done = site.restore(("lead", 1))
        assert not done.plan.steps[0].remarks
        file = site.crm.store.file
        row = site.crm.get("lead", done.created[("lead", 1)]) or {}
        assert file(row["UF_CRM_PLAN"]["id"]) == ("file-1", b"plan" * 40_000)
        others = [file(row["FILES"][0]) for kind in ("comment", "activity") for row in site.crm.rows(kind)]
        assert [each and each[1] for each in others] == [b"a", b"rec"]

    def test_that_are_in_no_store_are_told(self, site: Site) -> None:
        site.crm.add_field("lead", "UF_CRM_PLAN", "file")
        fields = {"title": "With a plan", "UF_CRM_PLAN": ["plan.pdf", "YQ=="]}
        site.ask("crm.item.add", entityTypeId=LEAD, fields=fields, useOriginalUfNames="Y")
        site.snapshot()
        site.crm.delete("lead", 1)
        plan = site.restore(("lead", 1)).plan
        assert "is in no store" in plan.steps[0].remarks[0]
