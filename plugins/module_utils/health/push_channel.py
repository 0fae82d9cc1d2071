# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The push server's protocol as a browser uses it: signed channels, long polling, WebSocket."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import io
import json
import os
import re
import socket
import struct
import time
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import AGENT

Clock = t.Callable[[], float]
ANSWER_SECONDS = 5.0
SIZE_LIMIT = 4 * 1024 * 1024
_ENVELOPE = re.compile(r"#!NGINXNMS!#(.*?)#!NGINXNME!#", re.DOTALL)
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_HEAD_OR_TAG = re.compile(r"<head>.*?</head>|<[^>]*>", re.DOTALL)


class Broken(BoxliftError):
    """The peer breaks the protocol of a push server."""


class Refused(Broken):
    """The push server answered with an error status."""

    def __init__(self, status: int, text: str = "") -> None:
        # The body may be an HTML page of nginx.
        shown = " ".join(_HEAD_OR_TAG.sub(" ", text).split())[:100]
        super().__init__(f"answered {status}" + (f" ({shown})" if shown else ""))
        self.status = status


def new_id() -> str:
    """A random channel id, which nobody else uses."""
    return os.urandom(16).hex()


def signature(text: str, key: str, algorithm: str = "sha1") -> str:
    try:
        return hmac.new(key.encode(), text.encode(), algorithm).hexdigest()
    except ValueError as problem:
        raise BoxliftError(
            f"signature_algo {algorithm!r} is not known here.", "Set it to sha1, as the push server has it."
        ) from problem


def signed(channel: str, key: str, algorithm: str = "sha1") -> str:
    """A channel (`id` or `id:public id`) with its signature, as clients send it."""
    return f"{channel}.{signature(channel, key, algorithm)}"


def public_signature(public_id: str, key: str, algorithm: str = "sha1") -> str:
    """The signature with which a client sends to another user's public id."""
    return signature(f"public:{public_id}", key, algorithm)


def with_channel(url: str, channel: str) -> str:
    separator = "&" if urllib.parse.urlsplit(url).query else "?"
    return f"{url}{separator}CHANNEL_ID={channel}"


def texts(answer: str) -> list[str]:
    """Messages of a response body: a JSON list, or envelopes of nginx's push module."""
    if answer.startswith("["):
        return [json.dumps(message) for message in json.loads(answer)]
    return _ENVELOPE.findall(answer)


class _Wire:
    """Received bytes of a connection; reading has a deadline."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self.sock, self.clock = sock, clock
        self.data = b""
        self.ended = False

    def fill(self, until: float) -> bool:
        """Receive once, until the deadline `until` at most; whether bytes were received."""
        left = until - self.clock()
        if self.ended or left <= 0:
            return False
        self.sock.settimeout(left)
        try:
            got = self.sock.recv(65536)
        except socket.timeout:
            return False
        self.ended = not got
        self.data += got
        if len(self.data) > SIZE_LIMIT:
            raise Broken(f"more than {SIZE_LIMIT} bytes came where one message was due")
        return bool(got)

    def ask(self, url: str, **headers: str) -> None:
        parts = urllib.parse.urlsplit(url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", f"User-Agent: {AGENT}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def response(self) -> http.client.HTTPResponse:
        """The received bytes, parsed as one HTTP response."""
        answer = http.client.HTTPResponse(t.cast(socket.socket, _Received(self.data)))
        answer.begin()
        return answer


class _Received:
    """Stands in for a socket in http.client."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


class LongPoll:
    """A request that the server answers when there is a message."""

    def __init__(self, sock: socket.socket, url: str, clock: Clock = time.monotonic) -> None:
        self._wire = _Wire(sock, clock)
        self._wire.ask(url, Connection="close")

    def arrived(self, seconds: float) -> list[str]:
        """Messages received within `seconds`. Raises Refused for another status than 200."""
        until = self._wire.clock() + seconds
        while self._wire.fill(until):
            pass
        if not self._wire.ended:
            return []
        answer = self._wire.response()
        body = answer.read().decode("utf-8", "replace")
        if answer.status != 200:
            raise Refused(answer.status, body)
        return texts(body)

    def close(self) -> None:
        self._wire.sock.close()


class WebSocket:
    """A WebSocket client. Raises Refused or Broken if the handshake fails."""

    def __init__(self, sock: socket.socket, url: str, clock: Clock = time.monotonic) -> None:
        self._wire = _Wire(sock, clock)
        self._parts: list[bytes] = []
        key = base64.b64encode(os.urandom(16)).decode()
        self._wire.ask(
            url, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13", Sec_WebSocket_Key=key
        )
        until = clock() + ANSWER_SECONDS
        while b"\r\n\r\n" not in self._wire.data and self._wire.fill(until):
            pass
        head, end, rest = self._wire.data.partition(b"\r\n\r\n")
        if not end:
            raise Broken("no answer to the WebSocket handshake")
        answer = self._wire.response()
        if answer.status != 101:
            raise Refused(answer.status)
        proof = hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()
        if answer.headers.get("Sec-WebSocket-Accept") != base64.b64encode(proof).decode():
            raise Broken("something answered the WebSocket handshake that does not speak WebSocket")
        self._wire.data = rest

    def arrived(self, seconds: float) -> list[str]:
        """The messages that are there; waits up to `seconds` for the first one."""
        until = self._wire.clock() + seconds
        found = self._take()
        while not found and self._wire.fill(until):
            found = self._take()
        if not found and self._wire.ended:
            raise Broken("the push server has closed the WebSocket")
        return found

    def close(self) -> None:
        if not self._wire.ended:
            self._send(_CLOSE, b"")
        self._wire.sock.close()

    def _take(self) -> list[str]:
        found: list[str] = []
        while True:
            frame = self._frame()
            if frame is None:
                return found
            first, payload = frame
            opcode = first & 0x0F
            if opcode == _PING:
                self._send(_PONG, payload)
            elif opcode == _CLOSE:
                self._wire.ended = True
            elif opcode <= 2:
                self._parts.append(payload)
                if first & 0x80:
                    found += texts(b"".join(self._parts).decode("utf-8", "replace"))
                    self._parts = []

    def _frame(self) -> tuple[int, bytes] | None:
        """First byte and payload of the next frame; None while it is incomplete."""
        data = self._wire.data
        if len(data) < 2:
            return None
        size, start = data[1] & 0x7F, 2
        wide = {126: ("!H", 4), 127: ("!Q", 10)}.get(size)
        if wide is not None:
            form, start = wide
            if len(data) < start:
                return None
            (size,) = struct.unpack(form, data[2:start])
        if len(data) < start + size:
            return None
        self._wire.data = data[start + size :]
        return data[0], data[start : start + size]

    def _send(self, opcode: int, payload: bytes) -> None:
        """Send a control frame, masked as clients must."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._wire.sock.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)
