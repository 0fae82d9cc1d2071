# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a supervised move is, by the lines `supervision` of a journal: folded anew at each look, kept nowhere else.

Both sides have a journal of their own, with their own times and lines in between. What is equal on both is the chain
over what came of each item (`codes.chain`): on the site its entries come from what was done, on the supervisor's side
from what was read back.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import SUPERVISION
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import lines_of
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.codes import Entry

ACCEPTED, REFUSED, ENDED, OPENED = "accepted", "refused", "ended", "opened"
GIVEN, COMPARED, CONFIRMED = "given", "compared", "confirmed"
#: So many wrong codes one after the other, and nothing but an envelope or a code to resume goes on.
MOST_WRONG = 3
Line = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Open:
    """An item that was begun and has not ended; `line` is that of its code."""

    item: str
    attempt: int
    at: float
    process: str
    line: int


@dataclasses.dataclass(frozen=True)
class Ended:
    """`read_back` and `head` in groups; `seconds` is None where only the class of the duration is known."""

    entry: Entry
    read_back: str
    head: str
    at: float
    message: str = ""


@dataclasses.dataclass
class State:
    """`paused` says why nothing may begin: `stop`, `codes` (three wrong ones), or empty. `refused` counts all codes.

    `unread` are the ends since the last go-code: that code proves that those before it were read out.
    """

    plan: str
    ended: list[Ended] = dataclasses.field(default_factory=list)
    unread: list[Ended] = dataclasses.field(default_factory=list)
    open: Open | None = None
    paused: str = ""
    wrong: int = 0
    refused: int = 0
    opened: list[str] = dataclasses.field(default_factory=list)
    purposes: list[str] = dataclasses.field(default_factory=list)
    mode: str = ""

    @property
    def entries(self) -> list[Entry]:
        return [each.entry for each in self.ended]

    @property
    def last(self) -> str:
        """The last read-back without spaces, empty before the first one."""
        return digits.plain(self.ended[-1].read_back) if self.ended else ""

    @property
    def head(self) -> str:
        """As it is read out and written on paper."""
        return codes.spoken(codes.chain(self.plan, self.entries))

    def attempt(self, item: str) -> int:
        """Which attempt at the item the next one is."""
        return 1 + sum(each.item == item for each in self.entries)

    def take(self, line: Line) -> None:
        """One more line. Raises BoxliftError for one that does not go with those before it."""
        kind, item = line["state"], str(line.get("item") or "")
        if kind == REFUSED:
            self.refused += 1
            self.wrong += bool(line.get("wrong"))
            if self.wrong >= MOST_WRONG:
                self.paused = self.paused or "codes"
        elif kind == OPENED:
            self.opened.append(str(line["mark"]))
            self.purposes.append(str(line["purpose"]))
        elif kind == ACCEPTED:
            self.wrong = 0
            self.mode = str(line.get("mode") or self.mode)
            if item == codes.STOP:
                # Also under another version of the plan: a new one is no way round a stop.
                self.paused = "stop"
            if line["plan"] == self.plan and (self.open is None or item in codes.SPECIAL):
                self._begin(line, item)
        elif kind == ENDED:
            self._end(line, item)

    def _begin(self, line: Line, item: str) -> None:
        begun = Open(item, int(line["attempt"]), moment(line["time"]), str(line.get("process") or ""), line["seq"])
        if item not in (codes.STOP, codes.RESUME):  # they are over at once
            self.open = begun
        if line.get("by") == "code":
            self.unread = []

    def _end(self, line: Line, item: str) -> None:
        if line["outcome"] == codes.OK and item in (codes.STOP, codes.RESUME):
            self.paused = "stop" if item == codes.STOP else ""
            self.wrong = 0
        if line["plan"] != self.plan:
            return
        entry = Entry(item, int(line["attempt"]), str(line["outcome"]), int(line["duration"]))
        at, message = moment(line["time"]), str(line.get("message") or "")
        self.ended.append(Ended(entry, str(line["read_back"]), str(line["head"]), at, message))
        self.unread.append(self.ended[-1])
        if self.open and self.open.item == item:
            self.open = None
        if self.head != line["head"]:
            raise BoxliftError(
                f"The chain of read-backs breaks at {item}: the journal says {line['head']}, and it is {self.head}.",
                "Bring back the copy of the journal that was not changed.",
            )


def read(plan: str, journal: str) -> State:
    """The state by a journal, for the plan of a checksum. Raises BoxliftError if the journal is not whole."""
    state = State(plan)
    if pathlib.Path(journal).is_file():
        for line in lines_of(journal, SUPERVISION):
            state.take(line)
    return state
