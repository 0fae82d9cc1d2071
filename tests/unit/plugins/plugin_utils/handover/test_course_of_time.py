# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planned against actual, and who waited for whom; and the geometry of the drawing."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover import gantt
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.course_of_time import phases, waits
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import LABEL, VALUE, WIDTH
from unit.plugins.plugin_utils import sample_move
from unit.plugins.plugin_utils.sample_move import Move

Data = dict[str, t.Any]


def evidence(out: Move) -> Evidence:
    return Evidence(out.plan, read([str(out.path)]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence(sample_move.write(tmp_path_factory.mktemp("move") / "move.jsonl"))


@pytest.fixture
def out(tmp_path: Path) -> Move:
    return Move(tmp_path / "move.jsonl")


def steps_of(of: Evidence, phase: str) -> dict[str, Data]:
    return {step["id"]: step for one in phases(of) if one["id"] == phase for step in one["steps"]}


def test_rehearsal_and_final_run_stand_beside_the_plan(whole: Evidence) -> None:
    # The phase that has not begun is not drawn.
    assert [(phase["id"], list(phase["stages"])) for phase in phases(whole)] == [
        ("prepare", ["prepare"]),
        ("move", ["rehearsal", "final"]),
    ]
    fetch = steps_of(whole, "move")["move.fetch"]
    assert fetch["planned"]["seconds"] == 43_200
    assert {stage: lane["seconds"] for stage, lane in fetch["lanes"].items()} == {"rehearsal": 39_600, "final": 38_016}
    restore = steps_of(whole, "move")["move.restore"]["lanes"]["rehearsal"]
    assert (restore["attempts"], restore["seconds"]) == (2, 6600)
    assert [span[2] for span in restore["spans"]] == ["failed", "ok"]


def test_a_step_of_people_lasts_from_when_it_could_begin(whole: Evidence) -> None:
    steps = steps_of(whole, "move")
    assert steps["move.delta"]["lanes"]["final"]["seconds"] == 5760
    # Nobody waited 20 days for the order of the backup: it was not due.
    assert steps["move.order_backup"]["lanes"]["rehearsal"]["seconds"] == 0


def test_who_waited_for_whom(whole: Evidence) -> None:
    pairs = {(pair["who"], pair["whom"]): pair for pair in waits(whole)}
    assert set(pairs) == {("Contractor", "Customer"), ("Customer", "Contractor")}
    assert pairs["Customer", "Contractor"]["seconds"] == 5760
    mine = {item["what"]: item["seconds"] for item in pairs["Contractor", "Customer"]["items"]}
    assert mine["Gate: The hosts are ready for the rehearsal"] == 600 + 19 * 3600
    assert mine["Lead the portal's name to the new hosts (final run)"] == 1500
    assert sum(mine.values()) == pairs["Contractor", "Customer"]["seconds"]


def test_what_a_step_says_of_its_waiting_counts(out: Move) -> None:
    out.begin_play("x")
    out.event("step", step="prepare.preflight", state="begin", stage="prepare", waiting_for="sales")
    out.wait(300)
    out.event("step", step="prepare.preflight", state="end", outcome="ok", stage="prepare")
    assert [(pair["who"], pair["whom"], pair["seconds"]) for pair in waits(evidence(out))] == [
        ("Contractor", "Sales", 300)
    ]


def test_an_attempt_without_an_end_is_drawn_as_far_as_it_is_known(out: Move) -> None:
    out.start("fetch")
    out.begin_play("Fetch")
    out.event("step", step="move.fetch", state="begin", stage="rehearsal")
    out.task("Fetch", 500)
    lane = steps_of(evidence(out), "move")["move.fetch"]["lanes"]["rehearsal"]
    assert [(round(end - begin), outcome) for begin, end, outcome in lane["spans"]] == [(500, "unknown")]
    assert lane["seconds"] is None
    (drawing,) = gantt.drawn({"phases": phases(evidence(out))})
    row = next(row for row in drawing["rows"] if row["label"].startswith("Fetch the backup"))
    assert [drawn["level"] for drawn in row["bars"]] == ["lane0", "unknown"]
    assert [text["text"] for text in row["texts"]] == ["12 h", "not done", ""]


def test_a_step_that_the_plan_has_left_out_is_not_drawn(out: Move) -> None:
    out.step("move.fetch", "rehearsal", 10)
    out.step("move.restore", "rehearsal", 0, "skipped")
    assert steps_of(evidence(out), "move")["move.restore"]["lanes"]["rehearsal"]["spans"] == []


def test_the_drawing_holds_every_bar_and_no_two_rows_touch(whole: Evidence) -> None:
    for drawing in gantt.drawn({"phases": phases(whole)}):
        bars = [drawn for row in drawing["rows"] for drawn in row["bars"]]
        assert min(drawn["x"] for drawn in bars) == LABEL
        assert max(drawn["x"] + drawn["width"] for drawn in bars) <= WIDTH - VALUE + gantt.SHORTEST_BAR
        assert max(drawn["y"] for drawn in bars) < drawing["height"]
        tops = [row["y"] for row in drawing["rows"]]
        assert all(after - before >= 2 * gantt.LANE for before, after in zip(tops, tops[1:]))
        failed = {"bad"} if drawing["title"] == "Move" else set()
        assert {drawn["level"] for drawn in bars} == {each["lane"] for each in drawing["legend"]} | failed
        for row in drawing["rows"]:
            tops = sorted({drawn["y"] for drawn in row["bars"]})
            assert all(after - before == gantt.LANE for before, after in zip(tops, tops[1:]))


def test_what_only_the_final_run_has_has_its_colour(whole: Evidence) -> None:
    drawing = gantt.drawn({"phases": phases(whole)})[1]
    row = next(row for row in drawing["rows"] if row["label"].startswith("Stop work"))
    assert [drawn["level"] for drawn in row["bars"]] == ["lane0", "lane2"]
    assert [each["lane"] for each in drawing["legend"]] == ["lane0", "lane1", "lane2"]


def test_long_idle_time_is_cut_and_short_one_is_not() -> None:
    hours = 3600.0
    cut = gantt.Cut([[0.0, 10 * hours], [10.1 * hours, 12 * hours], [100 * hours, 108 * hours]])
    worked = 10 + 1.9 + 8
    assert cut.at(10.1 * hours) == pytest.approx(10.1 * hours)
    assert cut.at(100 * hours) == pytest.approx((12 + worked * gantt.LONGEST_IDLE) * hours)
    assert cut.length == pytest.approx(cut.at(108 * hours))
