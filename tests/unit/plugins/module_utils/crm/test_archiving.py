# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed records and old files go into the archive, out of the portal, and come back, against the simulated portal."""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
import subprocess
import sys
import typing as t
from unittest import mock

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import archiving
from ansible_collections.boxlift.portal.plugins.module_utils.crm.archiving import Archived, Archiver, Choice
from ansible_collections.boxlift.portal.plugins.module_utils.crm.past import Key
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.rest.answers import Refused
from lab.rest.faults import Fault
from unit.plugins.module_utils.crm.kept_portal import DyingRest, Killed, Site, moment, until_done
from unit.plugins.module_utils.crm.own_process import ENVIRONMENT

DEAL, CONTACT = 2, 3
ALL = Choice(kinds=("deal", "lead", "activity", "contact", "company"), older_than=100)
RunWith = t.Callable[[Rest], Rest]


class Archive:
    """The archive of a site, worked on as the module does."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.path = archiving.archive_path(site.path)

    def _run(self, work: t.Callable[[Archiver], Archived], wrap: RunWith = lambda rest: rest) -> Archived:
        rest = self.site.rest()
        clock = self.site.clock
        try:
            with Store(self.path, clock=lambda: clock[0]) as store:
                archiver = Archiver(wrap(rest), store, lambda: Store(self.path, create=False), clock=lambda: clock[0])
                return work(archiver)
        finally:
            rest.close()

    def choose(self, choice: Choice = ALL) -> Archived:
        return self._run(lambda archiver: archiver.choose(choice))

    def store(self, choice: Choice = ALL, **more: t.Any) -> Archived:
        return self._run(lambda archiver: archiver.store(choice), **more)

    def remove(self, plan: str, check: bool = False, **more: t.Any) -> Archived:
        return self._run(lambda archiver: archiver.remove(plan, check), **more)


@pytest.fixture
def archive(site: Site) -> Archive:
    return Archive(site)


def old(site: Site, kind: str, days: float = 400, **fields: t.Any) -> int:
    """A record to which nothing has happened for so many days."""
    times = dict.fromkeys(("createdTime", "updatedTime", "lastActivityTime"), moment(days))
    if kind in ("lead", "deal"):
        times["movedTime"] = moment(days)
    return site.crm.add(kind, {**times, **fields})


def aged(site: Site, kind: str, days: float = 400) -> None:
    """As if everything of a kind had been done so long ago."""
    of_activities = ("CREATED", "LAST_UPDATED", "START_TIME", "END_TIME", "DEADLINE")
    names = of_activities if kind == "activity" else ("updatedTime", "lastActivityTime", "movedTime")
    for row in site.crm.rows(kind):
        number = row.get("id") or row["ID"]
        site.crm.store.replace(kind, number, {**row, **{name: moment(days) for name in names if name in row}})
        site.crm.tell(kind, [number])


def world(site: Site) -> None:
    """Closed and open records; who is left alone, and who is not."""
    old(site, "company", title="Brick")  # 1, of contact 1 alone
    old(site, "contact", name="Anna", companyId=1, companyIds=[1])  # 1, of deal 1 alone
    old(site, "contact", name="Shared")  # 2, of deals 1 and 3
    old(site, "lead", title="Converted", stageId="CONVERTED")  # 1, became deal 1
    old(site, "lead", title="Junk", stageId="JUNK")  # 2
    old(site, "lead", title="In work", stageId="IN_PROCESS")  # 3
    old(site, "lead", title="Became an open deal", stageId="CONVERTED")  # 4
    old(site, "deal", title="Won", stageId="WON", contactId=1, contactIds=[1, 2], companyId=1, leadId=1)  # 1
    old(site, "deal", title="Young", stageId="LOSE", days=10)  # 2
    old(site, "deal", title="Open", stageId="NEW", contactId=2, contactIds=[2], leadId=4)  # 3
    old(site, "deal", title="Lost, but with a task", stageId="LOSE")  # 4
    site.product_rows(1, {"productName": "Desk", "price": 5, "quantity": 1})
    site.call(DEAL, 1, "Offer")
    site.call(DEAL, 3, "Of an open deal")
    site.call(DEAL, 4, "To do", COMPLETED="N")
    site.comment("deal", 1, "Blue ones")
    for kind in ("activity", "deal", "contact", "company", "lead"):
        aged(site, kind)
    young = site.crm.get("deal", 2) or {}
    site.crm.store.replace("deal", 2, {**young, "updatedTime": moment(10)})
    site.crm.tell("deal", [2])


GOING = {("deal", 1), ("lead", 1), ("lead", 2), ("contact", 1), ("company", 1), ("activity", 2)}


def keys(found: Archived) -> set[Key]:
    return {record.key for record in found.records}


def left(found: Archived) -> dict[Key, str]:
    return {(each["kind"], each["id"]): each["code"] for each in found.left}


def there(site: Site) -> dict[str, int]:
    kinds = ("deal", "lead", "contact", "company", "activity", "comment", "productrow")
    return {kind: site.crm.count(kind) for kind in kinds}


class TestChoosing:
    def test_what_is_closed_old_and_needed_by_nobody(self, site: Site, archive: Archive) -> None:
        world(site)
        found = archive.choose()
        assert keys(found) == GOING
        assert left(found) == {("deal", 4): "in_use", ("lead", 4): "in_use", ("contact", 2): "in_use"}
        reasons = {(each["kind"], each["id"]): each["reason"] for each in found.left}
        assert reasons[("lead", 4)] == "it is needed by deal 3"
        assert reasons[("deal", 4)] == "it has the open activity 3"

    def test_contacts_stay_unless_they_are_asked_for(self, site: Site, archive: Archive) -> None:
        world(site)
        found = archive.choose(Choice(older_than=100))
        assert keys(found) == {("deal", 1), ("lead", 1), ("lead", 2), ("activity", 2)}

    def test_what_a_deal_keeps_that_stays_itself(self, site: Site, archive: Archive) -> None:
        """The deal stays because of its task, and with it its contact, and with that one its company."""
        world(site)
        site.call(DEAL, 1, "To do", COMPLETED="N")
        site.crm.touch("deal", 1, lastActivityTime=moment(400))
        found = archive.choose()
        assert keys(found) == {("lead", 2), ("activity", 2)}
        assert set(left(found)) >= {("deal", 1), ("lead", 1), ("contact", 1), ("company", 1)}

    def test_something_happened_lately(self, site: Site, archive: Archive) -> None:
        world(site)
        site.crm.touch("deal", 1, lastActivityTime=moment(3))
        assert ("deal", 1) not in keys(archive.choose())

    def test_a_bound(self, site: Site, archive: Archive) -> None:
        world(site)
        for limit, expected in ((1, {("deal", 1)}), (2, {("deal", 1), ("lead", 1)})):
            assert (
                keys(archive.choose(Choice(kinds=("lead", "contact", "deal"), older_than=100, limit=limit))) == expected
            )

    def test_a_bound_takes_nothing_that_stays_for_what_it_leaves_out(self, site: Site, archive: Archive) -> None:
        world(site)
        old(site, "deal", title="Lost", stageId="LOSE", contactId=1, contactIds=[1])
        found = archive.choose(Choice(kinds=("contact", "deal"), older_than=100, limit=2))
        assert keys(found) == {("deal", 1), ("deal", 5)}

    def test_records_of_smart_processes_keep_their_deal(self, site: Site, archive: Archive) -> None:
        world(site)
        site.ask("crm.type.add", fields={"title": "Repair", "entityTypeId": 130, "isClientEnabled": "Y"})
        old(site, "smart:130", title="Door", contactId=1, contactIds=[1])
        found = archive.choose()
        assert ("contact", 1) not in keys(found) and left(found)[("contact", 1)] == "in_use"


class TestStoring:
    def test_everything_is_in_the_archive_and_nothing_is_removed(self, site: Site, archive: Archive) -> None:
        world(site)
        before = there(site)
        found = archive.store()
        assert there(site) == before and len(found.plan) == 64 and found.stored == 9
        assert os.stat(archive.path).st_mode & 0o777 == 0o600
        deal = next(record for record in found.records if record.key == ("deal", 1))
        assert [kind for kind, _number, _hash in deal.children] == ["activity", "comment", "productrow"]
        with Store(archive.path) as store:
            assert (store.record("deal", 1) or {})["title"] == "Won"

    def test_the_same_portal_gives_the_same_plan(self, site: Site, archive: Archive) -> None:
        world(site)
        first = archive.store()
        again = archive.store()
        assert (again.plan, again.stored) == (first.plan, 0)
        site.crm.touch("lead", 2, title="Junk, really")
        other = archive.store()
        assert other.plan != first.plan and other.stored == 1

    def test_files_come_with_their_sums(self, site: Site, archive: Archive) -> None:
        site.crm.add_field("lead", "UF_CRM_PLAN", "file")
        fields = {"title": "Junk", "UF_CRM_PLAN": ["plan.pdf", base64.b64encode(b"plan").decode()]}
        site.ask("crm.item.add", entityTypeId=1, fields=fields, useOriginalUfNames="Y")
        site.crm.update("lead", 1, stageId="JUNK")
        site.call(1, 1, "Recorded", FILES=[{"fileData": ["r.mp3", "cmVj"]}])
        aged(site, "lead")
        aged(site, "activity")
        found = archive.store(Choice(older_than=100))
        assert sorted(size for _key, _sum, size in found.records[0].files) == [3, 4]
        assert found.file_bytes() == 7

    def test_a_file_that_cannot_be_had_keeps_its_record(self, site: Site, archive: Archive) -> None:
        site.crm.add_field("lead", "UF_CRM_PLAN", "file")
        site.ask("crm.item.add", entityTypeId=1, fields={"UF_CRM_PLAN": ["plan.pdf", "YQ=="]}, useOriginalUfNames="Y")
        site.crm.update("lead", 1, stageId="JUNK")
        aged(site, "lead")
        with mock.patch.object(site.server.store, "file", lambda number: None):
            found = archive.store(Choice(older_than=100))
        assert left(found) == {("lead", 1): "file_unread"} and not found.records and not found.plan

    def test_nothing_to_do_makes_no_plan(self, site: Site, archive: Archive) -> None:
        found = archive.store()
        assert (found.plan, found.records, found.stored) == ("", [], 0)


class TestRemoving:
    def test_what_was_planned_goes_and_nothing_else(self, site: Site, archive: Archive) -> None:
        world(site)
        plan = archive.store().plan
        before = there(site)
        dry = archive.remove(plan, check=True)
        assert set(dry.removed) == GOING and there(site) == before
        done = archive.remove(plan)
        assert set(done.removed) == GOING and not done.left
        assert there(site) == {
            "deal": 3,
            "lead": 2,
            "contact": 1,
            "company": 0,
            "activity": 1,
            "comment": 0,
            "productrow": 0,
        }
        again = archive.remove(plan)
        assert not again.removed and set(again.gone) == GOING

    @pytest.mark.parametrize("plan", ["", "0" * 64])
    def test_only_a_plan_that_was_made_is_carried_out(self, site: Site, archive: Archive, plan: str) -> None:
        world(site)
        archive.store()
        before = there(site)
        with pytest.raises(BoxliftError, match="has no plan") as stop:
            archive.remove(plan)
        assert stop.value.remedy and there(site) == before

    def test_what_is_there_again_goes_again(self, site: Site, archive: Archive) -> None:
        """The portal was put back to before the removal."""
        old(site, "lead", title="Junk", stageId="JUNK")
        row = site.crm.get("lead", 1) or {}
        archive.remove(archive.store().plan)
        site.crm.add("lead", row)
        done = archive.remove(archive.store().plan)
        assert done.removed == [("lead", 1)] and not done.gone and site.crm.get("lead", 1) is None

    def test_only_the_last_plan_counts(self, site: Site, archive: Archive) -> None:
        world(site)
        first = archive.store().plan
        archive.store(Choice(older_than=100))
        with pytest.raises(BoxliftError, match="has no plan"):
            archive.remove(first)

    def test_a_plan_that_was_altered(self, site: Site, archive: Archive) -> None:
        world(site)
        plan = archive.store().plan
        with Store(archive.path) as store:
            noted = store.note("plan")
            noted["records"].append(["deal", 3, "00", [], []])
            store.set_note("plan", noted)
        with pytest.raises(BoxliftError, match="was altered"):
            archive.remove(plan)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda site: site.crm.update("deal", 1, title="Again"), "it has changed since it was stored"),
            (lambda site: site.comment("deal", 1, "New"), "it has a new comment (2) since it was stored"),
            (lambda site: site.call(DEAL, 1, "New"), "it has a new activity (4) since it was stored"),
            (lambda site: site.crm.delete("comment", 1), "its comment 1 is gone since it was stored"),
            (
                lambda site: site.ask("crm.activity.update", id=1, fields={"SUBJECT": "Other"}),
                "its activity 1 has changed since it was stored",
            ),
        ],
    )
    def test_what_has_changed_stays_with_all_that_it_needs(
        self, site: Site, archive: Archive, change: t.Callable[[Site], t.Any], reason: str
    ) -> None:
        world(site)
        plan = archive.store().plan
        change(site)
        done = archive.remove(plan)
        reasons = {(each["kind"], each["id"]): each["reason"] for each in done.left}
        assert reasons[("deal", 1)] == reason
        assert set(done.removed) == {("lead", 2), ("activity", 2)}
        assert set(reasons) == {("deal", 1), ("lead", 1), ("contact", 1), ("company", 1)}
        assert site.crm.get("contact", 1) and site.crm.get("company", 1)

    def test_who_is_needed_meanwhile_stays(self, site: Site, archive: Archive) -> None:
        world(site)
        plan = archive.store().plan
        site.crm.add("deal", title="New one", contactId=1, contactIds=[1])
        done = archive.remove(plan)
        assert left(done) == {("contact", 1): "in_use", ("company", 1): "in_use"}

    def test_what_is_not_in_the_archive_is_not_removed(self, site: Site, archive: Archive) -> None:
        world(site)
        plan = archive.store().plan
        before = there(site)
        with sqlite3.connect(archive.path) as database:
            database.execute("DELETE FROM version WHERE id = 1 AND hash = (SELECT hash FROM version WHERE id = 2)")
            database.execute("DELETE FROM version WHERE kind = (SELECT number FROM kind WHERE name = 'comment')")
        with pytest.raises(BoxliftError, match="does not hold the planned version of comment 1"):
            archive.remove(plan)
        assert there(site)["deal"] == before["deal"] and site.crm.get("deal", 1)

    def test_a_file_that_rots_in_the_archive(self, site: Site, archive: Archive) -> None:
        site.crm.add("lead", title="Junk", stageId="JUNK")
        site.call(1, 1, "Recorded", FILES=[{"fileData": ["r.mp3", "cmVj"]}])
        aged(site, "lead")
        aged(site, "activity")
        found = archive.store(Choice(older_than=100))
        ((_key, sha256, _size),) = found.records[0].files
        with open(f"{archive.path}.files/{sha256[:2]}/{sha256}", "wb") as file:
            file.write(b"rot")
        with pytest.raises(BoxliftError, match="cannot be read"):
            archive.remove(found.plan)
        assert site.crm.count("lead") == 1

    def test_what_the_portal_refuses_to_delete_is_told(self, site: Site, archive: Archive) -> None:
        world(site)
        plan = archive.store().plan
        methods = site.server.service.methods()

        def no(asked: t.Any) -> t.Any:
            raise Refused("Access denied", "NO_RIGHT", 400)

        with mock.patch.dict(methods, {"crm.item.delete": no}):
            done = archive.remove(plan)
        assert left(done) == {
            ("deal", 1): "refused",
            ("lead", 1): "in_use",
            ("lead", 2): "refused",
            ("contact", 1): "in_use",
            ("company", 1): "in_use",
        }
        assert set(done.removed) == {("activity", 2)}
        assert set(archive.remove(plan).removed) == GOING - {("activity", 2)}

    @pytest.mark.parametrize("kind", ["lose_answer", "error_after", "gateway_timeout", "half_batch", "drop", "html"])
    def test_answers_that_are_lost(self, site: Site, archive: Archive, kind: str) -> None:
        world(site)
        plan = archive.store().plan
        site.server.faults.set([Fault(kind, "crm.item.delete", times=2), Fault(kind, "crm.activity.delete")])
        assert set(archive.remove(plan).removed) == GOING
        assert there(site)["deal"] == 3


class TestKilled:
    def test_after_every_deletion(self, site: Site, archive: Archive) -> None:
        world(site)
        plan = archive.store().plan
        assert until_done(lambda dying: archive.remove(plan, wrap=dying)) == 5
        assert set(archive.remove(plan).gone) == GOING
        assert there(site)["deal"] == 3

    def test_what_a_killed_run_has_deleted_is_known_as_removed(self, site: Site, archive: Archive) -> None:
        world(site)
        plan = archive.store().plan
        with pytest.raises(Killed):
            archive.remove(plan, wrap=lambda rest: t.cast(Rest, DyingRest(rest)))
        assert site.crm.get("activity", 2) is None
        site.crm.delete("lead", 2)
        done = archive.remove(plan)
        assert set(done.removed) == GOING - {("lead", 2)} and done.gone == [("lead", 2)]

    def test_at_every_write_into_the_archive(self, site: Site, archive: Archive) -> None:
        """Whatever was put last, no plan exists before all is proven; the next run makes the same one."""
        world(site)
        other = Archive(site)
        other.path = f"{archive.path}.other"
        expected = other.store().plan
        put, left_to_put = Store.put, [0]

        def deadly(store: Store, *given: t.Any) -> str:
            result = put(store, *given)
            left_to_put[0] -= 1
            if not left_to_put[0]:
                raise Killed
            return result

        for last in range(1, 10):
            left_to_put[0] = last
            with mock.patch.object(Store, "put", deadly), pytest.raises(Killed):
                archive.store()
            with Store(archive.path) as store:
                assert store.note("plan") is None and not store.snapshots()
            with pytest.raises(BoxliftError, match="has no plan"):
                archive.remove(expected)
        assert archive.store().plan == expected

    @pytest.mark.parametrize("method", ["crm.item.delete", "crm.activity.delete", "crm.timeline.comment.list"])
    def test_a_process_that_is_killed(self, site: Site, archive: Archive, method: str) -> None:
        """The portal itself kills it, at the moment that the method is carried out."""
        world(site)
        plan = archive.store().plan
        assert killed(site, archive, plan, method) == -signal.SIGKILL
        done = archive.remove(plan)
        assert set(done.removed) | set(done.gone) == GOING and not done.left
        assert there(site)["deal"] == 3 and there(site)["contact"] == 1


PROGRAM = """
import sys
from ansible_collections.boxlift.portal.plugins.module_utils.crm.archiving import Archiver
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
webhook, authority, path, plan = sys.argv[1:]
Archiver(Rest(webhook, ca_file=authority), Store(path), lambda: Store(path)).remove(plan)
"""


def killed(site: Site, archive: Archive, plan: str, method: str) -> int:
    """Status of a process that removes, killed as soon as the portal has carried this method out."""
    service = site.server.service
    call = service.call
    running: list[subprocess.Popen[bytes]] = []

    def deadly(name: str, asked: t.Any) -> t.Any:
        answer = call(name, asked)
        if name.lower() == method:
            running[0].kill()
        return answer

    with mock.patch.object(service, "call", deadly):
        command = [sys.executable, "-c", PROGRAM, site.server.webhook(1), site.authority, archive.path, plan]
        running.append(subprocess.Popen(command, env=ENVIRONMENT))
        return running[0].wait(timeout=60)


class TestComingBack:
    def test_everything_comes_back_from_the_archive(self, site: Site, archive: Archive) -> None:
        world(site)
        site.snapshot()
        before = there(site)
        plan = archive.store().plan
        archive.remove(plan)
        site.snapshot()
        wanted = sorted(GOING)
        done = site.restore(*wanted, archive=archive.path)
        assert there(site) == before
        deal = done.created[("deal", 1)]
        row = site.items(DEAL, deal)[deal]
        assert row["contactIds"] == [done.created[("contact", 1)], 2] and row["leadId"] == done.created[("lead", 1)]
        assert not site.restore(*wanted, archive=archive.path).plan.changed()

    def test_what_was_archived_is_not_lost(self, site: Site, archive: Archive) -> None:
        world(site)
        snapshot = site.snapshot()
        plan = archive.store().plan
        archive.remove(plan)
        site.crm.delete("lead", 3)
        names = ["company", "contact", "lead", "deal"]
        done = site.restore(names=names, snapshot=snapshot, archive=archive.path)
        assert set(done.created) == {("lead", 3)}

    def test_an_archived_record_is_found_without_the_store_of_the_nights(self, site: Site, archive: Archive) -> None:
        world(site)
        Store(site.path).close()
        archive.remove(archive.store().plan)
        assert site.restore(("lead", 2), archive=archive.path).created


class TestDrive:
    CHOICE = Choice(kinds=("drivefile",), files_older_than=100)

    @pytest.fixture(autouse=True)
    def fill(self, site: Site) -> None:
        site.crm.rules.scopes += ("disk",)
        drive = site.server.drive
        self.storage = drive.add_storage("Company")
        self.folder = drive.add_folder(self.storage, "Plans")
        times: dict[str, t.Any] = {"CREATE_TIME": moment(400), "UPDATE_TIME": moment(300)}
        self.old = drive.add_file(self.storage, "old.txt", b"old content", self.folder, **times)
        drive.add_file(self.storage, "new.txt", b"new", self.folder)
        other = drive.add_storage("Anna")
        drive.add_file(other, "private.txt", b"private", **times)

    def test_old_files_go_into_the_bin_and_come_out_of_it(self, site: Site, archive: Archive) -> None:
        found = archive.store(Choice(kinds=("drivefile",), files_older_than=100, storages=[self.storage]))
        assert keys(found) == {("drivefile", self.old)} and found.file_bytes() == 11
        assert archive.remove(found.plan).removed == [("drivefile", self.old)]
        assert site.server.drive.names() == ["new.txt", "private.txt"]
        Store(site.path).close()
        (step,) = site.restore(("drivefile", self.old), archive=archive.path).plan.steps
        assert step.action == "update" and "recycle bin" in step.remarks[0]
        assert "old.txt" in site.server.drive.names()
        assert not site.restore(("drivefile", self.old), archive=archive.path).plan.changed()

    def emptied(self, site: Site, archive: Archive) -> Key:
        archive.remove(archive.store(self.CHOICE).plan)
        site.server.drive.empty_bin()
        Store(site.path).close()
        return ("drivefile", self.old)

    def test_an_emptied_bin_means_an_upload(self, site: Site, archive: Archive) -> None:
        key = self.emptied(site, archive)
        new = site.restore(key, archive=archive.path).created[key]
        row = site.ask("disk.file.get", id=new)
        assert (row["NAME"], row["SIZE"], row["PARENT_ID"]) == ("old.txt", "11", str(self.folder))
        assert not site.restore(key, archive=archive.path).plan.changed()

    @pytest.mark.parametrize("kind", ["lose_answer", "error_after", "drop"])
    def test_a_lost_answer_uploads_nothing_twice(self, site: Site, archive: Archive, kind: str) -> None:
        key = self.emptied(site, archive)
        site.server.faults.set([Fault(kind, "disk.folder.uploadfile")])
        site.restore(key, archive=archive.path)
        assert site.server.drive.names() == ["new.txt", "old.txt"]

    def test_nor_does_a_killed_run(self, site: Site, archive: Archive) -> None:
        key = self.emptied(site, archive)
        assert until_done(lambda dying: site.restore(key, archive=archive.path, wrap=dying)) == 1
        assert site.server.drive.names() == ["new.txt", "old.txt"]

    def test_a_name_that_is_used_since(self, site: Site, archive: Archive) -> None:
        key = self.emptied(site, archive)
        site.server.drive.add_file(self.storage, "old.txt", b"other", self.folder)
        site.restore(key, archive=archive.path)
        assert site.server.drive.names() == ["new.txt", "old (1).txt", "old.txt"]

    def test_a_folder_that_is_gone_is_refused(self, site: Site, archive: Archive) -> None:
        key = self.emptied(site, archive)
        site.crm.store.remove("driveobject", [self.folder])
        with pytest.raises(BoxliftError, match=r"The folder \d+, where old\.txt"):
            site.restore(key, archive=archive.path)

    def test_a_file_that_has_changed_stays(self, site: Site, archive: Archive) -> None:
        found = archive.store(self.CHOICE)
        site.server.drive.change(self.old, UPDATE_TIME=moment(0), GLOBAL_CONTENT_VERSION=2)
        done = archive.remove(found.plan)
        assert left(done) == {("drivefile", self.old): "changed"} and len(done.removed) == 1

    def test_without_the_scope(self, site: Site, archive: Archive) -> None:
        site.crm.rules.scopes = ("crm", "user")
        with pytest.raises(BoxliftError, match="higher privileges"):
            archive.store(self.CHOICE)


def test_age_is_that_of_the_last_thing_that_happened() -> None:
    row = {"a": moment(200), "b": moment(50), "c": None}
    assert archiving.is_old(row, ("a", "c"), moment(100))
    assert not archiving.is_old(row, ("a", "b"), moment(100))
    assert not archiving.is_old(row, ("c",), moment(100))
    assert not archiving.is_old({"a": "yesterday"}, ("a",), moment(100))
