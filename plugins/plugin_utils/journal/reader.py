# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the journals that the callback boxlift.portal.journal has written."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

# Plays with these actions are left out: a second report of the same move must be equal to the first.
REPORT_ACTIONS = tuple(
    prefix + name
    for prefix in ("boxlift.portal.", "")
    for name in ("report", "progress_info", "remark", "move_info", "notify", "incident", "visits", "service_report")
)
# How an attempt ended; `unknown` is one without an end: its run was killed, or is still at it.
OUTCOMES = ("ok", "failed", "skipped", "undone")
UNKNOWN = "unknown"


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
class Cure:
    """What somebody remarked on an error."""

    text: str
    seconds: float | None  # how long it took; None if that was not told
    operator: str
    at: float


@dataclasses.dataclass
class Failure:
    """A task or an attempt that failed during a step of the plan."""

    journal: str
    line: int  # number of its line in that journal; 0 without a chain
    step: str
    at: float
    message: str
    task: str = ""
    host: str = ""
    cures: list[Cure] = dataclasses.field(default_factory=list)
    until_next: float | None = None  # seconds until the step was begun anew


@dataclasses.dataclass
class Attempt:
    """One attempt at a step of the plan, from its line before to its line after."""

    step: str
    number: int  # from 1
    start: float
    stage: str = ""
    end: float | None = None  # None as long as the outcome is unknown
    outcome: str = UNKNOWN
    operator: str = ""
    operator_from: str = ""
    watcher: str = ""
    waiting_for: str = ""
    process: str = ""
    journal: str = ""
    line: int = 0
    message: str = ""
    values: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    evidence: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    tasks: list[Step] = dataclasses.field(default_factory=list)
    failures: list[Failure] = dataclasses.field(default_factory=list)
    run: Run | None = dataclasses.field(default=None, repr=False)  # the one that began it

    @property
    def seconds(self) -> float | None:
        return None if self.end is None else max(self.end - self.start, 0.0)

    @property
    def awaited(self) -> bool:
        """Begun by a run that ended well, and not ended yet: people are at it, nothing was killed."""
        return self.end is None and self.run is not None and self.run.finished and not self.run.failed


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
    process: str = ""  # as `process.token` names it

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
    #: The attempts at each step of the plan, by its id, in the order of their start.
    steps: dict[str, list[Attempt]] = dataclasses.field(default_factory=dict)

    @property
    def attempts(self) -> list[Attempt]:
        """Those at all steps, in the order of their start."""
        return sorted((one for every in self.steps.values() for one in every), key=lambda one: one.start)

    def failures(self, step: str) -> list[Failure]:
        """What went wrong with a step so far, the oldest first, with its cures."""
        return [failure for attempt in self.steps.get(step, []) for failure in attempt.failures]


@functools.lru_cache(maxsize=2**16)  # whoever looks every minute reads the same lines again
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
    attempts: list[Attempt] = []
    for path in files_of(paths):
        book = _File(path)
        book.read()
        runs = book.finished_runs()
        if runs or book.damaged or book.attempts:
            journal.files.append(str(path))
        journal.runs += runs
        journal.damaged += book.damaged
        attempts += book.attempts
    journal.runs.sort(key=lambda run: run.start)
    for attempt in sorted(attempts, key=lambda attempt: attempt.start):
        journal.steps.setdefault(attempt.step, []).append(attempt)
    return journal


