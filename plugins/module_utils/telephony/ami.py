# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange's manager interface (AMI): its lines, a session that reads events, and one action at a time.

AMI has no replay. While a session lasts no event is lost, since nothing is read ahead of what is worked on; the
exchange ends a session that falls too far behind. What happens between two sessions is in the exchange's records.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.calls import Event

Message = t.Mapping[str, str]

CONNECT_SECONDS = 10.0
PING_SECONDS = 10.0  # after so long without a word, the exchange is asked for one
DEAD_SECONDS = 25.0
_LARGEST = 1024 * 1024
_CHUNK = 64 * 1024


class AmiError(BoxliftError):
    """The exchange refuses, or speaks something else."""


class AmiLost(Exception):
    """The connection has ended, or the exchange has fallen silent."""


@dataclasses.dataclass(frozen=True)
class AmiLogin:
    host: str
    port: int
    user: str
    secret: str = dataclasses.field(repr=False)


class AmiParser:
    """Bytes → messages. The first line, the greeting, belongs to none."""

    def __init__(self) -> None:
        self._buffer = b""
        self._greeted = False

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises AmiError for what is not AMI."""
        self._buffer += data
        if not self._greeted:
            line, end, rest = self._buffer.partition(b"\n")
            if not end:
                if len(self._buffer) > 256:
                    raise AmiError("What answers is no manager interface.", "Give the host and port of manager.conf.")
                return []
            if not line.startswith(b"Asterisk Call Manager"):
                raise AmiError(
                    f"What answers is no manager interface: {line[:60]!r}.", "Give the host and port of manager.conf."
                )
            self._greeted, self._buffer = True, rest
        *blocks, self._buffer = self._buffer.split(b"\r\n\r\n")
        if len(self._buffer) > _LARGEST:
            raise AmiError("A message of the manager interface has no end.", "See what listens at its port.")
        return [_message(block) for block in blocks if block.strip()]


def _message(block: bytes) -> Message:
    lines = block.decode("utf-8", "replace").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def event_of(message: Message, now: float) -> Event | None:
    """The message as an event, with the exchange's own time if it tells it (`timestampevents`)."""
    name = message.get("Event")
    if name is None:
        return None
    try:
        at = float(message["Timestamp"])
    except (KeyError, ValueError):
        at = now
    return Event(name, message, at)


class AmiSession:
    """A connection whose login was accepted. `messages` gives what comes, as much at once as has arrived."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = AmiParser()
        self._pending: list[Message] = []
        self._actions = 0

    @classmethod
    async def open(cls, login: AmiLogin, events: bool) -> AmiSession:
        """Raises AmiError for a refusal, AmiLost where nothing can be reached."""
        try:
            opening = asyncio.open_connection(login.host, login.port, limit=_LARGEST)
            reader, writer = await asyncio.wait_for(opening, CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError) as error:
            raise AmiLost(f"{login.host}:{login.port}: {error or 'no answer'}") from error
        session = cls(reader, writer)
        try:
            answer = await asyncio.wait_for(
                session.action("Login", Username=login.user, Secret=login.secret, Events="on" if events else "off"),
                CONNECT_SECONDS,
            )
            if answer.get("Response") != "Success":
                raise AmiError(
                    f"The exchange refuses user {login.user}: {answer.get('Message', 'no reason given')}.",
                    "Give the password of manager.conf, and permit this host there.",
                )
        except asyncio.TimeoutError:
            session.close()
            raise AmiLost(f"{login.host}:{login.port}: no answer to the login") from None
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            self._writer.close()

    async def action(self, name: str, **fields: str) -> Message:
        """Send an action and give its response. Events that come before it are kept for `messages`.

        Raises AmiLost, and ValueError for a field that would be more than one line.
        """
        self._actions += 1
        number = str(self._actions)
        await self._send(name, ActionID=number, **fields)
        passed: list[Message] = []
        while True:
            arrived = await self._read()
            for index, message in enumerate(arrived):
                if "Response" in message and message.get("ActionID") == number:
                    self._pending += passed + list(arrived[index + 1 :])
                    return message
                passed.append(message)

    async def messages(self) -> t.AsyncIterator[list[Message]]:
        """Whatever comes, in order, until the connection ends with AmiLost."""
        if self._pending:
            pending, self._pending = self._pending, []
            yield pending
        loop = asyncio.get_running_loop()
        heard = loop.time()
        asked = False
        read = asyncio.ensure_future(self._read())
        try:
            while True:
                done, _pending = await asyncio.wait(
                    {read}, timeout=PING_SECONDS if not asked else DEAD_SECONDS - PING_SECONDS
                )
                if done:
                    arrived = read.result()
                    heard, asked = loop.time(), False
                    yield arrived
                    read = asyncio.ensure_future(self._read())
                elif asked:
                    raise AmiLost(f"no word for {loop.time() - heard:.0f} s")
                else:
                    asked = True
                    await self._send("Ping", ActionID="ping")
        finally:
            read.cancel()
            with contextlib.suppress(asyncio.CancelledError, AmiLost, AmiError):
                await read

    async def _send(self, name: str, **fields: str) -> None:
        lines = [f"Action: {name}", *(f"{key}: {value}" for key, value in fields.items())]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a field of an action has more than one line")
        try:
            self._writer.write("\r\n".join([*lines, "", ""]).encode())
            await self._writer.drain()
        except OSError as error:
            raise AmiLost(str(error)) from error

    async def _read(self) -> list[Message]:
        try:
            data = await self._reader.read(_CHUNK)
        except OSError as error:
            raise AmiLost(str(error)) from error
        if not data:
            raise AmiLost("the exchange has closed the connection")
        return self._parser.feed(data)


async def originate(login: AmiLogin, fields: t.Mapping[str, str]) -> None:
    """Let the exchange make a call, over a connection of its own. Raises AmiError for a refusal, AmiLost."""
    session = await AmiSession.open(login, events=False)
    try:
        answer = await asyncio.wait_for(session.action("Originate", **fields), CONNECT_SECONDS)
    except asyncio.TimeoutError:
        raise AmiLost("no answer to Originate") from None
    finally:
        session.close()
    if answer.get("Response") != "Success":
        raise AmiError(
            f"The exchange does not make the call: {answer.get('Message', 'no reason given')}.",
            f"Let user {login.user} have write=originate in manager.conf.",
        )
