# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan with its journal: the gates, the state of the move, what may begin. Only a whole journal counts."""

from __future__ import annotations

import functools
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
        self.lines = lines_of(journal)

    @functools.cached_property
    def decisions(self) -> dict[tuple[str, str], gate.Decision]:
        """Of every gate, by its id and stage."""
        return {(each.id, each.stage): self.decision(each) for each in self.plan.gates.values()}

    @functools.cached_property
    def told(self) -> reader.Journal:
        return reader.read([self.journal]) if pathlib.Path(self.journal).is_file() else reader.Journal([], [], [])

    @property
    def attempts(self) -> list[reader.Attempt]:
        return self.told.attempts

    @functools.cached_property
    def course(self) -> course.Course:
        return course.course(self.plan, self.attempts, self.decisions.values())

    def gate_of(self, name: str) -> Gate:
        """Raises BoxliftError for a gate that the plan does not have."""
        if name not in self.plan.gates:
            known = ", ".join(self.plan.gates)
            raise BoxliftError(f"The plan has no gate {name}.", f"Name one of {known}, or add it to the plan.")
        return self.plan.gates[name]

    def decision(self, wanted: Gate, further: t.Sequence[Data] = ()) -> gate.Decision:
        """As it is, or as it would be with further lines."""
        return gate.decide(self.plan, wanted, [*self.lines, *further], verified, self.now)

    def waivers(self, wanted: Gate, further: t.Sequence[Data] = ()) -> tuple[tuple[gate.Waived, ...], tuple[str, ...]]:
        """Those that a request made now could rest on, and why others do not count."""
        return gate.waivers(self.plan, wanted, [*self.lines, *further], verified, self.now)

    def obstacles(self, step: str, stage: str) -> list[str]:
        return course.obstacles(self.plan, self.course, self.decisions, step, stage)

    def write(self, kind: str, fields: Data) -> None:
        """Add a line. Raises OSError and BoxliftError; nothing was written then."""
        writer.append(self.journal, kind, fields)
        self.lines.append({"event": kind, **fields})


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
