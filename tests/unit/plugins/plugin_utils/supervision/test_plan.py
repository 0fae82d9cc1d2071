# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key `supervision` of a plan, and what status and report say of it."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.move import supervision
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import PlanError
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Refused, Site
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.summary import summary, was_supervised

GOOD = {"mode": "dictated", "operator": "executor", "watchers": ["coordinator"]}


def test_a_move_goes_by_itself_if_the_site_says_nothing() -> None:
    policy = load().supervision
    assert (policy.mode, policy.operator, policy.watchers, policy.count) == ("autonomous", "", (), 1)
    assert policy.envelopes == {"stop": 2, "rollback": 1, "resume": 2}


def test_what_a_site_says_is_merged() -> None:
    policy = load({"supervision": {**GOOD, "envelopes": {"stop": None, "move.open@final": 1}}}).supervision
    assert (policy.mode, policy.operator, policy.watchers) == ("dictated", "executor", ("coordinator",))
    assert policy.envelopes == {"rollback": 1, "resume": 2, "move.open@final": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "guided"}, '"guided" is not possible here'),
        ({"operator": ""}, '"" is not possible here'),
        ({"operator": "nobody"}, "There is no nobody among people"),
        ({"watchers": ["nobody"]}, "There is no nobody among people"),
        ({"watchers": []}, "This list is not possible here"),
        ({"operator": None}, "Mode dictated needs an operator and a watcher"),
        ({"watchers": ["executor"]}, "executor would watch himself"),
        ({"count": 2}, "2 watchers must agree, and 1 are named"),
        ({"envelopes": {"move.open": 10}}, "10 is not possible here"),
        ({"envelopes": {"move.fetch": 1}}, "The stage is missing"),
        ({"envelopes": {"move.nothing@final": 1}}, "There is no move.nothing among steps"),
        ({"envelopes": {"Halt": 1}}, "is no id"),
        ({"codes": "yes"}, "There is no such key"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, t.Any], message: str) -> None:
    with pytest.raises(PlanError) as caught:
        load({"supervision": {**GOOD, **change}})
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1, caught.value


def test_variables_of_a_step_are_names(tmp_path: Path) -> None:
    assert load({"steps": {"move.name": {"vars": {"name_wait_minutes": 20}}}}).steps["move.name"].vars == {
        "name_led": True,
        "name_wait_minutes": 20,
    }
    with pytest.raises(PlanError, match="vars"):
        load({"steps": {"move.name": {"vars": {"Name-Led": True}}}})


def test_status_and_report_say_how_a_move_is_supervised(tmp_path: Path) -> None:
    plan, journal = load({"supervision": GOOD}), str(tmp_path / "move.jsonl")
    made, papers = session.make(plan)
    session.write(session.place_of(journal), made)
    assert not was_supervised(journal)
    what = summary(plan, journal)
    assert what.lines == [
        "The move is dictated. Next is 1.1, Agree on this plan, its people and its dates.",
        f"The chain is at {what.head}.",
    ]
    given = Desk(plan, str(tmp_path / "mirror"), made).give()
    assert given is not None
    site = Site(plan, journal, "me", lambda _process: True)
    with pytest.raises(Refused):
        site.begin("1.2", given.code)
    site.begin("1.1", given.code)
    for state in ("begin", "end"):
        fields = {"step": "prepare.agree", "stage": "prepare", "state": state, "outcome": "ok"}
        writer.append(journal, "step", fields)
    ended = site.end(codes.OK, 60)
    stop = next(paper.code for paper in papers if paper.purpose == codes.STOP)
    site.begin(codes.STOP, stop)
    stopped = site.end(codes.OK, 0, item=codes.STOP)
    assert was_supervised(journal)
    what = summary(plan, journal)
    assert (what.next, what.paused, what.refused, what.opened) == ("1.2", "stop", 1, ("stop",))
    assert "The move is dictated. It is stopped. Next is 1.2," in what.lines[0]
    told = supervision(Evidence(plan, read([journal])))
    assert told == {"mode": "dictated", "head": stopped.head, "opened": ["stop"], "refused": 1}
    assert stopped.head != ended.head


def test_a_move_that_goes_by_itself_has_nothing_to_say(tmp_path: Path) -> None:
    journal = str(tmp_path / "move.jsonl")
    writer.append(journal, "step", {"step": "prepare.agree", "stage": "prepare", "state": "begin"})
    assert summary(load(), journal).lines == []
    assert supervision(Evidence(load(), read([journal]))) is None
