# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.difference import (
    Difference,
    Threshold,
    changed_fields,
    difference,
    title_of,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

FIELDS = {
    "fields": {
        "title": {"type": "string", "title": "Name"},
        "opportunity": {"type": "double", "title": "Amount"},
        "UF_CRM_SIZE": {"type": "double", "title": "Size"},
        "UF_CRM_DAY": {"type": "date", "title": "Day"},
        "UF_CRM_PRICE": {"type": "money", "title": "Price"},
        "UF_CRM_YES": {"type": "boolean", "title": "Agreed"},
        "UF_CRM_FILE": {"type": "file", "title": "Plan"},
    }
}


@pytest.fixture
def store(tmp_path: Path) -> t.Iterator[Store]:
    with Store(str(tmp_path / "cloud.sqlite")) as opened:
        yield opened


@pytest.fixture
def box(tmp_path: Path) -> t.Iterator[Store]:
    with Store(str(tmp_path / "box.sqlite")) as opened:
        yield opened


def fill(
    store: Store, leads: t.Mapping[int, t.Mapping[str, t.Any]], gone: t.Sequence[int] = (), name: str = "cloud"
) -> None:
    with store.new_pass(name, False):
        store.put("field", 1, FIELDS)
        for number, content in leads.items():
            store.put("lead", number, {"id": number, "title": f"lead {number}", **content})
        store.gone("lead", gone)


def told(found: Difference) -> list[tuple[str, int, str, list[tuple[t.Any, ...]]]]:
    return [
        (each.kind, each.id, each.what, [(change.title, change.before, change.after) for change in each.fields])
        for each in found.records
    ]


BEFORE = {1: {}, 2: {"opportunity": 10}, 3: {}, 4: {"title": "x"}}
AFTER = {2: {"opportunity": 12.5, "updatedTime": "2026-11-30T10:00:00+03:00", "updatedBy": 7}, 4: {"title": "y"}, 5: {}}
WANTED = [
    ("lead", 2, "changed", [("Amount", 10, 12.5)]),
    ("lead", 3, "deleted", []),
    ("lead", 4, "changed", [("Name", "x", "y")]),
    ("lead", 5, "added", []),
]


def test_two_snapshots_of_one_store(store: Store) -> None:
    fill(store, BEFORE)
    fill(store, AFTER, gone=[3])
    found = difference(store, 1, store, None)
    assert told(found) == WANTED and not found.same
    assert (found.records[0].when, found.records[0].who) == ("2026-11-30T10:00:00+03:00", "7")
    assert found.records[1].title == "lead 3"
    lead = found.kinds[1]
    assert (lead.kind, lead.before, lead.after, lead.added, lead.changed, lead.deleted) == ("lead", 4, 4, 1, 2, 1)
    assert lead.fields == {"Amount": 1, "Name": 1}
    assert (found.before.snapshot, found.after.snapshot) == (1, 2)
    assert difference(store, 2, store, 2).same
    assert told(difference(store, 1, store, 2, names=["deal"])) == []
    assert json.loads(json.dumps(found.as_dict()))["records"][0]["fields"] == [
        {"field": "opportunity", "title": "Amount", "before": 10, "after": 12.5}
    ]


def test_backwards(store: Store) -> None:
    fill(store, BEFORE)
    fill(store, AFTER, gone=[3])
    back = difference(store, 2, store, 1)
    assert [(each.id, each.what) for each in back.records] == [
        (2, "changed"),
        (3, "added"),
        (4, "changed"),
        (5, "deleted"),
    ]


def test_two_stores(store: Store, box: Store) -> None:
    fill(store, BEFORE)
    fill(box, {**{1: {}}, **AFTER}, name="box")
    assert told(difference(store, None, box, None)) == WANTED


def test_what_came_back_to_what_it_was_is_no_difference(store: Store) -> None:
    fill(store, BEFORE)
    fill(store, {1: {"title": "other"}}, gone=[2])
    fill(store, BEFORE)
    assert difference(store, 1, store, 3).same


