# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call connector under load, and among failures: the real program, with the simulated portal beside it.

What it syncs lies on the disk, not on the tmpfs of the other lines, since the disk is what a call waits for.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import typing as t
from pathlib import Path

from bench.row import Figure
from lab.exchange import chaos, load

RATE, SECONDS, ANSWER_SECONDS = 50, 60, 0.05
SOUND = os.urandom(16_000)  # two seconds of a wav's telephone sound
PATIENCE = 300.0


def lines(work: Path) -> t.Iterator[Figure]:
    work.mkdir(parents=True, exist_ok=True)
    for sound, what in ((b"", "without recordings"), (SOUND, "with a recording of 16 kB each")):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            seen = asyncio.run(load.measure(Path(folder), RATE, SECONDS, ANSWER_SECONDS, sound))
        begin = (
            f"connector, {RATE} calls a second for {SECONDS} s {what}, portal answers in {ANSWER_SECONDS * 1000:.0f} ms"
            f" (load average {seen.machine_load:.1f})"
        )
        yield Figure(f"{begin}: event to request, median", [seen.latency(0.5) * 1000], "ms", "", ".0f")
        yield Figure(f"{begin}: … 95 of 100", [seen.latency(0.95) * 1000], "ms", "200", ".0f")
        yield Figure(f"{begin}: … slowest", [seen.latency(1) * 1000], "ms", "", ".0f")
        yield Figure(f"{begin}: from the last event to the last call told", [seen.lag], "s", "")
        yield Figure(f"{begin}: of one core", [seen.processor_share * 100], "%", "", ".0f")
        yield Figure(f"{begin}: peak memory", [seen.peak_megabytes], "MB", "80")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        report = asyncio.run(chaos.run(Path(folder), chaos.LONG, 1, PATIENCE))
    happened = ", ".join(f"{what} {number} times" for what, number in sorted(report.happened.items()))
    begin = f"connector, {report.calls} calls; {happened}; {report.unanswered} requests of {report.requests} failed"
    yield Figure(
        f"{begin}: calls that are lost, double, wrong or lack their recording", [report.differences], "", "1", ".0f"
    )
