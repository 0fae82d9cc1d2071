# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan with its journal: the gates, the state of the move, what may begin. Only a whole journal counts."""

from __future__ import annotations

import functools
import math
import pathlib
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import lines, reader, verify, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import course, gate, ssh_signature
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate, Plan

Data = dict[str, t.Any]


class Proceedings:
    """What the journal says of the plan's gates and steps at one moment."""

    def __init__(self, plan: Plan, journal: str, now: float | None = None) -> None:
        self.plan, self.journal = plan, journal
        self.now = time.time() if now is None else now
        found = lines_of(journal, *lines.GATE_KINDS, lines.STEP)
        self.lines = [line for line in found if line["event"] != lines.STEP]
        #: When the cutover was taken back.
        self.rollbacks = [reader.moment(line["time"]) for line in found if course.ends_a_rollback(line)]

    @functools.cached_property
    def decisions(self) -> dict[tuple[str, str], gate.Decision]:
        """Of every gate, by its id and stage, as it holds now."""
        return {(each.id, each.stage): self.decision(each) for each in self.plan.gates.values()}

    @functools.cached_property
    def last_decisions(self) -> dict[tuple[str, str], gate.Decision]:
        """The same, but a gate that nobody has asked for since a rollback is as it was before."""
        return {(each.id, each.stage): last_asked(self._history(each)) for each in self.plan.gates.values()}

    @functools.cached_property
    def told(self) -> reader.Journal:
        return reader.read([self.journal]) if pathlib.Path(self.journal).is_file() else reader.Journal([], [], [])

    @property
    def attempts(self) -> list[reader.Attempt]:
        return self.told.attempts

    @functools.cached_property
    def course(self) -> course.Course:
        everything = [each for wanted in self.plan.gates.values() for each in self._history(wanted)]
        return course.course(self.plan, self.attempts, everything)

    def gate_of(self, name: str) -> Gate:
        """Raises BoxliftError for a gate that the plan does not have."""
        if name not in self.plan.gates:
            known = ", ".join(self.plan.gates)
            raise BoxliftError(f"The plan has no gate {name}.", f"Name one of {known}, or add it to the plan.")
        return self.plan.gates[name]

    def decision(self, wanted: Gate, further: t.Sequence[Data] = ()) -> gate.Decision:
        """As it is, or as it would be with further lines."""
        return gate.decide(self.plan, wanted, [*self._lines_now(wanted), *further], verified, self.now)

    def waivers(self, wanted: Gate, further: t.Sequence[Data] = ()) -> tuple[tuple[gate.Waived, ...], tuple[str, ...]]:
        """Those that a request made now could rest on, and why others do not count."""
        return gate.waivers(self.plan, wanted, [*self._lines_now(wanted), *further], verified, self.now)

    def _history(self, wanted: Gate) -> list[gate.Decision]:
        return history(self.plan, wanted, self.lines, self.rollbacks, self.now)

    def _lines_now(self, wanted: Gate) -> list[Data]:
        return rounds(self.plan, wanted, self.lines, self.rollbacks, self.now)[-1]

    def obstacles(self, step: str, stage: str) -> list[str]:
        return course.obstacles(self.plan, self.course, self.decisions, step, stage)

    def write(self, kind: str, fields: Data) -> None:
        """Add a line. Raises OSError and BoxliftError; nothing was written then."""
        writer.append(self.journal, kind, fields)
        self.lines.append({"event": kind, **fields})


def history(
    plan: Plan, wanted: Gate, found: t.Sequence[Data], rollbacks: t.Sequence[float], now: float
) -> list[gate.Decision]:
    """How a gate was decided before each rollback, and since the last one."""
    return [gate.decide(plan, wanted, some, verified, now) for some in rounds(plan, wanted, found, rollbacks, now)]


def last_asked(decisions: t.Sequence[gate.Decision]) -> gate.Decision:
    """The last one that somebody has asked for; the last one if nobody has."""
    return next((each for each in reversed(decisions) if each.request), decisions[-1])


def rounds(
    plan: Plan, wanted: Gate, found: t.Sequence[Data], rollbacks: t.Sequence[float], now: float
) -> list[list[Data]]:
    """The lines of gates. A rollback ends a round: nobody's word of that night opens the gate for the next one."""
    if not rollbacks or not course.is_decided_anew(plan, wanted):
        return [list(found)]
    ends = [*rollbacks, math.inf]
    moments = [reader.moment(line["time"]) if "time" in line else now for line in found]
    return [
        [line for line, at in zip(found, moments) if start < at <= end] for start, end in zip([-math.inf, *ends], ends)
    ]


@functools.lru_cache(maxsize=256)
def verified(person: t.Any, text: str, signature: str) -> bool:
    """Whether a signature is this person's over the text. Asking ssh-keygen takes time, and the answer stays."""
    return ssh_signature.verify(person, text, signature)


def lines_of(journal: str, *kinds: str) -> list[Data]:
    """The lines of these kinds, of gates if none is named.

    Raises BoxliftError if the journal is not whole: then it proves nothing.
    """
    path = pathlib.Path(journal)
    if not path.is_file():
        return []
    content = path.read_bytes()
    found = verify.verify(content)
    # A write that is cut off now is sealed by the next line; what was written before the chain began says nothing here.
    if found.code not in (verify.WHOLE, verify.TORN, verify.NO_CHAIN):
        raise BoxliftError(
            f"The journal {journal} is not as it was written: {found.text}",
            "No gate is open by it. Bring back the copy that was not changed, and tell those who have signed.",
        )
    return list(lines.events_in(content, *(kinds or lines.GATE_KINDS)))
