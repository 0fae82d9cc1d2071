# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that no event told of, from the exchange's records: after an outage of the manager interface or of ours.

A crash of the exchange leaves no record of the calls that were up. They are told from what is stored of them.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import (
    ANSWERED,
    MISSED,
    OUTGOING,
    OUTGOING_STATUS,
    CallFact,
    Exchange,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr import CdrRow, by_call, fact_of
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import Store, StoredCall

MARK, FIRST_START = "backfilled_until", "first_start"
# When the exchange was heard last, and its starts: when each was, and when it was heard last before.
HEARD, STARTS = "exchange_heard", "exchange_starts"
# A second crash may come before the calls are told that the first one has cut.
REMEMBERED_STARTS = 20
# It tells whole seconds, and what it tells is read a little later.
SAME_SECONDS = 2.0
# Events of an end come within moments; a call whose last record is younger may still be told by them.
SETTLE_SECONDS = 15.0
OVERLAP_SECONDS = 600.0
# A call that has neither ended nor left a record after so long never will.
LONGEST_CALL_SECONDS = 12 * 3600.0


def window(store: Store, now: float) -> tuple[float, float]:
    """Of which time records are wanted. Calls that ended before the connector's first start were others' to tell."""
    if not store.meta(MARK):
        store.set_meta(FIRST_START, str(now))
        store.set_meta(MARK, str(now))
    return max(float(store.meta(MARK)) - OVERLAP_SECONDS, float(store.meta(FIRST_START))), now


def heard(store: Store, now: float) -> None:
    """Note that the exchange runs."""
    store.set_meta(HEARD, str(now))


def runs_since(store: Store, began: float) -> None:
    """Note since when it runs: no call of before goes on."""
    starts = _starts(store)
    if not starts or abs(began - starts[-1][0]) > SAME_SECONDS:
        starts.append((began, float(store.meta(HEARD) or 0)))
        store.set_meta(STARTS, json.dumps(starts[-REMEMBERED_STARTS:]))


def _starts(store: Store) -> list[tuple[float, float]]:
    return [(start[0], start[1]) for start in json.loads(store.meta(STARTS) or "[]")]


def ended_calls(rows: t.Iterable[CdrRow], exchange: Exchange, until: float) -> list[CallFact]:
    """What the records tell of calls that ended. `until` is the time at which the records were read."""
    settled, facts = until - SETTLE_SECONDS, []
    for linkedid, group in by_call(rows).items():
        ended = max(row.end for row in group)
        if ended > settled:
            continue
        # Legs are recorded while the call still goes on; the channel that began it, at its end.
        if not any(row.uniqueid == linkedid for row in group) and ended > until - LONGEST_CALL_SECONDS:
            continue
        fact = fact_of(group, exchange)
        if fact is not None:
            facts.append(fact)
    return facts


def cut_calls(store: Store, live: t.Collection[str], until: float) -> list[tuple[StoredCall, float]]:
    """Calls that went on when the exchange crashed, and when it was heard last before.

    None before all records of before have been read. `live` and `until` as for `backfill`, which comes first.
    """
    starts, cut = _starts(store), []
    if not starts or until - SETTLE_SECONDS < starts[-1][0]:
        return []
    for call in store.open_calls():
        before = next((before for began, before in starts if call.fact.started < began), None)
        if before is not None and call.external_id not in live:
            cut.append((call, before))
    return cut


def cut_off(fact: CallFact, recording: str, last_heard: float) -> CallFact:
    """The fact of a call that a crash has ended, at `last_heard` as far as is known."""
    answered = fact.stage == "talking"
    talked = fact.talk_seconds + (max(0.0, last_heard - fact.talking_since) if fact.talking_since else 0.0)
    unanswered = OUTGOING_STATUS["CANCEL"] if fact.kind == OUTGOING else MISSED
    return dataclasses.replace(
        fact,
        stage="ended",
        ringing=(),
        talk_seconds=max(1, round(talked)) if answered else 0,
        talking_since=0.0,
        status=ANSWERED if answered else unanswered,
        recording=fact.recording or recording,
    )


def backfill(
    store: Store, facts: t.Iterable[CallFact], live: t.Collection[str], until: float
) -> tuple[list[CallFact], list[str]]:
    """Store what the records tell; give those facts that were news, and ids of calls given up.

    `live` are the ids of calls that events still tell of. `until` is the time at which the records were read.
    """
    facts = [fact for fact in facts if fact.external_id not in live]
    # Nearly all of them are known to the end, and in a busy hour they are thousands.
    recordings = store.ended_since(min((fact.started for fact in facts), default=until) - 60)
    facts = [
        fact
        for fact in facts
        if fact.external_id not in recordings or (fact.recording and not recordings[fact.external_id])
    ]
    before = {fact.external_id: store.get(fact.external_id) for fact in facts}
    store.put(facts, {})
    news = [fact for fact in facts if (stored := before[fact.external_id]) is None or not stored.fact.ended]
    given_up = []
    for call in store.open_calls():
        if call.external_id in live or call.fact.started > until - LONGEST_CALL_SECONDS:
            continue
        given_up.append(call.external_id)
        if call.fact.portal_call_id:  # the exchange never made it; the portal waits for its end
            store.put([dataclasses.replace(call.fact, stage="ended", ringing=(), status="603-S")], {})
        else:
            store.dead(call.external_id, "The exchange's records do not tell of its end.")
    # The windows overlap, so that a record that was written late is not missed.
    store.set_meta(MARK, str(until - SETTLE_SECONDS))
    return news, given_up
