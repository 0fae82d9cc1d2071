# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A portal's REST that a test writes itself: lists, batches, and answers that are broken on purpose, over real TLS."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import json
import re
import socket
import ssl
import threading
import typing as t
import urllib.parse

Row = dict[str, t.Any]
PAGE = 50


@dataclasses.dataclass
class Request:
    verb: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def method(self) -> str:
        return self.path.partition("?")[0].rstrip("/").rpartition("/")[2].removesuffix(".json")

    @property
    def params(self) -> Row:
        return t.cast("Row", json.loads(self.body or b"{}"))


@dataclasses.dataclass
class Reply:
    """What is sent. `cut` ends the connection after so many bytes of the body; `close` says so in the head."""

    content: t.Any = None
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    cut: int | None = None
    close: bool = False
    chunked: bool = False
    raw: bytes | None = None

    def bytes(self) -> tuple[bytes, bytes]:
        body = self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        kind = "text/html" if isinstance(self.content, bytes) else "application/json"
        headers = {"Content-Type": kind, **self.headers}
        if self.chunked:
            headers["Transfer-Encoding"] = "chunked"
            pieces = [body[first : first + 1000] for first in range(0, len(body), 1000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
        else:
            headers["Content-Length"] = str(len(body))
        if self.close:
            headers["Connection"] = "close"
        head = f"HTTP/1.1 {self.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return head.encode() + b"\r\n", body


class Dropped(Exception):
    """The connection ends without an answer."""


class FakePortal:
    """Answers every request by `answer`; what a test does not set is a portal with the lists in `tables`."""

    def __init__(self, certificate: str, key: str) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[Request] = []
        self.tables: dict[str, list[Row]] = {}
        self.commands: list[tuple[str, Row]] = []  # of batches, in the order of their execution
        self.answer: t.Callable[[Request], Reply] = self.usual
        self.on_command: t.Callable[[str, Row], t.Any] = self.command
        self.drip = 0.0  # seconds between two bytes of a body
        self.resolves = True  # $result
        self._stopped = threading.Event()
        self._sockets: list[socket.socket] = []
        self._connections = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def webhook(self) -> str:
        return f"https://127.0.0.1:{self.port}/rest/1/s3cr3tc0de/"

    def close(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_connections()

    def cut_connections(self) -> None:
        """End all that are open, as a server does with idle ones."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def usual(self, request: Request) -> Reply:
        if request.method == "batch":
            return Reply(self.batch(request.params))
        return Reply(self.envelope(self.on_command(request.method, request.params)))

    def envelope(self, result: t.Any) -> Row:
        return {"result": result, "time": {"operating": 0.1, "operating_reset_at": 0, "finish": 0}}

    def batch(self, params: Row) -> Row:
        """As PHP does it: `$result[…]` is what an earlier command gave, and nothing where there is none."""
        given: Row = {name: {} for name in ("result", "result_error", "result_total", "result_next", "result_time")}
        results: Row = given["result"]
        for key, text in params["cmd"].items():
            method, _mark, query = text.partition("?")
            query = (
                query
                if not self.resolves
                else re.sub(r"\$result((?:\[\w+\])+)", lambda match: self._result(match, results), query)
            )
            nested = nested_of(urllib.parse.parse_qsl(query, keep_blank_values=True))
            self.commands.append((method, nested))
            outcome = self.on_command(method, nested)
            if isinstance(outcome, Refusal):
                given["result_error"][key] = outcome.error
                if params.get("halt"):
                    break
            else:
                results[key] = outcome
                given["result_time"][key] = {"operating": 0.1, "operating_reset_at": 0, "finish": 0}
        return self.envelope({name: values or [] for name, values in given.items()})

    def _result(self, match: re.Match[str], results: Row) -> str:
        value: t.Any = results
        for name in re.findall(r"\[(\w+)\]", urllib.parse.unquote(match[1])):
            try:
                value = value[int(name)] if isinstance(value, list) else value[name]
            except (LookupError, TypeError):
                return ""
        return str(value)

    def command(self, method: str, params: Row) -> t.Any:
        item = method == "crm.item.list"
        table = f"{method}:{params['entityTypeId']}" if item else method
        if table not in self.tables:
            return Refusal("ERROR_METHOD_NOT_FOUND", "Method not found!")
        name = "id" if item else "ID"
        rows, given = self.tables[table], params.get("filter") or {}
        above, upto = int(given.get(f">{name}") or 0), int(given.get(f"<={name}") or 10**12)
        # Rows stand in the order of their ids.
        first, end = (bisect.bisect_right(rows, limit, key=lambda row: int(row[name])) for limit in (above, upto))
        down = (params.get("order") or {}).get(name) == "DESC"
        page = rows[max(first, end - PAGE) : end][::-1] if down else rows[first : min(end, first + PAGE)]
        return {"items": page} if item else page

    def _accept(self) -> None:
        while True:
            try:
                plain, _address = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections += 1
                number = self._connections
            threading.Thread(target=self._serve, args=(plain, number), daemon=True).start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, Dropped, ValueError):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._tls.wrap_socket(plain, server_side=True) as secure:
                with self._lock:
                    self._sockets.append(secure)
                with secure.makefile("rb") as stream:
                    self._converse(secure, stream, number)

    def _converse(self, secure: ssl.SSLSocket, stream: t.BinaryIO, number: int) -> None:
        while request := self._request(stream, number):
            with self._lock:
                self.requests.append(request)
            reply = self.answer(request)
            if reply.raw is not None:
                secure.sendall(reply.raw)
                return
            head, body = reply.bytes()
            if self.drip:
                secure.sendall(head)
                self._drip(secure, body)
                return
            secure.sendall(head + (body if reply.cut is None else body[: reply.cut]))
            if reply.close or reply.cut is not None:
                return

    def _drip(self, secure: ssl.SSLSocket, body: bytes) -> None:
        for number in range(len(body)):
            if self._stopped.wait(self.drip):
                return
            secure.sendall(body[number : number + 1])

    @staticmethod
    def _request(stream: t.BinaryIO, number: int) -> Request | None:
        line = stream.readline().decode()
        if not line:
            return None
        verb, path, _version = line.split()
        headers: dict[str, str] = {}
        while (line := stream.readline().decode().strip()) != "":
            name, _colon, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(verb, path, headers, stream.read(int(headers.get("content-length", 0))), number)


@dataclasses.dataclass
class Refusal:
    code: str
    text: str = ""

    @property
    def error(self) -> Row:
        return {"error": self.code, "error_description": self.text}


def nested_of(pairs: t.Iterable[tuple[str, str]]) -> Row:
    """`a[b][]=1` as {"a": {"b": {"0": "1"}}}, as PHP reads it."""
    result: Row = {}
    for key, value in pairs:
        place: t.Any = result
        *path, last = [key.partition("[")[0], *re.findall(r"\[([^\]]*)\]", key)]
        for name in path:
            place = place.setdefault(name, {})
        place[last or str(len(place))] = value
    return result
