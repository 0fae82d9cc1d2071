# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether calls become call facts: the connector runs, its queue is short, no call of yesterday is lost or double."""

from __future__ import annotations

import collections
import datetime

from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import TelephonyContext, check

OLD_SECONDS = 300.0
DAY = 86400.0
#: A call of the last minutes may be on its way.
SETTLE_SECONDS = 600.0


@check(
    "telephony.connector",
    why="While it does not run, calls reach no card; it makes up for them only when it runs again.",
    expected="the service of the connector runs",
    remedy="Read why it ended: journalctl -u NAME, and start it: systemctl start NAME.",
    blocks="some",
)
def connector(context: TelephonyContext) -> Verdict:
    if not context.service:
        raise DoesNotApply("no service was given")
    text = context.command("systemctl", "show", context.service, "--property=ActiveState", "--property=NRestarts")
    state = dict(line.partition("=")[::2] for line in text.splitlines())
    if state.get("ActiveState") != "active":
        remedy = f"journalctl -u {context.service}; systemctl start {context.service}."
        return failed(f"{context.service} is {state.get('ActiveState', 'unknown')}", remedy)
    if state.get("NRestarts", "0") != "0":
        observed = f"{context.service} was started again {state['NRestarts']} times"
        return warned(observed, f"journalctl -u {context.service}.")
    return passed(f"{context.service} is active")


@check(
    "telephony.queue",
    why="A call that waits is on no card yet; a dead letter never will be.",
    expected="no finished call waits longer than 5 minutes, and there is no dead letter",
    remedy="See whether the portal answers; look at the dead letters and send them again: call-connector replay.",
    blocks="some",
)
def queue(context: TelephonyContext) -> Verdict:
    if context.backlog is None:
        raise DoesNotApply("no database of the connector was given")
    state = context.backlog()
    age = context.now() - state.oldest if state.oldest is not None else 0.0
    observed = f"{state.waiting} calls wait, the oldest for {age:.0f} s; {state.dead} dead letters"
    if state.held:
        return warned(f"calls are held back: {observed}", "Lift the hold when the records of the cloud are over.")
    if age > OLD_SECONDS or state.dead:
        return failed(observed)
    return passed(observed)


@check(
    "telephony.reconcile",
    why="Calls that became no fact, or two, show nowhere else: people look at cards, not at the exchange's records.",
    expected="each call with a client in the exchange's records of the last day is in the portal's statistics once",
    remedy="Send what is missing again: call-connector reconcile. Delete what is double in the statistics by hand.",
    blocks="some",
    needs=("telephony.credential",),
)
def reconcile(context: TelephonyContext) -> Verdict:
    if context.records is None or not context.external_prefix:
        raise DoesNotApply("no file of call records, or no name of the exchange, was given")
    until = context.now() - SETTLE_SECONDS
    since = until - DAY
    # A call that the portal registered itself has no EXTERNAL_CALL_ID: its own identifier is known instead.
    wanted = {
        each.portal_call_id or context.external_prefix + each.linkedid
        for each in context.records(since, until)
        if each.direction in ("in", "out") and since <= each.started < until
    }
    rows = context.need_rest().all(
        "voximplant.statistic.get",
        # A call that began before the window may end within it.
        FILTER={">=CALL_START_DATE": _iso(since - DAY), "<CALL_START_DATE": _iso(until + DAY)},
        SORT="ID",
        ORDER="ASC",
    )
    names = [str(row.get("EXTERNAL_CALL_ID") or row.get("CALL_ID")) for row in rows]
    counts = collections.Counter(names)
    lost = sorted(name for name in wanted if not counts[name])
    double = sorted(name for name, count in counts.items() if count > 1 and name.startswith(context.external_prefix))
    if lost or double:
        kinds = {"lost": lost, "double": double}
        parts = [f"{len(found)} {kind}: {', '.join(found[:5])}" for kind, found in kinds.items() if found]
        return failed(f"of {len(wanted)} calls, {'; '.join(parts)}")
    if not wanted:
        raise DoesNotApply("the exchange has recorded no call with a client within a day")
    return passed(f"{len(wanted)} calls, each once")


def _iso(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat(timespec="seconds")
