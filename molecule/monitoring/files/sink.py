# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes mail and webhooks, and notes each as a line of JSON: what people would have got.

python3 sink.py FILE KIND:PORT:NAME …      KIND is mail or webhook
"""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import socketserver
import sys
import threading
import time
import typing as t


def note(path: str, **what: t.Any) -> None:
    # In one piece, which nothing of another thread or program can come between.
    with open(path, "ab", buffering=0) as stream:
        stream.write((json.dumps({"at": time.time(), **what}) + "\n").encode())


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a sender needs."""

    def handle(self) -> None:
        server: t.Any = self.server
        self.say("220 sink")
        recipients: list[str] = []
        while line := self.rfile.readline().decode("utf-8", "replace").strip():
            word = line.upper()
            if word.startswith("RCPT"):
                recipients.append(line.split("<")[-1].rstrip(">"))
            if word == "DATA":
                self.say("354 go on")
                lines = []
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(part)
                message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                body = t.cast("t.Any", message.get_body(("plain", "html")))
                note(
                    server.path,
                    name=server.name,
                    to=recipients,
                    subject=str(message["Subject"]),
                    text=body.get_content(),
                )
            self.say("221 bye" if word == "QUIT" else "250 ok")
            if word == "QUIT":
                return

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: t.Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note(server.path, name=server.name, body=body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    path, *places = sys.argv[1:]
    for place in places:
        kind, port, name = place.split(":")
        server: t.Any = Server(("0.0.0.0", int(port)), Mail if kind == "mail" else Webhook)
        server.path, server.name = path, name
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
