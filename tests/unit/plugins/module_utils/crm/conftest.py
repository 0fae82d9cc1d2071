# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import socket
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from unit.plugins.module_utils.crm.fake_portal import FakePortal
from unit.plugins.module_utils.crm.kept_portal import Site, running


@pytest.fixture
def portal(tls: t.Any) -> t.Iterator[FakePortal]:
    fake = FakePortal(str(tls.certificate), str(tls.key))
    yield fake
    fake.close()


@pytest.fixture
def slept() -> list[float]:
    """The pauses that the client of the fixture `rest` has made."""
    return []


@pytest.fixture
def rest(portal: FakePortal, tls: t.Any, slept: list[float]) -> t.Iterator[Rest]:
    client = Rest(portal.webhook, ca_file=str(tls.authority), timeout=10, sleep=slept.append)
    yield client
    client.close()


@pytest.fixture
def free_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Proxy:
    """Opens tunnels; `asked` is where to, and by whose permission."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refuses = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://user:s3cr3t@127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        lines = head.decode().split("\r\n")
        place = lines[0].split()[1]
        permission = next((line.partition(": ")[2] for line in lines if line.startswith("Proxy-Authorization")), "")
        self.asked.append((place, permission))
        if self.refuses:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            client.close()
            return
        host, port = place.split(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> t.Iterator[Proxy]:
    made = Proxy()
    yield made
    made.close()


@pytest.fixture
def site(tls: t.Any, tmp_path: Path) -> t.Iterator[Site]:
    with running(tls, tmp_path) as found:
        yield found
