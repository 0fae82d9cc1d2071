# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders come in all the time, as the portal's own account: one row each, with a number of its own.

What the database has acknowledged is noted with the time at which it was. While the table is gone, the same order is
tried again.
"""

from __future__ import annotations

import json
import sys
import time

import pymysql

TABLE = """CREATE TABLE IF NOT EXISTS lab_orders (id INT UNSIGNED NOT NULL PRIMARY KEY, sent DOUBLE NOT NULL,
text VARCHAR(255) NOT NULL) ENGINE=InnoDB"""


def main(password_file: str, noted: str) -> None:
    with open(password_file, encoding="utf-8") as stream:
        password = json.load(stream)
    connection = pymysql.connect(
        unix_socket="/run/mysqld/mysqld.sock", user="portal", password=password, database="portal", autocommit=True
    )
    with connection.cursor() as cursor, open(noted, "a", encoding="utf-8", buffering=1) as notes:
        cursor.execute(TABLE)
        number = 1
        while True:
            try:
                cursor.execute(
                    "INSERT INTO lab_orders VALUES (%s, %s, %s)", (number, time.time(), f"order {number} of a client")
                )
            except pymysql.err.ProgrammingError:  # there is no such table
                time.sleep(0.05)
                continue
            except pymysql.err.IntegrityError:  # the table came back with it
                number += 1
                continue
            notes.write(f"{number} {time.time():.6f}\n")
            number += 1
            time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