def test_values_not_their_spelling(store: Store, box: Store) -> None:
    one = {
        "opportunity": "10.00",
        "UF_CRM_SIZE": "7.50",
        "UF_CRM_PRICE": "5.00|RUB",
        "UF_CRM_DAY": "2026-11-30T03:00:00+03:00",
        "UF_CRM_YES": "1",
        "createdTime": "2026-11-30T10:00:00+03:00",
        "fm": [
            {"id": 7, "typeId": "PHONE", "valueType": "WORK", "value": "+7900"},
            {"id": 8, "typeId": "EMAIL", "valueType": "WORK", "value": "a@example.com"},
        ],
        "comments": "",
    }
    other = {
        "opportunity": 10,
        "UF_CRM_SIZE": 7.5,
        "UF_CRM_PRICE": "5|RUB",
        "UF_CRM_DAY": "2026-11-30T02:00:00+02:00",
        "UF_CRM_YES": "Y",
        "createdTime": "2026-11-30T07:00:00Z",
        "fm": [
            {"id": 99, "typeId": "EMAIL", "valueType": "WORK", "value": "a@example.com"},
            {"id": 98, "typeId": "PHONE", "valueType": "WORK", "value": "+7900"},
        ],
        "comments": None,
    }
    fill(store, {1: one})
    fill(box, {1: other}, name="box")
    assert difference(store, None, box, None).same
    assert changed_fields("lead", {"title": "10.0"}, {"title": "10"}) != []
    assert changed_fields("lead", {"title": "007"}, {"title": "7"}) != []
    assert [
        change.field for change in changed_fields("lead", one, {**other, "fm": other["fm"][:1]}, FIELDS["fields"])
    ] == ["fm"]
    assert [change.field for change in changed_fields("lead", one, {**other, "UF_CRM_YES": "0"}, FIELDS["fields"])] == [
        "UF_CRM_YES"
    ]


def test_files_are_compared_by_content(store: Store, box: Store) -> None:
    fill(store, {1: {"UF_CRM_FILE": {"id": 5, "url": "x"}}, 2: {"UF_CRM_FILE": {"id": 6, "url": "x"}}})
    fill(box, {1: {"UF_CRM_FILE": {"id": 71, "url": "y"}}, 2: {"UF_CRM_FILE": {"id": 72, "url": "y"}}}, name="box")
    for opened, key, content in ((store, 5, b"a"), (store, 6, b"b"), (box, 71, b"a"), (box, 72, b"c")):
        opened.put_file(f"item:{key}", "", lambda out, content=content: out.write(content))
    found = difference(store, None, box, None)
    assert [(each.id, [change.field for change in each.fields]) for each in found.records] == [(2, ["UF_CRM_FILE"])]


def test_alerts(store: Store) -> None:
    fill(store, {number: {} for number in range(1, 101)})
    fill(store, {number: {"title": "x"} for number in range(1, 31)}, gone=range(95, 101))
    found = difference(store, 1, store, 2)
    assert [alert.text for alert in found.alerts] == ["30 of 100 lead records were changed (30.0 %, more than 25 %)"]
    strict = difference(store, 1, store, 2, thresholds={"lead": Threshold(50, 5, 1)})
    assert [(alert.what, alert.records, alert.percent) for alert in strict.alerts] == [("deleted", 6, 6.0)]
    assert difference(store, 1, store, 2, thresholds={"other": Threshold(100, 100, 1)}).alerts == []
    # A smart process or a category that is gone is always worth a word.
    with store.new_pass("cloud", False):
        store.put("category", 2_000_001, {"id": 1, "name": "A"})
    with store.new_pass("cloud", False):
        store.gone("category", [2_000_001])
    assert [alert.kind for alert in difference(store, 3, store, 4).alerts] == ["category"]


def test_a_limit(store: Store) -> None:
    fill(store, {number: {} for number in range(1, 101)})
    fill(store, {number: {"title": "x"} for number in range(1, 31)})
    found = difference(store, 1, store, 2, limit=10)
    assert (len(found.records), found.left_out, found.kinds[1].changed) == (10, 20, 30)


def test_fields_of_the_portal(store: Store) -> None:
    fill(store, {})
    with store.new_pass("cloud", False):
        store.put("field", 1, {"fields": {**FIELDS["fields"], "UF_CRM_NEW": {"type": "string", "title": "New"}}})
    (change,) = difference(store, 1, store, 2).records
    assert (change.kind, change.id) == ("field", 1)
    assert [(each.field, each.before) for each in change.fields] == [("UF_CRM_NEW", None)]


def test_titles() -> None:
    assert title_of("contact", {"name": "Anna", "lastName": "Ivanova"}) == "Ivanova Anna"
    assert title_of("comment", {"COMMENT": "a\n" + "b" * 100}) == "a " + "b" * 77 + "…"
    assert title_of("field", {}) == ""


def test_refusals(store: Store) -> None:
    with pytest.raises(BoxliftError, match="has no snapshot") as failure:
        difference(store, None, store, None)
    assert failure.value.remedy == "Take a snapshot first."
    fill(store, {1: {}})
    with pytest.raises(BoxliftError, match="has no snapshot 4"):
        difference(store, 4, store, None)
