# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading 20,000 leads from one simulated portal: this collection's client and those of others, in turn."""

from __future__ import annotations

import os
import statistics
import typing as t
from pathlib import Path

from bench.crm_portal import OURS, BenchPortal, Run, bench_portal
from bench.row import Figure, Row

LEADS, CHURN, DELETED = 20_000, 5_000, 100
#: Client, task, what it is called, and the task of ours that gives the same rows.
PEERS = (
    ("fast_bitrix24", "read", "fast_bitrix24 get_all crm.lead.list", "read"),
    ("b24pysdk", "read", "b24pysdk crm.lead.list as_list", "read"),
    ("b24pysdk", "read_by_number", "b24pysdk crm.lead.list as_list_fast", "read"),
    ("b24pysdk", "read_items", "b24pysdk crm.item.list as_list", "read_items"),
)


def lines(work: Path, pairs: int) -> t.Iterator[Row | Figure]:
    with bench_portal(work, LEADS) as portal:
        yield from _speed(portal, pairs)
    for client, task in ((OURS, "read"), (OURS, "read_items"), *[peer[:2] for peer in PEERS]):
        with bench_portal(work, CHURN) as portal:
            yield _missed(portal, client, task)


def _speed(portal: BenchPortal, pairs: int) -> t.Iterator[Row | Figure]:
    whole = set(range(1, LEADS + 1))
    clients = [(OURS, "read"), (OURS, "read_items"), *[peer[:2] for peer in PEERS]]
    runs: dict[tuple[str, str], list[Run]] = {client: [] for client in clients}
    for number in range(pairs + 1):
        for pair in clients:
            run = portal.run(*pair)
            if set(run.ids) != whole or run.error:
                raise RuntimeError(f"{pair}: {len(set(run.ids))} of {LEADS} leads; {run.error}")
            if number:  # the first time, the portal encodes its rows
                runs[pair].append(run)
    load = os.getloadavg()[0]
    for peer, task, told, ours in PEERS:
        what = f"CRM: read {LEADS:,} leads, no limits (load average {load:.1f})"
        yield Row(what, told, _seconds(runs[OURS, ours]), _seconds(runs[peer, task]))
    for (name, task), done in runs.items():
        begin = f"CRM: read {LEADS:,} leads, {name} {task}"
        rates = [LEADS / run.seconds for run in done]
        yield Figure(f"{begin}: records a second", rates, "", "", ".0f")
        requests = statistics.median(run.requests for run in done)
        yield Figure(f"{begin}: requests", [requests], "", "10" if name == OURS else "", ".0f")
        yield Figure(f"{begin}: peak memory", [run.megabytes for run in done], "MB", "33" if name == OURS else "")
    least = min(statistics.median(run.megabytes for run in runs[each[:2]]) for each in PEERS)
    for task, method in (("read", "crm.lead.list"), ("read_items", "crm.item.list")):
        best = min(statistics.median(_seconds(runs[each[:2]])) for each in PEERS if each[3] == task)
        slower = [run.seconds / best for run in runs[OURS, task]]
        yield Figure(f"CRM: {method}, time by that of the fastest other client", slower, "", f"{1 / 1.3:.2f}", ".2f")
        larger = [run.megabytes / least for run in runs[OURS, task]]
        yield Figure(f"CRM: {method}, peak memory by that of the smallest other client", larger, "", "0.50", ".2f")


def _missed(portal: BenchPortal, client: str, task: str) -> Figure:
    """After the first page, people delete leads from the beginning of the list."""
    gone = list(range(1, DELETED + 1))
    method = "crm.item.list" if task == "read_items" else "crm.lead.list"
    portal.lab("set", {"meanwhile": [{"method": method, "after": 1, "delete": {"lead": gone}}]})
    found = set(portal.run(client, task).ids)
    missed = set(range(DELETED + 1, CHURN + 1)) - found
    if portal.lab("count/lead") != CHURN - DELETED:
        raise RuntimeError("nothing was deleted meanwhile")
    what = f"CRM: read {CHURN:,} leads, {DELETED} of the first deleted meanwhile, {client} {task}: live leads missed"
    return Figure(what, [len(missed)], "", "1" if client == OURS else "", ".0f")


def _seconds(runs: t.Sequence[Run]) -> list[float]:
    return [run.seconds for run in runs]
