# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange's records of a day against the portal's statistics: every call once, and with the right result."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.call_fact import ANSWERED, CallFact, Exchange
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.cdr import CdrRow, by_call, fact_of
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.store import DEAD, REGISTERED, STORED, Store

# A call that began shortly before midnight may be in the statistics of either day.
MARGIN_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Differences:
    """By external id. `missing` is sent again; the others are for people."""

    compared: int
    missing: list[str]
    double: list[str]
    wrong: dict[str, str]  # answered in the one, missed in the other
    waiting: list[str]  # not told yet: held, going on, or tried again by itself
    dead: list[str]

    @property
    def count(self) -> int:
        return len(self.missing) + len(self.double) + len(self.wrong) + len(self.dead)


def compare(
    rows: t.Iterable[CdrRow],
    statistics: t.Iterable[t.Mapping[str, t.Any]],
    exchange: Exchange,
    store: Store,
    since: float,
    until: float,
) -> Differences:
    """The calls that began from `since` to `until`. The statistics should reach a margin further on both sides."""
    facts: dict[str, CallFact] = {}
    for group in by_call(rows).values():
        fact = fact_of(group, exchange)
        if fact is not None and since <= fact.started < until:
            facts[fact.external_id] = fact
    by_external, by_call_id = collections.defaultdict(list), {}
    for row in statistics:
        by_external[str(row.get("EXTERNAL_CALL_ID") or "")].append(row)
        by_call_id[str(row.get("CALL_ID"))] = row
    missing, double, wrong, waiting, dead = [], [], {}, [], []
    for external_id, fact in sorted(facts.items()):
        stored = store.get(external_id)
        click = by_call_id.get(fact.portal_call_id) if fact.portal_call_id else None
        found = [click] if click is not None else by_external.get(external_id, [])
        if not found:
            if stored is not None and stored.state == DEAD:
                dead.append(external_id)
            elif stored is not None and stored.state in (STORED, REGISTERED):
                waiting.append(external_id)
            else:
                missing.append(external_id)
            continue
        if len(found) > 1:
            double.append(external_id)
        told = str(found[0].get("CALL_FAILED_CODE") or "")
        if told and (told == ANSWERED) != (fact.status == ANSWERED):
            wrong[external_id] = f"{told} in the portal, {fact.status} on the exchange"
    return Differences(len(facts), missing, double, wrong, waiting, dead)
