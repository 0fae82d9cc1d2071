# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.secret_names import is_secret_name
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import graph
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import numbers
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import GATE, PEOPLE, items

PLAYBOOKS = Path(__file__).parents[5] / "playbooks"


def test_each_occurrence_and_each_gate_has_one_number() -> None:
    plan = load()
    found = items(plan)
    assert len({item.number for item in found}) == len(found)
    steps = {item.occurrence for item in found if item.kind != GATE}
    assert steps == {f"{step.id}@{stage}" for stage in plan.stages for step in plan.occurrences(stage)}
    assert {item.id for item in found if item.kind == GATE} == set(plan.gates)
    assert found[0].number == "1.1"
    assert found[-1].number.startswith("4.")


def test_what_an_item_waits_for_comes_before_it() -> None:
    plan = load()
    places = {(item.id, item.stage): number for number, item in enumerate(items(plan))}
    for node, before in graph.build(plan).before.items():
        if node.kind != "lead":
            assert all(
                places[one.id, one.stage] < places[node.id, node.stage] for one in before if one.kind != "lead"
            ), node


def test_items_say_what_is_run() -> None:
    found = {item.occurrence: item for item in items(load({"supervision": {"operator": "executor"}}))}
    assert found["move.name@final"].playbook == "name"
    assert found["move.name@final"].vars == {"name_led": True}
    assert found["move.freeze@final"].kind == PEOPLE
    assert found["go@final"].vars == {"gate": "go", "ask_by": "executor"}


def test_a_plan_with_too_many_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MOST", len(items(load())) - 1)
    with pytest.raises(BoxliftError, match=r"The plan has \d+ steps and gates, and a read-back can name"):
        items(load())


def imports() -> t.Iterator[tuple[str, str, dict[str, t.Any]]]:
    """Step, playbook and variables of each import that rehearse, cutover and prepare make for a step of the plan."""
    for name in ("prepare", "rehearse", "cutover"):
        for play in yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text()):
            condition = str(play.get("when") or "")
            if "ansible.builtin.import_playbook" in play and "under_way" in condition:
                step = condition.partition("under_way', '")[2].partition("'")[0]
                yield step, play["ansible.builtin.import_playbook"].rpartition(".")[2], play.get("vars", {})


def test_the_plan_gives_each_playbook_the_variables_that_the_others_give_it() -> None:
    steps = load().steps
    found = list(imports())
    assert len(found) == 17
    for step, playbook, variables in found:
        assert (steps[step].playbook, dict(steps[step].vars)) == (playbook, variables), step


def test_no_variable_of_the_plan_is_taken_for_a_secret() -> None:
    """Its value, such as `final`, would be masked in every journal."""
    assert [name for step in load().steps.values() for name in step.vars if is_secret_name(name)] == []
