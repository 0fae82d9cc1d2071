# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action boxlift.portal.remark: which error a cure is added to. `test_step` has it in real runs."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.remark import remark
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.writer import append


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """Errors in the lines 2 (move.fetch), 4 and 6 (move.restore)."""
    path = str(tmp_path / "move.jsonl")
    for step, message in (("move.fetch", "no line"), ("move.restore", "no room"), ("move.restore", "no database")):
        append(path, "step", {"step": step, "state": "begin"})
        append(path, "step", {"step": step, "state": "end", "outcome": "failed", "message": message})
    return path


def told(path: str, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    given = {"step": "", "error": 0, "text": "", "minutes": None, "operator": "anna", **options}
    return remark(path, given, lambda value: value, check)


def test_without_a_number_it_is_the_last_error_without_a_cure(journal: str) -> None:
    assert [told(journal, text=text)["error"] for text in ("a", "b")] == [6, 4]
    assert told(journal, text="c", step="move.fetch", minutes=3)["error"] == 2
    assert told(journal, text="d", error=4)["error"] == 4
    cures = {error["line"]: [cure["text"] for cure in error["cures"]] for error in told(journal)["errors"]}
    assert cures == {2: ["c"], 4: ["b", "d"], 6: ["a"]}
    text = told(journal, step="move.fetch")["text"]
    assert text == ["move.fetch: known error (line 2): no line", "  cure: c (took 3 min)"]


def test_check_mode_and_the_same_again_write_nothing(journal: str) -> None:
    before = Path(journal).read_bytes()
    assert told(journal, check=True, text="a")["changed"] is True
    assert told(journal)["changed"] is False
    assert Path(journal).read_bytes() == before
    assert told(journal, text="a")["changed"] is True
    again = told(journal, text="a")
    assert (again["changed"], again["error"]) == (False, 6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"error": 3}, "no error in line 3; its errors stand in the lines: 2 (move.fetch), 4 (move.restore), 6 (move"),
        ({"step": "move.open"}, "no error without a cure of step move.open; its errors stand in the lines: none"),
    ],
)
def test_an_error_that_is_not_there_is_refused(journal: str, options: dict[str, t.Any], text: str) -> None:
    with pytest.raises(BoxliftError) as error:
        told(journal, text="a", **options)
    assert text in error.value.message
