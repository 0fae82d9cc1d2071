# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof finds what is wrong: each test damages the simulated box after a transfer that was right."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import RestError
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import Command
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import meaning, verify
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.grade import grade_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Conflict, Skipped
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.verify import Mismatch, Verification
from lab.authority import Authority
from unit.plugins.module_utils.crm.transfer.two_portals import BOX, Move

Found = list[tuple[str, str, t.Optional[int], str]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def finished(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """What a final pass that was right has left, and when."""
    folder = tmp_path_factory.mktemp("finished")
    made = Move(authority, folder)
    try:
        made.transfer("begin")
        made.work_on()
        result = made.transfer("final")
    finally:
        made.close()
    assert result.grade == "good" and result.proof is not None and result.proof.mismatches == []
    return folder, made.clock[0]


@pytest.fixture
def move(authority: Authority, finished: tuple[Path, float], tmp_path: Path) -> t.Iterator[Move]:
    """A copy of it for each test."""
    folder, now = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    made = Move(authority, tmp_path, now)
    try:
        yield made
    finally:
        made.close()


def found(proof: Verification) -> Found:
    """Kind, what, id in the source and field of each mismatch."""
    assert proof.mismatch_count == len(proof.mismatches)
    assert all(each.remedy for each in proof.mismatches)
    return [(each.kind, each.what, each.source_id, each.field) for each in proof.mismatches]


def only(proof: Verification) -> Mismatch:
    (mismatch,) = proof.mismatches
    return mismatch


def test_what_cannot_be_kept_is_explained_and_nothing_else_differs(move: Move) -> None:
    proof = move.proof()
    assert found(proof) == []
    assert proof.reasons == {
        meaning.UPDATED: 3,
        meaning.MOVED: 2,
        meaning.ACTIVITY_NATURE: 4,
        verify.COMMENT_NATURE: 2,
    }
    counts = {each.kind: (each.source, each.target, each.new, each.changed, each.compared) for each in proof.kinds}
    assert counts == {
        "company": (6, 6, 1, 0, 1),
        "contact": (6, 6, 1, 0, 1),
        "lead": (11, 11, 6, 1, 7),
        "deal": (6, 6, 1, 0, 1),
        "activity": (2, 2, 2, 0, 2),
        "comment": (2, 2, 0, 0, 2),
        "productrow": (2, 2, 0, 0, 2),
    }
    assert grade_of(proof)[0] == "good"


def test_a_lost_record(move: Move) -> None:
    move.box.crm.delete("lead", move.there("lead", 7))
    proof = move.proof()
    assert found(proof) == [("lead", "missing", 7, "")]
    assert BOX in only(proof).remedy
    assert grade_of(proof) == (
        "poor",
        [f"1 record is missing, doubled or superfluous in {BOX}.", *grade_of(proof)[1][1:]],
    )


def test_an_old_record_that_was_lost(move: Move) -> None:
    move.box.crm.delete("deal", 2)
    assert found(move.proof()) == [("deal", "missing", 2, "")]


def test_a_doubled_record(move: Move) -> None:
    row = move.box.crm.get("lead", move.there("lead", 8))
    double = move.box.crm.add("lead", dict(row or {}, id=0))
    mismatch = only(move.proof())
    assert (mismatch.what, mismatch.source_id, mismatch.target_id) == ("doubled", 8, double)
    assert str(move.there("lead", 8)) in mismatch.source


def test_a_record_that_somebody_made_in_the_target(move: Move) -> None:
    made = move.box.crm.add("lead", {"title": "From a call", "createdBy": 2})
    mismatch = only(move.proof())
    assert (mismatch.what, mismatch.source_id, mismatch.target_id, mismatch.target) == (
        "superfluous",
        None,
        made,
        "From a call",
    )
    assert "(Boris)" in mismatch.remedy


def test_one_record_that_stands_for_two(move: Move) -> None:
    """Two ids of the source that lead to the same record of the target: one of them is lost."""
    with IdMap(str(move.folder / "transfer.sqlite")) as idmap:
        six, seven = idmap.target_of("lead", 6), idmap.target_of("lead", 7)
        assert six is not None and seven is not None
        idmap.forget_pair("lead", 6)
        idmap.forget_pair("lead", 7)
        idmap.add_pairs("lead", [(6, seven), (7, 4)])
    assert {(what, number) for _kind, what, number, _field in found(move.proof())} >= {
        ("doubled", 7),
        ("doubled", 6),
        ("field", 6),
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": "Another title"}, "title"),
        ({"UF_CRM_REGION": "South"}, "UF_CRM_REGION"),
        ({"opportunity": 1001.49}, "opportunity"),
        # The same clock, another zone.
        ({"createdTime": "2027-01-15T11:22:00+05:00"}, "createdTime"),
        ({"UF_CRM_VISIT": "2027-01-15T11:22:00+05:00"}, "UF_CRM_VISIT"),
        ({"assignedById": 1}, "assignedById"),
        ({"createdBy": 1}, "createdBy"),
        ({"stageId": "NEW"}, "stageId"),
        ({"sourceId": "CALL"}, "sourceId"),
        ({"UF_CRM_REGION": None}, "UF_CRM_REGION"),
        ({"originatorId": "somebody", "originId": "5"}, "originId"),
    ],
)
def test_a_field_that_was_changed(move: Move, change: dict[str, t.Any], field: str) -> None:
    move.box.crm.touch("lead", move.there("lead", 7), **change)
    mismatch = only(move.proof())
    assert (mismatch.kind, mismatch.what, mismatch.source_id, mismatch.field) == ("lead", "field", 7, field)
    assert mismatch.target_id == move.there("lead", 7)
    assert mismatch.source != mismatch.target


def test_the_same_number_is_not_the_same_user(move: Move) -> None:
    """Nina is 9 in the cloud and 12 in the box, where 9 is somebody else."""
    lead = move.there("lead", 6)
    assert (move.box.crm.get("lead", lead) or {})["assignedById"] == 12
    move.box.crm.add_user(9, "Somebody else")
    move.box.crm.touch("lead", lead, assignedById=9)
    assert found(move.proof()) == [("lead", "field", 6, "assignedById")]


def test_a_doubled_phone(move: Move) -> None:
    lead = move.there("lead", 7)
    values = (move.box.crm.get("lead", lead) or {})["fm"]
    phone = next(dict(each, id=9999) for each in values if each["typeId"] == "PHONE")
    move.box.crm.touch("lead", lead, fm=[*values, phone])
    mismatch = only(move.proof())
    assert mismatch.field == "fm"
    assert (mismatch.source.count("+7 900 0000001"), mismatch.target.count("+7 900 0000001")) == (1, 2)


def test_a_link_to_the_wrong_contact(move: Move) -> None:
    """The cloud's contact 6 is the box's 6 only by chance; 3 is an old one."""
    move.box.crm.touch("lead", move.there("lead", 7), contactIds=[3], contactId=3)
    assert {(kind, what, number) for kind, what, number, _field in found(move.proof())} == {("lead", "field", 7)}
    assert {each.field for each in move.proof().mismatches} == {"contactId", "contactIds"}


def test_a_missing_activity(move: Move) -> None:
    move.box.crm.delete("activity", move.there("activity", 2))
    assert found(move.proof()) == [("activity", "missing", 2, "")]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"SUBJECT": "Other"}, {"SUBJECT"}),
        ({"OWNER_ID": 3}, {"OWNER_ID"}),
        ({"RESPONSIBLE_ID": 1}, {"RESPONSIBLE_ID"}),
        ({"START_TIME": "2027-01-15T11:27:00+05:00"}, {"START_TIME"}),
        ({"COMMUNICATIONS": []}, {"COMMUNICATIONS"}),
    ],
)
def test_an_activity_that_differs(move: Move, change: dict[str, t.Any], fields: set[str]) -> None:
    move.box.crm.touch("activity", move.there("activity", 1), **change)
    assert {each.field for each in move.proof().mismatches} == fields


