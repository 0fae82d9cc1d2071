# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which notices are due to whom, and which came too late: by the matters, the lines of earlier notices, and now."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.matters import NOTICE, OBSERVED, Line, Matter, Span
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan

MAIL, WEBHOOK = "mail", "webhook"
SENT, FAILED = "sent", "failed"
CHANNELS = "channels"  # an observation: who can be told by what, from now on
#: So much of the cadence is kept for trying again, and at least the time until the next look and for sending.
RESERVE, SENDING = 1 / 6, 30.0
#: A channel that fails for long is tried as often; before the deadline, and shortly after it, at every look.
PATIENCE, RETRY_EVERY = 300.0, 300.0


@dataclasses.dataclass(frozen=True)
class Way:
    """A channel to one person: the address of mail, or the name of a webhook."""

    channel: str
    target: str


Ways = t.Mapping[str, t.Sequence[Way]]  # by person


@dataclasses.dataclass(frozen=True)
class Due:
    """One message: several people who share an address and a language get it once.

    `id` is the same when it is sent again because nobody knows whether it went out.
    """

    id: str
    matter: Matter
    span: Span
    way: Way
    language: str
    people: tuple[str, ...]
    deadline: float


@dataclasses.dataclass(frozen=True)
class Count:
    """What became of the notices to one person: sent and failed by channel. `overdue` says that one is late now.

    A notice is late that no channel brought in time; where several were left out, each counts.
    """

    person: str
    sent: t.Mapping[str, int]
    failed: t.Mapping[str, int]
    reasons: t.Mapping[str, str]  # why a channel failed last, unless it has worked since
    late: int
    overdue: bool


def ways(plan: Plan, mail: bool, webhooks: t.Collection[str]) -> dict[str, tuple[Way, ...]]:
    """How each person of the plan can be told; those who cannot have an empty tuple."""
    return {
        person.id: (
            *((Way(MAIL, person.email),) if mail and person.email else ()),
            *((Way(WEBHOOK, person.webhook),) if person.webhook in webhooks else ()),
        )
        for person in plan.people.values()
    }


def channels_seen(known: Ways, lines: t.Sequence[Line]) -> dict[str, t.Any] | None:
    """The line that says who can be told by what; None if the last such line says the same."""
    now = {person: [way.channel for way in its] for person, its in known.items() if its}
    before = [line for line in lines if line["event"] == OBSERVED and line["what"] == CHANNELS]
    return {"what": CHANNELS, "people": now} if now != (before[-1]["people"] if before else {}) else None


@dataclasses.dataclass(frozen=True)
class _Noted:
    """One line of a notice, as far as one person is concerned."""

    channel: str
    sent: bool
    at: float


class _Book:
    """The lines of notices, by matter, person and state, and since when each person can be told."""

    def __init__(self, lines: t.Iterable[Line]) -> None:
        self.periods: dict[str, list[tuple[float, float | None]]] = {}
        self.troubled: set[str] = set()  # channels whose last notice failed
        self.people: dict[str, list[Line]] = {}
        self._noted: dict[tuple[str, str], dict[tuple[str, int], list[_Noted]]] = {}
        for line in lines:
            if line["event"] == NOTICE:
                self._notice(line)
            elif line["what"] == CHANNELS:
                self._channels(moment(line["time"]), line["people"])

    def _notice(self, line: Line) -> None:
        noted = _Noted(line["channel"], line["outcome"] == SENT, moment(line["time"]))
        (self.troubled.discard if noted.sent else self.troubled.add)(noted.channel)
        for person in line["people"]:
            self.people.setdefault(person, []).append(line)
            by_mark = self._noted.setdefault((line["matter"], person), {})
            by_mark.setdefault((line["kind"], line["since"]), []).append(noted)

    def _channels(self, at: float, people: t.Mapping[str, t.Any]) -> None:
        for person, periods in self.periods.items():
            if person not in people and periods[-1][1] is None:
                periods[-1] = (periods[-1][0], at)
        for person in people:
            periods = self.periods.setdefault(person, [])
            if not periods or periods[-1][1] is not None:
                periods.append((at, None))

    def noted(self, matter: Matter, person: str, span: Span, channel: str | None = None) -> list[_Noted]:
        every = self._noted.get((matter.id, person), {}).get(span.mark, [])
        return [each for each in every if channel in (None, each.channel)]

    def sent(self, matter: Matter, person: str, span: Span, channel: str | None = None) -> list[float]:
        """When notices of a state were sent."""
        return [each.at for each in self.noted(matter, person, span, channel) if each.sent]


def _next(book: _Book, matter: Matter, person: str, now: float, channel: str | None = None) -> float | None:
    """Until when the person must hear (again) of the matter, by the channel or any; None if there is no more to it."""
    span = matter.at(now)
    if span is None or (span.until is not None and span.until <= now):
        return None
    times = book.sent(matter, person, span, channel)
    if times:
        return times[-1] + span.every if span.repeats else None
    if not span.is_open and not _heard(book, matter, person, span):
        return None  # the end of what somebody has not heard of is no news
    begin = book.periods.get(person, [(now, None)])[-1][0]
    return max(span.since, begin) + span.first


def _heard(book: _Book, matter: Matter, person: str, last: Span) -> bool:
    """Whether the person has heard of what ended with the span `last`, by whatever channel: also by telephone."""
    for span in reversed(matter.spans[: matter.spans.index(last)]):
        if not span.is_open:
            return False
        if book.sent(matter, person, span):
            return True
    return False


