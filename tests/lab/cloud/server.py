# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS server of the simulated cloud.

/backup/NAME     a part of the backup: ranges, keep-alive, a bandwidth cap per connection, the faults of faults.json
/_lab/log        GET: the requests served since the last reset, as JSON
/_lab/reset      POST: forget the log, read faults.json again, count every fault anew

Run as a program on host `cloud`, or inside a test:

    with CloudServer(folder, certificate=…, key=…, faults={"part": [Fault("expired")]}) as cloud:
        fetch(cloud.url + "part")
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import email.utils
import fcntl
import http.server
import json
import logging
import os
import socket
import socketserver
import ssl
import struct
import sys
import termios
import threading
import time
import typing as t
from http import HTTPStatus
from pathlib import Path

from lab.cloud import ranges
from lab.cloud.faults import BLANK, Fault, FaultPlan

CHUNK = 64 * 1024
IDLE_SECONDS = 60
PREFIX = "/backup/"
EXPIRED_PAGE = b"<html><body><h1>403</h1><p>The link has expired.</p></body></html>\n"
HTML_PAGE = b"<html><body><h1>Sign in</h1><p>Your session has ended.</p></body></html>\n"

log = logging.getLogger(__name__)


@dataclasses.dataclass
class Served:
    """A request in the log; `sent` counts the bytes of the body handed to the connection, `token` is X-Token."""

    method: str
    path: str
    range: str | None
    connection: str
    token: str | None = None
    status: int = 0
    sent: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)


