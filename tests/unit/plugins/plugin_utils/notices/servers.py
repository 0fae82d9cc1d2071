# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server and a webhook on this machine, with TLS, which keep what they are given."""

from __future__ import annotations

import contextlib
import datetime
import email
import email.message
import email.policy
import http.server
import ipaddress
import json
import socketserver
import ssl
import threading
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return pem, key_pem


class MailServer(socketserver.ThreadingTCPServer):
    """SMTP as far as a client needs it. `refuse` is the answer to every recipient, where it is set."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, tls: tuple[Path, Path] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[email.message.EmailMessage] = []
        self.commands: list[str] = []
        self.refuse = ""
        self.silent = False  # greets, and answers nothing
        self.endless = False  # never comes to the end of an answer
        self.over = threading.Event()
        self.tls = tls

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> tuple[t.Any, t.Any]:
        connection, address = super().get_request()
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            connection = context.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client that does not trust the certificate breaks off; the test looks at the client."""


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self) -> None:
        self.say("220 lab")
        for line in self.rfile:
            command = line.decode().strip()
            self.server.commands.append(command)
            word = command.split(" ")[0].upper()
            if self.server.silent:
                continue
            while self.server.endless and not self.server.over.wait(0.1):
                self.say("250-and")
            if word == "EHLO":
                self.say("250-lab\r\n250 AUTH PLAIN")
            elif word == "AUTH":
                self.say("235 good")
            elif word == "RCPT" and self.server.refuse:
                self.say(self.server.refuse)
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(part.removeprefix(b".") if part.startswith(b"..") else part)
                parsed = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                self.server.mails.append(t.cast("email.message.EmailMessage", parsed))
                self.say("250 taken")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 good")


class Webhook(http.server.ThreadingHTTPServer):
    """Keeps what is posted; answers `status`."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.posts: list[dict[str, t.Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Post(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.posts.append(json.loads(body))
            self.server.headers.append(dict(self.headers))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: t.Any) -> None:
        """Nothing on the terminal."""


@contextlib.contextmanager
def serving(server: t.Any) -> t.Iterator[t.Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        getattr(server, "over", threading.Event()).set()
        server.shutdown()
        server.server_close()
        thread.join()
