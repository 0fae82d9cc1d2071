# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who use a portal over TLS at a steady pace, and how long each request took them.

A request begins when it is due. One that has to wait for another is as slow as those who wait for it find it.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import math
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse

PAGES = ("/", "/bench/order.php", "/bench/order.php", "/online/", "/bench/order.php")
ORDERS = 5  # every so many requests one is an order
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SLOWEST = 60.0


class Sample(t.NamedTuple):
    """One request: when it was due, and seconds until its whole answer was there."""

    due: float
    seconds: float


class Portal(t.NamedTuple):
    """Where it is, and who comes."""

    address: str
    name: str
    authority: str
    login: str
    password: str


class Person:
    """Somebody who has logged in, with one connection that is kept."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._connection = self._connect()
        form = {"AUTH_FORM": "Y", "USER_LOGIN": portal.login, "USER_PASSWORD": portal.password}
        status, cookies, _body = self._ask("POST", "/", form)
        if status != 302:
            raise RuntimeError(f"the portal let {portal.login} not in: it answered {status}")
        self._cookies = "; ".join(cookie.partition(";")[0] for cookie in cookies)

    def request(self, number: int) -> None:
        """Ask for a page, or order. Raises RuntimeError where the answer is not the page."""
        if number % ORDERS == 0:
            status, _cookies, body = self._ask("POST", "/bench/order.php", {"text": f"order {number}"})
        else:
            status, _cookies, body = self._ask("GET", PAGES[number % len(PAGES)])
        if status != 200 or b"<h1>" not in body or b"form_auth" in body:
            raise RuntimeError(f"request {number}: the portal answered {status}, {body[:200]!r}")

    def _connect(self) -> http.client.HTTPConnection:
        context = ssl.create_default_context(cafile=self._portal.authority)
        plain = socket.create_connection((self._portal.address, 443), timeout=SLOWEST)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPConnection(self._portal.name)
        connection.sock = context.wrap_socket(plain, server_hostname=self._portal.name)
        return connection

    def _ask(self, method: str, path: str, form: t.Mapping[str, str] | None = None) -> tuple[int, list[str], bytes]:
        headers = {**(FORM if form else {}), "Cookie": getattr(self, "_cookies", "")}
        self._connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers)
        answer = self._connection.getresponse()
        body = answer.read()
        cookies = answer.headers.get_all("Set-Cookie") or []
        if answer.will_close:  # nginx ends a connection after a thousand requests
            self._connection.close()
            self._connection = self._connect()
        return answer.status, cookies, body


def work(
    join: t.Callable[[], t.Callable[[int], None]],
    rate: float,
    people: int,
    ended: threading.Event,
    clock: t.Callable[[], float] = time.monotonic,
) -> list[Sample]:
    """Let people ask, each by what `join` gives, until `ended`: `rate` requests a second of all together."""
    requests = [join() for _number in range(people)]
    begun = clock()

    def one(first: int) -> list[Sample]:
        found: list[Sample] = []
        number = first
        while True:
            due = begun + number / rate
            if ended.wait(max(0.0, due - clock())):
                return found
            requests[first](number)
            found.append(Sample(due, clock() - due))
            number += people

    with concurrent.futures.ThreadPoolExecutor(people) as pool:
        return [sample for found in pool.map(one, range(people)) for sample in found]


def within(samples: t.Iterable[Sample], begin: float, end: float) -> list[float]:
    """Seconds of the requests that were due in this time."""
    return [sample.seconds for sample in samples if begin <= sample.due < end]


def quantile(values: t.Sequence[float], share: float) -> float:
    """The least value that is not exceeded by this share of them."""
    if not values:
        raise ValueError("there was no request to measure")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
