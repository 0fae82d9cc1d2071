# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import itertools
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Denied, RestError, Unanswered
from ansible_collections.boxlift.portal.plugins.module_utils.crm.kinds import DEFAULT, kept
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import PassResult, odd, refresh
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import KindCount, Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from unit.plugins.module_utils.crm.toy_crm import ToyCrm

RECORDS = ("user", "company", "contact", "lead", "deal", "smart:128", "productrow", "activity", "call", "comment")


@pytest.fixture
def crm() -> ToyCrm:
    toy = ToyCrm()
    toy.types = [{"id": 7, "entityTypeId": 128, "title": "Objects"}]
    toy.add("status", 1, ENTITY_ID="STATUS", STATUS_ID="NEW", NAME="New")
    toy.add("user", 1, EMAIL="anna@example.com")
    for number in range(1, 121):
        toy.add("contact", number)
    for number in range(1, 301):
        toy.add("lead", number)
    for number in range(10, 130, 2):
        toy.add("deal", number, contactIds=[number // 2])
        toy.add("productrow", number, ownerType="D", ownerId=number, productName="Tiles", price=10)
    for number in range(1, 80):
        toy.add("comment", number, ENTITY_TYPE="lead", ENTITY_ID=5 if number > 10 else number, COMMENT="Called")
        toy.add("activity", number, OWNER_TYPE_ID="1", OWNER_ID=str(number))
        toy.add("call", number, CALL_START_DATE=toy.time(), PHONE_NUMBER="+7900", CALL_RECORD_URL="https://x/1?auth=1")
    toy.add("smart:128", 1)
    toy.later(3600)
    return toy


@pytest.fixture
def store(tmp_path: Path) -> t.Iterator[Store]:
    with Store(str(tmp_path / "cloud.sqlite")) as opened:
        yield opened


def held(store: Store, at: int | None = None) -> dict[str, dict[int, t.Any]]:
    return {name: dict(store.records(name, at)) for name in RECORDS if store.count(name, at)}


def live(crm: ToyCrm) -> dict[str, dict[int, t.Any]]:
    return {name: {n: kept(row) for n, row in crm.tables[name].items()} for name in RECORDS if crm.tables.get(name)}


def test_full_then_incremental(crm: ToyCrm, store: Store) -> None:
    first = refresh(crm, store)
    assert first.full and not first.unread and not first.warnings
    assert held(store) == live(crm)
    assert first.kinds["lead"] == KindCount(300, 300, 0, 0, first.kinds["lead"].bytes)
    assert store.kind_names()[:5] == ["type", "status", "category", "field", "user"]
    assert store.record("category", 2_000_000) == {"id": 0, "name": "Common", "entityTypeId": 2}
    crm.later(86400)
    crm.change("lead", 7, title="Kitchen")
    crm.change("deal", 20, opportunity=5)
    crm.tables["productrow"][20]["price"] = 5
    crm.add("lead", 301)
    crm.add("comment", 200, ENTITY_TYPE="lead", ENTITY_ID=301, COMMENT="New")
    crm.change("activity", 3, SUBJECT="Called")
    crm.delete("contact", 77)
    crm.delete("lead", 200)
    crm.tables["user"][2] = {"ID": 2, "EMAIL": "boris@example.com"}
    second = refresh(crm, store)
    assert not second.full
    assert held(store) == live(crm)
    changes = {name: (each.added, each.changed, each.deleted) for name, each in second.kinds.items()}
    assert {name: each for name, each in changes.items() if any(each)} == {
        "lead": (1, 1, 1),
        "deal": (0, 1, 0),
        "contact": (0, 0, 1),
        "productrow": (0, 1, 0),
        "comment": (1, 0, 0),
        "activity": (0, 1, 0),
        "user": (1, 0, 0),
    }
    assert held(store, 1)["lead"][7]["title"] == "lead 7"


def test_what_belonged_to_a_deleted_record_goes_with_it(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store)
    crm.delete("deal", 20)
    crm.delete("productrow", 20)
    crm.delete("lead", 5)
    crm.tables["comment"] = {n: row for n, row in crm.tables["comment"].items() if row["ENTITY_ID"] != 5}
    refresh(crm, store)
    assert held(store) == live(crm)


def test_all_of_a_kind_is_gone(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store)
    crm.tables["lead"], crm.tables["comment"], crm.types = {}, {}, []
    del crm.tables["smart:128"]
    result = refresh(crm, store)
    assert held(store) == live(crm)
    assert result.kinds["lead"].deleted == 300


def test_records_that_appear_again(crm: ToyCrm, store: Store) -> None:
    """A right that was missing: records with old ids and old times, and what belongs to them."""
    crm.add("comment", 301, ENTITY_TYPE="lead", ENTITY_ID=150, COMMENT="Old")
    hidden = {number: crm.tables["lead"].pop(number) for number in range(20, 200)}
    refresh(crm, store)
    crm.tables["lead"].update(hidden)
    crm.delete("lead", 250)
    refresh(crm, store)
    assert held(store) == live(crm)
    # Between two that are near each other.
    hidden = {number: crm.tables["lead"].pop(number) for number in range(20, 23)}
    refresh(crm, store)
    crm.tables["lead"].update(hidden)
    refresh(crm, store)
    assert held(store) == live(crm)


def test_a_walk_that_ends_early_loses_nothing(crm: ToyCrm, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal that answers a page too little, for whatever reason: its own count does not agree."""
    whole, calls = crm.rows, []

    def cut(method: str, params: t.Mapping[str, t.Any], **limits: t.Any) -> t.Iterator[t.Any]:
        calls.append(method)
        rows = whole(method, params, **limits)
        return itertools.islice(rows, 40) if method == "crm.item.list" and params["entityTypeId"] == 1 else rows

    monkeypatch.setattr(crm, "rows", cut)
    refresh(crm, store)
    assert held(store) == live(crm)


def test_people_work_while_it_reads(crm: ToyCrm, store: Store) -> None:
    """What changes behind the reading is read again; what is deleted is looked for last."""
    seen: list[str] = []

    def work(method: str, params: t.Mapping[str, t.Any]) -> None:
        if method == "crm.activity.list" and not seen:
            seen.append(method)
            crm.change("lead", 3, title="Changed behind the reading")
            crm.add("lead", 302)
            crm.add("comment", 300, ENTITY_TYPE="lead", ENTITY_ID=302, COMMENT="Too")
            crm.delete("lead", *range(100, 150))
            crm.add("contact", 500)

    crm.before = work
    refresh(crm, store)
    assert seen and held(store) == live(crm)


def test_requests_of_an_incremental_pass(crm: ToyCrm, store: Store) -> None:
    full = refresh(crm, store)
    crm.later(86400)
    for number in (3, 150, 290):
        crm.change("lead", number, title="x")
    before = crm.requests
    refresh(crm, store)
    assert crm.requests - before < full.requests


def test_the_first_pass_is_full_and_so_is_the_first_of_a_kind(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store, ["lead"])
    assert store.kind_names() == ["lead"]
    result = refresh(crm, store, ["lead", "contact", "comment"])
    assert not result.full and store.count("contact") == 120 and store.count("comment") == 79


def test_a_kind_that_may_not_be_read(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store)
    crm.refuse["voximplant.statistic.get"] = Denied("The scope telephony is missing.", "Add it.")
    result = refresh(crm, store, full=True)
    assert result.unread == {"call": "The scope telephony is missing."}
    assert store.count("call") == 79
    crm.refuse = {"crm.item.list": RestError("Access denied.")}
    with pytest.raises(RestError):
        refresh(crm, store)
    assert len(store.snapshots()) == 2


def test_smart_processes_that_may_not_be_listed_any_more(crm: ToyCrm, store: Store) -> None:
    """Nothing of them is gone: it only cannot be seen."""
    refresh(crm, store)
    crm.refuse["crm.type.list"] = Denied("Access denied.", "Make the account an administrator.")
    for full in (False, True):
        result = refresh(crm, store, full=full)
        assert set(result.unread) == {"smart", "type"}
        assert not any(each.deleted for each in result.kinds.values())
        assert store.count("type") == 1 and store.record("field", 128) and store.record("category", 128_000_000)
    crm.refuse = {}
    refresh(crm, store)
    assert held(store) == live(crm) and not any(each.deleted for each in store.snapshots()[-1].kinds.values())
    crm.types = []
    refresh(crm, store)
    assert not store.count("type") and not store.record("field", 128) and not store.record("category", 128_000_000)


def test_an_account_that_sees_nothing_any_more(crm: ToyCrm, store: Store) -> None:
    """A portal leaves out what the account may not see, and says no word of it."""
    refresh(crm, store)
    hidden, crm.tables["lead"] = crm.tables["lead"], {}
    crm.admin = False
    crm.delete("deal", 20)
    for full in (False, True):
        result = refresh(crm, store, full=full)
        assert list(result.unread) == ["lead"] and "no administrator" in result.unread["lead"]
        assert store.count("lead") == 300 and store.count("comment") == 79 and store.count("deal") == 59
    crm.tables["lead"], crm.admin = hidden, True
    crm.later(3600)
    crm.change("lead", 7, title="Changed")
    assert not refresh(crm, store).unread
    assert held(store)["lead"] == live(crm)["lead"] and held(store)["comment"] == live(crm)["comment"]
    crm.refuse["user.admin"] = RestError("There is no such method.")
    crm.tables["lead"] = {}
    assert refresh(crm, store).kinds["lead"].deleted == 300


def test_fewer_kinds_take_no_fields_and_pipelines_of_the_others_away(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store)
    refresh(crm, store, ["field", "category", "lead"])
    assert store.record("field", 2) and store.record("category", 2_000_000)


def test_comments_on_records_that_did_not_change_otherwise(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store)
    crm.later(86400)
    crm.add("comment", 300, ENTITY_TYPE="lead", ENTITY_ID=250, COMMENT="Called back")
    crm.tables["lead"][250]["lastActivityTime"] = crm.time()
    result = refresh(crm, store)
    assert store.record("comment", 300) and not result.warnings
    assert (result.kinds["comment"].added, result.kinds["lead"].changed) == (1, 0)


def test_it_says_where_its_number_is_not_that_of_the_portal(
    crm: ToyCrm, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that the portal counts but never gives."""
    whole = crm.rows

    def without(method: str, params: t.Mapping[str, t.Any], **limits: t.Any) -> t.Iterator[t.Any]:
        rows = whole(method, params, **limits)
        return (row for row in rows if params.get("entityTypeId") != 3 or row["id"] != 60)

    monkeypatch.setattr(crm, "rows", without)
    assert refresh(crm, store).warnings == [
        "The portal counts 120 contact records, and 119 were read. The next snapshot looks again."
    ]


def test_more_changes_than_one_answer_holds(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store)
    crm.later(86400)
    for number in range(2, 250, 2):
        crm.change("lead", number, title="Changed")
    for number in range(400, 570):
        crm.add("lead", number)
    for number in range(1, 72):
        crm.change("activity", number, SUBJECT="Changed")
    for number in range(100, 260):
        crm.tables["lead"][number]["lastActivityTime"] = crm.time()
        crm.add("comment", 1000 + number, ENTITY_TYPE="lead", ENTITY_ID=number, COMMENT="New")
    result = refresh(crm, store)
    assert (result.kinds["lead"].changed, result.kinds["lead"].added, result.kinds["activity"].changed) == (
        124,
        170,
        71,
    )
    assert held(store)["comment"] == live(crm)["comment"]


def test_a_pass_without_comments_between_two_with_them(crm: ToyCrm, store: Store) -> None:
    refresh(crm, store)
    crm.later(86400)
    crm.change("lead", 7)
    crm.add("comment", 300, ENTITY_TYPE="lead", ENTITY_ID=7, COMMENT="On one that changed")
    # Imported: new, and with times of the past.
    old = crm.tables["lead"][1]["updatedTime"]
    crm.add("lead", 400, updatedTime=old, createdTime=old, lastActivityTime=old)
    crm.add("comment", 301, ENTITY_TYPE="lead", ENTITY_ID=400, COMMENT="On one that was imported")
    crm.add("comment", 302, ENTITY_TYPE="lead", ENTITY_ID=250, COMMENT="On one that did not change")
    crm.tables["lead"][250]["lastActivityTime"] = crm.time()
    refresh(crm, store, ["lead"])
    crm.later(86400)
    assert store.record("lead", 400) and not store.record("comment", 300)
    result = refresh(crm, store)
    assert held(store)["comment"] == live(crm)["comment"] and result.kinds["comment"].added == 3
    crm.later(86400)
    # Once read, they are not read again.
    before = crm.commands
    refresh(crm, store)
    assert crm.commands - before < 40


def test_a_killed_pass_that_others_go_on_with(crm: ToyCrm, store: Store) -> None:
    """With fewer kinds than the one that was killed: what it had of the others is not finished."""
    refresh(crm, store, ["lead"])
    crm.later(86400)
    seen: list[str] = []

    def kill(method: str, _params: t.Mapping[str, t.Any]) -> None:
        seen.append(method)
        if seen.count("crm.timeline.comment.list") == 120:
            raise Killed

    crm.before = kill
    with pytest.raises(Killed):
        refresh(crm, store, ["lead", "comment"])
    crm.before = None
    refresh(crm, store, ["lead"])
    refresh(crm, store, ["lead", "comment"])
    assert held(store)["comment"] == live(crm)["comment"]


class TestPortalThatDidNotGoOn:
    """Its numbers are used again, and what differs carries dates of the past."""

    @staticmethod
    def read_after_a_day(crm: ToyCrm, store: Store) -> PassResult:
        refresh(crm, store)
        before = copy.deepcopy(crm.tables)
        crm.later(86400)
        for number in (3, 40, 250):
            crm.change("lead", number, title="Changed")
        crm.add("lead", 301, title="Of the day")
        crm.change("deal", 20, opportunity=5)
        refresh(crm, store)
        crm.later(43200)
        crm.tables = before
        crm.add("lead", 301, title="After the portal was put back")
        return refresh(crm, store)

    def test_it_was_put_back(self, crm: ToyCrm, store: Store) -> None:
        result = self.read_after_a_day(crm, store)
        assert held(store) == live(crm)
        assert result.full and len(result.warnings) == 1 and "all of it was read" in result.warnings[0]
        # From here on it goes on.
        crm.later(3600)
        crm.change("lead", 5, title="Changed")
        result = refresh(crm, store)
        assert not result.full and not result.warnings and held(store) == live(crm)

    def test_another_restore_took_its_place(self, crm: ToyCrm, store: Store) -> None:
        refresh(crm, store)
        for row in crm.tables["contact"].values():
            row["title"], row["createdTime"] = "Another one", "2020-01-01T00:00:00+03:00"
        crm.later(86400)
        assert refresh(crm, store).full and held(store) == live(crm)

    def test_its_time_zone_was_changed(self, crm: ToyCrm, store: Store) -> None:
        refresh(crm, store)
        crm.later(3600)
        crm.change("lead", 7, title="Just before")
        for rows in crm.tables.values():
            for row in rows.values():
                for name in ("createdTime", "updatedTime", "CREATED", "LAST_UPDATED"):
                    if name in row:
                        row[name] = row[name].replace("+03:00", "+07:00")
        crm.later(3600)
        assert refresh(crm, store).full and held(store) == live(crm)

    def test_its_clock_went_back(self, crm: ToyCrm, store: Store) -> None:
        refresh(crm, store)
        crm.later(-7200)
        crm.change("lead", 7, title="Changed")
        assert refresh(crm, store).full and held(store) == live(crm)

    def test_all_that_was_changed_last_is_gone(self, crm: ToyCrm, store: Store) -> None:
        refresh(crm, store)
        hidden = copy.deepcopy(crm.tables["lead"][9])
        crm.later(86400)
        for number in range(301, 330):
            crm.add("lead", number)
        crm.change("lead", 9, title="Changed before them")
        crm.tables["lead"][9]["updatedTime"] = "2026-11-30T12:00:00+03:00"
        refresh(crm, store, full=True)
        crm.tables["lead"][9] = hidden
        crm.delete("lead", *range(301, 330))
        crm.later(3600)
        assert refresh(crm, store).full and held(store) == live(crm)

    def test_people_delete_and_change_what_is_marked(self, crm: ToyCrm, store: Store) -> None:
        refresh(crm, store)
        crm.later(86400)
        crm.delete("lead", *range(290, 299))
        crm.change("lead", 299, title="Changed")
        assert not refresh(crm, store).full
        crm.delete("smart:128", 1)
        assert not refresh(crm, store).full and held(store) == live(crm)


def test_files(crm: ToyCrm, store: Store) -> None:
    for number in (1, 2, 3):
        address = f"https://cloud.example.com/rest/1/secret/{number}"
        crm.tables["lead"][number]["UF_CRM_PLAN"] = {"id": number, "url": "/x", "urlMachine": address}
        crm.contents[address] = b"a plan" if number < 3 else b"another plan"
    refresh(crm, store)
    assert not crm.fetched
    # Asked for later, those of records that did not change are brought too.
    result = refresh(crm, store, files=True)
    assert (result.files, result.file_bytes) == (3, 6 + 6 + 12)
    crm.tables["lead"][4]["UF_CRM_PLAN"] = [{"id": 9, "urlMachine": "https://cloud.example.com/gone"}]
    crm.change("lead", 1, title="Changed")
    crm.change("lead", 4)
    result = refresh(crm, store, files=True)
    assert result.files == 0 and len(crm.fetched) == 4
    assert result.warnings == ["File 9 of lead 4 could not be fetched: There is no such file."]
    file = store.file("item:1")
    assert file is not None and store.open_file(file.sha256).read() == b"a plan"
    assert b"secret" not in Path(store.path).read_bytes() + Path(f"{store.path}-wal").read_bytes()


def test_a_file_that_the_portal_cannot_give_does_not_end_the_snapshot(
    crm: ToyCrm, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm.tables["lead"][1]["UF_CRM_PLAN"] = {"id": 1, "urlMachine": "https://cloud.example.com/1"}

    def broken(_url: str, _out: t.BinaryIO) -> int:
        raise Unanswered("The portal answered 500.")

    monkeypatch.setattr(crm, "fetch_file", broken)
    result = refresh(crm, store, files=True)
    assert held(store) == live(crm) and len(result.warnings) == 1
    assert odd(store) == ["1 files could not be fetched; the next full pass tries again"]
    refresh(crm, store, files=True)
    assert odd(store) == []


def test_an_unknown_kind(crm: ToyCrm, store: Store) -> None:
    with pytest.raises(BoxliftError, match="no kind of CRM record called leads"):
        refresh(crm, store, ["leads"])


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("fatal", [2, 9, 17, 25, 33, 41, 60])
def test_a_pass_that_ends_early_is_gone_on_with(crm: ToyCrm, store: Store, fatal: int) -> None:
    calls = []

    def kill(_method: str, _params: t.Mapping[str, t.Any]) -> None:
        calls.append(1)
        if len(calls) == fatal:
            raise Killed

    refresh(crm, store, full=True)
    wanted = live(crm)
    crm.later(86400)
    for number in range(1, 300, 7):
        crm.change("lead", number, title="Changed")
    crm.delete("lead", *range(50, 60, 3))
    crm.add("lead", 400)
    crm.before = kill
    for _attempt in range(2):
        with pytest.raises(Killed):
            calls.clear()
            refresh(crm, store, full=fatal % 2 == 0)
        assert held(store) == wanted
    crm.before = None
    assert refresh(crm, store, full=fatal % 2 == 0).resumed
    assert held(store) == live(crm)


def test_the_default_reads_everything() -> None:
    assert {*RECORDS, "smart"} - {"smart:128"} <= set(DEFAULT)
