# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dictated step is begun as the manual prints it, and in no other way."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import detours, numbers

PLAN = load()
ITEM = next(item for item in numbers.items(PLAN) if item.occurrence == "move.name@final")
FILE = {
    "supervise_plan": PLAN.sha256,
    "supervise_step": "move.name",
    "migration_stage": "final",
    "supervise_kind": "playbook",
    "supervise_playbook": "name",
    "name_led": True,
}


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({"tags": ["work"]}, "--tags"),
        ({"tags": ("all", "work")}, "--tags"),
        ({"skip_tags": ("work",)}, "--skip-tags"),
        ({"subset": "web1"}, "--limit"),
        ({"start_at_task": "Work"}, "--start-at-task"),
        ({"step": True}, "--step"),
    ],
)
def test_options_that_leave_something_out(arguments: dict[str, t.Any], option: str) -> None:
    with pytest.raises(BoxliftError, match=f"without {option}"):
        detours.refuse_options(arguments)


def test_what_ansible_says_without_options_is_let_through() -> None:
    detours.refuse_options({"tags": ("all",), "skip_tags": (), "subset": None, "start_at_task": None, "step": None})


def test_variables_that_the_file_of_the_step_does_not_have() -> None:
    detours.refuse_variables([*FILE, "supervise_code", "supervise_number"], ITEM)
    with pytest.raises(BoxliftError, match="without -e restore_generation="):
        detours.refuse_variables([*FILE, "restore_generation"], ITEM)
    detours.refuse_variables(["stop_kind", "supervise_code"], None)
    with pytest.raises(BoxliftError, match="without -e stop_kind="):
        detours.refuse_variables(["stop_kind"], ITEM)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("supervise_plan", "0" * 64),
        ("supervise_step", "move.open"),
        ("migration_stage", "rehearsal"),
        ("supervise_kind", "people"),
        ("supervise_playbook", "provision"),
        ("name_led", False),
    ],
)
def test_a_file_of_another_step_or_plan(name: str, value: t.Any) -> None:
    detours.refuse_another_step(PLAN, ITEM, FILE)
    with pytest.raises(BoxliftError, match=f"does not belong to this plan: {name} is"):
        detours.refuse_another_step(PLAN, ITEM, {**FILE, name: value})
    with pytest.raises(BoxliftError, match=f"{name} is None there"):
        detours.refuse_another_step(PLAN, ITEM, {key: value for key, value in FILE.items() if key != name})
