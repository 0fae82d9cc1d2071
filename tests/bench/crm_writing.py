# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing leads within a portal's official limit, and while answers are lost: each client to a portal of its own."""

from __future__ import annotations

import collections
import os
import typing as t
from pathlib import Path

from bench.crm_client import IMPORTS
from bench.crm_portal import OURS, BenchPortal, Run, bench_portal
from bench.row import Figure, Row

RATE, BURST = 2.0, 50  # requests a second, and at once: the vendor's limit in all plans but the largest
# As after the first 50: a thousand records a request take the portal so long that these would never meet the limit.
USED_UP = 1
COMMANDS = 50
LEADS, MANY, FEW = 10_000, 80_000, 5_000
LONGER = 1 / 0.95  # than the least that the limit allows
LOST = 0.02  # of the answers


def lines(work: Path) -> t.Iterator[Row | Figure]:
    yield from _within_the_limit(work)
    for client in (OURS, "fast_bitrix24", "b24pysdk"):
        yield from _amid_losses(work, client)


def _within_the_limit(work: Path) -> t.Iterator[Row | Figure]:
    load = os.getloadavg()[0]
    begin = f"CRM: write within {RATE:.0f} requests a second and {BURST} at once (load average {load:.1f})"
    ours, _written = _limited(work, OURS, "add", LEADS, BURST)
    theirs, _written = _limited(work, "b24pysdk", "add", LEADS, BURST)
    yield Row(f"{begin}, {LEADS:,} leads by crm.lead.add", "b24pysdk call_batches", [ours.seconds], [theirs.seconds])
    yield Figure(f"{begin}, crm.lead.add, ours: refused requests", [ours.refused], "", "", ".0f")
    yield Figure(f"{begin}, crm.lead.add, b24pysdk: refused requests", [theirs.refused], "", "", ".0f")
    theirs, written = _limited(work, "fast_bitrix24", "add", LEADS, BURST)
    yield Figure(f"{begin}, crm.lead.add, fast_bitrix24: leads of {LEADS:,} before it stops", [written], "", "", ".0f")
    yield Figure(f"{begin}, crm.lead.add, fast_bitrix24: ids that it gives back", [len(theirs.ids)], "", "", ".0f")
    for task, amount, burst, each in (
        ("add", LEADS, BURST, COMMANDS),
        ("import", LEADS, BURST, COMMANDS),
        ("batch_import", MANY, USED_UP, COMMANDS * IMPORTS),
    ):
        run = ours if task == "add" else _limited(work, OURS, task, amount, burst)[0]
        least = (amount / each - burst) / RATE
        what = f"CRM: write {amount:,} leads, ours, {task}, {RATE:.0f} requests a second and {burst} at once"
        yield Figure(f"{what}: leads a second", [amount / run.seconds], "", "", ".0f")
        yield Figure(
            f"{what}: time by the least that the limit allows", [run.seconds / least], "", f"{LONGER:.2f}", ".3f"
        )


def _limited(work: Path, client: str, task: str, amount: int, burst: int) -> tuple[Run, int]:
    """What a client did within the limit, and how many leads there are then."""
    with bench_portal(work, 0) as portal:
        portal.lab("set", {"limits": {"rate": RATE, "burst": burst}})
        run = portal.run(client, task, amount)
        written = int(portal.lab("count/lead"))
        if client != "fast_bitrix24" and (len(set(run.ids)) != amount or written != amount or run.error):
            raise RuntimeError(f"{client} {task}: {len(set(run.ids))} ids, {written} leads of {amount}; {run.error}")
        return run, written


def _amid_losses(work: Path, client: str) -> t.Iterator[Figure]:
    """Some answers are lost after the portal has done its work. Whoever asks again blindly has leads twice."""
    with bench_portal(work, 0) as portal:
        fault = {"kind": "lose_answer", "method": "batch", "share": LOST, "times": -1}
        portal.lab("set", {"faults": [fault]})
        run = portal.run(client, "add", FEW)
        titles = collections.Counter(row["title"] for row in portal.lab("rows/lead"))
        twice = sum(amount - 1 for amount in titles.values())
        begin = f"CRM: write {FEW:,} leads, {LOST:.0%} of the answers lost, {client}"
        yield Figure(f"{begin}: leads that are there twice", [twice], "", "1" if client == OURS else "", ".0f")
        told = _told(portal, run)
        yield Figure(f"{begin}: leads whose id was given back", [told], "", "", ".0f")


def _told(portal: BenchPortal, run: Run) -> int:
    return len({row["id"] for row in portal.lab("rows/lead")} & set(run.ids))
