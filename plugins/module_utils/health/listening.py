# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TCP ports are open: those that the host's kernel lists, and those that answer from elsewhere."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import socket
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook

_LISTEN = "0A"
_ANSWER_BYTES = 512

Place = tuple[str, int]


def listening(context: Context) -> list[Place]:
    """Addresses and ports that the host listens on. Raises CannotLook if the kernel does not list them."""
    text = context.host_text("/proc/net/tcp")
    if not text.strip():
        raise CannotLook("/proc/net/tcp is not there")
    lines = [line.split() for line in (text + context.host_text("/proc/net/tcp6")).splitlines()]
    return sorted({_place(words[1]) for words in lines if len(words) > 3 and words[3] == _LISTEN})


def _place(text: str) -> Place:
    """`0100007F:0CEA`: words of four bytes in the order of the processor, and a port."""
    address, _colon, port = text.partition(":")
    raw = bytes.fromhex(address)
    words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return str(ipaddress.ip_address(words)), int(port, 16)


def own_host_only(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def says(context: Context, place: Place, question: bytes) -> bytes:
    """The beginning of what a server answers; empty if it cannot be reached or says nothing. Raises CannotLook."""
    if context.connect_tcp is None:
        raise CannotLook("connections cannot be made from here")
    address, port = place
    try:
        with context.connect_tcp({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), port) as sock:
            return _ask(sock, question)
    except OSError:
        return b""


def _ask(sock: socket.socket, question: bytes) -> bytes:
    sock.sendall(question)
    return sock.recv(_ANSWER_BYTES)


def open_ports(context: Context, host: str, ports: t.Sequence[int]) -> list[int]:
    """The ports that take a connection. All are tried at once, so it lasts as long as one timeout."""
    with concurrent.futures.ThreadPoolExecutor(len(ports)) as callers:
        problems = callers.map(lambda port: context.reaches(host, port), ports)
    return [port for port, problem in zip(ports, problems) if not problem]
