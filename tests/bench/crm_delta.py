# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hour of the cutover: how long the last difference takes, from the freeze until both portals are proven equal."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from pathlib import Path

from bench.row import Figure
from lab.authority import Authority
from lab.crm.filling import STEP, fill
from lab.rest.limits import Limits
from unit.plugins.module_utils.crm.transfer.move import Move

# What the portal had at its backup, and what came since the last warm pass.
THERE = {"company": 500, "contact": 2_000, "lead": 5_000, "deal": 1_500}
NEW = {"company": 25, "contact": 125, "lead": 275, "deal": 75}
LATENCY = 0.03  # seconds, of each request to either portal
CLOUD = Limits(rate=2.0, burst=50, operating=480.0)  # all plans but the largest; a box has no limit
LONGEST = 30


def lines(work: Path) -> t.Iterator[Figure]:
    load = os.getloadavg()[0]
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        move = Move(work, Authority(work / "authority"), stack)
        move.sleeping = lambda seconds: _wait(move, seconds)
        for kind, amount in THERE.items():
            fill(move.cloud, kind, amount)
            fill(move.box, kind, 0)  # the fields
        move.restore()
        for server in move.servers.values():
            server.service.delay = LATENCY
        move.run("begin")
        move.later()
        move.run("warm")
        for kind, amount in NEW.items():
            move.later((amount + 1) * STEP)
            fill(move.cloud, kind, amount, seed=1)
        move.later()
        move.servers["cloud"].limits = CLOUD
        begun = time.monotonic()
        result = move.run("final")
        seconds = time.monotonic() - begun
    records, proof = sum(NEW.values()), result.proof
    written = sum(result.written.get(kind, {}).get("created", 0) for kind in NEW)
    if proof is None or proof.mismatches or written != records:
        raise RuntimeError(f"{written} of {records} written, grade {result.grade}: {result.written}")
    what = f"CRM: {records} new records after a warm pass, {LATENCY * 1000:.0f} ms latency (load average {load:.1f})"
    yield Figure(f"{what}: from the freeze until all is proven", [seconds], "s", str(LONGEST), ".1f")
    yield Figure(f"{what}: requests to both portals", [sum(result.requests.values())], "", "", ".0f")


def _wait(move: Move, seconds: float) -> None:
    """In earnest, and by the clock of both portals."""
    time.sleep(seconds)
    move.later(seconds)
