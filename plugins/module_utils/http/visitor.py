# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP client that shows what a visitor gets: no redirects followed, nothing retried."""

from __future__ import annotations

import dataclasses
import http.client
import socket
import ssl
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import chain_context, unjudged_context

Connector = t.Callable[[str, int], socket.socket]
BODY_LIMIT = 65536
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Unreachable(BoxliftError):
    """No HTTP answer came."""


#: What every request says of itself, unless other headers are given.
AGENT = "boxlift.portal health check"


@dataclasses.dataclass(frozen=True)
class Cookie:
    name: str
    value: str
    #: Attributes in lower case, such as `secure` or `domain`.
    attributes: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Cookie:
        pair, *rest = text.split(";")
        name, _equals, value = pair.strip().partition("=")
        split = [each.strip().partition("=") for each in rest]
        return cls(name, value, {key.strip().lower(): val.strip() for key, _equals, val in split})


@dataclasses.dataclass(frozen=True)
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str:
        return self.headers.get(name) or ""

    @property
    def cookies(self) -> dict[str, Cookie]:
        """The cookies that the answer sets, by their names."""
        return {cookie.name: cookie for cookie in map(Cookie.parse, self.headers.get_all("Set-Cookie") or [])}


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What the server shows. Only a certificate whose chain is good can be read; else `problem` says why it is not."""

    problem: str = ""
    names: tuple[str, ...] = ()
    not_after: float = 0.0
    issuer: str = ""

    def covers(self, host: str) -> bool:
        """Whether a name of the certificate is this host, or a wildcard for it."""
        host = host.lower().rstrip(".")
        return any(name in (host, "*." + host.partition(".")[2]) for name in (each.lower() for each in self.names))


def direct(address: str, host: str, timeout: float) -> Connector:
    """Connects as the name service says, but to `address` (where given) for the portal's own host."""

    def connect(name: str, port: int) -> socket.socket:
        target = address if address and name == host else name
        return socket.create_connection((target, port), timeout)

    return connect


class HttpClient:
    """Requests to the portal. `connect` makes the connections, so that a name can lead to a given address."""

    def __init__(self, connect: Connector, ca_path: str = "") -> None:
        self.connect = connect
        self.ca_path = ca_path

    def request(
        self, url: str, method: str = "GET", body: bytes | None = None, headers: t.Mapping[str, str] | None = None
    ) -> Response:
        """One request and its answer, whatever its status.

        The certificate is not judged here: one check judges it, and a bad one must not hide everything else. Nothing
        secret is sent.
        """
        parts = urllib.parse.urlsplit(url)
        try:
            connection = http.client.HTTPConnection(parts.netloc)
            connection.sock = self.open(url)
            try:
                target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
                connection.request(
                    method,
                    target,
                    body,
                    {**({"User-Agent": AGENT} if headers is None else headers), "Connection": "close"},
                )
                answer = connection.getresponse()
                return Response(answer.status, answer.headers, answer.read(BODY_LIMIT))
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as problem:
            raise Unreachable(f"{method} {url}: no answer ({problem or type(problem).__name__}).") from problem

    def open(self, url: str) -> socket.socket:
        """A connection to where the URL leads, through TLS for https and wss."""
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        plain = self.connect(host, parts.port or _DEFAULT_PORTS[parts.scheme])
        return (
            unjudged_context().wrap_socket(plain, server_hostname=host) if parts.scheme in ("https", "wss") else plain
        )

    def certificate(self, host: str, port: int = 443) -> Certificate:
        """The server's certificate, its chain proven against the system's CAs and those of `ca_path`."""
        context = chain_context(self.ca_path)  # the names are compared by Certificate.covers()
        try:
            with self.connect(host, port) as plain, context.wrap_socket(plain, server_hostname=host) as secure:
                shown: dict[str, t.Any] = dict(secure.getpeercert() or {})
        except ssl.SSLCertVerificationError as problem:
            return Certificate(problem=problem.verify_message)
        except OSError as problem:
            raise Unreachable(f"TLS with {host}:{port} failed ({problem or type(problem).__name__}).") from problem
        return Certificate(
            names=tuple(value for kind, value in shown.get("subjectAltName", ()) if kind in ("DNS", "IP Address")),
            not_after=ssl.cert_time_to_seconds(shown["notAfter"]),
            issuer=", ".join(value for pairs in shown["issuer"] for name, value in pairs if name != "countryName"),
        )

    def announce(self, url: str, size: int) -> int:
        """The status that meets the announcement of a body of this size, 100 for `go on`; nothing of it is sent."""
        parts = urllib.parse.urlsplit(url)
        head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {size}\r\n"
        head += "Content-Type: application/octet-stream\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        try:
            with self.open(url) as connection:
                connection.sendall(head.encode())
                words = connection.makefile("rb").readline(1000).split()
        except OSError as problem:
            raise Unreachable(f"POST {url}: no answer ({problem or type(problem).__name__}).") from problem
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise Unreachable(f"POST {url}: the answer is not HTTP.")
        return int(words[1])