def test_product_rows(move: Move) -> None:
    rows = move.box.crm.rows("productrow")
    flat = next(row for row in rows if row["productName"] == "Flat")
    move.box.crm.store.replace("productrow", flat["id"], {**flat, "price": 99})
    proof = move.proof()
    assert {each.field for each in proof.mismatches} >= {"price"}
    assert {(each.kind, each.what) for each in proof.mismatches} == {("productrow", "field")}
    move.box.crm.store.remove("productrow", [flat["id"]])
    assert [(each.kind, each.what, each.source) for each in move.proof().mismatches] == [
        ("productrow", "missing", "Flat")
    ]


@pytest.mark.parametrize(("side", "what"), [("cloud", "missing"), ("box", "superfluous")])
def test_a_product_row_of_an_old_record_that_did_not_change_itself(move: Move, side: str, what: str) -> None:
    move.clock[0] += 60
    rows = [{"productName": "Cellar", "price": 5}]
    portal = move.cloud if side == "cloud" else move.box
    portal.ask("crm.item.productrow.set", ownerType="D", ownerId=2, productRows=rows)
    proof = move.proof()
    assert {(each.kind, each.what) for each in proof.mismatches} == {("productrow", what)}


def test_comments(move: Move) -> None:
    comments = move.box.crm.rows("comment")
    move.box.crm.touch("comment", comments[0]["ID"], COMMENT="Something else")
    assert {(each.kind, each.what) for each in move.proof().mismatches} == {
        ("comment", "missing"),
        ("comment", "superfluous"),
    }
    move.box.crm.delete("comment", comments[0]["ID"])
    assert found(move.proof()) == [("comment", "missing", 1, "COMMENT")]


