# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One part of a compressed backup: a chain of gzip members (docs/archive-format.md, sections 1 and 4).

The inflater proves the CRC32 and length of every member. The writer's marker (`BX`) in the empty first member states
how many bytes the part holds, and in the first part also the number of the last part.
"""

from __future__ import annotations

import dataclasses
import typing as t
import zlib

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import is_header
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault, looks_like_html
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import BLOCK, parse_header

_fast: t.Any
try:  # Debian: python3-isal; several times as fast, the same result.
    from isal import isal_zlib

    _fast = isal_zlib
except ImportError:
    _fast = zlib

READ_SIZE = 128 * 1024
_OUTPUT_LIMIT = 256 * 1024
MARKER_SIZE = 37  # bytes
_TEMPLATE_START = bytes.fromhex("1f8b08040000000000030a00")
_TEMPLATE_END = bytes.fromhex("000000ffff0300") + bytes(8)
_UNCLOSED = b"0000"


@dataclasses.dataclass(frozen=True)
class Marker:
    """What the empty first member states: bytes of stream in the part, and in the first part the last part's number."""

    data_size: int
    last_index: int | None
    closed: bool


def read_marker(head: bytes) -> Marker | None:
    """The marker in the first MARKER_SIZE bytes of a part; None for ordinary gzip without one. Raises PartFault."""
    if not head.startswith(b"\x1f\x8b"):
        if looks_like_html(head):
            raise PartFault("foreign", "an HTML page instead of a part of the backup", 0)
        if head and not head.strip(b"\0"):
            raise PartFault("corrupt", "begins with zeros instead of a gzip header", 0)
        raise PartFault("foreign", "does not begin like a gzip file", 0)
    if len(head) < 4 or head[3] != 4:
        return None
    if len(head) < MARKER_SIZE:
        raise PartFault("truncated", f"ends after {len(head)} bytes, inside its header", len(head))
    if head[:12] != _TEMPLATE_START or head[16:18] != b"BX" or head[22:MARKER_SIZE] != _TEMPLATE_END:
        raise PartFault("corrupt", "the header (its empty first gzip member) is damaged", 0)
    last_index = None
    if head[12:14] == b"LN":
        last_index = int.from_bytes(head[14:16], "little")
    elif head[12:16] != bytes(4):
        raise PartFault("corrupt", "the header (its empty first gzip member) is damaged", 12)
    return Marker(int.from_bytes(head[18:22], "little"), last_index, head[18:22] != _UNCLOSED)


class Inflater:
    """Inflates one part chunk by chunk; `styles` collects the bytes of its members' headers for level and system."""

    def __init__(self) -> None:
        self.marker: Marker | None = None
        self.styles: set[bytes] = set()
        self.stated = 0  # bytes that all markers so far state together
        # Of parts that were joined to one file: where each begins, the bytes that it states, and those that it holds.
        self.joined: list[list[int]] = []
        self._produced = 0

    def chunks(self, raw: t.Iterable[bytes]) -> t.Iterator[bytes]:
        """Yield the part's uncompressed bytes, at most 256 KiB at once. Raises PartFault at the first damaged byte."""
        source = iter(raw)
        pending = b""
        for block in source:
            pending += block
            if len(pending) >= MARKER_SIZE:
                break
        if not pending:
            raise PartFault("truncated", "is empty", 0)
        if not pending.startswith(b"\x1f\x8b") and (parse_header(pending[:BLOCK].ljust(BLOCK)) or is_header(pending)):
            raise PartFault("foreign", "it was gunzipped on the way: its bytes are the uncompressed ones", 0)
        self.marker = read_marker(pending[:MARKER_SIZE])
        if self.marker is not None:
            self.stated = self.marker.data_size
            self.joined = [[0, self.stated, 0]]
        position = 0  # offset in the file of pending[0]
        while pending:
            start = position
            while len(pending) < 10:
                block = next(source, b"")
                if not block:
                    break
                pending += block
            if start and self.marker is not None and pending[:4] == _TEMPLATE_START[:4]:
                while len(pending) < MARKER_SIZE and (block := next(source, b"")):
                    pending += block
                self._join(pending[:MARKER_SIZE], start)
            else:
                self._check_member_header(pending[:10], start)
            inflate = _fast.decompressobj(wbits=31)
            while not inflate.eof:
                try:
                    output = inflate.decompress(pending, _OUTPUT_LIMIT)
                except (zlib.error, _fast.error) as error:
                    raise PartFault("corrupt", f"compressed data is damaged ({error})", position, start) from error
                if output:
                    self._produced += len(output)
                    yield output
                if inflate.eof:
                    break
                tail = inflate.unconsumed_tail
                position += len(pending) - len(tail)
                pending = tail
                if not pending:
                    pending = next(source, b"")
                if not pending and not output:
                    reason = f"ends after {position} bytes, inside its compressed data"
                    raise PartFault("truncated", reason, position, start)
            position += len(pending) - len(inflate.unused_data)
            pending = inflate.unused_data or next(source, b"")
        if self.joined:
            self.joined[-1][2] = self._produced - sum(held for _begin, _stated, held in self.joined[:-1])

    def _join(self, head: bytes, start: int) -> None:
        """Another part's marker: somebody has joined parts to one file. Raises PartFault where it is damaged."""
        try:
            marker = read_marker(head)
        except PartFault:
            marker = None
        if marker is None:
            raise PartFault("corrupt", "the header of a gzip member is damaged", start, start)
        self.joined[-1][2] = self._produced - sum(held for _begin, _stated, held in self.joined[:-1])
        self.joined.append([start, marker.data_size, 0])
        self.stated += marker.data_size

    def _check_member_header(self, header: bytes, start: int) -> None:
        if not header.startswith(b"\x1f\x8b"):
            raise PartFault("corrupt", "bytes that belong to no gzip member follow the data", start, start)
        if start == 0 or self.marker is None:
            return
        # After the marker the writer only makes plain members: no flags, no time.
        if len(header) == 10 and header[2:8] != b"\x08\0\0\0\0\0":
            raise PartFault("corrupt", "the header of a gzip member is damaged", start, start)
        self.styles.add(bytes(header[8:10]))
