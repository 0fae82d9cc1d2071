# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def test_names() -> None:
    assert kinds.kind("lead").entity_type == 1 and kinds.kind("smart:1038").entity_type == 1038
    assert kinds.of_entity_type(2).name == "deal" and kinds.of_entity_type(130).name == "smart:130"
    for wrong in ("leads", "smart:", "smart:12", "smart:x", ""):
        with pytest.raises(BoxliftError, match="no kind of CRM record called"):
            kinds.kind(wrong)
    names = ["comment", "smart:130", "deal", "lead", "status", "smart:128"]
    assert sorted(names, key=kinds.order_of) == ["status", "lead", "deal", "smart:128", "smart:130", "comment"]
    assert [kinds.kind(name).owner_code for name in ("lead", "deal", "smart:128")] == ["L", "D", "T80"]
    assert kinds.kind("smart:128").timeline_name == "dynamic_128"


@pytest.mark.parametrize(
    ("kind", "content", "parent"),
    [
        ("productrow", {"ownerType": "D", "ownerId": 7}, (2, 7)),
        ("productrow", {"ownerType": "T80", "ownerId": 7}, (128, 7)),
        ("productrow", {"ownerType": "CO", "ownerId": "7"}, (4, 7)),
        ("activity", {"OWNER_TYPE_ID": "1", "OWNER_ID": "5"}, (1, 5)),
        ("activity", {"OWNER_TYPE_ID": 1, "OWNER_ID": 0}, None),
        ("call", {"CRM_ENTITY_TYPE": "LEAD", "CRM_ENTITY_ID": "5"}, (1, 5)),
        ("call", {"CRM_ENTITY_TYPE": None, "CRM_ENTITY_ID": None}, None),
        ("comment", {"ENTITY_TYPE": "dynamic_128", "ENTITY_ID": 5}, (128, 5)),
        ("comment", {"ENTITY_TYPE": "contact", "ENTITY_ID": "5"}, (3, 5)),
        ("lead", {"id": 5}, None),
    ],
)
def test_parents(kind: str, content: dict[str, t.Any], parent: tuple[int, int] | None) -> None:
    assert kinds.parent_of(kind, content) == (kinds.parent_id(*parent) if parent else None)


