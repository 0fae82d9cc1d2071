# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a code says, and that it says nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits, numbers
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.codes import Entry, ReadBack
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.session import Session

KEY = bytes(range(32))
PLAN = "a" * 64


def test_a_go_code_is_of_key_plan_item_attempt_and_last_read_back() -> None:
    one = codes.go_code(KEY, PLAN, "3.4", 1, "407112269455086")
    others = {
        codes.go_code(KEY[::-1], PLAN, "3.4", 1, "407112269455086"),
        codes.go_code(KEY, "b" * 64, "3.4", 1, "407112269455086"),
        codes.go_code(KEY, PLAN, "3.5", 1, "407112269455086"),
        codes.go_code(KEY, PLAN, "3.4", 2, "407112269455086"),
        codes.go_code(KEY, PLAN, "3.4", 1, ""),
    }
    assert len(others | {one}) == 6
    assert len(one) == 7
    assert codes.shown(one).replace(" ", "") == one


@pytest.mark.parametrize("outcome", codes.OUTCOMES)
@pytest.mark.parametrize("attempt", [1, 4, 7])
def test_a_read_back_says_item_attempt_outcome_and_duration(outcome: str, attempt: int) -> None:
    for place, duration in ((0, 0), (46, 20), (999, 31), (1021, 1)):
        entries = [Entry("1.1", 1, "ok", 3), Entry("x", attempt, outcome, duration)]
        said = codes.read_back(KEY, PLAN, place, entries)
        assert len(said.replace(" ", "")) == 15
        mac = codes.mac_of(KEY, PLAN, entries)
        assert codes.decoded(said) == ReadBack(place, attempt % 4, outcome, duration, mac)
        assert codes.same_attempt(codes.decoded(said).attempt, attempt)
        assert mac < 2**20


def test_no_other_read_back_is_taken_for_one(tmp_path: Path) -> None:
    """Every bit of the 39 is looked at, also where the check digits were made anew."""
    plan = load()
    desk = Desk(plan, str(tmp_path / "mirror.jsonl"), Session(KEY, ()))
    entries = [Entry("1.1", 1, codes.OK, 12)]
    right = codes.read_back(KEY, plan.sha256, 0, entries)
    number = int(digits.ungrouped(right, 3))
    assert number < 2**39
    for bit in range(39):
        with pytest.raises(BoxliftError):
            desk.take(digits.grouped(f"{number ^ 2**bit:012d}"))
    assert desk.state.ended == []
    with pytest.raises(digits.Misheard, match="No read-back has these digits"):
        codes.decoded(digits.grouped("999999999999"))
    assert desk.take(right).entry == entries[0]


def test_durations_are_told_within_a_quarter() -> None:
    for seconds in (1.0, 59.0, 3600.0, 43200.0, 259200.0, 1.9e6):
        told = codes.seconds_of(codes.duration_class(seconds))
        assert seconds / 1.27 < told < seconds * 1.27
    assert codes.duration_class(0.0) == 0
    assert codes.duration_class(1e12) == 31


def test_places_lead_back_to_numbers() -> None:
    order = [item.number for item in numbers.items(load())]
    for number in (*order, *codes.SPECIAL):
        assert codes.number_at(codes.place_of(number, order), order) == number
    assert codes.number_at(len(order), order) is None


def test_the_chain_is_of_every_result_in_its_order() -> None:
    one, other = Entry("1.1", 1, "ok", 3), Entry("1.2", 1, "ok", 3)
    heads = {
        codes.spoken(codes.chain(plan, entries))
        for plan, entries in (
            (PLAN, []),
            (PLAN, [one, other]),
            (PLAN, [other, one]),
            (PLAN, [one, Entry("1.2", 2, "ok", 3)]),
            (PLAN, [one, Entry("1.2", 1, "failed", 3)]),
            (PLAN, [one, Entry("1.2", 1, "ok", 4)]),
            ("b" * 64, [one, other]),
        )
    }
    assert len(heads) == 7
    assert all(len(head.split()) == 3 and all(map(digits.is_whole, head.split())) for head in heads)
