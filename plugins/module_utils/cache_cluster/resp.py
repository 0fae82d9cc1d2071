# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis's protocol: a question, and its answer."""

from __future__ import annotations

import socket
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

Answer = t.Union[str, int, None, "list[t.Any]"]
#: No answer asked for here is near it.
_LIMIT = 4 * 1024 * 1024


class Refused(BoxliftError):
    """The server answered with an error. Its first word, in `code`, says which."""

    def __init__(self, server: str, said: str) -> None:
        super().__init__(f"{server} refuses: {said}.")
        self.code = said.split(" ", 1)[0]


class Silent(BoxliftError):
    """No answer, or none in Redis's protocol."""


class Client:
    """A connection to a Redis or a Sentinel. The words of a question are in no error: one may be a password."""

    def __init__(self, connection: socket.socket, server: str) -> None:
        self._connection, self._server = connection, server
        self._stream = connection.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._connection.close()

    def ask(self, *words: str) -> Answer:
        """The answer. Raises Refused for an error of the server, Silent where none comes."""
        parts = [word.encode() for word in words]
        question = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        try:
            self._connection.sendall(question)
            return self._answer()
        except (OSError, ValueError) as problem:
            raise Silent(f"{self._server} gives no answer: {problem}.") from problem

    def _answer(self) -> Answer:
        line = self._stream.readline(65536)
        if not line.endswith(b"\r\n"):
            raise ValueError("the connection ended")
        kind, rest = line[:1], line[1:-2].decode("utf-8", "replace")
        if kind == b"-":
            raise Refused(self._server, rest)
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._text(int(rest))
        if kind == b"*":
            return None if int(rest) < 0 else [self._answer() for _each in range(_bounded(int(rest)))]
        raise ValueError("it does not speak Redis's protocol")

    def _text(self, size: int) -> str | None:
        if size < 0:
            return None
        content = self._stream.read(_bounded(size) + 2)
        if len(content) != size + 2:
            raise ValueError("the connection ended")
        return content[:-2].decode("utf-8", "replace")


def _bounded(size: int) -> int:
    if size > _LIMIT:
        raise ValueError(f"it announces {size} bytes or entries")
    return size


def open_socket(path: str, seconds: float = 5.0) -> Client:
    """A connection by a unix socket. Raises Silent where nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        connection.connect(path)
    except OSError as problem:
        connection.close()
        raise Silent(f"Nobody answers at {path}: {problem.strerror or problem}.") from problem
    return Client(connection, path)
