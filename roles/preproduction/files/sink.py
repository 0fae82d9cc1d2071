# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything ends that a pre-production copy wants to send: sink FOLDER

Port 2525 speaks SMTP and keeps every letter in FOLDER/mail; port 2580 takes whatever comes. FOLDER/caught.jsonl says of
each connection when it came, where it was meant to go, and how it began.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import pathlib
import socket
import struct
import sys
import typing as t

SMTP_PORT, ANY_PORT = 2525, 2580
SO_ORIGINAL_DST = 80
LARGEST = 50 * 2**20
BEGINNING = 2000
PATIENCE = 30.0
ANSWER = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nX-Sink: pre-production\r\n\r\n"


class Sink:
    def __init__(self, folder: pathlib.Path) -> None:
        self._log = folder / "caught.jsonl"
        self._mail = folder / "mail"
        self._mail.mkdir(mode=0o700, exist_ok=True)
        self._letters = 0

    def note(self, kind: str, writer: asyncio.StreamWriter, text: str, **more: t.Any) -> None:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": now, "kind": kind, "to": destination(writer), "text": text[:BEGINNING], **more}
        with self._log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, ensure_ascii=False) + "\n")

    def keep(self, letter: bytes) -> str:
        self._letters += 1
        now = datetime.datetime.now(datetime.timezone.utc)
        path = self._mail / f"{now:%Y%m%dT%H%M%S.%f}-{self._letters}.eml"
        path.write_bytes(letter)
        return path.name

    async def any(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            begin = await asyncio.wait_for(reader.read(BEGINNING), PATIENCE)
        except (asyncio.TimeoutError, ConnectionError):
            begin = b""
        kind = "tls" if begin[:1] == b"\x16" else "http" if b" HTTP/1." in begin else "tcp"
        self.note(kind, writer, begin.decode("utf-8", "replace"))
        if kind == "http":
            writer.write(ANSWER)
        await close(writer)

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (asyncio.TimeoutError, ConnectionError, ValueError, asyncio.IncompleteReadError) as problem:
            self.note("smtp", writer, f"broken off: {problem!r}")
        await close(writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        envelope: list[str] = []
        writer.write(b"220 sink\r\n")
        while True:
            line = await asyncio.wait_for(reader.readline(), PATIENCE)
            if not line:
                return
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                envelope.clear()
                writer.write(b"250 sink\r\n")
            elif verb in (b"MAIL", b"RCPT"):
                envelope.append(line.decode("utf-8", "replace").strip())
                writer.write(b"250 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                letter = await self._letter(reader)
                name = self.keep(letter)
                self.note("mail", writer, letter.decode("utf-8", "replace"), envelope=envelope.copy(), file=name)
                envelope.clear()
                writer.write(b"250 caught\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            elif verb in (b"RSET", b"NOOP"):
                writer.write(b"250 ok\r\n")
            else:
                writer.write(b"502 not here\r\n")
            await writer.drain()

    @staticmethod
    async def _letter(reader: asyncio.StreamReader) -> bytes:
        lines: list[bytes] = []
        size = 0
        while True:
            line = await asyncio.wait_for(reader.readline(), PATIENCE)
            if not line:
                raise ConnectionError("the letter has no end")
            if line in (b".\r\n", b".\n"):
                return b"".join(lines)
            size += len(line)
            if size <= LARGEST:
                lines.append(line[1:] if line.startswith(b"..") else line)


def destination(writer: asyncio.StreamWriter) -> str:
    """Where the connection was meant to go before the firewall turned it round."""
    sock = writer.get_extra_info("socket")
    try:
        raw = sock.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    except OSError:
        return "the sink itself"
    return f"{socket.inet_ntoa(raw[4:8])}:{struct.unpack('!H', raw[2:4])[0]}"


async def close(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        return  # the other side was quicker


async def serve(folder: pathlib.Path) -> None:
    sink = Sink(folder)
    servers = [
        await asyncio.start_server(handler, host, port, limit=2**20)
        for handler, port in ((sink.smtp, SMTP_PORT), (sink.any, ANY_PORT))
        for host in hosts()
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def hosts() -> list[str]:
    """The loopback addresses that this host has."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


if __name__ == "__main__":
    asyncio.run(serve(pathlib.Path(sys.argv[1])))
