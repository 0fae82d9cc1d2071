# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import UNKNOWN, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.writer import append
from unit.plugins.plugin_utils.sample_journal import Writer, write


@pytest.fixture
def out(tmp_path: Path) -> Writer:
    writer = Writer(tmp_path / "move.jsonl")
    writer.start("health")
    writer.begin_play("Check the portal")
    return writer


def test_the_sample_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path / "move.jsonl")
    journal = read([str(tmp_path)])
    assert [run.playbook for run in journal.runs] == ["provision", "fetch", "restore", "configure", "health"]
    assert [len(run.steps) for run in journal.runs] == [240, 3, 4, 24, 2]
    assert [run.failed for run in journal.runs] == [False, False, False, False, True]
    assert journal.damaged == []
    assert {run.site for run in journal.runs} == {"portal.boxlift.test"}
    fetch = journal.runs[1].steps[1]
    assert (fetch.module, fetch.seconds, fetch.end - fetch.start) == ("backup_fetch", 41_400, 41_400)
    assert fetch.results[0]["bytes_refetched"] == 167_772_160


def test_a_torn_last_line_is_named_and_the_rest_is_kept(out: Writer) -> None:
    out.task("Look", 1)
    with out.path.open("a", encoding="utf-8") as stream:
        stream.write('{"event":"task","time":"2026-04-18T18:0')
    journal = read([str(out.path)])
    assert [step.name for step in journal.runs[0].steps] == ["Look"]
    assert not journal.runs[0].finished
    assert journal.damaged == ["move.jsonl:5"]


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        "[]",
        "null",
        '{"event":"task"}',
        '{"time":"x"}',
        '{"event":"task","action":"x","start":"yesterday","seconds":1}',
    ],
)
def test_a_damaged_line_in_the_middle_hides_nothing_else(out: Writer, line: str) -> None:
    out.task("Before", 1)
    with out.path.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    out.task("After", 1)
    out.end()
    journal = read([str(out.path)])
    assert [step.name for step in journal.runs[0].steps] == ["Before", "After"]
    assert len(journal.damaged) == 1


def test_line_separators_inside_texts_do_not_split_lines(out: Writer) -> None:
    with out.path.open("a", encoding="utf-8") as stream:
        event = {"event": "site", "time": "", "domain": "a\u2028b\x85c"}
        stream.write(json.dumps(event, ensure_ascii=False) + "\n")
    out.task("Look", 1)
    journal = read([str(out.path)])
    assert journal.damaged == []
    assert journal.runs[0].site == "a\u2028b\x85c"


def test_unknown_fields_and_events_of_later_versions_are_passed_over(out: Writer) -> None:
    out.event("weather", sun=True)
    out.task("Look", 1, colour="blue")
    journal = read([str(out.path)])
    assert journal.damaged == []
    assert len(journal.runs[0].steps) == 1


def test_the_play_of_the_report_is_no_step(out: Writer) -> None:
    out.task("Look", 1)
    for playbook in ("", "report"):
        if playbook:
            out.start(playbook)
        out.begin_play("Report")
        out.task("Make the report", 1, "changed", action="boxlift.portal.report")
        out.task("Say where it is", 1, action="ansible.builtin.debug")
        out.end()
    runs = read([str(out.path)]).runs
    assert [(run.playbook, [step.name for step in run.steps]) for run in runs] == [("health", ["Look"])]


def test_runs_come_in_the_order_of_their_start(tmp_path: Path) -> None:
    late, early = Writer(tmp_path / "a.jsonl"), Writer(tmp_path / "b.jsonl")
    late.wait(3600)
    for writer, name in ((late, "restore"), (early, "fetch")):
        writer.start(name)
        writer.task("Work", 1)
    assert [run.playbook for run in read([str(tmp_path)]).runs] == ["fetch", "restore"]


