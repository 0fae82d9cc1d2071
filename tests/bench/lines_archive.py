# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification and restore of files against the classical pipelines, with the fast library and without it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from bench.row import Figure, Row

CHECKOUT = Path(__file__).resolve().parents[2]
PASSWORD = "bench"
LIBRARY = "ansible_collections.boxlift.portal.plugins.module_utils"
# As on a host where python3-isal is not installed.
PLAIN_PYTHON = "import sys; sys.modules['isal'] = None; "


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


def parts_of(backup: Path) -> list[Path]:
    first = min((path for path in backup.iterdir() if path.name != "manifest.json"), key=lambda path: len(path.name))
    return [first, *sorted(backup.glob(f"{first.name}.*"), key=lambda path: int(path.name.rsplit(".", 1)[1]))]


def lines(work: Path, backup: Path, kind: str, pairs: int) -> t.Iterator[Row | Figure]:
    encrypted = kind.startswith("enc")
    parts = parts_of(backup)
    first = parts[0]
    cat = "cat " + " ".join(shlex.quote(str(part)) for part in parts)
    key = subprocess.run(["md5sum"], input=PASSWORD.encode(), capture_output=True, check=True).stdout.split()[0]
    plain = "pigz -dc"
    if encrypted:
        plain += f" | tail -c +513 | openssl enc -d -aes-256-ecb -K {key.hex()} -nosalt -nopad"
    target = work / "tree"
    password = repr(PASSWORD if encrypted else None)
    verify = f"from {LIBRARY}.archive.verify import verify; assert verify({str(first)!r}, {password}).intact"
    restore = (
        f"from {LIBRARY}.restore.restore import Restore, RestoreRequest; "
        f"request = RestoreRequest({str(first)!r}, {str(target / 'www')!r}, {str(target / 'state')!r}, {password}); "
        "Restore(request, None).run()"
    )
    inflate = f"{cat} | pigz -dc > /dev/null"
    unpack = f"mkdir -p {target} && {cat} | {plain} | tar x -C {target}"
    unpacked = "cat parts | pigz -dc | openssl enc -d | tar x" if encrypted else "cat parts | pigz -dc | tar x"
    for before, how in (("", ""), (PLAIN_PYTHON, ", without python3-isal")):
        peer = "cat parts | pigz -dc > /dev/null"
        yield pair(f"verify, .{kind}{how}", peer, before + verify, inflate, target, pairs)
        yield pair(f"verify and extract, .{kind}{how}", unpacked, before + restore, unpack, target, pairs)
        for what, summed in (("inflating alone", False), ("inflating and sha256 alone", True)):
            limit = f"{before}from bench.limits import run; run({list(map(str, parts))!r}, {summed})"
            yield pair(f"limit: {what}, .{kind}{how}", peer, limit, inflate, target, pairs)
    stream = work / "stream.tar"
    subprocess.run(["bash", "-o", "pipefail", "-c", f"{cat} | {plain} > {stream}"], check=True)
    alone = f"import subprocess; subprocess.run(['tar', 'x', '-f', {str(stream)!r}, '-C', {str(target)!r}], check=True)"
    alone = f"import os; os.makedirs({str(target)!r}); {alone}"
    yield pair(f"limit: `tar x` of the stream already inflated, .{kind}", unpacked, alone, unpack, target, pairs)
    stream.unlink()
    yield from profile(first, PASSWORD if encrypted else "", work, kind)
    peak = memory([sys.executable, "-c", restore], target)
    yield Figure(f"peak memory of all processes, verify and extract, .{kind}", [peak], "MB", "300")


def profile(first: Path, password: str, work: Path, kind: str) -> t.Iterator[Figure]:
    command = [sys.executable, "-m", "bench.profile", str(first), password, str(work)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for stage, user, kernel in json.loads(said):
        yield Figure(
            f"profile of one core, .{kind}: {stage}; the kernel's share {kernel:.2f} s", [user + kernel], "s", "", ".2f"
        )


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


def memory(command: list[str], target: Path) -> float:
    """Peak memory of the command and its children in MB; what they share counts once (PSS)."""
    shutil.rmtree(target, ignore_errors=True)
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
        peak = max(peak, family_memory(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return peak / 1000


def family_memory(process: int) -> int:
    """kB that a process and its children hold now; what they share counts once (PSS)."""
    return sum(map(_pss, _family(process)))


def _family(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [process, *(member for child in children for member in _family(int(child)))]


def _pss(process: int) -> int:
    try:
        rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
