# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS server of a simulated portal.

/rest/USER/CODE/METHOD, /rest/METHOD    the REST interface, for a webhook and for an application
/rest/upload.json                       files that are sent to an uploadUrl
/oauth/token/                           a new access token for a refresh token
/_lab/…                                 what tests look at, and the switches
"""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import socket
import socketserver
import ssl
import sys
import threading
import time
import typing as t
from http import HTTPStatus
from pathlib import Path

from lab.rest.answers import Asked, CutOff, Download, Refused, Row, encode
from lab.rest.faults import Fault, FaultPlan
from lab.rest.parameters import parse, uploaded
from lab.rest.service import CODE, Service

IDLE_SECONDS = 60
PAGE_503 = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>\n"
PAGE_504 = b"<html><body><h1>504 Gateway Time-out</h1></body></html>\n"
PAGE_HTML = b"<html><body>The portal is being updated.</body></html>\n"
#: Kinds of fault that are answered instead of being carried out.
REFUSALS: dict[str, tuple[str, str, int]] = {
    "query_limit": ("Too many requests", "QUERY_LIMIT_EXCEEDED", 503),
    "overload": ("REST API is blocked due to overload", "OVERLOAD_LIMIT", 503),
    "operation_limit": ("Method is blocked due to operation time limit", "OPERATION_TIME_LIMIT", 429),
    "error": ("Internal server error", "INTERNAL_SERVER_ERROR", 500),
}
PAGES = {"unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, PAGE_503), "html": (HTTPStatus.OK, PAGE_HTML)}

log = logging.getLogger(__name__)


class ConnectionBroken(Exception):
    """The connection was closed on purpose, without an answer."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "lab-portal"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        """TLS or not is known by the first byte: plain HTTP is answered too, and refused."""
        self.secure = self.request.recv(1, socket.MSG_PEEK) == b"\x16"
        if self.secure:
            if self.server.tls is None:
                raise ConnectionBroken
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        if self.secure:
            with contextlib.suppress(OSError):
                self.request.close()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 (the name is the base class's)
        log.info("%s %s", self.client_address[0], format % args)

    def _route(self) -> None:
        body = self._body()
        path, _mark, query = self.path.partition("?")
        content_type = self.headers.get("Content-Type", "")
        service = self.server.service
        if path.startswith("/_lab/"):
            self._lab(path.removeprefix("/_lab/"), body)
            return
        if time.monotonic() < service.dark_until:
            raise ConnectionBroken
        method = path.rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".xml")
        entry: Row = {"AT": time.time(), "METHOD": method, "CONNECTION": self.client_address[1], "FAULT": ""}
        try:
            if service.https_only and not self.secure:
                raise Refused("Https required", "INVALID_REQUEST", 401)
            if path.startswith("/oauth/token"):
                self._json(HTTPStatus.OK, service.refresh(parse(query, content_type, body)), entry)
                return
            if not path.startswith("/rest/"):
                self._other(path, query, entry)
                return
            try:
                parameters = parse(query, content_type, b"" if method == "upload" else body)
            except ValueError:
                raise Refused("Invalid JSON", "INVALID_REQUEST", 400) from None
            entry |= {name: str(parameters.get(name) or "") for name in ("EXTERNAL_CALL_ID", "CALL_ID")}
            fault = service.faults.happen(_methods(method, parameters))
            entry["FAULT"] = fault.kind if fault else ""
            self._wait(service.delay + (fault.seconds if fault and fault.kind == "slow" else 0))
            if fault and self._refuses(fault, entry):
                return
            answer = self._rest(path, method, parameters, content_type, body, fault, entry)
            if fault:
                self._spoil(fault, answer, entry)
            if isinstance(answer["result"], Download):
                self._download(answer["result"], entry)
                return
            self._json(HTTPStatus.OK, answer, entry)
        except Refused as refused:
            self._json(HTTPStatus(refused.status), refused.content, entry)
        except CutOff:
            self._page(HTTPStatus.GATEWAY_TIMEOUT, PAGE_504, "text/html", entry)

    def _rest(
        self, path: str, method: str, parameters: Row, content_type: str, body: bytes, fault: Fault | None, entry: Row
    ) -> Row:
        service = self.server.service
        base = service.base_url or f"https://{self.headers.get('Host')}"
        if method == "upload":
            content = uploaded(content_type, body)
            if content is None:
                raise Refused("There is no file in the request")
            return {"result": service.upload(str(parameters.get("token")), content).result}
        between = path.rstrip("/").removeprefix("/rest/").split("/")[:-1]
        credential = service.credential(between, parameters, self.headers.get("Authorization", ""))
        entry["CREDENTIAL"] = credential.name
        asked = Asked(credential, parameters, fault.kind if fault else "", base)
        return service.answer(method, asked, self.client_address[0])

    def _refuses(self, fault: Fault, entry: Row) -> bool:
        """Answer instead of the portal, where the fault says so."""
        if fault.kind == "drop":
            self._log(entry, 0, "")
            raise ConnectionBroken
        if fault.kind in REFUSALS:
            raise Refused(*REFUSALS[fault.kind])
        if fault.kind in PAGES:
            status, page = PAGES[fault.kind]
            self._page(status, page, "text/html", entry)
        return fault.kind in PAGES

    def _spoil(self, fault: Fault, answer: Row, entry: Row) -> None:
        """The request was carried out, but its answer does not come as it is."""
        if fault.kind == "late":
            self._wait(fault.seconds)
        elif fault.kind == "lose_answer":
            self._log(entry, 0, "")
            raise ConnectionBroken
        elif fault.kind == "cut":
            result = answer["result"]
            body = result.content if isinstance(result, Download) else encode(answer)
            self._log(entry, 0, "")
            self._head(HTTPStatus.OK, "application/json", len(body))
            self.wfile.write(body[: len(body) // 2])
            raise ConnectionBroken
        elif fault.kind in ("gateway_timeout", "half_batch"):
            raise CutOff(fault.kind)
        elif fault.kind == "error_after":
            raise Refused("Unexpected answer", "ERROR_UNEXPECTED_ANSWER", 500)

    def _download(self, file: Download, entry: Row) -> None:
        """A client that does not say who he is gets none."""
        if self.headers.get("User-Agent"):
            self._page(HTTPStatus.OK, file.content, "application/octet-stream", entry)
        else:
            self._page(HTTPStatus.NOT_FOUND, b"not found\n", "text/plain", entry)

    def _other(self, path: str, query: str, entry: Row) -> None:
        found = self.server.service.page(path, query, self.headers.get("User-Agent", ""))
        content, content_type = found or (b"not found\n", "text/plain")
        self._page(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND, content, content_type, entry)

    def _lab(self, name: str, body: bytes) -> None:
        try:
            answer = self.server.service.lab(name, json.loads(body or b"{}"))
        except Refused as refused:
            self._json(HTTPStatus(refused.status), refused.content)
            return
        if answer is None:
            self._page(HTTPStatus.NOT_FOUND, b"not found\n", "text/plain")
        elif isinstance(answer, bytes):
            self._page(HTTPStatus.OK, answer, "application/octet-stream")
        else:
            self._json(HTTPStatus.OK, answer)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    @staticmethod
    def _wait(seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def _log(self, entry: Row, status: int, error: str) -> None:
        self.server.service.log({**entry, "STATUS": status, "ERROR": error})

    def _json(self, status: HTTPStatus, content: t.Any, entry: Row | None = None) -> None:
        self._page(status, encode(content), "application/json", entry, content)

    def _page(
        self, status: HTTPStatus, body: bytes, content_type: str, entry: Row | None = None, content: t.Any = None
    ) -> None:
        if entry is not None:
            self._log(entry, status.value, str(content.get("error", "")) if isinstance(content, dict) else "")
        self._head(status, content_type, len(body))
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, content_type: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _methods(method: str, parameters: Row) -> set[str]:
    """Under which names a request's faults are looked for."""
    commands = parameters.get("cmd") if method == "batch" else None
    inside = commands.values() if isinstance(commands, dict) else commands if isinstance(commands, list) else ()
    return {method, *(str(command).partition("?")[0] for command in inside)}


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The listening socket and what all connections share."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], service: Service, tls: ssl.SSLContext | None) -> None:
        self.service, self.tls = service, tls
        super().__init__(address, Handler)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        error = sys.exc_info()[1]
        # Clients disconnect, refuse the certificate or are cut off: that is what this server is for.
        if isinstance(error, (ConnectionBroken, OSError)):
            log.info("%s: connection ended: %s", client_address[0], error or type(error).__name__)
        else:
            super().handle_error(request, client_address)


class PortalServer:
    """A simulated portal in a thread: `with PortalServer(…) as server: …`."""

    def __init__(
        self, service: Service, *, certificate: Path | None = None, key: Path | None = None, address: tuple[str, int]
    ) -> None:
        """Without a certificate it speaks plain HTTP alone, as behind another server."""
        self._service = service
        tls = None
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
        self._server = _Server(address, service, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def faults(self) -> FaultPlan:
        return self._service.faults

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return "https://{}:{}".format(*self.address)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def webhook(self, user: int, code: str = CODE) -> str:
        """The address of a webhook of this employee; a method's name follows directly. A new code is a new webhook."""
        if code not in self._service.codes:
            self._service.codes.append(code)
        return f"{self.url}/rest/{user}/{code}/"

    def serve_forever(self) -> None:
        """Serve in this thread."""
        self._server.serve_forever()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
