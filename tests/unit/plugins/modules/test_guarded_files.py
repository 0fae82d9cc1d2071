# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over its library; how a change is guarded is in module_utils/test_guarded_files.py."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils import guarded_files as library
from ansible_collections.boxlift.portal.plugins.module_utils.host_files import Change
from ansible_collections.boxlift.portal.plugins.modules import guarded_files


@pytest.fixture
def ask(run_module: t.Any, tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    def run(check: bool = False, **more: t.Any) -> dict[str, t.Any]:
        given = {
            "name": "rules",
            "files": [{"path": str(tmp_path / "rules"), "content": "accept\n"}],
            "apply": ["load 'two words'"],
            "remove": ["unload"],
            "state_directory": str(tmp_path / "state"),
        }
        result: dict[str, t.Any] = run_module(guarded_files, check=check, **{**given, **more})
        return result

    return run


def test_check_mode_predicts(ask: t.Any, tmp_path: Path) -> None:
    result = ask(check=True)
    assert result["changed"] and result["paths"] == [str(tmp_path / "rules")]
    assert result["diff"][0]["after"] == "accept\n"
    assert list(tmp_path.iterdir()) == []


def test_change_and_repeat(ask: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[library.Plan] = []

    def change(plan: library.Plan, *_more: t.Any, only_predict: bool) -> list[Change]:
        plans.append(plan)
        return [Change("/etc/rules", "", "accept\n")] if len(plans) == 1 else []

    monkeypatch.setattr(library, "change", change)
    assert ask(in_service="list rules")["changed"]
    assert not ask()["changed"]
    assert plans[0].apply == [["load", "two words"]] and plans[0].in_service == ["list", "rules"]
    assert plans[0].seconds == 60 and plans[1].in_service == []


def test_nothing_to_confirm(ask: t.Any) -> None:
    result = ask(step="confirm")
    assert (result["changed"], result["confirmed"]) == (False, False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "my rules"}, "name is 'my rules'. Use lower-case letters, digits and hyphens."),
        ({"files": [{"path": "rules", "content": ""}]}, "rules is no absolute path. Let it begin with /."),
        (
            {"files": [{"path": "/rules", "content": "", "mode": "644"}]},
            "The mode of /rules is '644'. Write four octal digits in quotes, such as '0644'.",
        ),
    ],
)
def test_a_wrong_input(ask: t.Any, wrong: dict[str, t.Any], message: str) -> None:
    result = ask(check=True, **wrong)
    assert result["failed"] and result["msg"] == message
