# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make orders until told to stop, and note each one that the database has confirmed.

python3 orders.py FOLDER. Its password.json has the portal's password. A number is used once: whether an order without
an answer was made, nobody knows.
"""

from __future__ import annotations

import json
import os
import sys
import time

import pymysql

EVERY = 0.05  # seconds


def main() -> None:
    folder = sys.argv[1]
    with open(os.path.join(folder, "password.json"), encoding="utf-8") as stream:
        password = json.load(stream)
    number, connection = 0, None
    with open(os.path.join(folder, "confirmed"), "w", encoding="ascii", buffering=1) as confirmed:
        while not os.path.exists(os.path.join(folder, "stop")):
            number += 1
            try:
                if connection is None:
                    connection = pymysql.connect(
                        unix_socket="/run/mysqld/mysqld.sock",
                        user="portal",
                        password=password,
                        database="portal",
                        autocommit=True,
                        connect_timeout=5,
                        read_timeout=15,
                    )
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO lab_orders VALUES (%s, %s)", (number, time.time()))
                confirmed.write(f"{number} {time.time():.3f}\n")
            except (pymysql.MySQLError, OSError):
                if connection is not None and connection.open:
                    connection.close()
                connection = None
            time.sleep(EVERY)


if __name__ == "__main__":
    main()
