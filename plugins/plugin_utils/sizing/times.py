# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each phase takes: the forecast of the plan, given measurements in the place of a rehearsal's journal."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt, Journal
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import forecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import Range, StepForecast
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Estimate, Moment, Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.measured import Known, Measurement, Portal

FINAL = "final"
ORDER, FETCH, LAST_WARM = "move.order_backup", "move.fetch", "move.warm_again"
#: Days of people, which do not grow with the portal: the forecast begins when they are over.
BEFORE = (ORDER, "move.tell_users")
#: A step that does two things, each of which grows with a size of its own.
RESTORE, RESTORING = "move.restore", ("restore_files", "restore_database")
#: What is done beside the plan, and by which measurements together.
BESIDE: dict[str, tuple[str, tuple[str, ...]]] = {
    "preproduction": ("Full copy for pre-production", ("preproduction",)),
    "copy": ("First nightly copy", ("copy_files", "copy_database")),
    "recover": ("The portal back from a copy", ("recover_files", "recover_database")),
    "seed": ("A replica of the database made anew", ("seed",)),
}


@dataclasses.dataclass(frozen=True)
class Phase:
    id: str
    title: str
    seconds: Range


@dataclasses.dataclass(frozen=True)
class Times:
    """`ready` is from the link to the backup until the gate before the night; `closed` is the night itself.

    `whole` is from the link until the opening: so long nobody works where no difference of the CRM is carried over.
    """

    steps: tuple[StepForecast, ...]
    beside: tuple[Phase, ...]
    ready: Range
    closed: Range
    whole: Range

    def step(self, name: str) -> Range:
        """Of a step that is ahead."""
        found = next(one.seconds for one in self.steps if one.id == name and one.kind == "step")
        return t.cast("Range", found)


def times(plan: Plan, of: Portal, known: Known) -> Times:
    """Of the final run. What no measurement is of takes what the plan estimates."""
    over = {Moment(step, FINAL): datetime.date.min for step in BEFORE if step in plan.steps}
    cutover = dataclasses.replace(plan.cutover, window_start=None, window_end=None, point_of_no_return=None)
    # How long people take to sign is no matter of size.
    gates = {name: dataclasses.replace(gate, timeout_minutes=0) for name, gate in plan.gates.items()}
    asked = dataclasses.replace(plan, done={**plan.done, **over}, cutover=cutover, gates=gates)
    restoring = _together(of, known, RESTORING)
    attempts = _attempts(known, of.link)
    # Its time is scaled part by part here, so what the forecast scales it by is 1.
    attempts[RESTORE] = [
        Attempt(RESTORE, 1, 0.0, "rehearsal", restoring.p50, "ok", journal=RESTORE, values=dict(of.sizes))
    ]
    journal = Journal([], [], [], attempts)
    found = forecast.forecast(asked, journal, "", FINAL, 0.0, lambda _process: False, of.sizes)
    ready = next(one.end for one in found.steps if one.id == LAST_WARM)
    steps = tuple(
        dataclasses.replace(one, seconds=dataclasses.replace(one.seconds, basis=restoring.basis))
        if one.id == RESTORE and one.seconds
        else one
        for one in found.steps
    )
    return Times(steps, tuple(_beside(of, known)), ready, found.closed, found.opening)


def _attempts(known: Known, link: float) -> dict[str, list[Attempt]]:
    """By step. Where two measurements are of one step, the one that takes longer for a byte limits it."""
    slowest: dict[str, Measurement] = {}
    for one in known.measured.values():
        if one.step:
            before = slowest.get(one.step)
            if before is None or _per_byte(one, link) > _per_byte(before, link):
                slowest[one.step] = one
    return {step: [one.attempt(link)] for step, one in slowest.items()}


def _per_byte(one: Measurement, link: float) -> float:
    return one.sample(link).seconds / one.amount


def _beside(of: Portal, known: Known) -> t.Iterator[Phase]:
    for name, (title, parts) in BESIDE.items():
        yield Phase(name, title, _together(of, known, parts))


def _together(of: Portal, known: Known, parts: t.Sequence[str]) -> Range:
    """One after the other."""
    measured = [known.measured[part] for part in parts]
    # Measured, so the estimate does not count.
    ranges = [forecast.expected(Estimate(0, "none"), one.of, [one.sample(of.link)], of.sizes) for one in measured]
    basis = "; ".join(f"{one.title}: {found.basis}" for one, found in zip(measured, ranges))
    return Range(sum(one.p50 for one in ranges), sum(one.p80 for one in ranges), 1, basis)
