# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read
from ansible_collections.boxlift.portal.plugins.plugin_utils.report import page
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import build
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.chart import LABEL, VALUE, WIDTH
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.timeline import LINES, drawn
from unit.plugins.plugin_utils.sample_journal import PARTS, TABLES, Writer, write


def part(index: int, **spans: t.Any) -> dict[str, t.Any]:
    return {"name": f"b.tar.{index}" if index else "b.tar", "index": index, **spans}


def table(name: str, begin: float, end: float, rows: int = 5) -> dict[str, t.Any]:
    return {"table": name, "begin": begin, "end": end, "rows": rows}


def line(parts: list[dict[str, t.Any]], tables: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return {"parts": parts, "tables": tables}


def bars(row: dict[str, t.Any]) -> list[tuple[str, float, float]]:
    """Kind, begin and end as shares of the axis."""
    width = WIDTH - LABEL - VALUE
    return [(b["kind"], (b["x"] - LABEL) / width, (b["x"] - LABEL + b["width"]) / width) for b in row["bars"]]


def test_each_part_shows_when_it_was_fetched_proven_and_placed() -> None:
    parts = [
        part(1, fetched=None, proven=[50, 75], placed=[75, 100]),
        part(0, fetched=[0, 25], proven=[25, 50], placed=[40, 50]),
    ]
    (chart,) = drawn(line(parts, []))
    assert [(row["label"], row["value"]) for row in chart["rows"]] == [("part 0", "50 s"), ("part 1", "50 s")]
    first, second = (bars(row) for row in chart["rows"])
    assert [kind for kind, _begin, _end in first] == ["fetched", "proven", "placed"]
    assert first[1][1:] == pytest.approx((0.25, 0.5), abs=0.001)
    assert [kind for kind, _begin, _end in second] == ["proven", "placed"]
    assert second[1][1:] == pytest.approx((0.75, 1), abs=0.001)
    lanes = [each["y"] for each in chart["rows"][0]["bars"]]
    assert lanes == sorted(set(lanes)), "bars of one row lie on each other"


def test_parts_and_tables_have_the_same_scale() -> None:
    parts, tables = drawn(line([part(0, proven=[0, 50])], [table("b_user", 50, 100)]))
    assert bars(parts["rows"][0])[0][2] == pytest.approx(0.5, abs=0.001)
    assert bars(tables["rows"][0])[0][1:] == pytest.approx((0.5, 1), abs=0.001)


def test_hundreds_of_parts_stay_readable_and_none_is_lost() -> None:
    for number in (LINES, LINES + 1, 301, 5000):
        (chart,) = drawn(line([part(i, proven=[i, i + 1]) for i in range(number)], []))
        assert len(chart["rows"]) <= LINES
        assert chart["height"] < 600
        assert chart["rows"][-1]["label"].endswith(f" {number - 1}")
        assert sum(end - begin for row in chart["rows"] for _kind, begin, end in bars(row)) == pytest.approx(
            1, abs=0.05
        )


def test_the_longest_tables_stand_alone_and_the_others_together() -> None:
    tables = [table(f"t{i}", 10 * i, 10 * i + (9 if i % 10 == 5 else 1), rows=i) for i in range(190)]
    (chart,) = drawn(line([], tables))
    labels = [row["label"] for row in chart["rows"]]
    assert labels == [*(f"t{10 * i + 5}" for i in range(19)), "171 shorter tables"]
    assert chart["rows"][-1]["value"] == "2 min 51 s"
    assert chart["rows"][-1]["title"].startswith(f"171 tables, {sum(i for i in range(190) if i % 10 != 5)} rows")


def test_a_moment_can_be_seen() -> None:
    (chart,) = drawn(line([], [table("t", 0, 0)]))
    assert chart["rows"][0]["bars"][0]["width"] >= 2


def test_nothing_done_is_nothing_drawn() -> None:
    assert drawn(line([], [])) == []


def test_the_page_shows_the_last_run_of_each_module_that_did_something(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    out.start("restore")
    out.begin_play("Restore")
    restore = {"action": "boxlift.portal.backup_restore"}
    for timeline in ([part(0, proven=[0, 1])], [part(0, proven=[0, 7])], []):
        out.task("Restore", 9, "changed", results=[{"timeline": timeline, "import_timeline": []}], **restore)
    out.task("Restore", 9, host="copy", results=[{"timeline": [part(0, proven=[0, 3])]}], **restore)
    out.task("Load", 9, action="database_import", results=[{"timeline": [table("b_user", 0, 4)]}])
    out.end()
    report = build(read([str(out.path)]))
    assert [(one["module"], one["host"]) for one in report["timelines"]] == [
        ("backup_restore", "prod"),
        ("backup_restore", "copy"),
        ("database_import", "prod"),
    ]
    assert report["timelines"][0]["parts"] == [part(0, proven=[0, 7])]
    assert report["timelines"][2]["tables"] == [table("b_user", 0, 4)]
    html = page.render(report)
    assert html.count("<title>b.tar, ") == 2
    assert "<title>b_user: 5 rows, 4 s</title>" in html


def test_a_journal_without_timelines_has_no_such_section(tmp_path: Path) -> None:
    out = Writer(tmp_path / "move.jsonl")
    out.start("restore")
    out.begin_play("Restore")
    out.task("Restore", 9, action="boxlift.portal.backup_restore", results=[{"files": 1, "directories": 0}])
    out.end()
    assert "<h2>Timeline" not in page.render({**build(read([str(out.path)])), "restore": {}})


def test_a_whole_move_fits_the_page(tmp_path: Path) -> None:
    write(tmp_path / "move.jsonl")
    html = page.render(build(read([str(tmp_path / "move.jsonl")])))
    section = html[html.index("<h2>Timeline") : html.index("<h2>The portal")]
    assert [int(number) for number in re.findall(r'viewBox="0 0 960 (\d+)"', section)] == [488, 488, 512]
    assert f'<p class="soft">{PARTS} parts</p>' in section
    assert f'<p class="soft">{len(TABLES)} tables loaded</p>' in section
    assert not re.search(r'(x|width)="(-|nan|inf)', section)
