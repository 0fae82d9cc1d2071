# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for a file, or a range of it, over connections that stay open. Knows HTTP, knows nothing of backups."""

from __future__ import annotations

import dataclasses
import email.utils
import http.client
import re
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse
import zlib

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.address import Address, address_of
from ansible_collections.boxlift.portal.plugins.module_utils.http.proxy import connection_to
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import (
    READ_SIZE,
    UNKNOWN,
    AnswerStream,
    Begun,
    Body,
    Gunzipped,
    HttpRefused,
    Interrupted,
    Lasting,
    Unusable,
    said,
)

__all__ = ("READ_SIZE", "UNKNOWN", "Body", "Client", "HttpRefused", "Interrupted", "Unusable")

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_DRAINED = 64 * 1024  # an error page up to this size is read, so that the connection can be used again
_PACKED = re.compile(r"\.(?:gz|tgz)(?:\.\d+)?$", re.IGNORECASE)  # the name of a file that is compressed itself
_PLAIN = ("", "identity", "none", "binary", "8bit")
_GZIP = {"gzip", "x-gzip"}
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")
_CONTENT_RANGE = re.compile(r"^bytes (\d+)-(\d+)/(\d+|\*)$")


class Client:
    """GET with ranges. Every thread has its own connections; `close` ends all of them, also those at work."""

    def __init__(self, headers: t.Mapping[str, str], timeout: float, context: ssl.SSLContext | None = None) -> None:
        self._headers = {name: str(value) for name, value in headers.items()}
        for name, value in self._headers.items():
            if not (name.isascii() and value.isascii()) or any(line in name + value for line in "\r\n"):
                raise BoxliftError(
                    f"The request header {name!a} holds characters that HTTP does not carry.",
                    "Write it in ASCII on one line; a password goes in base64 behind 'Basic'.",
                )
        self._closed = False
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
        packed = _PACKED.search(urllib.parse.urlsplit(url).path) is not None
        conditions = {}
        if first or last is not None:
            conditions["Range"] = f"bytes={first}-{'' if last is None else last}"
            if validator:
                conditions["If-Range"] = validator
        for _redirect in range(_MOST_REDIRECTS):
            split, authorization = _address(url)
            if authorization and not any(name.lower() == "authorization" for name in headers):
                headers["Authorization"] = authorization
            connection, answer = self._ask(split, {**headers, **conditions})
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                body = self._body(
                    connection, answer, first, last if conditions else None, bool(conditions), step, sized
                )
                return self._decoded(connection, answer, body, packed, sized)
            self._drain(connection, answer)
            url = urllib.parse.urljoin(url, _as_sent(location))
            target = _address(url).split
            if target.scheme != "https" and (split.scheme == "https" or target.scheme != "http"):
                raise BoxliftError(
                    f"{split.hostname} redirects to an address without TLS.", "Ask for a direct https address."
                )
            if (target.scheme, target.netloc) != (split.scheme, split.netloc):
                headers = {"Accept-Encoding": "identity"}  # an authorization is not for a third party
        raise Unusable(f"the server redirects more than {_MOST_REDIRECTS} times")

    def close(self) -> None:
        """End every connection. A thread that waits for one sees it end early."""
        with self._lock:
            self._closed = True
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
        if self._closed:
            raise Interrupted("the connections were closed")
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
            if getattr(error, "reason", None) in _NO_TLS:
                raise Lasting(f"{split.hostname} does not speak TLS as this host does ({said(error)})") from error
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
        etag = answer.headers.get("ETag", "")
        # A weak validator does not prove equal bytes, and servers ignore it in If-Range.
        validator = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
        offset, length, total = 0, answer.length, UNKNOWN if answer.length is None else answer.length
        if answer.status == 206:
            match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
            wrong = not match or not ranged or int(match[1]) != first or int(match[2]) < first
            if match is None or wrong or (last is not None and int(match[2]) > last):
                self._drop(connection)
                raise Unusable("the server answers with another range than it was asked for")
            offset, length = first, int(match[2]) + 1 - first
            total = UNKNOWN if match[3] == "*" else int(match[3])
        if sized and total == UNKNOWN:
            self._drop(connection)
            raise Unusable("the server does not say how long it is")
        stream = AnswerStream(answer, length, step, lambda: self._drop(connection))
        return Body(offset, total, validator, stream, answer.status == 206)

    def _decoded(
        self,
        connection: http.client.HTTPConnection,
        answer: http.client.HTTPResponse,
        body: Body,
        packed: bool,
        sized: bool,
    ) -> Body:
        """The file's own bytes, where the server names an encoding although none was asked for.

        Many servers name that of a `.gz` file itself. Where they have really compressed it, the whole is unpacked.
        """
        named = ",".join(answer.headers.get_all("Content-Encoding") or [])
        codings = [coding for coding in (each.strip().lower() for each in named.split(",")) if coding not in _PLAIN]
        if not codings:
            return body
        if not set(codings) <= _GZIP or len(codings) > 1 + packed:
            self._drop(connection)
            raise Lasting(f"the server sends it with Content-Encoding {named}, though none was asked for")
        if body.offset:
            return body  # whoever reads it must prove whether these are the file's bytes
        begun = Begun(body.chunks)
        if not (_doubly_packed(begun.first) if packed else begun.first.startswith(b"\x1f\x8b")):
            return dataclasses.replace(body, chunks=begun)
        if body.ranged or sized:
            self._drop(connection)
            raise Lasting("the server compresses it on the way, and gives out ranges of what it has compressed")
        return dataclasses.replace(body, total=UNKNOWN, chunks=Gunzipped(begun))


def _doubly_packed(head: bytes) -> bool:
    """Whether these first bytes of a gzip file unpack to another gzip file."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head)[:2] == b"\x1f\x8b"
    except zlib.error:
        return False


def _address(url: str) -> Address:
    try:
        return address_of(url)
    except ValueError as error:
        raise Lasting(f"an address cannot be used: {error}") from None


def _as_sent(location: str) -> str:
    """A Location with other letters: servers send UTF-8, and http.client reads Latin-1."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location


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
