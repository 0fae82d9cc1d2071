# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last line of `make test` is what people and machines believe: it must count everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from tally import main

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite>
  <testcase classname="a" name="good" time="3.25"/>
  <testcase classname="a" name="bad"><failure message="AssertionError: two&#10;lines"/></testcase>
  <testcase classname="a" name="torn"><error message="fixture"/></testcase>
  <testcase classname="a" name="left"><skipped message="no folder"/></testcase>
</testsuite></testsuites>
"""


def lines_of(folder: Path, stages: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    (folder / "stages").write_text(stages, encoding="utf-8")
    code = main(folder, 75)
    return code, capsys.readouterr().out.splitlines()


def test_parts_of_all_stages_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "unit.xml").write_text(JUNIT, encoding="utf-8")
    (tmp_path / "lint.results").write_text("passed\tlint: ruff\nfailed\tlint: mypy\n", encoding="utf-8")
    (tmp_path / "sanity.results").write_text("skipped\tsanity: pslint\tno pwsh\n", encoding="utf-8")
    code, lines = lines_of(tmp_path, "lint\t1\t3\nunit\t1\t62\nsanity\t0\t1\npackage\t0\t1\n", capsys)
    assert code == 1
    # good, ruff, and the stages sanity and package, which named no part that passed
    assert lines[-1] == "4 passed, 3 failed, 2 skipped"
    assert "skipped: sanity: pslint: no pwsh" in lines
    assert "skipped: a::left: no folder" in lines
    assert "failed: a::bad: AssertionError: two" in lines
    assert "unit         1:02  FAILED" in lines
    # Some stages ran side by side.
    assert "all          1:15" in lines
    assert "    3.2 s  a::good" in lines


def test_a_stage_that_failed_without_saying_where_is_one_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "molecule.results").write_text("passed\tmolecule default\n", encoding="utf-8")
    code, lines = lines_of(tmp_path, "molecule\t2\t1\n", capsys)
    assert (code, lines[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    assert "failed: molecule: ended with exit status 2" in lines


@pytest.mark.parametrize(("code", "line"), [(0, "1 passed, 0 failed, 0 skipped"), (1, "0 passed, 1 failed, 0 skipped")])
def test_a_stage_without_parts_counts_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, line: str
) -> None:
    assert lines_of(tmp_path, f"package\t{code}\t1\n", capsys)[1][-1] == line


def test_nothing_at_all_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = lines_of(tmp_path, "", capsys)
    assert (code, lines[-1]) == (1, "0 passed, 0 failed, 0 skipped")