def _late(book: _Book, matter: Matter, person: str, begin: float, now: float) -> int:
    """How many notices came too late or not at all, from `begin` to `now`."""
    late = 0
    for span in matter.spans:
        end = now if span.until is None else min(span.until, now)
        if span.since > now or end <= begin or not (span.is_open or _heard(book, matter, person, span)):
            continue
        deadline = max(span.since, begin) + span.first
        times = book.sent(matter, person, span)
        for at in times:
            late += _missed(deadline, at, span.every)
            deadline = at + span.every
        if span.is_open:
            late += _missed(deadline, end, span.every)
        elif not times:
            late += end > deadline
    return late


def _missed(deadline: float, at: float, every: float) -> int:
    return 1 + int((at - deadline) // every) if at > deadline else 0


def due(
    matters: t.Iterable[Matter], lines: t.Sequence[Line], known: Ways, plan: Plan, now: float, look: float = 60.0
) -> list[Due]:
    """The messages to be sent now, in the order in which to send them. The next look will be `look` seconds later.

    What failed comes after what may work, the longest ago first: a channel that takes until its timeout keeps nobody
    waiting who has another one.
    """
    return _Look(_Book(lines), known, plan, now, look).messages(matters)


class _Look:
    def __init__(self, book: _Book, known: Ways, plan: Plan, now: float, look: float) -> None:
        self.book, self.known, self.plan, self.now, self.look = book, known, plan, now, look

    def messages(self, matters: t.Iterable[Matter]) -> list[Due]:
        found: dict[tuple[str, Way, str], Due] = {}
        for matter in matters:
            for person in matter.people:
                if _next(self.book, matter, person, self.now) is None:
                    continue
                for way in self.known.get(person, ()):
                    one = self._one(matter, person, way)
                    if one is not None:
                        key = (matter.id, way, one.language)
                        found[key] = _together(found[key], one) if key in found else one
        return sorted(found.values(), key=self._order)

    def _one(self, matter: Matter, person: str, way: Way) -> Due | None:
        """What is to be sent to the person by this channel now."""
        span = matter.at(self.now)
        deadline = _next(self.book, matter, person, self.now, way.channel)
        if span is None or deadline is None:
            return None
        noted = self.book.noted(matter, person, span, way.channel)
        sent = sum(each.sent for each in noted)
        if sent:
            start = deadline - max(span.every * RESERVE, self.look + SENDING)
        else:
            start = span.since if span.prompt else deadline - 2 * self.look - SENDING
        if self.now < start or not self._may_try(matter, person, noted):
            return None
        language = self.plan.people[person].language
        name = "\n".join([matter.id, span.kind, str(span.mark[1]), way.channel, way.target, language, str(sent)])
        identity = hashlib.sha256(name.encode()).hexdigest()[:32]
        return Due(identity, matter, span, way, language, (person,), deadline)

    def _may_try(self, matter: Matter, person: str, noted: t.Sequence[_Noted]) -> bool:
        """Whether it may be tried now: at once where it did not fail, or is in a hurry, else after a while."""
        if not noted or noted[-1].sent or self.now - noted[-1].at >= RETRY_EVERY:
            return True
        # Somebody who has heard by another channel, or should have heard long ago, is in no hurry.
        deadline = _next(self.book, matter, person, self.now)
        return deadline is not None and abs(self.now - deadline) <= PATIENCE

    def _order(self, each: Due) -> tuple[bool, float, float, str]:
        noted = self.book.noted(each.matter, each.people[0], each.span, each.way.channel)
        failed = noted[-1].at if noted and not noted[-1].sent else 0.0
        return each.way.channel in self.book.troubled, failed, each.deadline, each.id


def _together(one: Due, other: Due) -> Due:
    return dataclasses.replace(one, people=(*one.people, *other.people), deadline=min(one.deadline, other.deadline))


def line_of(each: Due, outcome: str, reason: str = "") -> dict[str, t.Any]:
    """The line, without event and time, that says what became of a message."""
    kind, since = each.span.mark
    return {
        "matter": each.matter.id,
        "kind": kind,
        "since": since,
        "channel": each.way.channel,
        "people": list(each.people),
        "language": each.language,
        "outcome": outcome,
        **({"reason": reason} if reason else {}),
    }


def tally(matters: t.Sequence[Matter], lines: t.Sequence[Line], now: float) -> list[Count]:
    """By person: of everybody who could be told at some time."""
    book = _Book(lines)
    out = []
    for person, periods in book.periods.items():
        late, overdue = 0, False
        for matter in matters:
            if person not in matter.people:
                continue
            late += sum(_late(book, matter, person, begin, now if end is None else end) for begin, end in periods)
            deadline = _next(book, matter, person, now) if periods[-1][1] is None else None
            overdue = overdue or (deadline is not None and deadline < now)
        out.append(_count(person, book, late, overdue))
    return out


def _count(person: str, book: _Book, late: int, overdue: bool) -> Count:
    sent: dict[str, int] = {}
    failed: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for line in book.people.get(person, []):
        channel, worked = line["channel"], line["outcome"] == SENT
        counts = sent if worked else failed
        counts[channel] = counts.get(channel, 0) + 1
        if worked:
            reasons.pop(channel, None)
        else:
            reasons[channel] = str(line.get("reason") or "")
    return Count(person, sent, failed, reasons, late, overdue)
