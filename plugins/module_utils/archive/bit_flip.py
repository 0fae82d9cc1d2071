# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the one wrong bit of a gzip member from its checksum alone.

A wrong bit in data that deflate could not compress (encrypted parts, pictures) does not break the inflation. Only the
CRC at the member's end is wrong, perhaps a hundred megabytes later. But a CRC is linear: its difference to the right
one depends only on the bit's distance from the end, and up to 2^32 bits every distance gives another difference.
"""

from __future__ import annotations

import math
import typing as t
import zlib

READ_SIZE = 128 * 1024
_POLYNOMIAL = 0xEDB88320
_HEADER = 10


def flipped(path: str, start: int) -> tuple[int, int] | None:
    """Offsets of the first and last byte of the file's block with the wrong bit; the member begins at `start`.

    None where the damage is of another kind. Rarely, a larger damage looks like one bit: the caller must verify.
    """
    inflate = zlib.decompressobj(wbits=-15)
    crc = size = 0
    blocks: list[
        tuple[int, int]
    ] = []  # after each block: the offset in the file, and the bytes it had held up to there
    with open(path, "rb") as part:
        part.seek(start)
        if part.read(_HEADER)[:4] != b"\x1f\x8b\x08\x00":
            return None
        position = start + _HEADER
        try:
            while not inflate.eof:
                block = part.read(READ_SIZE)
                if not block:
                    return None
                output = inflate.decompress(block)
                crc, size = zlib.crc32(output, crc), size + len(output)
                position += len(block)
                blocks.append((position, size))
        except zlib.error:
            return None
        trailer = (inflate.unused_data + part.read(8))[:8]
    difference = crc ^ int.from_bytes(trailer[:4], "little")
    if len(trailer) < 8 or size % 2**32 != int.from_bytes(trailer[4:], "little") or not difference:
        return None
    steps = _steps(difference, 8 * size)
    if steps is None:
        return None
    byte = size - 1 - (steps - 1) // 8
    before = start
    for position, held in blocks:
        if held > byte:
            return before, position - 1
        before = position
    return None


def _steps(difference: int, most: int) -> int | None:
    """Distance in bits from the wrong one to the end: a discrete logarithm, by baby-step giant-step."""
    stride = math.isqrt(most) + 1
    near, value = {}, 1
    for count in range(1, stride + 1):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        near[value] = count
    back = _back(stride)
    for far in range(stride + 1):
        if difference in near:
            steps = far * stride + near[difference]
            return steps if steps <= most else None
        difference = (
            back[0][difference & 255]
            ^ back[1][difference >> 8 & 255]
            ^ back[2][difference >> 16 & 255]
            ^ back[3][difference >> 24]
        )
    return None


def _back(count: int) -> list[list[int]]:
    """Tables that undo `count` bits of a CRC at once, for each of its four bytes."""
    columns = []
    for bit in range(32):
        value = 1 << bit
        for _step in range(count):
            value = ((value ^ _POLYNOMIAL) << 1 | 1) if value & 0x80000000 else value << 1
        columns.append(value)
    return [[_sum(columns[8 * byte : 8 * byte + 8], bits) for bits in range(256)] for byte in range(4)]


def _sum(columns: t.Sequence[int], bits: int) -> int:
    total = 0
    for bit, column in enumerate(columns):
        if bits >> bit & 1:
            total ^= column
    return total
