# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor's side: read-backs are taken into the mirror journal, and the next code is given."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import SUPERVISION
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import stages_of_the_cutover
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits, numbers, state
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import Item
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.session import Session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import title
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.state import Ended, State


@dataclasses.dataclass(frozen=True)
class Given:
    """A go-code, to be read out: `code` in groups."""

    number: str
    title: str
    attempt: int
    code: str


class Desk:
    """One look at the mirror journal of a site."""

    def __init__(self, plan: Plan, journal: str, session: Session) -> None:
        self.plan, self.journal, self.session = plan, journal, session
        self.items = {item.number: item for item in numbers.items(plan)}
        self.state: State = state.read(plan.sha256, journal)

    def take(self, said: str) -> Ended:
        """Take a read-back into the journal; the last one may come again. Raises BoxliftError with what to ask for."""
        heard = codes.decoded(said)
        text = digits.grouped(digits.ungrouped(said, codes.GROUPS))
        known = [each.read_back for each in self.state.ended]
        if known and text == known[-1]:
            return self.state.ended[-1]
        number = codes.number_at(heard.place, list(self.items))
        if number is None:
            raise BoxliftError("The plan has no item of this read-back.", self._compare_plans())
        if text in known:
            raise BoxliftError(
                f"This read-back of {number} was taken before, and others after it.",
                "Ask: type mig, and read me the last digits on the screen.",
            )
        entry = codes.Entry(number, self.state.attempt(number), heard.outcome, heard.duration)
        entries = [*self.state.entries, entry]
        right = codes.same_attempt(heard.attempt, entry.attempt)
        if not right or heard.mac != codes.mac_of(self.session.key, self.plan.sha256, entries):
            after = self.state.ended[-1].entry.item if self.state.ended else "the beginning"
            raise BoxliftError(
                f"The read-back of {number} does not follow the one of {after}: one between them is missing, or plan "
                "or journal of the site are others.",
                f"Ask: type mig, and read me all digits since {after}. {self._compare_plans()}",
            )
        self._write(
            state.ENDED,
            item=number,
            attempt=entry.attempt,
            outcome=entry.outcome,
            duration=entry.duration,
            read_back=text,
            head=codes.spoken(codes.chain(self.plan.sha256, entries)),
        )
        return self.state.ended[-1]

    def give(self, number: str = "") -> Given | None:
        """The code for an item, for the next one if none is named; None if nothing is left. Raises BoxliftError."""
        if not number and self.state.paused:
            raise BoxliftError(
                "The site is stopped.", "-e read_back_next=resume gives the code to go on, -e read_back_next=rollback."
            )
        following = number or next(iter(self.following()), "")
        if not following:
            return None
        if following not in self.items and following not in codes.SPECIAL:
            known = ", ".join((*self.items, *codes.SPECIAL))
            raise BoxliftError(f"The plan has no number {following}.", f"Name one of {known}.")
        attempt = self.state.attempt(following)
        code = codes.go_code(self.session.key, self.plan.sha256, following, attempt, self.state.last)
        self._write(state.GIVEN, item=following, attempt=attempt)
        return Given(following, title(self.plan, self.items, following), attempt, codes.shown(code))

    def compare(self, said: str) -> bool:
        """Whether the other side's head is this one's; written down either way. Raises Misheard."""
        text = digits.grouped(digits.ungrouped(said, codes.GROUPS))
        equal = text == self.state.head
        self._write(state.COMPARED, said=text, equal=equal)
        return equal

    def following(self) -> list[str]:
        """What is not done yet, in the plan's order."""
        return following(self.plan, self.items, self.state)

    def _compare_plans(self) -> str:
        return f"Compare the plans: this one is {codes.spoken(self.plan.sha256)}."

    def _write(self, kind: str, **fields: t.Any) -> None:
        fields = {"state": kind, "plan": self.plan.sha256, "side": "supervisor", **fields}
        fields.setdefault("head", self.state.head)
        link = writer.append(self.journal, SUPERVISION, fields)
        self.state.take({**fields, "time": writer.iso(time.time()), "seq": link.seq})


def following(plan: Plan, items: t.Mapping[str, Item], seen: State) -> list[str]:
    """The numbers that are not done by the read-backs, nor by the plan itself; a rollback takes its stage back."""
    undone = stages_of_the_cutover(plan)
    done = {number for number, item in items.items() if item.stage not in undone and _told(plan, item)}
    for entry in seen.entries:
        if entry.outcome == codes.OK:
            if entry.item == codes.ROLLBACK:
                done -= {number for number, item in items.items() if item.stage in undone}
            done.add(entry.item)
    return [number for number in items if number not in done]


def _told(plan: Plan, item: Item) -> bool:
    return any((moment.step, moment.stage) == (item.id, item.stage) for moment in plan.done)
