# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nights of a large portal, on its own host: what is said, is said as JSON.

nights.py fill GIGABYTES   make the portal as large as that by information_schema, with half as much in files
nights.py change PERCENT   so much of each table is updated and inserted, and so much of the files changed and added
nights.py first            take the first night in each of the ways, and keep what is stored then
nights.py night WAY        take the second night in one way, from what was stored after the first
nights.py back WAY         go back to what was stored after the first night

All ways run with the priority of ours, since their work is what is compared. To begin again from the first night costs
nothing: what a way stores it writes as new files, so those of the first night are kept by a second name.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import typing as t

import pymysql

PORTAL = pathlib.Path("/srv/portal/www")
FILES = PORTAL / "upload/bench"
WORK = pathlib.Path("/srv/bench")
UNIT = "boxlift-backup.service"
# Where each way stores.
PLACES = {"ours": pathlib.Path("/srv/backup/portal"), "dump": WORK / "dump", "restic": WORK / "restic"}
LEFT_OUT = ("bitrix/cache", "bitrix/managed_cache", "bitrix/stack_cache", "bitrix/tmp", "bitrix/backup")

TABLES = 200
ROW = 1200  # bytes of a row in its table and the index, about
STEP = 100  # between two numbers of rows: what is inserted later comes in between
# Of its kilobyte, a seventh cannot be compressed.
TEXT = (
    "CONCAT(MD5(RAND()), MD5(RAND()), MD5(RAND()), MD5(RAND()), MD5(RAND()), MD5(RAND()), MD5(RAND()), MD5(RAND()),"
    " REPEAT('Call back tomorrow about the offer. ', 22))"
)
FILE = 51_200  # bytes; of seven tenths of it nothing can be compressed
RANDOM = 0.7
DUMP = "mariadb-dump --single-transaction --quick --routines --triggers --events portal"
COPY = "mariadb-backup --backup --stream=mbstream --parallel=2 --target-dir=/srv/bench/scratch"
RESTIC = "RESTIC_REPOSITORY=/srv/bench/restic RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=/srv/bench/cache restic"
SCRIPTS = {
    "dump": (
        f"{DUMP} | gzip > /srv/bench/dump/new.sql.gz; mv /srv/bench/dump/new.sql.gz /srv/bench/dump/portal.sql.gz;"
        f" rsync -a --delete {' '.join(f'--exclude=/{path}' for path in LEFT_OUT)} {PORTAL}/ /srv/bench/dump/www/"
    ),
    "restic": (
        "rm -rf /srv/bench/scratch; mkdir /srv/bench/scratch;"
        f" {COPY} | {RESTIC} backup --stdin --stdin-filename portal.mbstream;"
        f" {RESTIC} backup {' '.join(f'--exclude={PORTAL}/{path}' for path in LEFT_OUT)} {PORTAL}"
    ),
}


def ask(*statements: str) -> list[tuple[t.Any, ...]]:
    """What the last of the statements answers."""
    found: list[tuple[t.Any, ...]] = []
    socket = "/run/mysqld/mysqld.sock"
    with (
        pymysql.connect(unix_socket=socket, user="root", database="portal", autocommit=True) as conn,
        conn.cursor() as cursor,
    ):
        for sql in statements:
            cursor.execute(sql)
            found = list(cursor.fetchall())
    return found


def fill(gigabytes: float) -> dict[str, float]:
    rows = int(gigabytes * 1e9 / TABLES / ROW)
    for number in range(TABLES):
        ask(
            f"DROP TABLE IF EXISTS bench_{number:03}",
            f"CREATE TABLE bench_{number:03} (ID int PRIMARY KEY, PERSON_ID int, CHANGED datetime, TEXT text,"
            " KEY person (PERSON_ID, CHANGED))",
            f"INSERT INTO bench_{number:03} SELECT seq * {STEP}, RAND() * 1000, NOW() - INTERVAL seq SECOND, {TEXT}"
            f" FROM seq_1_to_{rows}",
            f"ANALYZE TABLE bench_{number:03}",
        )
    ask(
        "CREATE TABLE IF NOT EXISTS bench_order (ID int PRIMARY KEY AUTO_INCREMENT, MADE datetime, TEXT text)",
        "CREATE TABLE IF NOT EXISTS bench_line (ID int PRIMARY KEY AUTO_INCREMENT, ORDER_ID int NOT NULL, TEXT text,"
        " FOREIGN KEY (ORDER_ID) REFERENCES bench_order (ID))",
    )
    shutil.rmtree(FILES, ignore_errors=True)
    written = sum(write_file(FILES / name) for name in names(gigabytes, 0))
    subprocess.run(["chown", "-R", "portal:portal", str(FILES)], check=True)
    rest()
    return {"database": database_bytes(), "files": written}


