# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of several runs of copy.yml: summary.py FOLDER GIGABYTES ..., as a page in Markdown.

For each round the folder has the journal, GIGABYTES-ROUND.jsonl, and the counts of both copies, .counts.json.
"""

from __future__ import annotations

import datetime
import json
import statistics
import sys
import typing as t
from pathlib import Path

COPY = "Fetch the rows and files that differ"
BEHIND = "Count what came with"  # how the name of the first task after the role begins
TARGET = 0.15
HEAD = """# Pre-production copy of a portal in service

A sixth of it are rows, the rest are files. Between the two copies one percent of the files was changed, and one
percent of the rows of one of the two large tables, all over it. People work in production all the time besides: up to
ten orders a second, each five rows and a small file, and another file that is soon removed. In all copies everything
fitted together: orders and their lines, rows and their files. Both hosts share two processors with those who work.
Medians of {rounds} rounds; the ratio is the median of theirs.

Ansible's part is what the task costs before and after it works. The portal's size does not change it.
"""


def main(folder: str, *sizes: str) -> None:
    found = {size: sorted(Path(folder).glob(f"{size}-*.jsonl")) for size in sizes}
    print(HEAD.format(rounds=len(found[sizes[0]])), end="")
    for size, journals in found.items():
        rounds = [_round(journal) for journal in journals]
        print(f"\n## {size} GB\n\n| step | first copy, s | refresh, s | ratio |\n| --- | --- | --- | --- |")
        for step in rounds[0]:
            first, again = (statistics.median(one[step][which] for one in rounds) for which in (0, 1))
            ratio = statistics.median(one[step][1] / one[step][0] for one in rounds)
            target = f" (target {TARGET})" if step.startswith("copying") else ""
            print(f"| {step} | {first:.1f} | {again:.1f} | {ratio:.2f}{target} |")
        orders, written = map(statistics.median, zip(*map(_between, journals)))
        share = written / (float(size) * 1e9)
        print(f"\nBetween the two, people saved {orders:.0f} orders, with files of {share:.1%} of the portal's size.")


def _between(journal: Path) -> tuple[int, int]:
    """How many orders people saved between the two copies, and bytes of their files."""
    first, again = json.loads(journal.with_suffix(".counts.json").read_text(encoding="utf-8"))
    return again["found"]["order"] - first["found"]["order"], again["bytes"] - first["bytes"]


def _round(journal: Path) -> dict[str, tuple[float, float]]:
    """Seconds of the first copy and of the refresh, for each step."""
    events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    tasks = [event for event in events if event["event"] == "task"]
    first, again = (_copy([task for task in tasks if task["play"] == play]) for play in ("Copy it", "Copy again"))
    return {step: (first[step], again[step]) for step in first}


def _copy(tasks: list[dict[str, t.Any]]) -> dict[str, float]:
    """Seconds of copying with and without Ansible's part, and of the whole role."""
    named = {task["name"]: task for task in tasks}
    behind = [task for task in tasks if task["name"].startswith(BEHIND)]
    if COPY not in named or not behind:
        raise SystemExit(f"the journal lacks the task {COPY!r}, or the one behind the role, {BEHIND!r}")
    begin, end = (
        datetime.datetime.fromisoformat(task["start"].replace("Z", "+00:00")) for task in (tasks[0], behind[0])
    )
    return {
        "copying": named[COPY]["seconds"],
        "copying without Ansible's part": named[COPY]["results"][0]["progress"]["seconds"],
        "the role as a whole": (end - begin).total_seconds(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
