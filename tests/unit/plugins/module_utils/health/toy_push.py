# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The toy portal's push server: what clients listen to, and the port that the portal publishes to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import queue
import typing as t
import urllib.parse

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ToyPush:
    """In good health; a test takes that away."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.running = True
        self.delivers = True
        self.checks = True
        #: Server 1.0 does not know them.
        self.public_ids = True
        self.statistics: t.Any = [{"pid": 11, "date": "now"}, {"pid": 12, "date": "now"}]
        self.listeners: dict[str, list[queue.SimpleQueue[str | None]]] = {}

    def accepts(self, signed: str) -> bool:
        channel, _dot, given = signed.partition(".")
        if ":" in channel and not self.public_ids:
            return False
        return not self.checks or given == hmac.new(self.key.encode(), channel.encode(), "sha1").hexdigest()

    def listen(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Long polling, or a WebSocket where the client asks for one."""
        (signed,) = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)["CHANNEL_ID"]
        if not self.running:
            self.answer(handler, 502)
        elif not self.accepts(signed):
            self.answer(handler, 400, "4010: Wrong Channel Id.")
        else:
            waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            self.listeners.setdefault(signed[:32], []).append(waiting)
            key = handler.headers.get("Sec-WebSocket-Key")
            if key:
                proof = base64.b64encode(hashlib.sha1((key + MAGIC).encode(), usedforsecurity=False).digest())
                head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                handler.wfile.write(head.encode() + b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n")
            text = waiting.get()
            if text is None:
                return
            message = f'#!NGINXNMS!#{{"id":1,"mid":"{1:026}","channel":"-","text":{text}}}#!NGINXNME!#'
            if key:
                handler.wfile.write(bytes([0x81, 126]) + len(message).to_bytes(2, "big") + message.encode())
            else:
                self.answer(handler, 200, message)

    def publish(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        parts = urllib.parse.urlsplit(handler.path)
        text = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        if not self.running or parts.path != "/bitrix/pub/":
            self.answer(handler, 404 if self.running else 502)
            return
        (channel,) = urllib.parse.parse_qs(parts.query)["CHANNEL_ID"]
        for waiting in self.listeners.get(channel, []) if self.delivers else []:
            waiting.put(text)
        self.answer(handler, 200)

    def tell(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        status = 502 if not self.running else 404 if self.statistics is None else 200
        self.answer(handler, status, json.dumps(self.statistics))

    def close(self) -> None:
        for waiting in (each for those in self.listeners.values() for each in those):
            waiting.put(None)

    @staticmethod
    def answer(handler: http.server.BaseHTTPRequestHandler, status: int, text: str = "") -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())
