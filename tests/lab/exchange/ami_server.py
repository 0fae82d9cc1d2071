# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager interface that tells what a test wants, and can be cut off in the middle."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.telephony.ami import AmiLogin
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.calls import Event


class AmiServer:
    """`tell` sends events to whoever listens. `actions` are those that were asked for.

    `uptime`: for how many seconds the exchange has been running, which it tells who logs in; None: it does not tell.
    """

    def __init__(self) -> None:
        self.actions: list[dict[str, str]] = []
        self.silent = False
        self.refusal = ""
        self.uptime: int | None = None
        self._listeners: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def login(self) -> AmiLogin:
        return AmiLogin("127.0.0.1", self.port, "boxlift-events", "secret")

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection, as a restart of the exchange does."""
        assert self._server is not None
        self._server.close()
        for writer in self._listeners:
            writer.transport.abort()
        self._listeners.clear()

    async def listened_to(self) -> None:
        while not self._listeners:
            await asyncio.sleep(0.01)

    def tell(self, events: t.Iterable[Event], times: bool = True) -> None:
        for event in events:
            stamp = {"Timestamp": f"{event.at:.6f}"} if times else {}
            text = "".join(f"{k}: {v}\r\n" for k, v in {"Event": event.name, **event.fields, **stamp}.items()) + "\r\n"
            for writer in self._listeners:
                writer.write(text.encode())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while True:
                block = await reader.readuntil(b"\r\n\r\n")
                action = dict(line.split(": ", 1) for line in block.decode().strip().split("\r\n"))
                self.actions.append(action)
                if not self.silent:
                    self._answer(action, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            if writer in self._listeners:
                self._listeners.remove(writer)
            writer.close()

    def _answer(self, action: dict[str, str], writer: asyncio.StreamWriter) -> None:
        refused = self.refusal if action["Action"] == "Originate" else ""
        if action["Action"] == "Login":
            refused = "" if action["Secret"] == "secret" else "Authentication failed"
            if not refused and action["Events"] == "on":
                self._listeners.append(writer)
        answer = (
            f"Response: {'Error' if refused else 'Success'}\r\nActionID: {action['ActionID']}\r\nMessage: {refused}\r\n"
        )
        writer.write(answer.encode() + b"\r\n")
        if action["Action"] == "Login" and not refused and self.uptime is not None:
            writer.write(f"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: {self.uptime}\r\n\r\n".encode())
