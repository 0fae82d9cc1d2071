# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at the move: what is due is sent, and each result becomes a line of the journal.

What is told of incidents stands in the site's records, beside them: journals come and go in years of operation.
Nothing is kept between two looks. A sender that is killed between the channel's answer and the line sends that one
message again, under the same identity; it loses none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import known, lines, process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import incidents as inc
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import matters as m
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.due import (
    FAILED,
    SENT,
    Count,
    Due,
    Ways,
    channels_seen,
    due,
    line_of,
    tally,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.kept import Kept, kept
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import Known, Message, message
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import OVER, Forecast, forecast, sizes_of
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings

#: Hands a message over; raises BoxliftError with the reason.
Send = t.Callable[[Due, Message], None]
PROGRESS = "progress"  # a line of a long module


@dataclasses.dataclass
class Look:
    """What one look has done: messages with what became of each, and why something could not be looked at."""

    sent: list[Due] = dataclasses.field(default_factory=list)
    failed: list[tuple[Due, str]] = dataclasses.field(default_factory=list)
    waiting: list[Due] = dataclasses.field(default_factory=list)  # in check mode: what would be sent
    blind: str = ""


def sight_of(plan: Plan, path: str, now: float, is_running: t.Callable[[str], bool]) -> tuple[m.Sight, str]:
    """What the journal says, and why its gates could not be looked at, if so. Raises OSError."""
    blind = ""
    gate_lines: t.Sequence[m.Line] = ()
    decisions: t.Mapping[tuple[str, str], t.Any] = {}
    try:
        proceedings = Proceedings(plan, path, now)
        gate_lines, decisions = proceedings.lines, proceedings.last_decisions
    except BoxliftError as error:
        blind = error.message  # a journal that was edited opens no gate, but people still hear of the work
    content = pathlib.Path(path).read_bytes() if os.path.exists(path) else b""
    journal = read([path]) if content else Journal([], [], [])
    sight = m.Sight(
        plan=plan,
        attempts=journal.attempts,
        gate_lines=gate_lines,
        decisions=decisions,
        lines=list(lines.events_in(content, *m.LINE_KINDS)),
        is_running=is_running,
        now=now,
        runs=journal.runs,
    )
    return sight, blind


def records_of(path: str) -> list[m.Line]:
    """The lines of the site's records that concern notices; none where there is no such file. Raises OSError."""
    content = pathlib.Path(path).read_bytes() if path and os.path.exists(path) else b""
    return list(lines.events_in(content, inc.EVENT, *m.LINE_KINDS))


def notices_of(records: t.Iterable[m.Line]) -> list[m.Line]:
    return [line for line in records if line["event"] in m.LINE_KINDS]


class Teller:
    """Looks at one journal, and at the site's records, as often as it is asked to.

    `history` are the journals of rehearsals.
    """

    def __init__(
        self,
        plan: Plan,
        journal: str,
        known_ways: Ways,
        send: Send,
        every: float,
        history: t.Sequence[str] = (),
        sizes: t.Mapping[str, int] | None = None,
        mask: t.Callable[[t.Any], t.Any] = lambda value: value,
        is_running: t.Callable[[str], bool] = process.is_running,
        records: str = "",
    ) -> None:
        self.plan, self.path, self.ways, self.every = plan, journal, known_ways, every
        self._send, self._history, self._sizes, self._mask = send, history, dict(sizes or {}), mask
        self._is_running, self._records = is_running, records

    def look(self, clock: t.Callable[[], float], check: bool = False) -> Look:
        """Send what is due. Raises BoxliftError, OSError where the journal cannot be read or written."""
        now = clock()
        sight, blind = sight_of(self.plan, self.path, now, self._is_running)
        told = records_of(self._records)
        incidents = inc.incidents(told)
        moves = bool(sight.attempts or sight.gate_lines or sight.debts)
        if not moves and not incidents:
            return Look(blind=blind)
        journal = known.gathered(self.path, self._history) if moves else Journal([], [], [])
        what = self._forecast(sight, journal)
        if moves:
            seen = self._note(self.path, [*self._channels(sight.lines), *m.observations(sight, what)], now, check)
            sight = dataclasses.replace(sight, lines=[*sight.lines, *seen])
        if incidents:
            told += self._note(self._records, self._channels(told), now, check)
        # In an incident somebody cannot work, so it is told of first.
        found = due(m.of_incidents(incidents), notices_of(told), self.ways, self.plan, now, self.every)
        found += due(m.matters(sight), sight.lines, self.ways, self.plan, now, self.every)
        if check:
            return Look(waiting=found, blind=blind)
        about = self._known(sight, journal, what)
        out, wasted = Look(blind=blind), 0.0
        for each in found:
            if wasted > self.every / 2 and each.way.channel in {other.way.channel for other, _reason in out.failed}:
                continue  # it is due at the next look too, before those that were tried now
            begun = clock()
            text = message(each, dataclasses.replace(about, now=clock()))
            try:
                self._send(each, dataclasses.replace(text, body=self._mask(text.body)))
            except BoxliftError as error:
                reason = str(self._mask(error.message))
                writer.append(self._place(each), m.NOTICE, line_of(each, FAILED, reason))
                out.failed.append((each, reason))
                wasted += clock() - begun
            else:
                writer.append(self._place(each), m.NOTICE, line_of(each, SENT))
                out.sent.append(each)
        return out

    def _place(self, each: Due) -> str:
        """Where the line about a message belongs."""
        return self._records if each.span.kind in m.OF_INCIDENTS else self.path

    def _channels(self, before: t.Sequence[m.Line]) -> list[dict[str, t.Any]]:
        seen = channels_seen(self.ways, notices_of(before))
        return [seen] if seen else []

    def _note(self, path: str, found: t.Iterable[dict[str, t.Any]], now: float, check: bool) -> list[m.Line]:
        """Write what was seen, before anybody is told; the lines as they read."""
        out: list[m.Line] = []
        for fields in found:
            if not check:
                writer.append(path, m.OBSERVED, fields)
            out.append({"event": m.OBSERVED, **fields, "time": writer.iso(now)})
        return out

    def _forecast(self, sight: m.Sight, journal: Journal) -> Forecast | None:
        """Of the run that ends with the opening, while it goes on."""
        stage = self.plan.steps[self.plan.cutover.last].stages[-1]
        if all(each.stage != stage for each in sight.attempts):
            return None
        return forecast(self.plan, journal, self.path, stage, sight.now, self._is_running, self._sizes)

    def _known(self, sight: m.Sight, journal: Journal, what: Forecast | None) -> Known:
        content = pathlib.Path(self.path).read_bytes() if os.path.exists(self.path) else b""
        last = max((each.stage for each in sight.attempts[-1:]), default="")
        mine = [each for each in sight.attempts if each.stage == last]
        return Known(
            plan=self.plan,
            journal=journal,
            current=self.path,
            now=sight.now,
            forecast=what if what is None or any(step.state not in OVER for step in what.steps) else None,
            sizes={**self._sizes, **sizes_of(mine)},
            progress=list(lines.events_in(content, PROGRESS)),
        )


def count(plan: Plan, path: str, now: float, is_running: t.Callable[[str], bool]) -> list[Count]:
    """What became of the notices so far, by person. Raises OSError."""
    sight, _blind = sight_of(plan, path, now, is_running)
    return tally(m.matters(sight), sight.lines, now) if sight.lines else []


def cadences(records: str, now: float) -> list[tuple[inc.Incident, Kept]]:
    """Every incident of the site's records, and whether its notices came in time. Raises OSError."""
    told = records_of(records)
    found = inc.incidents(told)
    return [(each, kept(matter, notices_of(told), now)) for each, matter in zip(found, m.of_incidents(found))]


def summary(plan: Plan, counts: t.Sequence[Count]) -> list[str]:
    """The same for people. Nothing where nobody could be told at any time."""
    if not counts:
        return []
    late = sum(each.late for each in counts)
    sent = sum(sum(each.sent.values()) for each in counts)
    failed = sum(sum(each.failed.values()) for each in counts)
    out = [f"Notices: {sent} sent, {late} late, {failed} attempts of a channel failed."]
    for each in counts:
        name = plan.people[each.person].name if each.person in plan.people else each.person
        if each.late:
            out.append(f"{name}: {each.late} late{', and one is overdue now' if each.overdue else ''}.")
        out += [f"{name}: {channel} fails: {reason}" for channel, reason in each.reasons.items()]
    return out


@contextlib.contextmanager
def alone(path: str) -> t.Iterator[bool]:
    """Whether nobody else sends notices of this journal; true keeps others from it until the end. Raises OSError."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(f"{path}.notices", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
