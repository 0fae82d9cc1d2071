# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of one part: file → inflated → decrypted, in chunks that are multiples of 512."""

from __future__ import annotations

import hashlib
import os
import sys
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher, open_cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault, looks_like_html
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import READ_SIZE, Inflater
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind, PartFiles
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import BLOCK

Progress = t.Callable[[int], None]
_WRAP = 2**32  # where the size field of a part wraps
# DEFLATE can shrink 1032 bytes to one, but no genuine part above 4 GiB does so on average.
_MOST_INFLATED = 64


class PartStream:
    """Reads one part once. Sizes, sum and marker are complete when all chunks were taken."""

    def __init__(self, path: str, kind: Kind, cipher: Cipher | None, progress: Progress | None = None) -> None:
        self._path = path
        self._kind = kind
        self._cipher = cipher
        self._progress = progress
        self._hash = hashlib.sha256()
        self._inflater = Inflater()
        self.size = 0
        self.data_size = 0
        self._stated = -1  # bytes that the part may hold by its own marker, once that is read
        self._wrapped = 0  # bytes of it that the marker's field is too narrow for

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    @property
    def inflater(self) -> Inflater:
        return self._inflater

    def chunks(self) -> t.Iterator[bytes | memoryview]:
        """Plain stream bytes in multiples of 512, each piece valid until the next.

        Raises PartFault; `drain` then hashes the file to its end.
        """
        decryptor = self._cipher.decryptor() if self._cipher else None
        with open(self._path, "rb") as self._file:
            source: t.Iterable[bytes] = self._inflater.chunks(self._raw()) if self._kind.compressed else self._plain()
            rest = b""
            for piece in source:
                self.data_size += len(piece)
                if self.data_size > self._stated:
                    self._go_beyond_stated()
                # Copy only what lies across the border of two pieces.
                begin = -len(rest) % BLOCK if rest else 0
                if rest:
                    rest += piece[:begin]
                    if len(rest) < BLOCK:
                        continue
                    yield decryptor.update(rest) if decryptor else rest
                end = len(piece) - (len(piece) - begin) % BLOCK
                rest = piece[end:]
                if end > begin:
                    block = memoryview(piece)[begin:end]
                    yield decryptor.update(block) if decryptor else block
        if rest:
            if self._kind.compressed:
                raise PartFault("corrupt", f"holds {self.data_size} bytes of stream, not a multiple of 512", self.size)
            raise PartFault("truncated", f"has {self.size} bytes, not a multiple of 512", self.size - len(rest))

    def _go_beyond_stated(self) -> None:
        """Stop as soon as the part holds more than it states, so that a bomb is not inflated to its end.

        The size field wraps: the part may hold 4 GiB more, if the rest of the file is large enough for that.
        """
        marker = self._inflater.marker
        if marker is None:
            self._stated = sys.maxsize
            return
        self._stated = self._inflater.stated + self._wrapped
        if self.data_size <= self._stated:
            return
        rest = os.path.getsize(self._path) - self.size + READ_SIZE
        if self._stated + _WRAP <= self.data_size + rest * _MOST_INFLATED:
            self._wrapped += _WRAP
            self._stated += _WRAP
        elif marker.closed:
            raise PartFault("corrupt", f"holds more than the {marker.data_size} bytes that it states", 18)
        else:
            raise PartFault("unclosed", "its writer did not finish this part", 18)

    def drain(self) -> None:
        """After a fault, read to the end of the file, so that size and sha256 cover the whole part."""
        with open(self._path, "rb") as self._file:
            self._file.seek(self.size)
            for _block in self._raw():
                pass

    def _raw(self) -> t.Iterator[bytes]:
        while True:
            block = self._file.read(READ_SIZE)
            if not block:
                return
            self.size += len(block)
            self._hash.update(block)
            if self._progress:
                self._progress(len(block))
            yield block

    def _plain(self) -> t.Iterator[bytes]:
        first = True
        for block in self._raw():
            if first and looks_like_html(block[:64]) and os.path.getsize(self._path) % BLOCK:
                raise PartFault("foreign", "an HTML page instead of a part of the backup", 0)
            first = False
            yield block
        if first:
            raise PartFault("truncated", "is empty", 0)


def backup_cipher(parts: PartFiles, password: str | None) -> Cipher | None:
    """The proven cipher, None for a plain backup. Raises PartFault about the first part, or WrongPassword."""
    if not parts.kind.encrypted:
        return None
    if 0 not in parts.present:
        raise PartFault("missing", "the first part, which proves the password, is not there", 0)
    header = b""
    for chunk in PartStream(parts.present[0], parts.kind, None).chunks():
        header += chunk
        if len(header) >= HEADER_SIZE:
            break
    return open_cipher(header[:HEADER_SIZE], password, parts.name(0))
