# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journals say of a plan at one moment: its steps, its gates, and whether the chain is whole."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import functools
import pathlib
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import lines, verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt, Journal, Run, moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import gate, proceedings
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import DONE, ROLLBACK, Course, course
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate, Moment, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import Schedule, schedule

Line = dict[str, t.Any]
#: The lines that say something of the move. The last of them is noted in the protocol: those of tasks go on with every
#: run, also with that of the report itself.
TELLING = (lines.STEP, "remark", *lines.GATE_KINDS)


@dataclasses.dataclass(frozen=True)
class Head:
    """Up to which line a journal tells of the move, and that line's hash. `fault` says why it proves nothing."""

    path: str
    line: int
    hash: str
    fault: str


class Evidence:
    """Plan and journals together. `today` is the day from which lateness is judged, None for the last line's."""

    def __init__(self, plan: Plan, journal: Journal, today: datetime.date | None = None) -> None:
        self.zone = zoneinfo.ZoneInfo(plan.timezone)
        self.journal = journal
        self.attempts = journal.attempts
        self.heads: list[Head] = []
        self.lines: list[Line] = []
        for path in journal.files:
            self._read(path)
        self.now = max(self._moments(), default=0.0)
        if today is not None:
            self.now = max(self.now, datetime.datetime.combine(today, datetime.time(), self.zone).timestamp())
        self.today = datetime.datetime.fromtimestamp(self.now, tz=self.zone).date()
        self._plan = plan

    @functools.cached_property
    def plan(self) -> Plan:
        """With what the journal has seen done."""
        seen = {each: self.today for each in self.course.done}
        return dataclasses.replace(self._plan, done={**seen, **self._plan.done})

    @functools.cached_property
    def decisions(self) -> dict[str, gate.Decision]:
        """Of each gate; what was decided before a rollback is told of until the gate is asked for anew."""
        return {each: proceedings.last_asked(found) for each, found in self._history.items()}

    @functools.cached_property
    def course(self) -> Course:
        return course(self._plan, self.attempts, [each for found in self._history.values() for each in found])

    @functools.cached_property
    def _history(self) -> dict[str, list[gate.Decision]]:
        ends = [one.end for one in self.attempts if (one.step, one.outcome) == (ROLLBACK, DONE) and one.end is not None]
        return {
            each.id: proceedings.history(self._plan, each, self.lines, ends, self.now)
            for each in self._plan.gates.values()
        }

    @functools.cached_property
    def dates(self) -> Schedule:
        return schedule(self.plan, self.today)

    def held(self, step: str, stage: str) -> Attempt | None:
        """The attempt by which a step is done; None if it is not."""
        if Moment(step, stage) not in self.course.done:
            return None
        own = [one for one in self.attempts if (one.step, one.stage, one.outcome) == (step, stage, DONE)]
        return own[-1] if own else None

    def stage_runs(self, stage: str) -> list[Run]:
        """Every task of the stage's steps as one run, in which the functions of the report look for results."""
        tasks = [task for one in self.attempts if one.stage == stage for task in one.tasks]
        return [Run("", tasks[0].start, steps=tasks)] if tasks else []

    def asked(self, name: str) -> Line | None:
        """The last request for a gate."""
        own = [line for line in self.lines if line["event"] == gate.REQUEST and line.get("gate") == name]
        return own[-1] if own else None

    def waivers(self, wanted: Gate) -> t.Sequence[gate.Waived]:
        """Those that the last request rests on; without a request, those that one could rest on."""
        decision = self.decisions[wanted.id]
        if decision.request:
            return decision.waived
        return gate.waivers(self._plan, wanted, self.lines, proceedings.verified, self.now)[0]

    def signatures(self, name: str) -> list[Line]:
        """Those by which a gate was opened, of each signer the last one."""
        decision, latest = self.decisions[name], collections.OrderedDict[str, Line]()
        for line in self.lines:
            if line["event"] == gate.SIGNATURE and line.get("gate") == name and line["request"] == decision.request:
                latest[str(line["person"])] = line
        return [line for person, line in latest.items() if person in decision.signers]

    def _read(self, path: str) -> None:
        content = pathlib.Path(path).read_bytes()
        told, fault = list(lines.events_in(content, *TELLING)), ""
        try:
            self.lines += proceedings.lines_of(path)
        except BoxliftError as error:
            fault = error.message
        if verify.verify(content).code == verify.NO_CHAIN:
            fault = f"The journal {path} has no chain: an earlier version has written it."
        last = told[-1] if told else {}
        self.heads.append(Head(path, int(last.get("seq") or 0), str(last.get("hash") or ""), fault))

    def _moments(self) -> t.Iterator[float]:
        yield from (run.end for run in self.journal.runs)
        yield from (one.end or one.start for one in self.attempts)
        yield from (moment(line["time"]) for line in self.lines)
