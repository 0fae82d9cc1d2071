# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
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


@pytest.mark.parametrize("paths", [[], ["{}/nothing.jsonl"], ["{}"]])
def test_no_journal_says_how_to_get_one(tmp_path: Path, paths: list[str]) -> None:
    with pytest.raises(BoxliftError, match=r"[Nn]o journal") as error:
        read([path.format(tmp_path) for path in paths])
    assert "callbacks_enabled" in error.value.remedy