class Moves:
    """Writes runs and steps of several processes by the real writer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, process: str, playbook: str = "cutover") -> int:
        return self.line("start", version=2, playbook=playbook, process=process)

    def line(self, event: str, **fields: object) -> int:
        return append(str(self.path), event, fields).seq

    def task(self, run: int, name: str, status: str = "ok", **fields: object) -> int:
        common = {"start": "2026-04-18T18:04:11.000Z", "seconds": 1.0, "play": "", "role": "", "host": "prod"}
        more = {"action": "ansible.builtin.command", "status": status, **fields}
        return self.line("task", name=name, run=run, **common, **more)

    def step(self, step: str, state: str, process: str = "", **fields: object) -> int:
        return self.line("step", step=step, state=state, process=process, **fields)


@pytest.fixture
def moves(tmp_path: Path) -> Moves:
    return Moves(tmp_path / "move.jsonl")


def test_tasks_belong_to_the_step_of_their_own_run(moves: Moves) -> None:
    """Two playbooks at a time, and one that only looks; each task is in its run and step."""
    one = moves.run("a")
    moves.step("fetch", "begin", "a")
    two = moves.run("b")
    moves.task(one, "Fetch", results=[{"rows": 1}])
    moves.step("ttl", "begin", "b")
    moves.task(two, "Lower the TTL", status="failed", message="no answer")
    moves.task(two, "Look", status="failed", message="never mind", ignored=True)
    looks = moves.run("c", "status")
    moves.line("play", name="Status", check=False, run=looks)
    moves.task(looks, "Look", action="boxlift.portal.progress_info")
    moves.task(one, "Prove")
    moves.task(one, "End", action="boxlift.portal.step")
    moves.step("fetch", "end", outcome="ok", values={"backup_bytes": 7})
    moves.task(one, "Afterwards")
    journal = read([str(moves.path)])
    assert [[step.name for step in run.steps] for run in journal.runs] == [
        ["Fetch", "Prove", "End", "Afterwards"],
        ["Lower the TTL", "Look"],
    ]
    (fetch,), (ttl,) = journal.steps["fetch"], journal.steps["ttl"]
    assert [task.name for task in fetch.tasks] == ["Fetch", "Prove"]
    assert (fetch.outcome, fetch.values, fetch.failures) == ("ok", {"backup_bytes": 7}, [])
    assert (ttl.outcome, ttl.end, ttl.seconds) == (UNKNOWN, None, None)
    assert [(failure.message, failure.task, failure.host) for failure in ttl.failures] == [
        ("no answer", "Lower the TTL", "prod")
    ]


def test_a_step_that_was_begun_again_leaves_the_first_attempt_unknown(moves: Moves) -> None:
    run = moves.run("a")
    moves.step("fetch", "begin", "a", operator="anna")
    line = moves.task(run, "Fetch", status="unreachable", message="no line")
    moves.run("b")
    moves.step("fetch", "begin", "b", operator="boris")
    moves.step("fetch", "end", outcome="failed", message="no disk", watcher="eva")
    moves.line("remark", step="fetch", error=line, text="Plugged it in.", seconds=60, operator="anna")
    moves.line("remark", step="fetch", error=1, text="There is no such error.")
    journal = read([str(moves.path)])
    first, second = journal.steps["fetch"]
    assert [(one.number, one.outcome, one.operator) for one in (first, second)] == [
        (1, UNKNOWN, "anna"),
        (2, "failed", "boris"),
    ]
    assert second.watcher == "eva"
    assert [(failure.message, failure.line) for failure in journal.failures("fetch")] == [
        ("no line", line),
        ("no disk", line + 3),
    ]
    assert [(cure.text, cure.seconds) for cure in first.failures[0].cures] == [("Plugged it in.", 60)]
    assert first.failures[0].until_next is not None and second.failures[0].until_next is None
    assert journal.damaged == [f"move.jsonl:{line + 5}"]


def test_an_end_that_nothing_began_is_no_attempt(moves: Moves) -> None:
    moves.step("fetch", "end", outcome="ok")
    journal = read([str(moves.path)])
    assert (journal.steps, journal.damaged) == ({}, ["move.jsonl:1"])


def test_a_step_whose_run_ended_well_is_awaited_and_not_killed(moves: Moves) -> None:
    for process, failures in (("a", 0), ("b", 1)):
        run = moves.run(process)
        moves.step(process, "begin", process, waiting_for="customer")
        moves.task(run, "Ask")
        moves.line("end", run=run, seconds=1, hosts={"prod": {"failures": failures}})
    moves.run("c")
    moves.step("c", "begin", "c")
    steps = read([str(moves.path)]).steps
    assert [(name, steps[name][0].awaited, steps[name][0].outcome) for name in "abc"] == [
        ("a", True, UNKNOWN),
        ("b", False, UNKNOWN),
        ("c", False, UNKNOWN),
    ]


@pytest.mark.parametrize("paths", [[], ["{}/nothing.jsonl"], ["{}"]])
def test_no_journal_says_how_to_get_one(tmp_path: Path, paths: list[str]) -> None:
    with pytest.raises(BoxliftError, match=r"[Nn]o journal") as error:
        read([path.format(tmp_path) for path in paths])
    assert "callbacks_enabled" in error.value.remedy