class _File:
    """Reads one journal, line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[Run] = []
        self.attempts: list[Attempt] = []
        self.damaged: list[str] = []
        self._by_line: dict[int, Run] = {}  # runs by the number of their first line
        self._open: list[Attempt] = []  # begun and not ended

    def read(self) -> None:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        lines = text.rstrip("\n").split("\n")  # splitlines() would also split inside texts
        for number, line in enumerate(lines, start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, StopIteration):
                self.damaged.append(f"{self.path.name}:{number}")

    def finished_runs(self) -> list[Run]:
        """Those with a task, without the plays that only look."""
        for run in self.runs:
            plays = [play for play in run.plays if not any(step.action in REPORT_ACTIONS for step in play)]
            run.steps = [step for play in plays for step in play]
        return [run for run in self.runs if run.steps]

    def _take(self, event: dict[str, t.Any]) -> None:
        kind, line = event["event"], int(event.get("seq") or 0)
        if kind == "start":
            run = Run(playbook=event["playbook"], start=moment(event["time"]), process=event.get("process", ""))
            self.runs.append(run)
            self._by_line[line] = run
        elif kind == "step":
            self._take_step(event, line)
        elif kind == "remark":
            self._take_remark(event)
        elif kind == "recording":
            self._take_recording(event)
        elif self.runs:
            # Without the number of its run, a line belongs to the last one.
            self._take_of_run(self._by_line.get(int(event.get("run") or 0), self.runs[-1]), event, line)

    def _take_of_run(self, run: Run, event: dict[str, t.Any], line: int) -> None:
        kind = event["event"]
        if kind == "site":
            run.site = event["domain"]
        elif kind == "play":
            run.check = run.check or bool(event["check"])
            run.plays.append([])
        elif kind == "end":
            run.hosts = event["hosts"]
        elif kind == "task":
            step = _step(event)
            run.plays[-1].append(step)
            mine = next((attempt for attempt in reversed(self._open) if attempt.run is run), None)
            if mine is not None and step.module != "step":
                mine.tasks.append(step)
                if step.status in ("failed", "unreachable") and not step.ignored:
                    self._failed(mine, line, step.end, step.message or "failed; the result is hidden", step)

    def _take_step(self, event: dict[str, t.Any], line: int) -> None:
        at, name, process = moment(event["time"]), str(event["step"]), str(event.get("process") or "")
        if event["state"] == "begin":
            former = [attempt for attempt in self.attempts if attempt.step == name]
            attempt = Attempt(name, len(former) + 1, at, process=process, journal=str(self.path), line=line)
            attempt.run = self._run_of(process)
            for key in _TEXTS:
                setattr(attempt, key, str(event.get(key) or ""))
            for failure in former[-1].failures if former else []:
                failure.until_next = max(at - failure.at, 0.0)
            self._open = [one for one in self._open if one.step != name]
            self.attempts.append(attempt)
            self._open.append(attempt)
            return
        attempt = next(attempt for attempt in reversed(self._open) if attempt.step == name)
        self._open.remove(attempt)
        attempt.end, attempt.outcome = at, str(event["outcome"])
        attempt.message = str(event.get("message") or "")
        attempt.values, attempt.evidence = dict(event.get("values") or {}), list(event.get("evidence") or [])
        attempt.watcher = str(event.get("watcher") or attempt.watcher)
        attempt.waiting_for = str(event.get("waiting_for") or attempt.waiting_for)
        if attempt.outcome == "failed" and not attempt.failures:
            self._failed(attempt, line, at, attempt.message or "The step failed, without a message.")

    def _take_recording(self, event: dict[str, t.Any]) -> None:
        """The terminal as it was kept proves the step that has just ended."""
        same = [one for one in self.attempts if one.step == event.get("step") and one.stage == event.get("stage")]
        if same:
            same[-1].evidence.append({key: event[key] for key in ("path", "sha256", "bytes")})

    def _run_of(self, process: str) -> Run | None:
        same = [run for run in self.runs if process and run.process == process] or self.runs
        return same[-1] if same else None

    def _failed(self, attempt: Attempt, line: int, at: float, message: str, task: Step | None = None) -> None:
        failure = Failure(str(self.path), line, attempt.step, at, message)
        if task is not None:
            failure.task, failure.host = task.name, task.host
        attempt.failures.append(failure)

    def _take_remark(self, event: dict[str, t.Any]) -> None:
        seconds = None if event.get("seconds") is None else float(event["seconds"])
        cure = Cure(str(event["text"]), seconds, str(event.get("operator") or ""), moment(event["time"]))
        failures = [failure for attempt in self.attempts for failure in attempt.failures]
        next(failure for failure in failures if failure.line == event["error"]).cures.append(cure)


_TEXTS = ("stage", "operator", "operator_from", "watcher", "waiting_for")


def _step(event: dict[str, t.Any]) -> Step:
    fields = {field.name for field in dataclasses.fields(Step)}
    values = {key: value for key, value in event.items() if key in fields}
    return Step(**{**values, "start": moment(event["start"]), "seconds": float(event["seconds"])})