class ConnectionBroken(Exception):
    """The connection was reset on purpose."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "lab-cloud"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/_lab/log":
            entries = [dataclasses.asdict(entry) for entry in self.server.served]
            self._page(HTTPStatus.OK, json.dumps(entries).encode(), "application/json")
        else:
            self._part()

    def do_HEAD(self) -> None:
        self._part()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_lab/reset":
            self.server.reset()
            self._page(HTTPStatus.OK, b"{}", "application/json")
        else:
            self._page(HTTPStatus.NOT_FOUND, b"not found\n", "text/plain")

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 (the name is the base class's)
        log.info("%s %s", self.client_address[0], format % args)

    def _part(self) -> None:
        """Answer with a part of the backup, as far as its faults allow."""
        place, token = f"{self.client_address[1]}", self.headers.get("X-Token")
        served = Served(self.command, self.path, self.headers.get("Range"), place, token)
        self.server.served.append(served)
        name = self.path.removeprefix(PREFIX).partition("?")[0]  # a signed link carries its signature there
        path = self.server.folder / name
        if not self.path.startswith(PREFIX) or "/" in name or name.startswith(".") or not path.is_file():
            self._page(HTTPStatus.NOT_FOUND, b"not found\n", "text/plain", served)
            return
        self.server.plan.request(name)
        if self._meets(served, name, "expired"):
            self._page(HTTPStatus.FORBIDDEN, EXPIRED_PAGE, "text/html", served)
            return
        if self._meets(served, name, "html"):
            self._page(HTTPStatus.OK, HTML_PAGE, "text/html", served)
            return
        if busy := self._meets(served, name, "busy"):
            headers = {"Retry-After": str(busy[0].seconds)}
            self._page(HTTPStatus.SERVICE_UNAVAILABLE, b"busy\n", "text/plain", served, headers)
            return
        if self._meets(served, name, "error"):
            self._page(HTTPStatus.INTERNAL_SERVER_ERROR, b"error\n", "text/plain", served)
            return
        if moved := self._meets(served, name, "moved"):
            self._page(HTTPStatus.FOUND, b"moved\n", "text/plain", served, {"Location": str(moved[0].to)})
            return
        with path.open("rb") as stream:
            self._send_file(stream, name, served)

    def _send_file(self, stream: t.BinaryIO, name: str, served: Served) -> None:
        status = os.fstat(stream.fileno())
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        modified = email.utils.formatdate(status.st_mtime, usegmt=True)
        size = min([status.st_size, *(fault.value for fault in self._meets(served, name, "truncate"))])
        ranged = not self._meets(served, name, "no_range")
        try:
            wanted = ranges.requested(self.headers, size, etag, modified) if ranged else None
        except ranges.Unsatisfiable:
            self._start(served, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, {"Content-Range": f"bytes */{size}"})
            return
        first, last = wanted or (0, size - 1)
        if wanted:
            last = min([last, *(first + fault.value - 1 for fault in self._meets(served, name, "short"))])
        headers = {"Content-Type": "application/octet-stream", "ETag": etag, "Last-Modified": modified}
        if self._meets(served, name, "unversioned"):
            del headers["ETag"], headers["Last-Modified"]
        if self._meets(served, name, "encoded"):
            headers["Content-Encoding"] = "gzip"
        unsized = bool(self._meets(served, name, "unsized"))
        if ranged:
            headers["Accept-Ranges"] = "bytes"
        if wanted:
            headers["Content-Range"] = f"bytes {first}-{last}/{'*' if unsized else size}"
        length = None if unsized and not wanted else last + 1 - first
        self._start(served, HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK, length, headers)
        if self.command == "GET":
            self._send_body(stream, name, served, first, last)

    def _send_body(self, stream: t.BinaryIO, name: str, served: Served, first: int, last: int) -> None:
        """Send the bytes first … last, changed, slowed down or broken off by the part's faults."""
        flips = self._meets(served, name, "bit_flip", applies=lambda fault: first <= fault.value <= last)
        resets = self._meets(served, name, "reset", applies=lambda fault: fault.value <= last - first)
        blanks = self._meets(served, name, "blank", applies=lambda fault: first <= fault.value <= last)
        for _fault in self._meets(served, name, "noise"):
            place = first + len(self.server.served) * 7919 % (last + 1 - first)
            flips.append(Fault("bit_flip", at=place))
        stalls = self._meets(served, name, "stall", applies=lambda fault: fault.value <= last - first)
        slow = self._meets(served, name, "slow")
        rates = [fault.value for fault in slow] + ([self.server.rate] if self.server.rate else [])
        rate = min(rates, default=None)
        chunk = min(CHUNK, max(1, rate // 10)) if rate else CHUNK
        end = min([last + 1, *(first + fault.value for fault in resets + stalls)])
        begun = time.monotonic()
        position = first
        stream.seek(first)
        while position < end:
            data = bytearray(stream.read(min(chunk, end - position)))
            for fault in flips:
                if position <= fault.value < position + len(data):
                    data[fault.value - position] ^= 1
            for fault in blanks:
                begin, over = max(fault.value, position), min(fault.value + BLANK, position + len(data))
                if begin < over:
                    data[begin - position : over - position] = bytes(over - begin)
            position += len(data)
            if rate:
                time.sleep(max(0.0, begun + (position - first) / rate - time.monotonic()))
            served.sent += len(data)
            self.wfile.write(data)
        if resets:
            self._reset_connection()
        if stalls:
            self.rfile.read(1)  # until the client goes away
            raise ConnectionBroken

    def _meets(
        self, served: Served, name: str, kind: str, applies: t.Callable[[Fault], bool] = lambda fault: True
    ) -> list[Fault]:
        met = self.server.plan.happen(name, kind, applies=applies)
        served.faults += [fault.kind for fault in met]
        return met

    def _page(
        self,
        status: HTTPStatus,
        body: bytes,
        content_type: str,
        served: Served | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._start(served, status, len(body), {"Content-Type": content_type, **(headers or {})})
        if self.command != "HEAD":
            if served:
                served.sent += len(body)
            self.wfile.write(body)

    def _start(self, served: Served | None, status: HTTPStatus, length: int | None, headers: dict[str, str]) -> None:
        """Without a length the connection's end is the body's."""
        if served:
            served.status = status.value
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _reset_connection(self) -> None:
        """Send RST, after everything written has left for the client."""
        patience = time.monotonic() + 5
        while self._unsent() and time.monotonic() < patience:
            time.sleep(0.005)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Without an orderly shutdown, the socket is closed only when nothing refers to it any more.
        self.rfile.close()
        self.connection.close()
        raise ConnectionBroken

    def _unsent(self) -> int:
        return int(struct.unpack("i", fcntl.ioctl(self.connection, termios.TIOCOUTQ, bytes(4)))[0])


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The listening socket and what all connections share."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], folder: Path, load_plan: t.Callable[[], FaultPlan]) -> None:
        self.folder = folder
        self.rate: int | None = None
        self._load_plan = load_plan
        self.reset()
        super().__init__(address, Handler)

    def reset(self) -> None:
        self.plan = self._load_plan()
        self.served: list[Served] = []

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        error = sys.exc_info()[1]
        # Clients disconnect, refuse the certificate or are cut off: that is what this server is for.
        if isinstance(error, (ConnectionBroken, OSError)):
            log.info("%s: connection ended: %s", client_address[0], error or type(error).__name__)
        else:
            super().handle_error(request, client_address)


class CloudServer:
    """The simulated cloud, in a thread: `with CloudServer(…) as cloud: …`."""

    def __init__(
        self,
        folder: Path,
        *,
        certificate: Path,
        key: Path,
        address: tuple[str, int] = ("127.0.0.1", 0),
        faults: t.Mapping[str, t.Sequence[Fault]] | Path | None = None,
        rate: int | None = None,
    ) -> None:
        """Serve the files of `folder`; `rate` caps the bytes per second of every connection."""

        def load_plan() -> FaultPlan:
            return FaultPlan.load(faults) if isinstance(faults, Path) else FaultPlan(faults)

        self._server = _Server(address, folder, load_plan)
        self._server.rate = rate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        # Each connection's thread does its own handshake, so that a slow client does not delay the others.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Where the parts are; the name of a part follows directly."""
        return "https://{}:{}{}".format(*self.address, PREFIX)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the listening socket."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    @property
    def served(self) -> list[Served]:
        """The requests so far."""
        return list(self._server.served)

    def plan_later(self, part: str, requests: int) -> None:
        """Nothing goes wrong with this part before so many requests for it have been answered."""
        self._server.plan.spare(part, requests)

    def serve_forever(self) -> None:
        """Serve in this thread."""
        self._server.serve_forever()

    def __enter__(self) -> CloudServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Simulated cloud of the lab")
    parser.add_argument("--folder", type=Path, required=True, help="the parts of the backup")
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--faults", type=Path, required=True, help="faults.json")
    parser.add_argument("--rate", type=int, help="bytes per second of each connection")
    parser.add_argument("--port", type=int, default=443)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cloud = CloudServer(
        options.folder,
        certificate=options.certificate,
        key=options.key,
        address=("0.0.0.0", options.port),
        faults=options.faults,
        rate=options.rate,
    )
    with contextlib.suppress(KeyboardInterrupt):
        cloud.serve_forever()


if __name__ == "__main__":
    main()
