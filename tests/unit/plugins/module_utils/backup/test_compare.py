# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recovered against what the copy noted."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.backup.compare import compare, count_files, reason_of

NOTED: dict[str, t.Any] = {
    "tables": {"b_user": [20, 20], "b_crm_deal": [100, 104], "b_user_session": [7, 5]},
    "files": 50,
    "portal_version": "26.250",
}


def compared(tables: dict[str, int], files: int = 50, **other: t.Any) -> tuple[list[str], t.Any]:
    result = compare(NOTED, tables, files, **other)
    return [each["code"] for each in result.findings], result


def rows(**changes: int) -> dict[str, int]:
    return {"b_user": 20, "b_crm_deal": 102, "b_user_session": 6, **changes}


@pytest.mark.parametrize("deals", [100, 102, 104])
def test_rows_between_the_two_counts_are_what_was_there(deals: int) -> None:
    codes, result = compared(rows(b_crm_deal=deals))
    assert codes == [] and result.same and result.differences == []


@pytest.mark.parametrize(("deals", "code"), [(99, "fewer_rows"), (105, "more_rows")])
def test_one_row_fewer_or_more_is_named(deals: int, code: str) -> None:
    codes, result = compared(rows(b_crm_deal=deals))
    assert codes == [code] and not result.same
    assert f"b_crm_deal {deals} instead of 100 to 104" in result.findings[0]["text"]
    assert result.as_dict()["lost"] == [{"table": "b_crm_deal", "rows": deals, "noted": [100, 104]}]


def test_tables_that_the_copy_had_no_time_to_count_are_told() -> None:
    codes, result = compared(rows(c_forum=9, d_blog=0))
    assert codes == ["not_noted"] and result.same
    assert "Rows of 2 tables were not compared" in result.findings[0]["text"]


def test_a_table_that_empties_by_the_minute_has_a_reason_and_is_told() -> None:
    codes, result = compared(rows(b_user_session=2))
    assert codes == [] and result.same
    assert result.as_dict()["explained"] == [
        {"table": "b_user_session", "rows": 2, "noted": [5, 7], "reason": "sessions begin and end"}
    ]


@pytest.mark.parametrize(("options", "lost"), [(54, 0), (53, 1), (56, 1)])
def test_a_recovery_takes_one_option_away_and_no_more(options: int, lost: int) -> None:
    result = compare({"tables": {"b_option": [55, 55]}, "files": 1}, {"b_option": options}, 1)
    assert len(result.as_dict()["lost"]) == lost and result.same is (lost == 0)


@pytest.mark.parametrize("table", ["b_user", "b_crm_deal", "b_im_message", "b_search_content", "b_event_log", "b_file"])
def test_what_people_wrote_has_no_excuse(table: str) -> None:
    assert reason_of(table) == ""


def test_what_the_binary_logs_changed_has_that_reason() -> None:
    codes, result = compared(rows(b_crm_deal=140), replayed=True, version="26.300")
    assert codes == []
    assert result.differences[0].reason == "changed by the binary logs after the copy"


def test_a_missing_table_is_a_finding_even_where_it_comes_and_goes() -> None:
    tables = rows()
    del tables["b_user_session"]
    codes, result = compared(tables)
    assert codes == ["tables_missing"] and result.missing == ["b_user_session"]


def test_a_table_that_came_or_went_while_the_copy_ran() -> None:
    noted = {"tables": {"b_new": [None, 3], "b_user": [5, 5], "b_gone": [4, None]}, "files": 1}
    result = compare(noted, {"b_new": 1, "b_user": 5}, 1)
    assert result.findings == [] and "came or went" in result.differences[0].reason


@pytest.mark.parametrize(
    ("noted", "tables", "codes"),
    [
        ({}, {"b_user": 1}, ["nothing_noted", "no_files_noted"]),
        ({"tables": {"b_user": [0, 9]}, "files": 1}, {"b_user": 0}, ["empty", "fewer_files"]),
    ],
)
def test_an_empty_set_is_no_success(noted: dict[str, t.Any], tables: dict[str, int], codes: list[str]) -> None:
    assert [each["code"] for each in compare(noted, tables, 0).findings] == codes


@pytest.mark.parametrize(
    ("files", "unread", "code"),
    [(50, 0, []), (51, 0, []), (49, 0, ["fewer_files"]), (49, 1, ["unread_files"]), (48, 1, ["fewer_files"])],
)
def test_fewer_files_than_noted(files: int, unread: int, code: list[str]) -> None:
    codes, result = compared(rows(), files, unread=unread)
    assert codes == code
    assert result.same is (code != ["fewer_files"])


def test_another_version_of_the_portal_is_another_portal() -> None:
    assert compared(rows(), version="26.250")[0] == []
    assert compared(rows(), version="")[0] == []
    assert compared(rows(), version="25.100")[0] == ["other_version"]


def test_every_finding_says_what_to_do_and_names_ten_tables_at_most() -> None:
    noted = {"tables": {f"t{number:02}": [2, 2] for number in range(14)}, "files": 2}
    result = compare(noted, {f"t{number:02}": 1 for number in range(1, 14)}, 1)
    assert [each["code"] for each in result.findings] == ["tables_missing", "fewer_rows", "fewer_files"]
    assert all(each["remedy"] for each in result.findings)
    assert result.findings[1]["text"].endswith("t10 1 instead of 2 and 3 more.")


def test_files_and_links_are_counted_and_an_unreadable_folder_is_not_zero(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_text("1")
    (tmp_path / "a" / "b" / "two").write_text("2")
    os.symlink("b", tmp_path / "a" / "link")
    assert count_files(str(tmp_path)) == 3
    with pytest.raises(FileNotFoundError):
        count_files(str(tmp_path / "gone"))
