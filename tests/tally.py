# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stages of tests/run.sh did: times, what failed, what was skipped and why, and one last line of counts."""

from __future__ import annotations

import collections
import sys
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path


class Outcome(t.NamedTuple):
    status: str  # passed, failed or skipped
    name: str
    reason: str
    seconds: float | None = None


SLOWEST = 10


def of_junit(path: Path) -> list[Outcome]:
    """Every test case of a JUnit file, as pytest writes it."""
    outcomes = []
    for case in ET.parse(path).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        status, reason = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                status, reason = "failed", child.get("message", "")
            elif child.tag == "skipped" and status == "passed":
                status, reason = "skipped", child.get("message", "")
        outcomes.append(Outcome(status, name, reason.splitlines()[0] if reason else "", float(case.get("time", 0))))
    return outcomes


def of_results(path: Path) -> list[Outcome]:
    """The lines that a stage reported itself."""
    outcomes = []
    for line in path.read_text(encoding="utf-8").splitlines():
        status, name, reason, seconds = [*line.split("\t"), "", "", ""][:4]
        if status not in ("passed", "failed", "skipped"):
            raise ValueError(f"{path}: {line!r} does not begin with passed, failed or skipped")
        outcomes.append(Outcome(status, name, reason, float(seconds) if seconds else None))
    return outcomes


def of_stage(folder: Path, stage: str, code: int) -> list[Outcome]:
    """A stage that failed without a failed part, or without parts at all, counts itself."""
    junit, results = folder / f"{stage}.xml", folder / f"{stage}.results"
    outcomes: list[Outcome] = []
    if junit.exists():
        outcomes = of_junit(junit)
    elif results.exists():
        outcomes = of_results(results)
    if code != 0 and not any(outcome.status == "failed" for outcome in outcomes):
        outcomes.append(Outcome("failed", stage, f"ended with exit status {code}"))
    elif not any(outcome.status == "passed" for outcome in outcomes) and code == 0:
        outcomes.append(Outcome("passed", stage, ""))
    return outcomes


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60:3}:{int(seconds) % 60:02}"


def main(folder: Path, total: int) -> int:
    """Tell what the stages did in `total` seconds, some of them side by side; 1 if something failed."""
    outcomes: list[Outcome] = []
    print("\n======== stages")
    for line in (folder / "stages").read_text(encoding="utf-8").splitlines():
        stage, code, seconds = line.split("\t")
        outcomes += of_stage(folder, stage, int(code))
        print(f"{stage:10} {clock(int(seconds))}  {'passed' if code == '0' else 'FAILED'}")
    print(f"{'all':10} {clock(total)}")
    timed = sorted((outcome for outcome in outcomes if outcome.seconds), key=lambda outcome: -(outcome.seconds or 0))
    if timed:
        print(f"\n======== the longest {SLOWEST} parts")
    for outcome in timed[:SLOWEST]:
        print(f"{outcome.seconds:7.1f} s  {outcome.name}")
    print()
    for status in ("failed", "skipped"):
        for outcome in outcomes:
            if outcome.status == status:
                print(f"{status}: {outcome.name}: {outcome.reason}")
    count = collections.Counter(outcome.status for outcome in outcomes)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
