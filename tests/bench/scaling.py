# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the cost of proof and restore grows as the backup does: sizes in a row, time and peak memory of each.

Archive, tree and database lie on a disk, since a backup of 10 GB does not fit into memory thrice. What was measured
goes into `scaling.json` beside this file; docs/scale.md and the sizing are held against it.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from bench.lines_archive import LIBRARY, family_memory
from bench.lines_database import ask, huge_tables, server
from bench.row import Figure
from lab.archive_writer import Entry, write_archive
from lab.dump_writer import DumpWriter

RESULTS = Path(__file__).with_name("scaling.json")
GB = 10**9
SIZES = (0.3, 1.0, 3.0, 10.0)
#: As preflight assumes: a quarter of a backup is the dump.
DUMP = 0.25
#: Of an upload, and of a file of the vendor's code. Nine of ten bytes are uploads, most of which do not shrink.
UPLOAD, CODE, UPLOADS = 90_000, 6_000, 0.9
PART = 100 * 2**20
BASE = "20260413_020000_00000001"
DATABASE = "scaling"
#: Rows of a table that are made anew; the others repeat them with another id.
POOL = 4000
PROVE = f"import sys; from {LIBRARY}.archive.verify import verify; assert verify(sys.argv[1]).intact"
RESTORE = f"""
import sys
from {LIBRARY}.restore.database import StagedDatabase
from {LIBRARY}.restore.restore import Restore, RestoreRequest
from {LIBRARY}.sql.connection import Login
first, target, socket = sys.argv[1:]
name = {DATABASE!r} if socket else None
database = StagedDatabase(Login(unix_socket=socket), name) if socket else None
Restore(RestoreRequest(first, target + "/www", target + "/state", database_name=name), database).run()
"""
WORK = {"verify": "proof", "files": "proof and restore of files", "whole": "proof and restore with the database"}
Row = dict[str, t.Any]


def make_backup(folder: Path, size: int) -> Path:
    """A backup that holds `size` bytes; the path of its first part. The same size gives the same bytes."""
    folder.mkdir(parents=True)
    dump = DumpWriter(folder, BASE, moment="2026-04-13 02:00:00")
    shares = sum(huge.share for huge in huge_tables())
    for huge in huge_tables():
        dump.written_rows(huge.table, _rows(huge, round(size * DUMP * huge.share / shares)))
    files = [dump.after_connect, *dump.finish()]
    first, *_others = write_archive(_entries(files, size), folder, BASE, part_limit=PART, level=1)
    for path in files:
        path.unlink()
    return first


def _rows(huge: t.Any, wanted: int) -> t.Iterator[str]:
    rng = random.Random(huge.table.name)
    pool = [huge.row(rng, item).partition(", ")[2] for item in range(1, POOL + 1)]
    item = 0
    while wanted > 0:
        item += 1
        row = f"({item}, {pool[item % POOL]})"
        wanted -= len(row.encode()) + 2
        yield row


def _entries(dumps: t.Sequence[Path], size: int) -> t.Iterator[Entry]:
    """First the dump, then folders and what lies in them."""
    yield Entry(b"bitrix", "dir", mode=0o755)
    yield Entry(b"bitrix/backup", "dir", mode=0o755)
    for path in dumps:
        yield Entry(f"bitrix/backup/{path.name}".encode(), "file", path)
    rest = size * (1 - DUMP)
    yield from _files("bitrix/modules", round(rest * (1 - UPLOADS) / CODE), CODE, packed=True)
    yield from _files("upload", round(rest * UPLOADS / UPLOAD), UPLOAD, packed=False)


def _files(root: str, count: int, length: int, packed: bool) -> t.Iterator[Entry]:
    rng = random.Random(root)
    yield Entry(root.encode(), "dir", mode=0o755)
    for item in range(count):
        folder = f"{root}/{item // 500:05}"
        if item % 500 == 0:
            yield Entry(folder.encode(), "dir", mode=0o755)
        exact = rng.randrange(length // 2, length * 3 // 2)
        data = rng.randbytes(exact // 12).hex().encode() * 6 if packed else rng.randbytes(exact)
        yield Entry(f"{folder}/{item:08}.bin".encode(), "file", data)


def measure(work: Path, size: int) -> Row:
    """Seconds and peak memory of each piece of work on a backup that holds `size` bytes."""
    shutil.rmtree(work, ignore_errors=True)
    try:
        first = make_backup(work / "backup", size)
        archive = sum(path.stat().st_size for path in first.parent.iterdir())
        found: Row = {"size": size, "archive": archive, "load": round(os.getloadavg()[0], 1)}
        found["verify"] = timed([PROVE, str(first)])
        found["files"] = timed([RESTORE, str(first), str(work / "files"), ""])
        shutil.rmtree(work / "files")
        with server(work / "server") as socket:
            found["whole"] = timed([RESTORE, str(first), str(work / "whole"), str(socket)])
            tables = ask(socket, f"SHOW TABLES FROM {DATABASE}").split()
            # Not by information_schema, whose figures are estimates.
            held = [path.stat().st_size for path in (work / "server/data" / DATABASE).iterdir()]
        if len(tables) != len(huge_tables()):
            raise SystemExit(f"bench: {len(tables)} tables were restored")
        found["database"] = sum(held)
        return found
    finally:
        shutil.rmtree(work, ignore_errors=True)


def timed(script: t.Sequence[str]) -> Row:
    """Seconds, and the peak memory in MB of the program and its workers; that of the database server is not in it."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", *script])
    peak = 0
    while process.poll() is None:
        peak = max(peak, family_memory(process.pid))
        time.sleep(0.1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, script[0])
    return {"seconds": round(time.perf_counter() - began, 2), "memory": round(peak / 1000, 1)}


def exponent(points: t.Sequence[tuple[float, float]]) -> float:
    """Of the power law that fits best: 1 where twice the size takes twice as long. Least squares of the logarithms."""
    return statistics.linear_regression([math.log(x) for x, _y in points], [math.log(y) for _x, y in points]).slope


def lines(work: Path, sizes: t.Sequence[float]) -> t.Iterator[Figure]:
    rows = []
    for gigabytes in sizes:
        row = measure(work, round(gigabytes * GB))
        rows.append(row)
        for name, title in WORK.items():
            what = f"{title}, {gigabytes:g} GB (load average {row['load']})"
            yield Figure(what, [row[name]["seconds"]], "s", "")
            yield Figure(f"{what}: peak memory", [row[name]["memory"]], "MB", "300")
    if len(rows) > 1:
        for name, title in WORK.items():
            found = exponent([(row["size"], row[name]["seconds"]) for row in rows])
            yield Figure(f"{title}, {sizes[0]:g} to {sizes[-1]:g} GB: exponent of the time", [found], "", "1.1", ".2f")
    taken = {
        "date": f"{datetime.date.today()}",
        "cores": len(os.sched_getaffinity(0)),
        "dump_share": DUMP,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")
