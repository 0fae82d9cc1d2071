# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a run of copy.yml: summary.py JOURNAL GIGABYTES, as a page in Markdown."""

from __future__ import annotations

import datetime
import json
import sys
import typing as t
from pathlib import Path

STEPS = {
    "Fetch the rows that differ, all of one moment, and load them": "database",
    "Fetch what differs of production's files": "files",
}
NOTHING = "Do nothing, to know what a task costs"
TARGET = 0.15
HEAD = """# Pre-production copy of a portal in service, {gigabytes} GB

A sixth of it are rows, the rest are files, and people work in production all the time: up to fifty orders a second,
each with its lines and a small file. Between the two copies one percent of the files was changed besides, and one
percent of the rows of one of the two large tables, all over it. In both copies everything fitted together: orders and
their lines, rows and their files. Both hosts share two processors with those who work.
"""


def main(journal: str, gigabytes: str) -> None:
    events = [json.loads(line) for line in Path(journal).read_text(encoding="utf-8").splitlines()]
    tasks = [event for event in events if event["event"] == "task"]
    rounds = [_round([task for task in tasks if task["play"] == play]) for play in ("Copy it", "Copy again")]
    print(HEAD.format(gigabytes=gigabytes))
    print("| step | first copy, s | refresh, s | ratio |\n| --- | --- | --- | --- |")
    for step in rounds[0]:
        first, again = (each[step] for each in rounds)
        target = f" (target {TARGET})" if step.startswith("copying") else ""
        print(f"| {step} | {first:.1f} | {again:.1f} | {again / first:.2f}{target} |")


def _round(tasks: list[dict[str, t.Any]]) -> dict[str, float]:
    """Seconds of each step, of all copying with and without Ansible's part, and of the whole role."""
    missing = {*STEPS, NOTHING} - {task["name"] for task in tasks}
    if missing:
        raise SystemExit(f"no such task in the journal: {', '.join(sorted(missing))}")
    last = {task["name"]: task for task in tasks}
    steps = {shown: last[name]["seconds"] for name, shown in STEPS.items()}
    # The module says itself how long it worked; the other step is a command like the one that does nothing.
    rows = last[next(iter(STEPS))]["results"][0]["progress"]["seconds"]
    begin, end = (
        datetime.datetime.fromisoformat(task["start"].replace("Z", "+00:00")) for task in (tasks[0], last[NOTHING])
    )
    return {
        **steps,
        "copying": sum(steps.values()),
        "copying without Ansible's part": rows + steps["files"] - last[NOTHING]["seconds"],
        "the role as a whole": (end - begin).total_seconds(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
