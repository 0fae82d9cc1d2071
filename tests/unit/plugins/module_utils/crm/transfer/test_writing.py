# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small parts of the writing: multi-fields by id, how many records a request takes, and what a file survives."""

from __future__ import annotations

import sqlite3
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import variables
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.idmap import IdMap
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.mapping import Ref, as_json, from_json
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.planning import Plan, Planned
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.writing import (
    MOST_VARIABLES,
    _groups,
    changed_values,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError


def value(text: str, number: int | None = None, type_: str = "PHONE", use: str = "WORK") -> dict[str, t.Any]:
    row: dict[str, t.Any] = {"typeId": type_, "valueType": use, "value": text}
    return row if number is None else {"id": number, **row}


class TestMultiFields:
    def test_equal_values_are_not_written_again(self) -> None:
        assert changed_values([value("+1"), value("+2")], [value("+2", 9), value("+1", 8)]) == []

    def test_a_new_value_replaces_one_of_its_type_by_id(self) -> None:
        there = [value("+1", 8), value("a@example.com", 9, "EMAIL")]
        wanted = [value("+3", use="HOME"), value("a@example.com", type_="EMAIL")]
        assert changed_values(wanted, there) == [{"id": 8, "typeId": "PHONE", "value": "+3", "valueType": "HOME"}]

    def test_what_is_gone_is_emptied_by_id_and_what_is_new_is_added(self) -> None:
        changes = changed_values([value("b@example.com", type_="EMAIL")], [value("+1", 8)])
        assert changes == [{"id": 8, "typeId": "PHONE", "value": ""}, value("b@example.com", type_="EMAIL")]

    def test_the_same_value_twice(self) -> None:
        assert changed_values([value("+1"), value("+1")], [value("+1", 8)]) == [value("+1")]


class TestRequests:
    def test_no_more_records_than_an_import_takes(self) -> None:
        groups = _groups([Planned("lead", number, "create", fields={"title": "x"}) for number in range(45)])
        assert [len(group) for group in groups] == [20, 20, 5]

    def test_no_more_values_than_php_takes(self) -> None:
        wide = {f"UF_CRM_{number}": ["a", "b"] for number in range(50)}
        groups = _groups([Planned("lead", number, "create", fields=wide) for number in range(20)])
        assert [len(group) for group in groups] == [9, 9, 2]
        assert all(sum(variables(each.fields) for each in group) <= MOST_VARIABLES for group in groups)

    def test_waves_of_kinds(self) -> None:
        plan = Plan()
        plan.creates = {kind: [(0.0, 1)] for kind in ("lead", "deal", "company", "activity", "smart:128")}
        plan.needs = {"lead": {"company"}, "deal": {"lead", "contact"}, "activity": {"deal"}}
        assert plan.waves() == [["company", "smart:128"], ["lead"], ["deal"], ["activity"]]


class TestIdMap:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        return str(tmp_path / "transfer.sqlite")

    def test_both_directions(self, path: str) -> None:
        with IdMap(path) as idmap:
            idmap.set_baseline({"lead": 10})
            idmap.add_absent("lead", [7])
            idmap.add_pairs("lead", [(12, 11), (7, 15)])
            assert [idmap.target_of("lead", each) for each in (3, 7, 11, 12)] == [3, 15, None, 11]
            assert [idmap.source_of("lead", each) for each in (3, 11, 12, 15)] == [3, 12, None, 7]
            assert idmap.is_shared("lead", 3) and not idmap.is_shared("lead", 7) and not idmap.is_shared("lead", 12)
        with IdMap(path, "reverse") as idmap:
            assert [idmap.target_of("lead", each) for each in (3, 11, 12, 15)] == [3, 12, None, 7]
            idmap.add_pairs("lead", [(20, 30)])
        with IdMap(path) as idmap:
            assert idmap.target_of("lead", 30) == 20

    def test_a_record_has_one_counterpart(self, path: str) -> None:
        with IdMap(path) as idmap:
            idmap.add_pairs("lead", [(12, 11)])
            with pytest.raises(sqlite3.IntegrityError):
                idmap.add_pairs("lead", [(14, 13), (13, 11)])
            assert idmap.target_of("lead", 14) is None, "all of it or nothing"

    def test_what_is_being_written_is_known_until_its_pair_is(self, path: str) -> None:
        with IdMap(path) as idmap:
            idmap.begin_writing("lead", [1, 2, 3])
            idmap.add_pairs("lead", [(1, 101)])
            idmap.end_writing("lead", [2])
        with IdMap(path) as idmap:
            assert idmap.being_written("lead") == [3]
        with IdMap(path, "reverse") as idmap:
            assert idmap.being_written("lead") == []

    def test_it_is_for_its_owner_alone(self, path: str) -> None:
        IdMap(path).close()
        assert Path(path).stat().st_mode & 0o777 == 0o600

    def test_a_file_of_something_else(self, path: str) -> None:
        Path(path).write_text("not a database, but long enough to be taken for one" * 20)
        with pytest.raises(BoxliftError, match="is not the file of a transfer"):
            IdMap(path)

    def test_a_file_of_another_version(self, path: str) -> None:
        with IdMap(path) as idmap:
            idmap.set_note("version", 99)
        with pytest.raises(BoxliftError, match="another version"):
            IdMap(path)

    def test_references_can_be_kept(self) -> None:
        fields = {"contactIds": [3, Ref("contact", 10)], "UF_CRM_ONE": Ref("lead", 4, "L_{}")}
        assert from_json(as_json(fields)) == fields
