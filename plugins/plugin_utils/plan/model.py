# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as the other parts read it. `load` makes it; nothing here can be changed afterwards.

Phase `move` takes place in two stages, `rehearsal` and `final`, with the same steps. So a step has one id in both, and
what the rehearsal measured is comparable with the final run. A step in a stage is an occurrence: `move.fetch@final`.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

ORGANISATIONS = ("contractor", "customer", "sales")
#: Who gives leave to begin a step: nobody, operator and watcher at the terminal, or a code that is told by telephone.
MODES = AUTONOMOUS, SUPERVISED, DICTATED = "autonomous", "supervised", "dictated"


@dataclasses.dataclass(frozen=True)
class Person:
    """`id` is the key under `people`; `key` is a line as in `authorized_keys`, for signatures.

    `codes` are hashes of codes that the person has on paper (`gate.new_code`). `webhook` is the
    name of a webhook of the site, by which notices come.
    """

    id: str
    name: str
    org: str
    roles: tuple[str, ...]
    key: str = ""
    email: str = ""
    webhook: str = ""
    language: str = "en"
    codes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Phase:
    id: str
    title: str
    urgency: str


@dataclasses.dataclass(frozen=True)
class Stage:
    """A phase, or one of the times that it is done.

    `gate` must be open before the first step. `start` is the agreed beginning, None if it is computed backwards.
    `end_days` is how many days before the cutover window the stage has to be over.
    """

    id: str
    title: str
    phase: str
    gate: str | None = None
    start: datetime.datetime | None = None
    end_days: int = 0


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Elapsed time; `source` says where it comes from: `model` (a rule of thumb) or `rehearsal` (measured)."""

    seconds: int
    source: str


@dataclasses.dataclass(frozen=True)
class Notice:
    """Who is told while the step runs: organisations, first after so many minutes, and then as often."""

    audience: tuple[str, ...]
    first_minutes: int
    every_minutes: int


@dataclasses.dataclass(frozen=True)
class Undo:
    """The way back from a step: a playbook of this collection, or else the reason why there is none."""

    playbook: str | None
    reason: str


@dataclasses.dataclass(frozen=True)
class Step:
    """`playbook` is None where people do the work. `purpose` says what it is for, in one sentence.

    `scale` names the size that the time grows with, such as `backup_bytes`. `gates` must be open before it begins.
    `not_yet` says what this collection cannot do for the step so far, and what to do instead. `vars` are the variables
    that its playbook is given.
    """

    id: str
    title: str
    phase: str
    stages: tuple[str, ...]
    owner: str
    urgency: str
    depends: tuple[str, ...]
    gates: tuple[str, ...]
    playbook: str | None
    estimate: Estimate
    scale: str | None
    notice: Notice
    evidence: tuple[str, ...]
    undo: Undo
    not_yet: str = ""
    vars: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    purpose: str = ""

    @property
    def manual(self) -> bool:
        return self.playbook is None


@dataclasses.dataclass(frozen=True)
class Signature:
    """`count` people of `org` who have `role`."""

    role: str
    org: str
    count: int


@dataclasses.dataclass(frozen=True)
class Gate:
    """A decision in `stage`, asked for when the steps in `after` are done.

    `inputs` are what has to be in order before anybody may sign. An undecided gate expires after `timeout_minutes`, and
    an expired gate is not open.
    """

    id: str
    title: str
    stage: str
    after: tuple[str, ...]
    needs: tuple[Signature, ...]
    inputs: tuple[str, ...]
    timeout_minutes: int


@dataclasses.dataclass(frozen=True)
class Moment:
    """An occurrence of a step: the step, and in which stage."""

    step: str
    stage: str

    def __str__(self) -> str:
        return f"{self.step}@{self.stage}"


@dataclasses.dataclass(frozen=True)
class LeadItem:
    """Something that takes `lead_days` from its order until it is there, and that a step cannot do without.

    `working_days` counts without weekends and the plan's holidays. `after` is the occurrence before whose end it cannot
    be ordered. `ordered` and `arrived` are the days on which that happened, None if it has not.
    """

    id: str
    title: str
    owner: str
    provide: str
    lead_days: int
    working_days: bool
    buffer_days: int
    need_by: Moment
    after: Moment | None = None
    ordered: datetime.date | None = None
    arrived: datetime.date | None = None

    @property
    def state(self) -> str:
        return "arrived" if self.arrived else "ordered" if self.ordered else "open"


@dataclasses.dataclass(frozen=True)
class Visit:
    """A visit so many days after the opening."""

    id: str
    title: str
    owner: str
    days: int


@dataclasses.dataclass(frozen=True)
class Cutover:
    """The window in which nobody can work, from step `first` to step `last`; times are in the plan's zone.

    `window_start`, `window_end` and `point_of_no_return` are None until the site has set the window. Later than
    `point_of_no_return`, a rollback (`rollback`: its estimate) would not end within the window.
    `commit` is the gate that ends the cutover, and `commit_minutes` its time. `policy` is what is proposed when nobody
    has decided by then: `propose_rollback`, `propose_commit` or `none`.
    """

    first: str
    last: str
    window_start: datetime.datetime | None
    window_end: datetime.datetime | None
    point_of_no_return: datetime.datetime | None
    rollback: Estimate
    commit: str
    commit_minutes: int
    policy: str


@dataclasses.dataclass(frozen=True)
class Supervision:
    """How the operator is watched: `mode` is one of `MODES`.

    `operator` types, `watchers` look on, and `count` of them must agree with each step within `answer_minutes`.
    `envelopes` says for how many sealed codes of each purpose: `stop`, `rollback`, `resume` or an occurrence.
    """

    mode: str = "autonomous"
    operator: str = ""
    watchers: tuple[str, ...] = ()
    count: int = 1
    answer_minutes: int = 10
    envelopes: t.Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything by id, in the plan's order.

    `states` says what brings the move into a state (`course.STATES`): the end of an occurrence, or an open gate.
    `sha256` is of the canonical merged plan without `done` and without what was ordered and arrived: what people sign
    stays the same while the work goes on.
    """

    id: str
    title: str
    site: str
    issued: datetime.date | None
    timezone: str
    holidays: frozenset[datetime.date]
    organisations: t.Mapping[str, str]
    people: t.Mapping[str, Person]
    phases: t.Mapping[str, Phase]
    stages: t.Mapping[str, Stage]
    steps: t.Mapping[str, Step]
    gates: t.Mapping[str, Gate]
    lead_items: t.Mapping[str, LeadItem]
    visits: t.Mapping[str, Visit]
    cutover: Cutover
    done: t.Mapping[Moment, datetime.date]
    sha256: str
    states: t.Mapping[str, Moment | str] = dataclasses.field(default_factory=dict)
    supervision: Supervision = dataclasses.field(default_factory=Supervision)
    language: str = "en"

    def occurrences(self, stage: str) -> list[Step]:
        """The steps of a stage, in the plan's order."""
        return [step for step in self.steps.values() if stage in step.stages]
