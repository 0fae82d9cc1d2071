# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the journals that the callback boxlift.portal.journal has written."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

# Plays with these actions are left out: a second report of the same move must be equal to the first.
REPORT_ACTIONS = ("boxlift.portal.report", "report", "boxlift.portal.progress_info", "progress_info")


@dataclasses.dataclass
class Step:
    """One task on one host."""

    start: float
    seconds: float
    play: str
    role: str
    name: str
    action: str
    host: str
    status: str
    message: str = ""
    ignored: bool = False
    hidden: bool = False
    attempts: int = 1
    warnings: list[str] = dataclasses.field(default_factory=list)
    results: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)

    @property
    def module(self) -> str:
        """`backup_fetch` for `boxlift.portal.backup_fetch`."""
        return self.action.rpartition(".")[2]

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclasses.dataclass
class Run:
    """One run of ansible-playbook."""

    playbook: str
    start: float
    site: str = ""
    check: bool = False
    plays: list[list[Step]] = dataclasses.field(default_factory=lambda: [[]])
    steps: list[Step] = dataclasses.field(default_factory=list)  # of all plays but those with REPORT_ACTIONS
    hosts: dict[str, dict[str, int]] | None = None  # Ansible's recap; None for an unfinished or killed run

    @property
    def end(self) -> float:
        return max([self.start, *(step.end for step in self.steps)])

    @property
    def finished(self) -> bool:
        return self.hosts is not None

    @property
    def failed(self) -> bool:
        """By Ansible's recap: an error that a rescue section caught does not count."""
        return any(host.get("failures") or host.get("unreachable") for host in (self.hosts or {}).values())


@dataclasses.dataclass
class Journal:
    runs: list[Run]
    files: list[str]  # those with a run or a damaged line
    damaged: list[str]  # "file:line" of lines that cannot be parsed, such as the last one of a killed run


def moment(text: str) -> float:
    stamp = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return stamp.replace(tzinfo=datetime.timezone.utc).timestamp()


def files_of(paths: t.Sequence[str]) -> list[Path]:
    """The given files, and the journals of the given folders. Raises BoxliftError if one is missing, or for none."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(path.glob("*.jsonl"))
        elif path.is_file():
            found.append(path)
        else:
            raise BoxliftError(f"There is no journal {path}.", REMEDY)
    if not found:
        raise BoxliftError(f"No journal (*.jsonl) in {', '.join(paths) or 'an empty list'}.", REMEDY)
    return found


REMEDY = "Run the playbooks with callbacks_enabled = boxlift.portal.journal, and name the file or folder it wrote to."


def read(paths: t.Sequence[str]) -> Journal:
    """All runs with at least one step, in the order of their start."""
    journal = Journal([], [], [])
    for path in files_of(paths):
        runs, damaged = _read_file(path)
        if runs or damaged:
            journal.files.append(str(path))
        journal.runs += runs
        journal.damaged += damaged
    journal.runs.sort(key=lambda run: run.start)
    return journal


def _read_file(path: Path) -> tuple[list[Run], list[str]]:
    runs: list[Run] = []
    damaged: list[str] = []
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):  # splitlines() would also split inside texts
        try:
            event = json.loads(line)
            if event["event"] == "start":
                runs.append(Run(playbook=event["playbook"], start=moment(event["time"])))
            elif runs:
                _take(runs[-1], event)
        except (ValueError, KeyError, TypeError):
            damaged.append(f"{path.name}:{number}")
    for run in runs:
        plays = [play for play in run.plays if not any(step.action in REPORT_ACTIONS for step in play)]
        run.steps = [step for play in plays for step in play]
    return [run for run in runs if run.steps], damaged


def _take(run: Run, event: dict[str, t.Any]) -> None:
    kind = event["event"]
    if kind == "site":
        run.site = event["domain"]
    elif kind == "play":
        run.check = run.check or bool(event["check"])
        run.plays.append([])
    elif kind == "end":
        run.hosts = event["hosts"]
    elif kind == "task":
        run.plays[-1].append(_step(event))


def _step(event: dict[str, t.Any]) -> Step:
    fields = {field.name for field in dataclasses.fields(Step)}
    values = {key: value for key, value in event.items() if key in fields}
    return Step(**{**values, "start": moment(event["start"]), "seconds": float(event["seconds"])})
