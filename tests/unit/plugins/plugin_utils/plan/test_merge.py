# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every site's file that is merged into the default plan."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import default, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.merge import BY_ID, merge
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import Data, from_mapping
from hypothesis import given
from hypothesis import strategies as st

DEFAULT = default().data
STEPS = sorted(DEFAULT["steps"])
scalars = st.one_of(st.integers(), st.booleans(), st.text(max_size=5))
keys = st.one_of(st.sampled_from(sorted({*DEFAULT, *STEPS, "title", "owner", "undo"})), st.text(max_size=3))
anything = st.recursive(
    st.one_of(scalars, st.none(), st.lists(scalars, max_size=3)),
    lambda inner: st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
files = st.dictionaries(keys, anything, max_size=4)


def merged(site: Data, over: Data | None = None) -> Data:
    return merge(from_mapping(DEFAULT if over is None else over), from_mapping(site))[0].data


def has_none(value: t.Any) -> bool:
    return value is None or (isinstance(value, dict) and any(map(has_none, value.values())))


def reachable(steps: Data) -> set[tuple[str, str]]:
    """Each step with everything that must be done before it."""
    pairs: set[tuple[str, str]] = set()
    for name in steps:
        pending = list(steps[name].get("depends", []))
        while pending:
            one = pending.pop()
            if (name, one) not in pairs:
                pairs.add((name, one))
                pending += steps[one].get("depends", [])
    return pairs


def test_nothing_changes_nothing() -> None:
    assert merged({}) == DEFAULT
    assert merged(DEFAULT) == DEFAULT


@given(files)
def test_inputs_stay_as_they_are(site: Data) -> None:
    before = copy.deepcopy((site, DEFAULT))
    merged(site)
    assert (site, DEFAULT) == before


@given(files.filter(lambda site: not has_none(site)))
def test_twice_is_once(site: Data) -> None:
    once = merged(site)
    assert merged(site, once) == once


@given(files)
def test_null_never_stays(site: Data) -> None:
    assert not has_none(merged(site))


@given(files)
def test_what_is_not_named_stays(site: Data) -> None:
    out = merged({key: value for key, value in site.items() if key not in ("steps", "gates")})
    for key in DEFAULT.keys() - site.keys():
        assert out[key] == DEFAULT[key]


@given(st.sets(st.sampled_from(STEPS)))
def test_the_order_of_the_others_stays_when_steps_are_taken_out(gone: set[str]) -> None:
    out = merged({"steps": dict.fromkeys(gone)})
    assert set(out["steps"]) == set(STEPS) - gone
    left = {(one, other) for one, other in reachable(DEFAULT["steps"]) if not {one, other} & gone}
    assert reachable(out["steps"]) == left
    named = {name for gate in out["gates"].values() for name in gate["after"]}
    assert not named & gone


def test_what_is_taken_out_must_be_there() -> None:
    for kind in BY_ID:
        result, problems = merge(default(), from_mapping({kind: {"never.there": None}}))
        assert [(problem.path, problem.message) for problem in problems] == [
            (f"{kind} > never.there", "There is nothing of this id to take out.")
        ]
        assert result.removed == frozenset()


def test_one_way_of_doing_a_step_takes_the_others_place() -> None:
    steps = load(
        {
            "steps": {
                "move.delta": {"playbook": "site.own.delta", "undo": {"reason": "It only adds."}},
                "move.fetch": {"manual": True},
            }
        }
    ).steps
    assert (steps["move.delta"].playbook, steps["move.delta"].undo.playbook) == ("site.own.delta", None)
    assert steps["move.fetch"].playbook is None
