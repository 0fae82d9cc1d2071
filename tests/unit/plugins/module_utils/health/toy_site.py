# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The toy portal's web side: a TLS server with a CA of its own, a plain one beside it, and the port for publishing."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import http.server
import itertools
import pathlib
import socket
import ssl
import threading
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from unit.plugins.module_utils.health.toy_portal import DOMAIN, LICENCE, PUSH_KEY
from unit.plugins.module_utils.health.toy_push import ToyPush

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
DIGEST = hashlib.md5(f"BITRIX{LICENCE}LICENCE".encode(), usedforsecurity=False).hexdigest()


class Authority:
    """A CA, and what it signs."""

    def __init__(self, folder: pathlib.Path, name: str = "Lab CA") -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = self._builder(self.name, self.key, NOW + 3650 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: t.Any, until: datetime.datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(issuer_name=self.name, subject_name=subject, public_key=key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(NOW - 400 * DAY).not_valid_after(until)

    def issue(self, *names: str, until: datetime.datetime = NOW + 90 * DAY) -> pathlib.Path:
        """A file with key and certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key, until)
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        certificate = builder.add_extension(alternative, critical=False).sign(self.key, hashes.SHA256())
        path = self.folder / f"{x509.random_serial_number()}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path

    def server_context(self, *names: str, **more: t.Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(*names, **more))
        return context


#: What the kernel shows to a stranger.
LOGIN_PAGE = b'<html><body><form method="post"><input type="password" name="USER_PASSWORD"></form></body></html>'
Answer = tuple[int, dict[str, str], bytes]


class ToySite:
    """The servers; `answers` by path, anything else is 404."""

    def __init__(self, context: ssl.SSLContext) -> None:
        first = {"X-Powered-CMS": f"Bitrix Site Manager ({DIGEST})", "X-Content-Type-Options": "nosniff"}
        first.update({"Strict-Transport-Security": "max-age=86400", "Referrer-Policy": "same-origin"})
        first.update({"Content-Security-Policy-Report-Only": "default-src https:", "X-Frame-Options": "SAMEORIGIN"})
        self.answers: dict[str, Answer] = {
            "/": (200, first, LOGIN_PAGE),
            "/bitrix/groupdav.php": (401, {"WWW-Authenticate": 'Basic realm="portal"'}, b""),
            "/mobile/": (401, {}, b""),
        }
        #: Sessions: how the cookie is set, and whether a request finds the one before it.
        self.cookie, self.forgets = "PHPSESSID={}; path=/; secure; HttpOnly", False
        self.compresses, self.body_limit = True, 2**40
        self.foreign_answer: Answer = (301, {"Location": f"https://{DOMAIN}/"}, b"")
        self.sessions = itertools.count(1)
        self.plain_answer: Answer = (301, {"Location": f"https://{DOMAIN}/"}, b"")
        self.requests: list[tuple[str, str]] = []
        self.plain_refused = False
        self.push = ToyPush(PUSH_KEY)
        self.tls = self._server(lambda path: self.answers.get(path, (404, {}, b"")))
        self.tls.socket = context.wrap_socket(self.tls.socket, server_side=True)
        self.plain = self._server(lambda path: self.plain_answer)
        self.statistics_path = f"/server-stat/{hashlib.sha256(b'server-statpush-server-key').hexdigest()}/"
        self.publishing = self._server(lambda path: (404, {}, b""))
        for server in self._servers():
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def _server(self, answer: t.Callable[[str], Answer]) -> http.server.ThreadingHTTPServer:
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith(("/bitrix/sub/?", "/bitrix/subws/?")):
                    site.push.listen(self)
                    self.close_connection = True  # after a WebSocket comes no further request
                    return
                if self.server is site.publishing and self.path.startswith("/server-stat/"):
                    if self.path == site.statistics_path:
                        site.push.tell(self)
                    else:
                        self.send_error(404)
                    return
                site.requests.append((self.command, self.path))
                status, headers, body = site.answers.get(f"{self.command} {self.path}") or answer(self.path)
                if str(self.headers["Host"]).partition(":")[0] != DOMAIN:
                    status, headers, body = site.foreign_answer
                self.send_response(status)
                known = "PHPSESSID" in str(self.headers["Cookie"])
                if self.path == "/" and site.cookie and (site.forgets or not known):
                    self.send_header("Set-Cookie", site.cookie.format(next(site.sessions)))
                if site.compresses and body and "gzip" in str(self.headers["Accept-Encoding"]):
                    body = gzip.compress(body)
                    self.send_header("Content-Encoding", "gzip")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            protocol_version = "HTTP/1.1"
            do_PROPFIND = do_PUT = do_LOCK = do_MOVE = do_MKCOL = do_GET

            def do_POST(self) -> None:
                if self.server is site.publishing:
                    site.push.publish(self)
                else:
                    self.do_GET()

            def handle_expect_100(self) -> bool:
                if int(self.headers["Content-Length"]) <= site.body_limit:
                    return super().handle_expect_100()
                self.send_error(413)
                return False

            def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 (the base class names it so)
                pass

        return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def connect(self, host: str, port: int) -> socket.socket:
        """Leads the portal's name and its host's port for publishing to these servers, and every other name nowhere."""
        if (host, port) == ("127.0.0.1", 8895):
            return socket.create_connection(("127.0.0.1", self.publishing.server_address[1]), 5)
        if host != DOMAIN or (port == 80 and self.plain_refused):
            raise ConnectionRefusedError(111, f"Connection refused: {host}:{port}")
        server = self.plain if port == 80 else self.tls
        return socket.create_connection(("127.0.0.1", server.server_address[1]), 5)

    def _servers(self) -> tuple[http.server.ThreadingHTTPServer, ...]:
        return (self.tls, self.plain, self.publishing)

    def close(self) -> None:
        self.push.close()
        for server in self._servers():
            server.shutdown()
            server.server_close()
