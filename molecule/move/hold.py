# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds one connection to the database and one to Redis, and opens others all the time, until some while after SIGTERM.

Then it says how it went.

usage: hold.py RESULT
"""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
from pathlib import Path

import pymysql

SETTINGS = Path("/srv/portal/www/bitrix/.settings.php")
MARIADB, REDIS = "/run/mysqld/mysqld.sock", "/run/redis/redis-server.sock"


def database() -> pymysql.connections.Connection:
    found = re.search(r"'password' => '(.+?)'", SETTINGS.read_text().partition("'connections'")[2])
    assert found
    return pymysql.connect(unix_socket=MARIADB, user="portal", password=found.group(1), database="portal")


def redis() -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(REDIS)
    return made


def answers(rows: pymysql.connections.Connection, keys: socket.socket) -> int:
    """The number of the connection, once both have answered."""
    with rows.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID(), COUNT(*) FROM b_option")
        (number, _count) = cursor.fetchone() or (0, 0)
    keys.sendall(b"PING\r\n")
    assert keys.recv(99) == b"+PONG\r\n"
    return int(number)


def main() -> None:
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    rows, keys = database(), redis()
    numbers, opened, problems = [answers(rows, keys)], 0, []
    left = 50
    while left > 0:
        left -= bool(told)
        try:
            numbers.append(answers(rows, keys))
            with database() as more, redis() as others:
                answers(more, others)
            opened += 1
        except (OSError, AssertionError, pymysql.Error) as problem:
            problems.append(f"{time.time()} {problem!r}")
    Path(sys.argv[1]).write_text(json.dumps({"held": sorted(set(numbers)), "opened": opened, "problems": problems}))


if __name__ == "__main__":
    main()