def test_a_comment_that_is_there_twice(move: Move) -> None:
    comment = move.box.crm.rows("comment")[0]
    move.box.crm.store.insert("comment", {name: value for name, value in comment.items() if name != "ID"})
    proof = move.proof()
    assert [(each.kind, each.what) for each in proof.mismatches] == [("comment", "superfluous")]


def test_an_update_that_was_lost(move: Move) -> None:
    move.box.crm.touch("lead", 3, title="Old lead 3")
    assert found(move.proof()) == [("lead", "field", 3, "title")]


def test_an_old_record_that_people_changed_in_the_target(move: Move) -> None:
    move.clock[0] += 60
    move.box.crm.update("lead", 4, {"title": "Changed in the box"}, user=2)
    proof = move.proof()
    assert found(proof) == [("lead", "field", 4, "title")]
    # Whoever is to decide knows that it was equal otherwise.
    assert proof.kinds[2].changed == 2


def test_all_records_are_compared_on_demand(move: Move) -> None:
    """What was changed behind the portal's back is in no difference: a full reading finds it."""
    move.box.crm.touch("contact", 2, lastName="Damaged")
    assert found(move.proof()) == []
    verify_all = move.proof_of_everything()
    assert found(verify_all) == [("contact", "field", 2, "lastName")]
    assert {each.kind: each.compared for each in verify_all.kinds}["lead"] == 11


def test_what_is_written_while_the_proof_reads_is_counted(move: Move) -> None:
    """The portals count for themselves: a record that came after the reading shows."""
    move.clock[0] += 60
    move.box.read()
    move.box.crm.add("lead", {"title": "In between"})
    mismatch = only(move.proof(read=False))
    assert (mismatch.what, mismatch.target) == ("superfluous", "In between")


def test_what_was_left_behind_is_explained(move: Move) -> None:
    lead = move.there("lead", 7)
    move.box.crm.touch("lead", lead, UF_CRM_REGION=None)
    move.box.crm.delete("activity", move.there("activity", 2))
    with IdMap(str(move.folder / "transfer.sqlite")) as idmap:
        left = Skipped("activity", 2, "mail_activity", "E-mail is not sent twice.")
        idmap.set_skipped([left, Skipped("lead", 7, "file_left", "Left out.", ("UF_CRM_REGION",))])
    proof = move.proof()
    assert found(proof) == []
    assert {reason: proof.reasons[reason] for reason in ("E-mail is not sent twice.", "Left out.")} == {
        "E-mail is not sent twice.": 1,
        "Left out.": 1,
    }


