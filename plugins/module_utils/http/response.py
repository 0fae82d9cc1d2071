# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source answers with: bytes of a file, or why there are none."""

from __future__ import annotations

import dataclasses
import typing as t

READ_SIZE = 256 * 1024
UNKNOWN = -1


class Refused(Exception):
    """The source answered with a status that says no. `status` is the HTTP code, `wait` what it asks to wait for."""

    def __init__(self, status: int, reason: str, wait: float | None = None) -> None:
        super().__init__(f"HTTP {status} {reason}")
        self.status = status
        self.wait = wait


class Interrupted(Exception):
    """The connection failed or ended early; asking again may help. `moved`: more is here than before."""

    def __init__(self, reason: str, moved: bool = False) -> None:
        super().__init__(reason)
        self.moved = moved


class Unusable(Exception):
    """The answer came, but it is not the file: a page, another encoding, another range than asked for."""


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
        close = getattr(self.chunks, "close", None)
        if close:
            close()
