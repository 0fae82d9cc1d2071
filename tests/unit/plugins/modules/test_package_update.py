# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a scripted apt."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.modules import package_update as module
from unit.plugins.module_utils.upkeep.toy_apt import SECURITY, ToyApt


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> ToyApt:
    toy = ToyApt()

    def run_command(_module: t.Any, argv: list[str], environ_update: dict[str, str]) -> tuple[int, str, str]:
        assert environ_update["NEEDRESTART_MODE"] == "l"
        return toy(argv)

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)
    return toy


@pytest.fixture
def run(run_module: t.Any, tmp_path: pathlib.Path) -> t.Callable[..., dict[str, t.Any]]:
    def call(**params: t.Any) -> dict[str, t.Any]:
        result: dict[str, t.Any] = run_module(module, notes=str(tmp_path), **params)
        return result

    return call


def changes(apt: ToyApt) -> list[str]:
    return [words[0] for words in apt.told if words[:2] != ["apt-get", "update"]]


def test_check_mode_says_what_would_change(apt: ToyApt, run: t.Callable[..., dict[str, t.Any]]) -> None:
    result = run(check=True)
    assert (result["changed"], result["note"], changes(apt)) == (True, "", [])
    assert result["packages"][0] == {
        **{"name": "nginx", "before": "1.0", "after": "1.1", "origin": SECURITY, "security": True},
    }
    assert result["diff"] == {"before": "nginx 1.0\nbash 5.1\n", "after": "nginx 1.1\nbash 5.2\n"}


def test_it_updates_and_a_second_run_changes_nothing(apt: ToyApt, run: t.Callable[..., dict[str, t.Any]]) -> None:
    first = run(only="security", without_copy="the store is being moved")
    assert (first["changed"], [each["name"] for each in first["packages"]]) == (True, ["nginx"])
    assert first["note"].endswith("-playbook") and first["without_copy"] == "the store is being moved"
    second = run(only="security")
    assert (second["changed"], second["packages"], second["note"]) == (False, [], "")


def test_lists_are_read_anew_unless_told_otherwise(apt: ToyApt, run: t.Callable[..., dict[str, t.Any]]) -> None:
    run(check=True, refresh=False)
    assert apt.told == []
    run(check=True)
    assert apt.told[0][:2] == ["apt-get", "update"]


def test_back_and_held_until_told_otherwise(apt: ToyApt, run: t.Callable[..., dict[str, t.Any]]) -> None:
    note = run(only="security")["note"]
    predicted = run(back=note, check=True)
    assert (predicted["changed"], apt.installed["nginx"]) == (True, "1.1")
    back = run(back=note)
    assert (back["changed"], apt.installed["nginx"], back["held_by_way_back"]) == (True, "1.0", ["nginx"])
    assert run(back=note)["changed"] is False
    assert run(only="security")["changed"] is False


@pytest.mark.parametrize("only", ["all", "security"])
def test_what_is_held_no_more_is_a_change_that_check_mode_foretells(
    apt: ToyApt, run: t.Callable[..., dict[str, t.Any]], only: str
) -> None:
    run(back=run(only="security")["note"])
    apt.installed["bash"] = "5.2"
    assert run(check=True, only=only)["packages"] == []
    predicted = run(check=True, only=only, unhold=True)
    assert [each["name"] for each in predicted["packages"]] == ["nginx"]
    assert (apt.held, predicted["held"], apt.installed["nginx"]) == (["nginx"], [], "1.0")
    done = run(only=only, unhold=True)
    assert (apt.held, apt.installed["nginx"], done["packages"]) == ([], "1.1", predicted["packages"])


def test_a_note_that_is_not_there(apt: ToyApt, run: t.Callable[..., dict[str, t.Any]]) -> None:
    result = run(back="20200101T000000Z-night")
    assert result["failed"] and result["msg"].startswith("There is no note 20200101T000000Z-night of an update in ")
    assert changes(apt) == []
