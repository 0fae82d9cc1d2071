# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate rests on: seen in its own stage, unknown is not met, and nobody's word replaces what can be seen."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt, Journal, Run, Step
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.gate import Input
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.inputs import look
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from unit.plugins.plugin_utils.by_hand import BY_HAND

PLAN = load()
DAY = datetime.date(2026, 11, 29)


def attempt(stage: str, start: float, module: str, **result: t.Any) -> Attempt:
    task = Step(start, 1, "play", "", "task", f"boxlift.portal.{module}", "box", "ok", results=[result])
    return Attempt("move.health", 1, start, stage, start + 1, "ok", tasks=[task])


def never() -> Forecast:
    raise AssertionError("nobody asked for a forecast")


def seen(
    name: str,
    *attempts: Attempt,
    told: t.Mapping[str, Input] | None = None,
    runs: t.Sequence[Run] = (),
    plan: Plan = PLAN,
) -> Input:
    gate = dataclasses.replace(plan.gates["commit"], inputs=(name,))
    journal = Journal(list(runs), [], [], {"move.health": list(attempts)})
    (found,) = look(plan, gate, journal, [], DAY, told or {}, never)
    return found


def finding(status: str, name: str = "web.answers") -> dict[str, str]:
    return {"id": name, "status": status}


def test_health_is_of_the_last_time_that_somebody_looked() -> None:
    bad = attempt("final", 10, "portal_health", findings=[finding("fail"), finding("pass", "web.mobile")])
    good = attempt("final", 20, "portal_health", findings=[finding("pass"), finding("warn", "web.mobile")])
    assert seen("health", bad) == Input("health", False, "1 fail: web.answers")
    assert seen("health", good, bad).met
    assert not seen("health").met
    # What the rehearsal has seen says nothing of the final run.
    assert not seen("health", dataclasses.replace(good, stage="rehearsal")).met


def by_hand(*attempts: Attempt) -> list[Run]:
    return [Run("health", each.start, plays=[each.tasks]) for each in attempts]


def test_a_look_by_hand_after_the_repair_counts_and_one_before_does_not() -> None:
    bad = attempt("final", 10, "portal_health", findings=[finding("fail")])
    good = attempt("", 20, "portal_health", findings=[finding("pass")])
    assert seen("health", bad, runs=by_hand(good)).met
    early = attempt("", 5, "portal_health", findings=[finding("pass")])
    assert not seen("health", bad, runs=by_hand(early)).met
    # Nobody has looked in this stage, so nothing is looked at anew.
    assert not seen("health", runs=by_hand(good)).met


def test_a_look_at_one_host_leaves_the_other_as_it_was() -> None:
    bad = attempt("final", 10, "portal_health", findings=[finding("fail")])
    bad.tasks.append(dataclasses.replace(bad.tasks[0], host="other"))
    good = attempt("", 20, "portal_health", findings=[finding("pass")])
    assert not seen("health", bad, runs=by_hand(good)).met
    good.tasks.append(dataclasses.replace(good.tasks[0], host="other"))
    assert seen("health", bad, runs=by_hand(good)).met


def test_a_step_of_another_stage_is_no_newer_look() -> None:
    bad = attempt("final", 10, "portal_health", findings=[finding("fail")])
    later = attempt("settle", 20, "portal_health", findings=[finding("pass")])
    assert not seen("health", bad, later, runs=by_hand(later)).met


@pytest.mark.parametrize("findings", [[finding("unknown")], []])
def test_what_could_not_be_looked_at_is_not_met(findings: list[dict[str, str]]) -> None:
    assert not seen("health", attempt("final", 1, "portal_health", findings=findings)).met


def test_test_calls() -> None:
    calls = [{"name": "mobile", "status": "pass"}, {"name": "queue", "status": "fail"}]
    assert seen("test_calls", attempt("final", 1, "telephony_check", calls=calls)).observed == "wrong: queue"
    assert seen("test_calls", attempt("final", 1, "telephony_check", calls=calls[:1])).met
    assert not seen("test_calls", attempt("final", 1, "telephony_check", calls=[])).met


def test_lead_items_need_a_window_to_be_in_time_for() -> None:
    assert seen("lead_items").observed == "the plan has no cutover window yet"


def test_only_what_cannot_be_seen_may_be_told() -> None:
    told = Input("difference", True, "told by anna: nothing is missing")
    # No code sees what people carry over by hand.
    by_hand = load({"steps": BY_HAND})
    assert seen("difference", told={"difference": told}, plan=by_hand) == told
    assert not seen("difference", plan=by_hand).met
    for gate, name in (
        ("health", "health"),
        ("difference", "difference"),
        ("entitlement", "entitlement"),
        ("health", "forecasts"),
    ):
        with pytest.raises(BoxliftError, match=f"The input {name} of the gate commit cannot be told"):
            seen(gate, told={name: Input(name, True, "trust me")})


def test_the_difference_is_met_by_the_proof_of_a_final_pass() -> None:
    result = {"format": 1, "grade": "good", "mode": "final", "explained": 3, "skipped": 1, "skipped_sha256": "ab" * 32}
    final = attempt("final", 10, "crm_transfer", delta=result)
    assert seen("difference", final) == Input(
        "difference", True, "good: 0 mismatches, 3 explained, 1 left behind (list abababababab)"
    )
    assert seen("difference").observed == "nobody has looked in this stage"
    assert not seen("difference", attempt("final", 10, "crm_transfer", delta={**result, "grade": "investigate"})).met
    # What was written after the proof is not proven.
    warm = attempt("final", 20, "crm_transfer", delta={**result, "mode": "warm"})
    assert not seen("difference", warm, final).met


def transferred(**delta: t.Any) -> Attempt:
    found = {"format": 1, "grade": "good", "mode": "final", "mismatches": 0, "explained": 9, "skipped": 2}
    found |= {"frozen_seconds": 26.6, "skipped_sha256": "4b8f1f523a27" + 52 * "0"}
    return attempt("final", 10, "crm_transfer", delta=found | delta)


def test_a_difference_is_brought_over_if_its_proof_says_so() -> None:
    """The grade decides, and only that of a pass after the freeze."""
    met = seen("difference", transferred())
    assert met == Input(
        "difference",
        True,
        "good: 0 mismatches, 9 explained, 2 left behind (list 4b8f1f523a27), verified 27 s after the freeze",
    )
    assert seen("difference", transferred(grade="perfect")).met
    assert not seen("difference", transferred(grade="investigate")).met
    assert not seen("difference", transferred(grade="poor", mismatches=3)).met
    warm = seen("difference", transferred(mode="warm", frozen_seconds=None))
    assert not warm.met and warm.observed.endswith("but that was a warm pass, not the final one")
    assert not seen("difference", transferred(grade="splendid")).met
    assert not seen("difference", transferred(format=2)).met


def test_the_proof_of_a_difference_is_not_told_by_people() -> None:
    with pytest.raises(BoxliftError, match="it is looked at"):
        seen("difference", transferred(grade="poor"), told={"difference": Input("difference", True, "fine")})


def test_a_licence_that_is_missing_is_named() -> None:
    found = [finding("fail", "entitlement.voice_library"), finding("warn", "entitlement.fax"), finding("skip", "x.y")]
    assert seen("entitlement") == Input("entitlement", False, "nobody has looked in this stage")
    looked = attempt("final", 1, "entitlement_check", findings=found, debts=[])
    assert seen("entitlement", looked) == Input("entitlement", False, "1 fail: entitlement.voice_library")
    assert seen("entitlement", attempt("final", 1, "entitlement_check", findings=found[1:])).met
