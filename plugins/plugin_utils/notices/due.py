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
Moments = dict[tuple[str, int], list[float]]  # by the mark of a span


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


class _Book:
    """The lines of notices, by matter, person and state."""

    def __init__(self, lines: t.Iterable[Line]) -> None:
        self.notices: dict[tuple[str, str], list[tuple[tuple[str, int], str, str, float]]] = {}
        self.periods: dict[str, list[tuple[float, float | None]]] = {}
        self.all: list[Line] = []
        for line in lines:
            if line["event"] == NOTICE:
                self.all.append(line)
                entry = ((line["kind"], line["since"]), line["channel"], line["outcome"], moment(line["time"]))
                for person in line["people"]:
                    self.notices.setdefault((line["matter"], person), []).append(entry)
            elif line["what"] == CHANNELS:
                self._channels(moment(line["time"]), line["people"])

    def _channels(self, at: float, people: t.Mapping[str, t.Any]) -> None:
        for person, periods in self.periods.items():
            if person not in people and periods[-1][1] is None:
                periods[-1] = (periods[-1][0], at)
        for person in people:
            periods = self.periods.setdefault(person, [])
            if not periods or periods[-1][1] is not None:
                periods.append((at, None))

    def moments(self, matter: str, person: str, outcome: str, channel: str | None = None) -> Moments:
        """When notices of each state were sent, or failed."""
        out: Moments = {}
        for mark, by, how, at in self.notices.get((matter, person), ()):
            if how == outcome and channel in (None, by):
                out.setdefault(mark, []).append(at)
        return out


def _account(matter: Matter, sent: Moments, begin: float, now: float) -> tuple[int, float | None]:
    """How many notices were late or left out since `begin`, and until when the next one must be there, if one must."""
    late, deadline, heard = 0, None, False
    for span in matter.spans:
        if span.since > now:
            break
        end = now if span.until is None else min(span.until, now)
        times = sent.get(span.mark, [])
        # The end of what somebody has not heard of is no news.
        owed = span.is_open or heard
        deadline = max(span.since, begin) + span.first if owed and (end > begin or span.until is None) else None
        for at in times:
            if deadline is not None and at > deadline:
                late += _missed(deadline, at, span.every)
            deadline = at + span.every if span.is_open else None
        if deadline is not None and end > deadline:
            late += _missed(deadline, end, span.every) if span.is_open else 1
        heard = span.is_open and (heard or bool(times))
    return late, deadline


def _missed(deadline: float, at: float, every: float) -> int:
    return 1 + int((at - deadline) // every)


def due(
    matters: t.Iterable[Matter], lines: t.Sequence[Line], known: Ways, plan: Plan, now: float, look: float = 60.0
) -> list[Due]:
    """The messages to be sent now, the most urgent first. The next look will be `look` seconds later."""
    book = _Book(lines)
    found: dict[tuple[str, Way, str], Due] = {}
    for matter in matters:
        span = matter.at(now)
        if span is None or (span.until is not None and span.until <= now):
            continue
        for person in matter.people:
            begin = book.periods.get(person, [(now, None)])[-1][0]
            deadline_of_all = _account(matter, book.moments(matter.id, person, SENT), begin, now)[1]
            for way in known.get(person, ()):
                deadline = _due_by(book, matter, span, person, way, begin, deadline_of_all, now, look)
                if deadline is None:
                    continue
                language = plan.people[person].language
                key = (matter.id, way, language)
                before = found.get(key)
                if before is not None:
                    people = (*before.people, person)
                    found[key] = dataclasses.replace(before, people=people, deadline=min(before.deadline, deadline))
                else:
                    name = _id(matter, span, way, language, book)
                    found[key] = Due(name, matter, span, way, language, (person,), deadline)
    troubled = _troubled(book)
    return sorted(found.values(), key=lambda each: (each.way.channel in troubled, each.deadline, each.id))


def _due_by(
    book: _Book,
    matter: Matter,
    span: Span,
    person: str,
    way: Way,
    begin: float,
    deadline_of_all: float | None,
    now: float,
    look: float,
) -> float | None:
    """Until when the person must hear by this channel; None if nothing is to be sent by it now."""
    sent = book.moments(matter.id, person, SENT, way.channel)
    deadline = _account(matter, sent, begin, now)[1]
    if deadline is None:
        return None
    times = sent.get(span.mark, [])
    if times:
        start = deadline - max(span.every * RESERVE, look + SENDING)
    else:
        start = begin if span.prompt else deadline - (look + SENDING)
    if now < start:
        return None
    failures = book.moments(matter.id, person, FAILED, way.channel).get(span.mark, [])
    last = failures[-1] if failures and failures[-1] > max(times, default=0.0) else None
    if last is not None:
        # Somebody who hears by another channel, or has not heard for long, is not in a hurry.
        hurry = deadline_of_all is not None and deadline_of_all - PATIENCE <= now <= deadline_of_all + PATIENCE
        if not hurry and now - last < RETRY_EVERY:
            return None
    return deadline


def _id(matter: Matter, span: Span, way: Way, language: str, book: _Book) -> str:
    earlier = sum(
        (line["matter"], line["kind"], line["since"], line["channel"], line["outcome"])
        == (matter.id, *span.mark, way.channel, SENT)
        for line in book.all
    )
    text = "\n".join([matter.id, span.kind, str(span.mark[1]), way.channel, way.target, language, str(earlier)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _troubled(book: _Book) -> set[str]:
    """Channels whose last notice failed: they may take until their timeout, so the others go first."""
    last = {line["channel"]: line["outcome"] for line in book.all}
    return {channel for channel, outcome in last.items() if outcome == FAILED}


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
            sent = book.moments(matter.id, person, SENT)
            for begin, end in periods:
                count, deadline = _account(matter, sent, begin, now if end is None else end)
                late += count
                overdue = overdue or (end is None and deadline is not None and deadline < now)
        out.append(_count(person, book, late, overdue))
    return out


def _count(person: str, book: _Book, late: int, overdue: bool) -> Count:
    sent: dict[str, int] = {}
    failed: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for line in book.all:
        if person in line["people"]:
            channel, worked = line["channel"], line["outcome"] == SENT
            counts = sent if worked else failed
            counts[channel] = counts.get(channel, 0) + 1
            if worked:
                reasons.pop(channel, None)
            else:
                reasons[channel] = str(line.get("reason") or "")
    return Count(person, sent, failed, reasons, late, overdue)
