# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""This collection against the field's tools, in turn within one run; ratios of medians."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import typing as t
from pathlib import Path

from bench import (
    crm_delta,
    crm_reading,
    crm_writing,
    lines_archive,
    lines_backup,
    lines_database,
    lines_fetch,
    lines_restore,
    lines_telephony,
    scaling,
)
from bench.row import Figure, Row

CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = ("tar.gz", "enc.gz")
PARTS = (
    "archive",
    "database",
    "restore",
    "fetch",
    "telephony",
    "crm_reading",
    "crm_writing",
    "crm_delta",
    "backup",
    "scaling",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="alternating pairs of runs per line (default: 5)")
    parser.add_argument("--size", default="medium", help="preset of tests/lab/make_backup.py (default: medium)")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm/boxlift-bench"), help="folder on a tmpfs")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="database of the part backup (default: 2)")
    parser.add_argument("--sizes", type=float, nargs="+", default=scaling.SIZES, help="GB of part scaling")
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp/boxlift-bench"), help="folder of part scaling")
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part; nothing is written then")
    options = parser.parse_args()
    found: list[Row | Figure] = []
    # What a killed run has left would be taken for this one's.
    shutil.rmtree(options.work, ignore_errors=True)
    try:
        for part in options.only or PARTS:
            for line in measure(part, options):
                found.append(line)
                print(told(line), flush=True)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    if not options.only:
        (CHECKOUT / "tests" / "bench" / "results.md").write_text(table(found, options), encoding="utf-8")


def measure(part: str, options: argparse.Namespace) -> t.Iterator[Row | Figure]:
    work, pairs = options.work, options.pairs
    if part == "archive":
        for kind in KINDS:
            backup = lines_archive.make_backup(work, options.size, kind)
            yield from lines_archive.lines(work, backup, kind, pairs)
            shutil.rmtree(backup)
    elif part == "database":
        yield from lines_database.lines(work / "database", pairs)
    elif part == "restore":
        yield from lines_restore.lines(work / "restore", options.size, pairs)
    elif part == "fetch":
        yield from lines_fetch.lines(work, pairs)
    elif part == "crm_reading":
        yield from crm_reading.lines(work / "crm", pairs)
    elif part == "crm_writing":
        yield from crm_writing.lines(work / "crm")
    elif part == "crm_delta":
        yield from crm_delta.lines(work / "crm-delta")
    elif part == "backup":
        yield from lines_backup.lines(work / "backup", options.gigabytes)
    elif part == "scaling":
        yield from scaling.lines(options.disk, options.sizes)
    else:
        yield from lines_telephony.lines(CHECKOUT / ".cache" / "bench-telephony")


def told(line: Row | Figure) -> str:
    if isinstance(line, Figure):
        values = line.values
        spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
        target = f"{line.target} {line.unit}" if line.target else ""
        return f"| {line.what} | {statistics.median(values):{line.digits}} {line.unit}{spread} | {target} |"
    ours, peer = statistics.median(line.ours), statistics.median(line.peers)
    return f"| {line.what} | `{line.peer.replace('|', chr(92) + '|')}` | {ours:.2f} | {peer:.2f} | {line.ratio:.2f} |"


def table(found: list[Row | Figure], options: argparse.Namespace) -> str:
    cores = len(os.sched_getaffinity(0))
    rows = "\n".join(told(line) for line in found if isinstance(line, Row))
    figures = "\n".join(told(line) for line in found if isinstance(line, Figure))
    return (
        "# Measured against the field's tools\n\n"
        f"`make bench`: preset {options.size}, 40 MiB parts, {options.pairs} alternating pairs, medians, tmpfs,\n"
        f"{cores} cores, Python {platform.python_version()}. Below 1 we are faster. Every run of ours proves\n"
        "the backup whole; the peers prove no more than the checksums of gzip. A `limit` is what no reader of\n"
        "such a backup can be faster than here, in any language: the C libraries alone, on every processor.\n\n"
        f"| what | peer | ours (s) | peer (s) | ratio |\n|---|---|---|---|---|\n{rows}\n\n"
        f"| what | measured | to stay below |\n|---|---|---|\n{figures}\n"
    )


if __name__ == "__main__":
    main()
