# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our verification and restore against the classical pipelines, alternating in one run; ratios of medians."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PASSWORD = "bench"


class Row(t.NamedTuple):
    """One line of the table: seconds of every run, ours and the peer's."""

    what: str
    peer: str
    ours: list[float]
    peers: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.peers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="alternating pairs of runs per line (default: 5)")
    parser.add_argument("--size", default="medium", help="preset of tests/lab/make_backup.py (default: medium)")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm/boxlift-bench"), help="folder on a tmpfs")
    options = parser.parse_args()
    rows = []
    try:
        for kind in ("tar.gz", "enc.gz"):
            backup = make_backup(options.work, options.size, kind)
            rows += list(lines(options.work, backup, kind, options.pairs))
            shutil.rmtree(backup)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    report = table(rows, options)
    (CHECKOUT / "tests" / "bench" / "results.md").write_text(report, encoding="utf-8")
    print(report)


def make_backup(work: Path, size: str, kind: str) -> Path:
    folder = work / kind
    command = [sys.executable, str(CHECKOUT / "tests" / "lab" / "make_backup.py"), "--out", str(folder), "--size", size]
    command += ["--kind", kind, "--part-size", str(40 * 1024 * 1024)]
    if kind.startswith("enc"):
        work.mkdir(parents=True, exist_ok=True)
        (work / "password").write_text(f"{PASSWORD}\n")
        command += ["--password-file", str(work / "password")]
    subprocess.run(command, check=True)
    return folder


def lines(work: Path, backup: Path, kind: str, pairs: int) -> t.Iterator[Row]:
    encrypted = kind.startswith("enc")
    first = min((path for path in backup.iterdir() if path.name != "manifest.json"), key=lambda path: len(path.name))
    parts = [first, *sorted(backup.glob(f"{first.name}.*"), key=lambda path: int(path.name.rsplit(".", 1)[1]))]
    cat = "cat " + " ".join(shlex.quote(str(part)) for part in parts)
    key = subprocess.run(["md5sum"], input=PASSWORD.encode(), capture_output=True, check=True).stdout.split()[0]
    plain = "pigz -dc"
    if encrypted:
        plain += f" | tail -c +513 | openssl enc -d -aes-256-ecb -K {key.hex()} -nosalt -nopad"
    target = work / "tree"
    password = repr(PASSWORD if encrypted else None)
    library = "ansible_collections.boxlift.portal.plugins.module_utils"
    verify = f"from {library}.archive.verify import verify; assert verify({str(first)!r}, {password}).intact"
    restore = (
        f"from {library}.restore.restore import Request, Restore; "
        f"Restore(Request({str(first)!r}, {str(target / 'www')!r}, {str(target / 'state')!r}, {password}), None).run()"
    )
    yield pair(
        f"verify, .{kind}", "cat parts | pigz -dc > /dev/null", verify, f"{cat} | pigz -dc > /dev/null", target, pairs
    )
    unpack = f"mkdir -p {target} && {cat} | {plain} | tar x -C {target}"
    shown = "cat parts | pigz -dc | openssl enc -d | tar x" if encrypted else "cat parts | pigz -dc | tar x"
    yield pair(f"verify and extract, .{kind}", shown, restore, unpack, target, pairs)


def pair(what: str, peer: str, ours: str, theirs: str, target: Path, pairs: int) -> Row:
    row = Row(what, peer, [], [])
    for _pair in range(pairs):
        row.ours.append(seconds([sys.executable, "-c", ours], target))
        row.peers.append(seconds(["bash", "-o", "pipefail", "-c", theirs], target))
    return row


def seconds(command: list[str], target: Path) -> float:
    shutil.rmtree(target, ignore_errors=True)
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def table(rows: list[Row], options: argparse.Namespace) -> str:
    cores = len(os.sched_getaffinity(0))
    head = (
        "# Measured against the field's tools\n\n"
        f"`make bench`: preset {options.size}, 40 MiB parts, {options.pairs} alternating pairs, medians, tmpfs,\n"
        f"{cores} cores, Python {platform.python_version()}. Below 1 we are faster. Every run of ours proves\n"
        "the backup whole; the peers prove no more than the checksums of gzip.\n\n"
        "| what | peer | ours (s) | peer (s) | ratio |\n|---|---|---|---|---|\n"
    )
    body = "".join(
        f"| {row.what} | `{row.peer.replace('|', chr(92) + '|')}` | {statistics.median(row.ours):.2f} "
        f"| {statistics.median(row.peers):.2f} | {row.ratio:.2f} |\n"
        for row in rows
    )
    return head + body


if __name__ == "__main__":
    main()
