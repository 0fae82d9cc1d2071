# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source answers with: bytes of a file, or why there are none."""

from __future__ import annotations

import dataclasses
import http.client
import time
import typing as t
import zlib

READ_SIZE = 256 * 1024
UNKNOWN = -1


_PASSING = (408, 409, 423, 425, 429)  # timeout, conflict, locked, too early, too many requests
_NEVER = (501, 505, 506, 508, 510, 511)  # what the server cannot do at all


class HttpRefused(Exception):
    """The source answered with a status that says no. `status` is the HTTP code, `wait` what it asks to wait for."""

    def __init__(self, status: int, reason: str, wait: float | None = None) -> None:
        super().__init__(f"HTTP {status} {reason}")
        self.status = status
        self.wait = wait

    @property
    def lasting(self) -> bool:
        """Whether the same request gets the same answer later: all but those that ask to come again, or fail."""
        return self.status not in _PASSING and not (self.status >= 500 and self.status not in _NEVER)


class Interrupted(Exception):
    """The connection failed or ended early; asking again may help. `moved`: more is here than before."""

    def __init__(self, reason: str, moved: bool = False) -> None:
        super().__init__(reason)
        self.moved = moved


class Unusable(Exception):
    """The answer came, but it is not the file: a page, another encoding, another range than asked for."""


class Lasting(Unusable):
    """The same, and asking again cannot help."""


@dataclasses.dataclass(frozen=True)
class Body:
    """Bytes from `offset` of a file that has `total` bytes in all (UNKNOWN only where the caller allows it).

    `ranged`: these are the bytes that were asked for; otherwise the whole file comes.
    """

    offset: int
    total: int
    validator: str
    chunks: t.Iterator[bytes]
    ranged: bool = False

    def close(self) -> None:
        """What has not been read is not wanted."""
        close(self.chunks)


SMALLEST_READ = 4096


class AnswerStream(t.Iterator[bytes]):
    """An answer's body. The pieces are small where the line is slow, so that nothing waits long for a full one."""

    def __init__(
        self, answer: http.client.HTTPResponse, length: int | None, step: int, drop: t.Callable[[], None]
    ) -> None:
        self._answer = answer
        self._left = length
        self._most = max(SMALLEST_READ, step)
        self._size = SMALLEST_READ
        self._drop = drop
        self._open = True

    def __next__(self) -> bytes:
        if self._left == 0 or not self._open:
            self._end()
            raise StopIteration
        began = time.monotonic()
        try:
            block = self._answer.read(self._size if self._left is None else min(self._size, self._left))
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Interrupted(said(error)) from error
        if not block and self._left is not None:
            left = self._left
            self.close()
            raise Interrupted(f"the connection ended {left} bytes early")
        if not block:
            self._end()
            raise StopIteration
        took = time.monotonic() - began
        if took < 0.05:
            self._size = min(self._most, self._size * 2)
        elif took > 0.5:
            self._size = max(SMALLEST_READ, self._size // 2)
        if self._left is not None:
            self._left -= len(block)
        return block

    def _end(self) -> None:
        """The body is used up; the connection is free for the next request if all of it came."""
        if self._open and not self._answer.isclosed():
            self._drop()
        self._open = False

    def close(self) -> None:
        if self._open and (self._left != 0 or not self._answer.isclosed()):
            self._drop()
        self._open = False


class Gunzipped(t.Iterator[bytes]):
    """A body without the compression that the server put around it. Raises Interrupted where that is damaged."""

    def __init__(self, source: t.Iterator[bytes]) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(wbits=47)

    def __next__(self) -> bytes:
        while True:
            try:
                piece = next(self._source)
            except StopIteration:
                if not self._inflate.eof:
                    raise Interrupted("the compressed answer ended early") from None
                raise
            try:
                data = self._inflate.decompress(piece)
            except zlib.error as error:
                raise Interrupted(f"the compressed answer is damaged ({error})") from error
            if data:
                return data

    def close(self) -> None:
        close(self._source)


class Begun(t.Iterator[bytes]):
    """A body whose first piece was looked at."""

    def __init__(self, source: t.Iterator[bytes]) -> None:
        self._source = source
        self.first = next(source, b"")
        self._left = [self.first] if self.first else []

    def __next__(self) -> bytes:
        return self._left.pop() if self._left else next(self._source)

    def close(self) -> None:
        close(self._source)


def close(body: t.Iterator[bytes]) -> None:
    """What has not been read of a body is not wanted."""
    end = getattr(body, "close", None)
    if end:
        end()


def said(error: Exception) -> str:
    """An error of the connection in words."""
    if isinstance(error, TimeoutError):
        return "nothing came for too long (timed out)"
    return str(error) or type(error).__name__