def test_what_the_conflict_policy_kept_is_explained(move: Move) -> None:
    move.box.crm.touch("lead", move.there("lead", 7), title="Of the box", UF_CRM_REGION="South", sourceId="CALL")
    with IdMap(str(move.folder / "transfer.sqlite")) as idmap:
        idmap.add_conflicts([Conflict("lead", 7, 0, ("title",), "target", only_target=("UF_CRM_REGION",))])
    proof = move.proof()
    assert found(proof) == [("lead", "field", 7, "sourceId")]
    assert proof.reasons[verify.KEPT_TARGET] == proof.reasons[verify.ONLY_TARGET] == 1


def test_a_kind_that_a_portal_does_not_show(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be looked at is not equal."""
    ask = move.box.rest.batch

    def refusing(commands: t.Sequence[Command], **options: t.Any) -> list[t.Any]:
        denied = RestError("crm.activity.list: Access denied.", code="ACCESS_DENIED")
        outcomes = zip(commands, ask(commands, **options))
        return [denied if command.method == "crm.activity.list" else outcome for command, outcome in outcomes]

    monkeypatch.setattr(move.box.rest, "batch", refusing)
    proof = move.proof(read=False)
    assert proof.unread == {"activity": "crm.activity.list: Access denied."}
    assert [each.kind for each in proof.kinds] == ["company", "contact", "lead", "deal", "productrow", "comment"]
    assert grade_of(proof)[0] == "investigate"


def test_values_are_cut_and_lists_end(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MOST", 2)
    for number in range(6, 12):
        move.box.crm.touch("lead", move.there("lead", number), title="x" * 5000)
    proof = move.proof()
    assert (proof.mismatch_count, len(proof.mismatches)) == (6, 2)
    assert all(len(each.target) <= 200 for each in proof.mismatches)
    assert proof.kinds[2].different == 6


def test_the_difference_costs_few_requests(move: Move) -> None:
    """Counts, the records of each kind, and those that have rows: no request for each record."""
    assert move.proof().requests <= 2 * 8


def test_what_was_entered_by_hand_is_not_entered_again(authority: Authority, tmp_path: Path) -> None:
    """A former move: two of the new leads were exported and imported into the box, under numbers of the box."""
    move = Move(authority, tmp_path)
    try:
        move.transfer("begin")
        move.work_on()
        by_hand = {"title": "New lead 1", "createdBy": 2, "assignedById": 2}
        phone = {"typeId": "PHONE", "valueType": "WORK", "value": "8 900 000-00-01"}
        entered = move.box.crm.add("lead", {**by_hand, "createdTime": "2026-12-01T10:00:00+03:00", "fm": [phone]})
        export = tmp_path / "leads.csv"
        export.write_text(
            "ID;Название лида;Мобильный телефон\n7;New lead 1;+7 900 000-00-01\n8;New lead 2;+79000000002\n",
            encoding="cp1251",
        )
        move.cloud.read()
        move.box.read()
        adoption = move.made_transfer().adopt_former([str(export)])
        assert adoption.counts == {"there": 1, "new": 1, "ambiguous": 0, "unreadable": 0}
        result = move.transfer("final")
        assert move.there("lead", 7) == entered
        assert move.box.crm.count("lead") == move.cloud.crm.count("lead")
        assert result.written["lead"] == {"created": 5, "updated": 2}
        assert result.proof is not None and found(result.proof) == []
        assert result.proof.reasons[verify.ENTERED_BY_HAND] == 1
        by_hand_now = move.box.crm.get("lead", entered) or {}
        assert by_hand_now["opportunity"] == 1001.5 and len(by_hand_now["fm"]) == 2
    finally:
        move.close()
