# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""People at work in production: people.py fill GIGABYTES | work | change PERCENT | count

`fill` makes the portal as large as asked. `work` writes until /run/boxlift-load is removed: a file first, then in one
transaction an order, its lines and the file's row. Whoever copies the portal meanwhile must get orders with all of
their lines, lines with their order, and every file that a row names. `count` says what there is, as JSON, and what of
it does not fit together; then it ends with 1.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import sys
import time

import pymysql

UPLOAD = pathlib.Path("/srv/portal/www/upload/load")
GOES_ON = pathlib.Path("/run/boxlift-load")
FILE, LIVE_FILE = 120_000, 4_000  # bytes
# Orders per second: thousands of times those of a portal with a hundred leads a day. Still, what they write between the
# two copies stays well below the percent that is changed besides.
PACE = 10
LARGE, SMALL = 2, 40  # tables: most of a portal's rows are in few of them
ROW = 1000
LINES = 3


def connect() -> pymysql.connections.Connection:
    return pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", database="portal", autocommit=True)


def fill(gigabytes: str) -> None:
    """A sixth of it are rows, the rest are files. What was filled in before is replaced."""
    size = float(gigabytes) * 1e9
    rows = int(size / 6 / ROW)
    if UPLOAD.exists():
        shutil.rmtree(UPLOAD)
    with connect() as conn, conn.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS load_line, load_order, load_file")
        for number in range(LARGE + SMALL):
            table = f"load_{number:02}"
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute(f"CREATE TABLE {table} (ID int PRIMARY KEY AUTO_INCREMENT, AT datetime, TEXT text)")
            wanted = rows * 4 // 5 // LARGE if number < LARGE else rows // 5 // SMALL
            # Text that compresses as a portal's does, not as zeros do.
            cursor.execute(
                f"INSERT INTO {table} (AT, TEXT) SELECT NOW(), CONCAT(REPEAT(MD5(seq), {ROW // 64}),"
                f" REPEAT('abcdefgh', {ROW // 16})) FROM seq_1_to_{wanted}"
            )
        cursor.execute("CREATE TABLE load_order (ID int PRIMARY KEY AUTO_INCREMENT, LINES_N int)")
        cursor.execute(
            "CREATE TABLE load_line (ID int PRIMARY KEY AUTO_INCREMENT, ORDER_ID int NOT NULL,"
            " FOREIGN KEY (ORDER_ID) REFERENCES load_order (ID))"
        )
        cursor.execute("CREATE TABLE load_file (ID int PRIMARY KEY AUTO_INCREMENT, NAME text, SHA256 char(64))")
    for number in range(int(size * 5 / 6 / FILE)):
        write_file(f"{number % 256:02x}/{number:06}.bin")
    (UPLOAD / gigabytes).touch()


def write_file(name: str, size: int = FILE) -> str:
    path = UPLOAD / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = os.urandom(size)
    spare = path.with_suffix(".new")
    spare.write_bytes(content)
    spare.rename(path)
    return hashlib.sha256(content).hexdigest()


def work() -> None:
    number = 0
    with connect() as conn, conn.cursor() as cursor:
        conn.autocommit(False)
        while GOES_ON.exists():
            number += 1
            name = f"live/{time.time_ns()}.bin"
            digest = write_file(name, LIVE_FILE)
            cursor.execute("INSERT INTO load_order (LINES_N) VALUES (%s)", (LINES,))
            order = cursor.lastrowid
            for _line in range(LINES):
                cursor.execute("INSERT INTO load_line (ORDER_ID) VALUES (%s)", (order,))
            cursor.execute("INSERT INTO load_file (NAME, SHA256) VALUES (%s, %s)", (name, digest))
            conn.commit()
            # A portal has files that exist for a moment only: they are listed, and gone when they are read.
            write_file(f"passing/{number}.bin", LIVE_FILE)
            (UPLOAD / f"passing/{number - 1}.bin").unlink(missing_ok=True)
            time.sleep(1 / PACE)
    print(number)


def change(percent: float) -> None:
    """So much of the files, and of the rows of one large table."""
    files = sorted(UPLOAD.glob("[0-9a-f][0-9a-f]/*.bin"))
    for path in files[:: int(100 / percent)]:
        write_file(str(path.relative_to(UPLOAD)))
    with connect() as conn, conn.cursor() as cursor:
        cursor.execute(f"UPDATE load_00 SET TEXT = CONCAT('changed ', TEXT) WHERE ID % {int(100 / percent)} = 0")


def count() -> None:
    with connect() as conn, conn.cursor() as cursor:

        def one(sql: str) -> int:
            cursor.execute(sql)
            (number,) = cursor.fetchone() or (0,)
            return int(number)

        found = {name: one(f"SELECT COUNT(*) FROM load_{name}") for name in ("order", "line", "file", "00", "41")}
        wrong = {
            "orders without all lines": one(
                "SELECT COUNT(*) FROM load_order o WHERE LINES_N <>"
                " (SELECT COUNT(*) FROM load_line l WHERE l.ORDER_ID = o.ID)"
            ),
            "lines without order": one(
                "SELECT COUNT(*) FROM load_line l LEFT JOIN load_order o ON o.ID = l.ORDER_ID WHERE o.ID IS NULL"
            ),
            "rows without their file": 0,
        }
        written = 0
        cursor.execute("SELECT NAME, SHA256 FROM load_file")
        for name, digest in cursor.fetchall():
            path = UPLOAD / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                wrong["rows without their file"] += 1
            else:
                written += path.stat().st_size
    print(json.dumps({"found": found, "bytes": written, "wrong": wrong}))
    if not found["order"] or any(wrong.values()):
        sys.exit(f"it does not fit together: {wrong}")


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(sys.argv[2])
    elif sys.argv[1] == "change":
        change(float(sys.argv[2]))
    elif sys.argv[1] == "work":
        work()
    else:
        count()
