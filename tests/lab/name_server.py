# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server of the lab: one name, whose address and TTL the test sets. By UDP, on a free port of this machine."""

from __future__ import annotations

import socketserver
import threading
import typing as t

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    """Answers as a server that holds the zone, or as a resolver that remembers (`authoritative` false)."""

    def __init__(self, name: str, address: str, ttl: int, *, authoritative: bool = True) -> None:
        self.name, self.address, self.ttl, self.authoritative = name, address, ttl, authoritative
        self.rcode = dns.rcode.NOERROR
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                content, socket = self.request
                socket.sendto(outer.answer(content), self.client_address)

        self._server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, content: bytes) -> bytes:
        asked = dns.message.from_wire(content)
        said = dns.message.make_response(asked)
        said.set_rcode(self.rcode)
        (question,) = asked.question
        if self.authoritative:
            said.flags |= dns.flags.AA
        known = question.name.to_text(omit_final_dot=True).lower() == self.name
        if not known:
            said.set_rcode(dns.rcode.NXDOMAIN)
        elif self.rcode == dns.rcode.NOERROR and question.rdtype == 1 and self.address:
            said.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", "A", self.address))
        return said.to_wire()

    def __enter__(self) -> NameServer:
        return self

    def __exit__(self, *_raised: t.Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __str__(self) -> str:
        return f"127.0.0.1#{self.port}"
