# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the cadence of an incident was kept: each notice that came too late or not at all, and why.

People were promised to hear, so everybody counts who was to hear: also he whom no channel reaches, and also while
nobody sent anything. For the steps of a move, `due.tally` counts those who could be told.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.due import CHANNELS, SENT
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.matters import NOTICE, OBSERVED, Line, Matter, Span

NOBODY_SENT = "no notice was tried: playbook notify did not run"
NO_CHANNEL = "no channel leads to this person"


@dataclasses.dataclass(frozen=True)
class Late:
    """A notice to one person that was due at `due`. `reason` says why no channel brought it in time."""

    matter: str
    person: str
    due: float
    reason: str


@dataclasses.dataclass(frozen=True)
class Kept:
    """`sent` counts notices by person, and `in_time` are the moments of those before which none was missed.

    `next` says until when each person hears again, where the incident lasts.
    """

    sent: t.Mapping[str, int]
    in_time: tuple[float, ...]
    late: tuple[Late, ...]
    next: t.Mapping[str, float]


def kept(matter: Matter, lines: t.Sequence[Line], now: float) -> Kept:
    """What became of the cadence of one incident until `now`; lines of others are passed over."""
    book = _Book(matter, [line for line in lines if moment(line["time"]) <= now])
    late: list[Late] = []
    in_time: list[float] = []
    following: dict[str, float] = {}
    for person in matter.people:
        heard = False
        for span in matter.spans:
            end = now if span.until is None else min(span.until, now)
            if span.since > now or not (span.is_open or heard):
                continue
            times = book.sent(person, span)
            edges = [*times, end] if span.is_open else (times or [end])[:1]
            deadline, since = span.since + span.first, span.since
            for at in edges:
                if at in times and at <= deadline:
                    in_time.append(at)
                while at > deadline:
                    late.append(Late(matter.id, person, deadline, book.reason(person, since, deadline)))
                    since, deadline = deadline, deadline + span.every
                    if not span.is_open:
                        break
                since, deadline = max(at, since), (at + span.every if at in times else deadline)
            heard = heard or bool(times)
            if span.is_open and (span.until is None or span.until > now):
                following[person] = (times[-1] + span.every) if times else span.since + span.first
    counts = {person: book.count(person) for person in matter.people}
    return Kept(
        counts, tuple(sorted(in_time)), tuple(sorted(late, key=lambda each: (each.due, each.person))), following
    )


class _Book:
    """The lines about one matter, and who could be told at what time."""

    def __init__(self, matter: Matter, lines: t.Sequence[Line]) -> None:
        self.mine = [line for line in lines if line["event"] == NOTICE and line["matter"] == matter.id]
        self.channels = [line for line in lines if line["event"] == OBSERVED and line["what"] == CHANNELS]

    def _about(self, person: str, span: Span | None = None) -> list[Line]:
        mine = [line for line in self.mine if person in line["people"]]
        return [line for line in mine if span is None or (line["kind"], line["since"]) == span.mark]

    def sent(self, person: str, span: Span) -> list[float]:
        return [moment(line["time"]) for line in self._about(person, span) if line["outcome"] == SENT]

    def count(self, person: str) -> int:
        return sum(line["outcome"] == SENT for line in self._about(person))

    def reason(self, person: str, since: float, until: float) -> str:
        """Why nothing came between two moments."""
        tried = [line for line in self._about(person) if since <= moment(line["time"]) <= until]
        failed = [f"{line['channel']}: {line.get('reason') or 'failed'}" for line in tried if line["outcome"] != SENT]
        if failed:
            return "; ".join(dict.fromkeys(failed))
        before = [line for line in self.channels if moment(line["time"]) <= until]
        return NO_CHANNEL if before and person not in before[-1]["people"] else NOBODY_SENT
