# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who work by the portal's name: looks and orders, each tried once on a connection of its own, until the end.

python3 people.py FOLDER ADDRESS NAME AUTHORITY. Each line of FOLDER/asked is one request. A number is used once:
whether an order without an answer was made, nobody knows.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import ssl
import sys
import threading
import time

PEOPLE, PAUSE, PATIENCE = 6, 0.15, 30.0


class Connection(http.client.HTTPSConnection):
    """To an address, where the certificate of the name is demanded; no name service knows the lab."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        super().__init__(name, timeout=PATIENCE, context=context)
        self._address, self._context = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, 443), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


def main(folder: str, address: str, name: str, authority: str) -> None:
    context = ssl.create_default_context(cafile=authority)
    numbers = itertools.count(1)
    with open(os.path.join(folder, "asked"), "a", encoding="ascii", buffering=1) as asked:

        def work() -> None:
            cookie = ""
            while not os.path.exists(os.path.join(folder, "stop")):
                number = next(numbers)
                order = number % 3 == 0
                headers = {"Connection": "close", **({"Cookie": cookie} if cookie else {})}
                began, said, problem = time.time(), "", ""
                connection = Connection(address, name, context)
                try:
                    if order:
                        headers["Content-Type"] = "application/x-www-form-urlencoded"
                        connection.request("POST", "/order.php", f"number={number}", headers)
                    else:
                        connection.request("GET", "/order.php", headers=headers)
                    answer = connection.getresponse()
                    said = answer.read().decode("utf-8", "replace")
                    cookie = (answer.getheader("Set-Cookie") or cookie).split(";")[0]
                    if answer.status != 200:
                        problem = f"status {answer.status}"
                except (OSError, http.client.HTTPException) as error:
                    problem = repr(error)
                finally:
                    connection.close()
                line = {
                    "number": number, "order": order, "began": began, "ended": time.time(), "problem": problem,
                    "said": said[:80],
                }  # fmt: skip
                asked.write(json.dumps(line) + "\n")
                time.sleep(PAUSE)

        people = [threading.Thread(target=work) for _each in range(PEOPLE)]
        for each in people:
            each.start()
        for each in people:
            each.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
