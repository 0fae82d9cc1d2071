# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which mode a move is, what is next, and what the two sides compare."""

from __future__ import annotations

import dataclasses
import pathlib

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import SUPERVISION, events_in
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import (
    AUTONOMOUS,
    DICTATED,
    Moment,
    Plan,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import numbers, state
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import is_dictated, title


@dataclasses.dataclass(frozen=True)
class Summary:
    """`next` is the number of what can be done next, empty at the end; `opened` says what envelopes were for."""

    mode: str
    next: str
    title: str
    paused: str
    head: str
    opened: tuple[str, ...]
    refused: int

    @property
    def lines(self) -> list[str]:
        """For people; nothing for a move that goes by itself and was never stopped."""
        if self.mode == AUTONOMOUS and not self.paused:
            return []
        why = {"stop": "It is stopped.", "codes": "It is paused after three wrong codes."}.get(self.paused, "")
        following = f"Next is {self.next}, {self.title}." if self.next else "Nothing is left."
        lines = [" ".join(part for part in (f"The move is {self.mode}.", why, following) if part)]
        return [*lines, f"The chain is at {self.head}."] if self.mode == DICTATED else lines


def is_done(proceedings: Proceedings, item: numbers.Item) -> bool:
    if item.kind == numbers.GATE:
        return proceedings.decisions[item.id, item.stage].is_open
    return Moment(item.id, item.stage) in proceedings.course.done


def summary(plan: Plan, journal: str) -> Summary:
    """By the journal of the site. Raises BoxliftError if it is not whole."""
    proceedings = Proceedings(plan, journal)
    items = {item.number: item for item in numbers.items(plan)}
    seen = state.read(plan.sha256, journal)

    following = next((number for number, item in items.items() if not is_done(proceedings, item)), "")
    return Summary(
        mode=DICTATED if is_dictated(plan, journal) else plan.supervision.mode,
        next=following,
        title=title(plan, items, following) if following else "",
        paused=seen.paused,
        head=seen.head,
        opened=tuple(seen.purposes),
        refused=seen.refused,
    )


def was_supervised(journal: str) -> bool:
    """Whether the journal has a line of it. Light: no line of another kind is parsed."""
    path = pathlib.Path(journal)
    return path.is_file() and any(events_in(path.read_bytes(), SUPERVISION))
