# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that mean the same under other ids, and those that only look so."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer import meaning
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.mapping import (
    Category,
    Field,
    Names,
    Status,
    User,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.meaning import Difference, Meaning

Row = dict[str, t.Any]


class Ids:
    """Equal up to 100; beyond, 1000 more in the target, but for those above 900."""

    direction = "forward"

    def target_of(self, kind: str, source_id: int) -> int | None:
        return source_id if source_id <= 100 else source_id + 1000 if source_id <= 900 else None

    def maximum(self, kind: str) -> int:
        return 100


def names(host: str, category: int, smart: int) -> Names:
    found = Names(host)
    fields = [
        Field("assignedById", "user"),
        Field("observers", "user", multiple=True),
        Field("stageId", "crm_status"),
        Field("categoryId", "crm_category"),
        Field("sourceId", "crm_status", status_type="SOURCE"),
        Field("contactIds", "crm_contact", multiple=True),
        Field("UF_CRM_LINK", "crm", multiple=True, settings={"LEAD": "Y", "CONTACT": "Y"}),
        Field("UF_CRM_ONE", "crm", settings={"DEAL": "Y", "LEAD": "N"}),
        Field("UF_CRM_WHO", "employee"),
        Field("UF_CRM_LIST", "enumeration", items={str(category): "Red", "5": "Blue" if category == 9 else "Green"}),
        Field("UF_CRM_DAY", "date"),
        Field("UF_CRM_YES", "boolean"),
        Field("UF_CRM_SUM", "money"),
        Field("UF_CRM_FILE", "file"),
        Field("closed", "boolean", read_only=True),
    ]
    for kind in ("deal", f"smart:{smart}"):
        found.fields[kind] = {each.name: each for each in fields}
    found.categories[2] = {category: Category("Retail", False), 3: Category("Same id", False)}
    stages = {f"C{category}:NEW": Status(1, "First", "", 10), f"C{category}:WON": Status(2, "Won", "S", 20)}
    found.statuses[f"DEAL_STAGE_{category}"] = {**stages, f"C{category}:HELD": Status(3, "First", "F", 30)}
    found.statuses["SOURCE"] = {"WEB": Status(4, "Site", "", 10), "CALL": Status(5, "Call", "", 20)}
    found.types[smart] = (smart - 100, "Objects")
    return found


@pytest.fixture
def both() -> tuple[Names, Names]:
    source, target = names("cloud", 9, 130), names("box", 11, 140)
    source.users = {2: User("b@x.ru", "B", True), 7: User("n@x.ru", "N", True), 300: User("o@x.ru", "O", True)}
    target.users = {2: User("new@x.ru", "B", True), 8: User("n@x.ru", "N", True), 1: User("admin@x.ru", "A", True)}
    target.statuses["SOURCE"]["SITE"] = Status(9, " site ", "", 10)
    del target.statuses["SOURCE"]["WEB"]
    return source, target


def verdicts(both: tuple[Names, Names], ours: Row, theirs: Row, kind: str = "deal", **more: t.Any) -> list[Difference]:
    return Meaning(*both, Ids(), **more).differences(kind, (500, ours), (1500, theirs))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        # Another number, the same e-mail address; the same number from the backup, whose address was changed since.
        ({"assignedById": 7}, {"assignedById": 8}),
        ({"assignedById": 2}, {"assignedById": 2}),
        ({"observers": [7, 2]}, {"observers": [2, 8]}),
        # Neither side tells of bots and integrators.
        ({"UF_CRM_WHO": 55}, {"UF_CRM_WHO": 55}),
        # By name and meaning, in the category of the same name.
        ({"categoryId": 9, "stageId": "C9:NEW"}, {"categoryId": 11, "stageId": "C11:NEW"}),
        ({"sourceId": "WEB"}, {"sourceId": "SITE"}),
        ({"contactIds": [150, 20]}, {"contactIds": [20, 1150]}),
        ({"UF_CRM_LINK": ["L_150", "C_20"]}, {"UF_CRM_LINK": ["C_20", "L_1150"]}),
        ({"UF_CRM_ONE": "150"}, {"UF_CRM_ONE": "1150"}),
        ({"UF_CRM_LIST": 9}, {"UF_CRM_LIST": "11"}),
        ({"parentId130": 150}, {"parentId140": 1150}),
        ({"UF_CRM_DAY": "2026-11-28T00:00:00+03:00"}, {"UF_CRM_DAY": "2026-11-28T00:00:00+05:00"}),
        ({"UF_CRM_YES": "Y"}, {"UF_CRM_YES": True}),
        ({"UF_CRM_SUM": "5|RUB"}, {"UF_CRM_SUM": "5.00|RUB"}),
        ({"title": None, "UF_CRM_ANY": []}, {"title": ""}),
        ({"opportunity": 5}, {"opportunity": "5.00"}),
        ({"updatedX": "2026-11-28T12:00:00+03:00"}, {"updatedX": "2026-11-28T14:00:00+05:00"}),
        ({"UF_CRM_FILE": {"id": 7, "url": "a"}}, {"UF_CRM_FILE": {"id": 9, "url": "b"}}),
        # Somebody else's key, and ours where there was none.
        ({"originatorId": "site", "originId": "5"}, {"originatorId": "site", "originId": "5"}),
        ({}, {"originatorId": "boxlift:cloud", "originId": "500"}),
        # On the way back: the source's own record came from the target.
        ({"originatorId": "boxlift:box", "originId": "1500"}, {}),
    ],
)
def test_the_same(both: tuple[Names, Names], ours: Row, theirs: Row) -> None:
    assert verdicts(both, ours, theirs) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"assignedById": 7}, {"assignedById": 7}),
        ({"assignedById": 7}, {"assignedById": None}),
        ({"observers": [7, 2]}, {"observers": [2, 2]}),
        ({"observers": [7]}, {"observers": [8, 2]}),
        # The same name with another meaning, the same id in another list.
        ({"categoryId": 9, "stageId": "C9:NEW"}, {"categoryId": 11, "stageId": "C11:HELD"}),
        ({"categoryId": 9}, {"categoryId": 3}),
        ({"categoryId": 9}, {"categoryId": 0}),
        ({"sourceId": "WEB"}, {"sourceId": "CALL"}),
        # What has the same number in the target is another record.
        ({"contactIds": [150]}, {"contactIds": [150]}),
        ({"contactIds": [150, 20]}, {"contactIds": [1150]}),
        ({"UF_CRM_LINK": ["L_150"]}, {"UF_CRM_LINK": ["C_1150"]}),
        ({"UF_CRM_ONE": "150"}, {"UF_CRM_ONE": "150"}),
        ({"UF_CRM_LIST": 5}, {"UF_CRM_LIST": 5}),
        ({"parentId130": 150}, {"parentId140": 150}),
        ({"UF_CRM_DAY": "2026-11-28T00:00:00+03:00"}, {"UF_CRM_DAY": "2026-11-27T22:00:00+05:00"}),
        ({"UF_CRM_YES": "Y"}, {"UF_CRM_YES": "N"}),
        ({"UF_CRM_FILE": {"id": 7, "sha256": "a"}}, {"UF_CRM_FILE": {"id": 9, "sha256": "b"}}),
        ({"UF_CRM_FILE": {"id": 7, "url": "a"}}, {}),
        ({"title": "x"}, {}),
        ({}, {"comments": "x"}),
        ({"originatorId": "site", "originId": "5"}, {"originatorId": "boxlift:cloud", "originId": "500"}),
        ({}, {"originatorId": "boxlift:cloud", "originId": "501"}),
    ],
)
def test_not_the_same(both: tuple[Names, Names], ours: Row, theirs: Row) -> None:
    found = verdicts(both, ours, theirs)
    assert [each.explained for each in found if each.field not in ("categoryId",)] in ([""], [])
    assert found


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        ({"updatedTime": "2026-11-28T12:00:00+03:00"}, {"updatedTime": "2026-11-30T01:00:00+03:00"}, meaning.UPDATED),
        ({"movedTime": "2026-11-28T12:00:00+03:00"}, {"movedTime": "2026-11-30T01:00:00+03:00"}, meaning.MOVED),
        ({"closed": "Y"}, {"closed": "N"}, meaning.COMPUTED),
        ({"contactIds": [950, 150]}, {"contactIds": [1150]}, meaning.REFERRED_TO),
        ({"UF_CRM_ONE": "950"}, {"UF_CRM_ONE": ""}, meaning.REFERRED_TO),
        ({"assignedById": 300}, {"assignedById": 1}, meaning.FALLBACK),
    ],
)
def test_what_cannot_be_the_same(both: tuple[Names, Names], ours: Row, theirs: Row, reason: str) -> None:
    (found,) = verdicts(both, ours, theirs, fallback_user=1)
    assert found.explained == reason


