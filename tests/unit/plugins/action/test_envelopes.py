# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action envelopes: codes are shown once, and kept as hashes alone."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action import envelopes
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import session


class Terminal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, line: str, screen_only: bool = False) -> None:
        assert screen_only, "Ansible's log would have it else"
        self.lines.append(line)


class Task:
    check_mode = False


def make(folder: Path, **options: t.Any) -> tuple[dict[str, t.Any], list[str]]:
    action = envelopes.ActionModule.__new__(envelopes.ActionModule)
    action._display, action._task = terminal, _task = Terminal(), Task()
    usual = {"dest": str(folder / "k/supervision.key"), "pages": None, "renew": False, "plan": {}, "journal": None}
    return action.work({**usual, **options}, {}), terminal.lines


def test_codes_are_shown_once_and_open_their_envelopes(tmp_path: Path) -> None:
    result, shown = make(tmp_path)
    made = session.read(result["dest"])
    assert result["envelopes"] == ["stop", "stop", "rollback", "resume", "resume"]
    assert [line.split()[0] for line in shown] == result["envelopes"]
    for line, envelope in zip(shown, made.envelopes):
        assert made.opened_by(line.partition(" ")[2]) == envelope
        assert line.partition(" ")[2].strip() not in json.dumps(result)
    assert made.key.hex() not in json.dumps(result)
    # A second run makes no others, and shows none.
    again, nothing = make(tmp_path)
    assert (again["changed"], nothing) == (False, [])
    assert session.read(result["dest"]) == made
    make(tmp_path, renew=True)
    assert session.read(result["dest"]).key != made.key


def test_codes_for_printing_go_to_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    pages = tmp_path / "pages.json"
    result, shown = make(tmp_path, pages=str(pages))
    assert shown == []
    assert pages.stat().st_mode & 0o777 == 0o600
    content = json.loads(pages.read_text())
    made = session.read(result["dest"])
    assert [each["purpose"] for each in content["envelopes"]] == result["envelopes"]
    assert all(made.opened_by(each["code"]) for each in content["envelopes"])
    assert content["plan_digits"] == result["plan"]
    with pytest.raises(BoxliftError, match="may hold codes that are still to be printed"):
        make(tmp_path, pages=str(pages), renew=True)
    assert session.read(result["dest"]) == made, "nothing was made anew"


def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    Task.check_mode = True
    try:
        result, shown = make(tmp_path)
    finally:
        Task.check_mode = False
    assert result["changed"]
    assert shown == []
    assert not Path(result["dest"]).exists()