EQUAL = [
    ({"opportunity": 10}, {"opportunity": "10.00"}),
    ({"opportunity": 10.5}, {"opportunity": "10.50"}),
    ({"UF_CRM_1": 10.0}, {"UF_CRM_1": 10}),
    ({"UF_CRM_1": 10}, {"UF_CRM_1": "10"}),
    ({"createdTime": "2026-11-30T10:00:00+03:00"}, {"createdTime": "2026-11-30T07:00:00Z"}),
    ({"createdTime": "2026-11-30T10:00:00+03:00"}, {"createdTime": "2026-11-30T10:00:00+0300"}),
    ({"comments": None, "observers": []}, {"comments": ""}),
    ({"opened": True}, {"opened": "Y"}),
    ({"UF_CRM_1": {"b": 1, "a": 2}}, {"UF_CRM_1": {"a": 2, "b": 1}}),
    ({"fm": [{"id": 1, "typeId": "PHONE", "valueType": "WORK", "value": "+7"}]},
     {"fm": [{"id": 9, "typeId": "PHONE", "valueType": "WORK", "value": "+7"}]}),
    ({"id": 5, "updatedTime": "x", "lastActivityTime": "y"}, {"id": 6}),
    ({"UF_CRM_1": {"id": 5, "url": "a", "urlMachine": "b"}}, {"UF_CRM_1": {"id": 5, "file": True}}),
]  # fmt: skip
OTHER = [
    ({"title": "10.0"}, {"title": "10"}),
    ({"title": "007"}, {"title": "7"}),
    ({"title": "a"}, {"title": "A"}),
    ({"title": "a"}, {}),
    ({"opportunity": 10}, {"opportunity": 10.01}),
    ({"opportunity": 0}, {}),
    ({"contactIds": [1, 2]}, {"contactIds": [2, 1]}),
    ({"createdTime": "2026-11-30T10:00:00+03:00"}, {"createdTime": "2026-11-30T10:00:01+03:00"}),
    ({"fm": [{"id": 1, "typeId": "PHONE", "valueType": "WORK", "value": "+7"}]},
     {"fm": [{"id": 1, "typeId": "PHONE", "valueType": "HOME", "value": "+7"}]}),
    ({"UF_CRM_1": {"id": 5, "url": "a"}}, {"UF_CRM_1": {"id": 6, "url": "a"}}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_by_value(one: dict[str, t.Any], other: dict[str, t.Any]) -> None:
    assert kinds.hash_of("lead", one) == kinds.hash_of("lead", other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_different(one: dict[str, t.Any], other: dict[str, t.Any]) -> None:
    assert kinds.hash_of("lead", one) != kinds.hash_of("lead", other)


def test_legacy_multi_fields_and_what_is_left_out() -> None:
    old = {"PHONE": [{"ID": "7", "TYPE_ID": "PHONE", "VALUE_TYPE": "WORK", "VALUE": "+7"}], "NAME": "Anna"}
    new = {"PHONE": [{"ID": "8", "TYPE_ID": "PHONE", "VALUE_TYPE": "WORK", "VALUE": "+7"}], "NAME": "Anna"}
    assert kinds.hash_of("contact", old) == kinds.hash_of("contact", new)
    assert kinds.hash_of("lead", {"a": 1, "b": 2}, {"b"}) == kinds.hash_of("lead", {"a": 1})


def test_texts_that_no_encoding_has() -> None:
    assert kinds.hash_of("lead", {"title": "\ud800"}) != kinds.hash_of("lead", {"title": "?"})


def test_addresses_of_files_are_not_kept() -> None:
    row = {
        "UF_CRM_1": {"id": 5, "url": "/x?auth=1", "urlMachine": "https://p/rest/1/secret/f"},
        "UF_CRM_2": [{"id": 6, "urlMachine": "https://p/rest/1/secret/g"}],
        "FILES": {"9": {"id": 9, "name": "a.pdf", "urlDownload": "https://p/secret"}},
        "url": "https://example.com",
    }
    kept = kinds.kept(row)
    assert "secret" not in str(kept) and "auth" not in str(kept) and kept["url"] == "https://example.com"
    assert kept["FILES"]["9"] == {"file": True, "id": 9, "name": "a.pdf"}
    assert [file["id"] for file in kinds.files_in(row)] == [file["id"] for file in kinds.files_in(kept)] == [5, 6, 9]
    assert [kinds.file_key(kind, {"id": 5}) for kind in ("lead", "smart:128", "comment")] == [
        "item:5",
        "item:5",
        "comment:5",
    ]


@pytest.mark.parametrize(
    ("type_", "one", "other", "same"),
    [
        ("double", "7.50", "7.5", True),
        ("string", "7.50", "7.5", False),
        ("money", "5.00|RUB", "5|RUB", True),
        ("money", "5|RUB", "5|EUR", False),
        ("boolean", "1", "Y", True),
        ("boolean", None, "N", True),
        ("boolean", True, "0", False),
        ("date", "2026-11-30T03:00:00+03:00", "2026-11-30T02:00:00+02:00", True),
        ("date", "2026-11-30T03:00:00+03:00", "2026-12-01T03:00:00+03:00", False),
        ("datetime", "2026-11-30T03:00:00+03:00", "2026-11-30T02:00:00+02:00", True),
        ("user", "7", 7, True),
        ("integer", "", 0, False),
    ],
)
def test_values_by_the_type_of_their_field(type_: str, one: t.Any, other: t.Any, same: bool) -> None:
    assert kinds.same_value(one, other, "UF_CRM_1", type_) == kinds.same_value(other, one, "UF_CRM_1", type_) == same