def test_the_fallback_is_no_excuse_for_a_user_who_is_there(both: tuple[Names, Names]) -> None:
    (found,) = verdicts(both, {"assignedById": 7}, {"assignedById": 1}, fallback_user=1)
    assert found.explained == ""


def test_the_same_number_with_another_name_and_address_is_somebody_else(both: tuple[Names, Names]) -> None:
    both[1].users[2] = User("new@x.ru", "Integration", True)
    (found,) = verdicts(both, {"assignedById": 2}, {"assignedById": 2})
    assert found.explained == ""


def test_a_smart_process_with_another_number(both: tuple[Names, Names]) -> None:
    ours = {"title": "A", "UF_CRM_30_AREA": 55, "xmlId": None, "assignedById": 7}
    theirs = {"title": "A", "UF_CRM_40_AREA": 55, "xmlId": "boxlift:cloud:500", "assignedById": 8}
    assert verdicts(both, ours, theirs, "smart:130") == []
    (found,) = verdicts(both, ours, {**theirs, "UF_CRM_40_AREA": 54}, "smart:130")
    assert (found.field, found.source, found.target) == ("UF_CRM_30_AREA", "55", "54")


def test_what_the_portal_fills_in_for_an_activity(both: tuple[Names, Names]) -> None:
    """Only where the source has nothing at all, and only for what the portal decides."""
    plain = {"ID": "500", "SUBJECT": "Visit"}
    theirs = {"ID": "1500", "SUBJECT": "Visit", "RESULT_MARK": "0", "COMPLETED": "N", "PRIORITY": "2"}
    (found,) = verdicts(both, plain, theirs, "activity")
    assert (found.field, found.explained) == ("PRIORITY", meaning.DEFAULTS)
    assert [each.explained for each in verdicts(both, {**plain, "PRIORITY": "3"}, theirs, "activity")] == [""]
    assert [each.field for each in verdicts(both, plain, {**plain, "DESCRIPTION": "x"}, "activity")] == ["DESCRIPTION"]


def test_comments_without_the_line_before_them() -> None:
    text = "[2026-11-28 14:03, Anna Ivanova]\nFirst line\r\nsecond"
    assert meaning.comment_text({"COMMENT": text}) == meaning.comment_text({"COMMENT": "First line\nsecond"})
    assert meaning.comment_text({"COMMENT": "[Urgent] call"}) == "[Urgent] call"


def test_values_for_people() -> None:
    assert meaning.told([{"value": "+7 1", "typeId": "PHONE"}, {"value": "+7 2"}]) == "+7 1, +7 2"
    assert meaning.told("a\n  b") == "a b"
    assert meaning.told([]) == meaning.told(None) == ""
    assert len(meaning.told("x" * 500)) == 200