def database_bytes() -> float:
    return float(
        ask("SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = 'portal'")[0][0]
    )


def names(gigabytes: float, first: int) -> list[str]:
    """Of the files of a portal of that size, numbered from `first` on."""
    return [f"{number % 256:02x}/{number:06}.bin" for number in range(first, first + int(gigabytes * 0.5e9 / FILE))]


def write_file(path: pathlib.Path) -> int:
    """Bytes written: from a tenth to about two times the usual."""
    size = int(FILE * random.uniform(0.1, 1.9))
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = os.urandom(int(size * RANDOM))
    path.write_bytes(noise + b"An offer, as it was sent to the client. " * ((size - len(noise)) // 40))
    return path.stat().st_size


def change(percent: float) -> dict[str, float]:
    every = round(100 / percent)
    for number in range(TABLES):
        table, row = f"bench_{number:03}", f"ID DIV {STEP} MOD {every}"
        ask(
            f"UPDATE {table} SET TEXT = {TEXT}, CHANGED = NOW() WHERE ID MOD {STEP} = 0 AND {row} = 0",
            f"INSERT IGNORE INTO {table} SELECT ID + 1, RAND() * 1000, NOW(), {TEXT} FROM {table}"
            f" WHERE ID MOD {STEP} = 0 AND {row} = {every // 2}",
        )
    there = sorted(FILES.glob("*/*.bin"))
    chosen = there[::every]
    new = [FILES / f"new/{number:06}.bin" for number in range(len(chosen))]
    written = sum(map(write_file, [*chosen, *new]))
    subprocess.run(["chown", "-R", "portal:portal", str(FILES)], check=True)
    rest()
    return {"files": written}


def rest() -> None:
    """Some time passes: everything is on the disk, and the database has written every page."""
    ask("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    until = time.monotonic() + 300
    while time.monotonic() < until:
        if int(ask("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1]) == 0:
            break
        time.sleep(0.2)
    ask("SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT")
    os.sync()


def first() -> dict[str, t.Any]:
    for place in (PLACES["dump"] / "www", WORK / "first"):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    shutil.rmtree(PLACES["restic"], ignore_errors=True)
    subprocess.run(["bash", "-ec", f"{RESTIC} init"], check=True, stdout=subprocess.DEVNULL)
    found = {}
    for way, place in PLACES.items():
        seconds = run(way)
        stored = new_bytes(place, WORK / "nothing")
        found[way] = {"seconds": seconds, "stored": stored}
        subprocess.run(["cp", "-al", str(place), str(WORK / "first" / way)], check=True)
    return found


def back(way: str) -> dict[str, float]:
    shutil.rmtree(PLACES[way])
    subprocess.run(["cp", "-al", str(WORK / "first" / way), str(PLACES[way])], check=True)
    os.sync()
    return {}


def night(way: str) -> dict[str, float]:
    back(way)
    return {"seconds": run(way), "stored": new_bytes(PLACES[way], WORK / "first" / way)}


def run(way: str) -> float:
    """Seconds that one night takes."""
    command = ["systemctl", "start", UNIT]
    if way != "ours":
        command = ["systemd-run", "--quiet", "--wait", "--collect", *priority()]
        command += ["bash", "-c", f"set -eo pipefail; {SCRIPTS[way]}"]
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def priority() -> list[str]:
    """What the unit of ours says of its priority, for systemd-run."""
    asked = [f"--property={name}" for name in ("Nice", "CPUWeight", "IOWeight", "IOSchedulingClass")]
    shown = subprocess.run(["systemctl", "show", UNIT, *asked], check=True, stdout=subprocess.PIPE, text=True).stdout
    return given_to_all(shown)


def given_to_all(shown: str) -> list[str]:
    return [f"--property={line}" for line in shown.splitlines() if "=" in line and not line.endswith("=[not set]")]


def new_bytes(place: pathlib.Path, before: pathlib.Path) -> int:
    """Bytes of the files in a folder that were not in another one before, by whatever name."""
    known = inodes(before)
    return sum(size for inode, size in inodes(place).items() if inode not in known)


def inodes(place: pathlib.Path) -> dict[int, int]:
    found = (path.lstat() for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    return {each.st_ino: each.st_size for each in found}


def main(task: str, given: str = "") -> None:
    if task == "fill":
        said: t.Any = fill(float(given))
    elif task == "change":
        said = change(float(given))
    elif task == "first":
        said = first()
    elif task == "night":
        said = night(given)
    else:
        said = back(given)
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
