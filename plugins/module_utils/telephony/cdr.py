# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call facts from the exchange's call detail records: for what no event told of, and as the measure of what was sent.

One call has several records. What they know is coarser than what events tell: a call that a menu answered before a
person did counts as talk from the menu on.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import (
    ANSWERED,
    INCOMING,
    MISSED,
    OUTGOING,
    OUTGOING_STATUS,
    REDIRECTED,
    CallFact,
    Exchange,
    client_number,
)

_NUMBER = re.compile(r"\+?[0-9*#]+")  # not `s`, where a dial plan goes on after a call that failed


@dataclasses.dataclass(frozen=True)
class CdrRow:
    """One record. Times are seconds since the epoch; `answer` is 0 where nobody answered."""

    linkedid: str
    uniqueid: str
    channel: str
    dstchannel: str
    src: str
    dst: str
    start: float
    answer: float
    end: float
    disposition: str
    line: str = ""
    recording: str = ""
    portal_call_id: str = ""

    @property
    def answered(self) -> bool:
        """Whether somebody at another channel took the call; a menu or a queue is nobody."""
        return self.disposition == "ANSWERED" and bool(self.dstchannel) and self.answer > 0


class CdrSource(t.Protocol):
    def rows(self, since: float, until: float) -> list[CdrRow]:
        """All records of calls of which a record ended in that time. Raises BoxliftError."""


def by_call(rows: t.Iterable[CdrRow]) -> dict[str, list[CdrRow]]:
    """The records of each Linkedid, in order of time."""
    calls: dict[str, list[CdrRow]] = {}
    for row in rows:
        calls.setdefault(row.linkedid, []).append(row)
    for group in calls.values():
        group.sort(key=lambda row: (row.start, row.end))
    return calls


def fact_of(rows: t.Sequence[CdrRow], exchange: Exchange) -> CallFact | None:
    """The fact of a call that has ended, from all its records; None for a call within the house.

    `rows` belong to one call, in order of time.
    """
    first = next((row for row in rows if row.uniqueid == row.linkedid), rows[0])
    portal_call_id = next((row.portal_call_id for row in rows if row.portal_call_id), "")
    base: dict[str, t.Any] = {
        "external_id": exchange.external_id(first.linkedid),
        "started": min(row.start for row in rows),
        "recording": next((row.recording for row in rows if row.recording), ""),
        "portal_call_id": portal_call_id,
        "stage": "ended",
    }
    if exchange.trunk_of(first.channel) is not None:
        legs = [row for row in rows if first.channel in (row.channel, row.dstchannel)]
        kind = REDIRECTED if any(exchange.trunk_of(row.dstchannel) is not None for row in legs) else INCOMING
        base.update(
            kind=kind,
            number=client_number(first.src),
            line=_line(legs, first.channel, exchange),
            inner=_who(rows, exchange),
        )
    else:
        outside = [row for row in rows if row.dstchannel and exchange.trunk_of(row.dstchannel) is not None]
        if not outside and not portal_call_id:
            return None
        client = outside[-1].dstchannel if outside else ""
        legs = [row for row in rows if client and client in (row.channel, row.dstchannel)]
        phones = [exchange.inner_of(row.channel) or exchange.inner_of(row.dstchannel) for row in rows]
        last = [exchange.inner_of(_other(row, client)) for row in legs if row.answered]
        base.update(
            kind=OUTGOING,
            number=next(filter(_NUMBER.fullmatch, (row.dst for row in outside)), ""),
            line=_line(rows, client, exchange),
            inner=next(filter(None, reversed(last)), "") or next(filter(None, phones), ""),
        )
    return CallFact(**base, **_talk(legs, base["kind"]))


def _talk(legs: t.Sequence[CdrRow], kind: int) -> dict[str, t.Any]:
    """Seconds and status. A leg may be recorded twice, so times are united, not added."""
    spans = sorted((row.answer, row.end) for row in legs if row.answered)
    began = min((row.start for row in legs), default=0.0)
    if not spans:
        end = max((row.end for row in legs), default=began)
        dialled = [row.disposition for row in legs if row.dstchannel]
        outgoing = OUTGOING_STATUS.get(dialled[-1] if dialled else "CANCEL", MISSED)
        return {"ring_seconds": round(end - began, 1), "status": outgoing if kind == OUTGOING else MISSED}
    total, reached = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return {
        "ring_seconds": round(max(0.0, spans[0][0] - began), 1),
        "talk_seconds": max(1, round(total)),
        "status": ANSWERED,
    }


def _who(rows: t.Sequence[CdrRow], exchange: Exchange) -> str:
    """Who talked last, else the one whom it rang; empty if several were rung and nobody answered."""
    talked = [exchange.inner_of(row.dstchannel) for row in rows if row.answered]
    if last := next(filter(None, reversed(talked)), ""):
        return last
    rung = {exchange.inner_of(row.dstchannel) for row in rows if row.dstchannel} - {""}
    return rung.pop() if len(rung) == 1 else ""


def _other(row: CdrRow, channel: str) -> str:
    return row.channel if row.dstchannel == channel else row.dstchannel


def _line(rows: t.Sequence[CdrRow], client: str, exchange: Exchange) -> str:
    """The line that the dial plan has named, else one among the numbers dialled, else the carrier's."""
    named = next((row.line for row in rows if row.line), "")
    return (
        named
        or next(filter(None, (exchange.lines.get(row.dst) for row in rows)), "")
        or exchange.trunk_of(client)
        or ""
    )
