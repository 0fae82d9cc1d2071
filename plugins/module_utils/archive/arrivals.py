# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts are here, and how much of a part that is still coming can be read already.

The table lies in memory that forked processes share, so that a worker reads a part while it is being downloaded.
"""

from __future__ import annotations

import mmap
import struct

# The number of the last part is written in 16 bits (backup_archive.md, section 1.4).
MOST_PARTS = 65536
_ROW = struct.Struct("<qq")
_HEAD = 16
_SIZE = _HEAD + MOST_PARTS * _ROW.size


class Arrivals:
    """Per part its readable bytes from the beginning on, and its generation: how often it was begun anew.

    Whoever downloads writes, everybody else reads; each number is written in one piece.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    @property
    def count(self) -> int:
        """How many parts the backup has; 0 while that is not known."""
        return int.from_bytes(self._memory[:8], "little")

    @count.setter
    def count(self, value: int) -> None:
        self._memory[:8] = value.to_bytes(8, "little")

    def readable(self, index: int) -> int:
        """Bytes that can be read from the part's beginning on; they stay as they are within one generation."""
        return abs(self._row(index)[0])

    def complete(self, index: int) -> bool:
        """Whether the part is here up to its last byte."""
        return self._row(index)[0] < 0

    def generation(self, index: int) -> int:
        """Grows whenever bytes that were readable have changed: the part must be read again from its beginning."""
        return self._row(index)[1]

    def grow(self, index: int, readable: int) -> None:
        self._set(index, readable, self.generation(index))

    def finish(self, index: int, size: int) -> None:
        """The part is complete with `size` bytes, more than none."""
        self._set(index, -size, self.generation(index))

    def restart(self, index: int, readable: int = 0) -> None:
        """Bytes that were readable have been replaced."""
        self._set(index, readable, self.generation(index) + 1)

    def _row(self, index: int) -> tuple[int, int]:
        readable, generation = _ROW.unpack_from(self._memory, _HEAD + index * _ROW.size)
        return readable, generation

    def _set(self, index: int, readable: int, generation: int) -> None:
        # The generation first: a reader that sees the new bytes must see that they are new.
        place = _HEAD + index * _ROW.size
        self._memory[place + 8 : place + 16] = generation.to_bytes(8, "little", signed=True)
        self._memory[place : place + 8] = readable.to_bytes(8, "little", signed=True)
