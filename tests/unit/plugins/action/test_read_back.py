# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action read_back: what the supervisor sees."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action import read_back
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Site

PLAN = {"supervision": {"mode": "dictated", "operator": "executor", "watchers": ["coordinator"]}}


class Terminal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, line: str) -> None:
        self.lines.append(line)


class Task:
    check_mode = False


class Desk:
    def __init__(self, folder: Path) -> None:
        self.journal, self.other = str(folder / "desk/move.jsonl"), str(folder / "site/move.jsonl")
        made, _papers = session.make(load(PLAN))
        for journal in (self.journal, self.other):
            session.write(session.place_of(journal), made)

    def run(self, **options: str) -> tuple[dict[str, t.Any], str]:
        action = read_back.ActionModule.__new__(read_back.ActionModule)
        action._display, action._task = terminal, _task = Terminal(), Task()
        usual = {"read_back": "", "next": "", "head": "", "plan": PLAN, "journal": self.journal}
        return action.work({**usual, **options}, {}), "\n".join(terminal.lines)

    @property
    def site(self) -> Site:
        return Site(load(PLAN), self.other, "me")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_from_the_first_code_to_equal_heads(desk: Desk) -> None:
    result, shown = desk.run()
    assert result["next"]["number"] == "1.1"
    assert f"mig 1.1 {result['next']['code']}" in shown
    desk.site.begin("1.1", result["next"]["code"])
    ended = desk.site.end("failed", 95.0)
    result, shown = desk.run(read_back=ended.read_back)
    assert result["ended"] == {"number": "1.1", "attempt": 1, "outcome": "failed", "seconds": 110}
    assert "1.1 Agree on this plan, its people and its dates: FAILED, about 1 min 50 s" in shown
    assert "Next: 1.1 Agree on this plan, its people and its dates (attempt 2)" in shown
    result, shown = desk.run(head=ended.head)
    assert result["equal"]
    assert "Both sides have the same head." in shown
    assert "next" not in result


def test_heads_that_differ_are_an_error(desk: Desk) -> None:
    with pytest.raises(BoxliftError, match="The heads differ") as caught:
        desk.run(head="00000 00000 00000")
    assert "type mig, and read me all digits" in caught.value.remedy


def test_a_misheard_group_is_named_and_gives_no_code(desk: Desk) -> None:
    with pytest.raises(BoxliftError, match="Group 3 does not fit its check digit") as caught:
        desk.run(read_back="40711 22694 55096")
    assert caught.value.remedy == "Have group 3 read again."
    assert not Path(desk.journal).exists()


def test_a_code_for_what_the_supervisor_names(desk: Desk) -> None:
    assert desk.run(next="stop")[0]["next"]["title"] == "Stop"
    with pytest.raises(BoxliftError, match="The plan has no number 7.7"):
        desk.run(next="7.7")


def test_check_mode_writes_nothing(desk: Desk) -> None:
    Task.check_mode = True
    try:
        desk.run(read_back="40711 22694 55086")
    finally:
        Task.check_mode = False
    assert not Path(desk.journal).exists()
