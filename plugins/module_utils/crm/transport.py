# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a portal over connections that stay open. Knows HTTP, and whether a request was sent at all.

A request is sent, and its answer awaited, in two steps: the portal works on the next one while this one is read.
No text of an error holds more of an address than its host, for the rest of it is a secret.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse
import zlib

from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import Denied
from ansible_collections.boxlift.portal.plugins.module_utils.http.proxy import connection_to
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import said

AGENT = "Mozilla/5.0 (compatible; boxlift.portal)"  # without one, a portal does not give out files
IDLE = 10.0  # seconds, after which a write does not trust that the other end has kept the connection
_FEW = 64 * 1024  # of an answer that nobody wants: as much is read to keep the connection
# Below so many bytes a second of a body so long, compressing costs less time than it saves.
_THIN, _LONG = 8_000_000, 256 * 1024


class NotSent(Exception):
    """No connection came about, or the request did not leave: nothing was carried out."""


class Lost(Exception):
    """The request was sent, and no whole answer came. `stale`: nor anything, over a connection that had been used."""

    def __init__(self, reason: str, stale: bool = False) -> None:
        super().__init__(reason)
        self.stale = stale


class Pending:
    """A request that was sent."""

    def __init__(self, transport: Transport, connection: http.client.HTTPConnection, reused: bool) -> None:
        self._transport = transport
        self._connection = connection
        self._reused = reused

    def reply(self, timeout: float) -> Reply:
        """Wait for the answer's head. Raises Lost."""
        try:
            if self._connection.sock is not None:
                self._connection.sock.settimeout(timeout)
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.drop()
            stale = self._reused and isinstance(error, (http.client.RemoteDisconnected, ConnectionError))
            raise Lost(said(error), stale) from error
        return Reply(self._transport, self._connection, response, timeout)

    def drop(self) -> None:
        self._connection.close()


class Reply:
    """An answer whose head has arrived."""

    def __init__(
        self,
        transport: Transport,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        timeout: float,
    ) -> None:
        self._transport, self._connection, self._response = transport, connection, response
        self._allowed = timeout  # seconds that the socket waits
        self._patience = timeout  # seconds that may still be spent on waiting for bytes
        self._sock = connection.sock
        self._length = response.length  # bytes that are still to come, if that is known
        self._came, self._took = 0, 0.0
        self._over = response.isclosed()
        self._lost: Lost | None = None  # how it ended, once that is known
        self.status = response.status
        self.headers = response.headers
        packed = (response.headers.get("Content-Encoding") or "").strip().lower() in ("gzip", "x-gzip")
        self._inflate = zlib.decompressobj(wbits=31) if packed else None

    def read(self, size: int) -> bytes:
        """About so many bytes of the body at most, none at its end. Raises Lost where it is cut or takes too long."""
        if self._inflate is None:
            return self._gathered(size)
        while True:
            rest = self._inflate.unconsumed_tail
            piece = rest or self._gathered(size)
            if not piece and not self._inflate.eof:
                self.drop()
                raise Lost("the compressed answer ends early")
            try:
                text = self._inflate.decompress(piece, size)
            except zlib.error:
                self.drop()
                raise Lost("the compressed answer is damaged") from None
            if text or not piece:
                return text

    def _gathered(self, size: int) -> bytes:
        """Several records of TLS at once: whoever parses them begins anew with each piece."""
        piece = self._read(size)
        if not piece or len(piece) >= size or self._over:
            return piece
        pieces, left = [piece], size - len(piece)
        try:
            while left > 0 and (piece := self._read(left)):
                pieces.append(piece)
                left -= len(piece)
        except Lost as lost:
            self._lost = lost  # what came before it counts
        return b"".join(pieces)

    def _read(self, size: int) -> bytes:
        if self._lost is not None:
            raise self._lost
        if self._over:
            return b""
        begun = time.monotonic()
        try:
            if self._patience <= 0:
                raise TimeoutError("timed out")
            if self._sock is not None and self._patience < self._allowed / 1.1:
                self._allowed = self._patience
                self._sock.settimeout(self._patience)  # not for every piece, for it costs as much as reading one
            # read1, so that whoever sends a byte now and then is noticed. Old Pythons do not count what it reads.
            piece = self._response.read1(size if self._length is None else min(size, self._length))
        except (OSError, http.client.HTTPException) as error:
            self.drop()
            raise Lost(said(error)) from error
        took = time.monotonic() - begun
        self._patience -= took
        self._came, self._took = self._came + len(piece), self._took + took
        if self._length is not None:
            self._length -= len(piece)
            if not piece and self._length:
                self.drop()
                raise Lost(f"the connection ended {self._length} bytes early")
        self._over = self._length == 0 or not piece
        return piece

    def finish(self) -> None:
        """The connection is free for the next request, if what is left of the body is little."""
        if self._came >= _LONG and self._came < _THIN * self._took:
            self._transport.thin = True
        with contextlib.suppress(Lost):
            left = _FEW
            while not self._over and left > 0:
                left -= len(self._read(left))
        if not self._over or self._response.will_close:
            self.drop()
        elif self._sock is not None:
            self._response.close()
            self._sock = None
            self._transport.keep(self._connection)

    def drop(self) -> None:
        self._over, self._sock = True, None
        self._response.close()
        self._connection.close()


class Transport:
    """Connections to one host, for any number of threads.

    `thin` once a long answer took long to arrive: from then on answers are asked for in compressed form.
    """

    def __init__(self, url: str, context: ssl.SSLContext, proxy: str | None = None, address: str = "") -> None:
        """`proxy` None is what the environment names, an empty one none; `address` instead of what DNS says."""
        self._split = urllib.parse.urlsplit(url)
        self._context, self._proxy, self._address = context, proxy, address
        self._lock = threading.Lock()
        self._free: list[tuple[http.client.HTTPConnection, float]] = []
        self.host = self._split.hostname or ""
        self.thin = False

    def send(
        self, path: str, body: bytes | None, headers: t.Mapping[str, str], timeout: float, reading: bool
    ) -> Pending:
        """POST, or GET without a body. Raises NotSent, and Denied where the certificate is not trusted."""
        coding = "gzip" if self.thin else "identity"
        while True:
            connection, idle = self._connection(timeout)
            reused = connection.sock is not None
            if reused and (_ended(connection.sock) or (not reading and idle > IDLE)):
                connection.close()
                continue
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                verb = "GET" if body is None else "POST"
                connection.request(verb, path, body, {"User-Agent": AGENT, "Accept-Encoding": coding, **headers})
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise Denied(
                    f"The certificate of {self.host} is not trusted: {error.verify_message}.",
                    "Give the authority that signed it in ca_file.",
                    code="CERTIFICATE",
                ) from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if reused:
                    continue  # it had ended unseen, and a request that did not leave as a whole is not carried out
                raise NotSent(said(error)) from error
            return Pending(self, connection, reused)

    def keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._free.append((connection, time.monotonic()))

    def close(self) -> None:
        """End the connections that are free."""
        with self._lock:
            free, self._free = self._free, []
        for connection, _since in free:
            connection.close()

    def _connection(self, timeout: float) -> tuple[http.client.HTTPConnection, float]:
        with self._lock:
            if self._free:
                connection, since = self._free.pop()
                return connection, time.monotonic() - since
        made = connection_to(self._split, timeout, self._context, proxy=self._proxy, address=self._address)
        return made[0], 0.0


def _ended(sock: socket.socket | None) -> bool:
    """Whether something came over a connection on which nothing was asked: that is its end."""
    return sock is None or bool(select.select([sock], [], [], 0)[0])
