# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for a file, or a range of it, over connections that stay open. Knows HTTP, knows nothing of backups."""

from __future__ import annotations

import email.utils
import http.client
import re
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.proxy import connection_to
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import (
    READ_SIZE,
    UNKNOWN,
    AnswerStream,
    Body,
    HttpRefused,
    Interrupted,
    Unusable,
    said,
)

__all__ = ("READ_SIZE", "UNKNOWN", "Body", "Client", "HttpRefused", "Interrupted", "Unusable")

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_DRAINED = 64 * 1024  # an error page up to this size is read, so that the connection can be used again
_CONTENT_RANGE = re.compile(r"^bytes (\d+)-(\d+)/(\d+|\*)$")


class Client:
    """GET with ranges. Every thread has its own connections; `close` ends all of them, also those at work."""

    def __init__(self, headers: t.Mapping[str, str], timeout: float, context: ssl.SSLContext | None = None) -> None:
        self._headers = {name: str(value) for name, value in headers.items()}
        self._timeout = timeout
        self._context = context
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: set[http.client.HTTPConnection] = set()

    def get(
        self,
        url: str,
        first: int = 0,
        last: int | None = None,
        validator: str = "",
        step: int = READ_SIZE,
        sized: bool = True,
    ) -> Body:
        """Ask for the bytes `first` to `last` of `url`; the whole file comes where the source knows no ranges.

        A file that has changed since `validator` comes whole, too. The body comes in pieces of at most `step` bytes.
        Without `sized` a file of unknown length will do. Raises HttpRefused, Interrupted or Unusable.
        """
        headers = {**self._headers, "Accept-Encoding": "identity"}
        conditions = {}
        if first or last is not None:
            conditions["Range"] = f"bytes={first}-{'' if last is None else last}"
            if validator:
                conditions["If-Range"] = validator
        for _redirect in range(_MOST_REDIRECTS):
            split = urllib.parse.urlsplit(url)
            connection, answer = self._ask(split, {**headers, **conditions})
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return self._body(
                    connection, answer, first, last if conditions else None, bool(conditions), step, sized
                )
            self._drain(connection, answer)
            url = urllib.parse.urljoin(url, location)
            target = urllib.parse.urlsplit(url)
            if target.scheme != "https" and (split.scheme == "https" or target.scheme != "http"):
                raise BoxliftError(
                    f"{split.hostname} redirects to an address without TLS.", "Ask for a direct https address."
                )
            if target.netloc != split.netloc:
                headers = {"Accept-Encoding": "identity"}  # an authorization is not for a third party
        raise Unusable(f"the server redirects more than {_MOST_REDIRECTS} times")

    def close(self) -> None:
        """End every connection. A thread that waits for one sees it end early."""
        with self._lock:
            connections = list(self._all)
        for connection in connections:
            self._abort(connection)

    def _abort(self, connection: http.client.HTTPConnection) -> None:
        sock = connection.sock
        if sock is None:
            return
        try:
            # Not SSLSocket's own method: that one takes the TLS layer away under the thread that reads.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    def _ask(
        self, split: urllib.parse.SplitResult, headers: dict[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection, target, extra = self._connection(split)
        reused = connection.sock is not None
        try:
            connection.request("GET", target, headers={**headers, **extra})
            return connection, connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            self._drop(connection)
            raise BoxliftError(
                f"The certificate of {split.hostname} is not trusted: {error.verify_message}.",
                "Give the authority that signed it in ca_path.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self._drop(connection)
            if reused and not isinstance(error, TimeoutError):
                # A server may have closed a connection that lay idle; that says nothing about the line.
                return self._ask(split, headers)
            raise Interrupted(said(error)) from error

    def _connection(self, split: urllib.parse.SplitResult) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        mine: dict[tuple[str, str], tuple[http.client.HTTPConnection, str, dict[str, str]]]
        mine = self._own.__dict__.setdefault("connections", {})
        key = (split.scheme, split.netloc)
        if key not in mine:
            mine[key] = connection_to(split, self._timeout, self._context)
            with self._lock:
                self._all.add(mine[key][0])
        connection, prefix, extra = mine[key]
        path = urllib.parse.quote(split.path or "/", safe="/%:@!$&'()*+,;=~")
        query = urllib.parse.quote(split.query, safe="/%:@!$&'()*+,;=~?")
        return connection, prefix + path + (f"?{query}" if query else ""), extra

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        """The next request of this thread makes a new connection."""
        connection.close()
        with self._lock:
            self._all.discard(connection)
        mine = self._own.__dict__.get("connections", {})
        for key in [key for key, (known, _prefix, _extra) in mine.items() if known is connection]:
            del mine[key]

    def _drain(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        length = answer.length
        if length is None or length > _DRAINED:
            self._drop(connection)
            return
        try:
            answer.read()
        except (OSError, http.client.HTTPException):
            self._drop(connection)

    def _body(
        self,
        connection: http.client.HTTPConnection,
        answer: http.client.HTTPResponse,
        first: int,
        last: int | None,
        ranged: bool,
        step: int,
        sized: bool,
    ) -> Body:
        if answer.status not in (200, 206):
            wait = _retry_after(answer.headers.get("Retry-After"))
            self._drain(connection, answer)
            raise HttpRefused(answer.status, answer.reason, wait)
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            self._drop(connection)
            raise Unusable(f"the server sends it with Content-Encoding {encoding}")
        etag = answer.headers.get("ETag", "")
        # A weak validator does not prove equal bytes, and servers ignore it in If-Range.
        validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
        offset, length, total = 0, answer.length, UNKNOWN if answer.length is None else answer.length
        if answer.status == 206:
            match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
            if not match or not ranged or int(match[1]) != first or (last is not None and int(match[2]) > last):
                self._drop(connection)
                raise Unusable("the server answers with another range than it was asked for")
            offset, length = first, int(match[2]) + 1 - first
            total = UNKNOWN if match[3] == "*" else int(match[3])
        if sized and total == UNKNOWN:
            self._drop(connection)
            raise Unusable("the server does not say how long it is")
        stream = AnswerStream(answer, length, step, lambda: self._drop(connection))
        return Body(offset, total, validator, stream, answer.status == 206)


def _retry_after(value: str | None) -> float | None:
    """Seconds that the server asks to wait; it may also name a moment."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
