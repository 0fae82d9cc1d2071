# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes and seconds as people read them."""

from __future__ import annotations

MIB = 1024**2
GIB = 1024**3


def size(number: float) -> str:
    """A number of bytes in binary units: 512 B, 1.5 KiB, 640 MiB, 29.4 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def size_needed(number: int) -> str:
    """A need, rounded up to a tenth: GiB from half a GiB on, else MiB."""
    unit, name = (GIB, "GiB") if number >= GIB // 2 else (MIB, "MiB")
    tenths = -(-number * 10 // unit)
    return f"{tenths // 10}.{tenths % 10} {name}"


def duration(seconds: float) -> str:
    """A duration in its two largest units: 0.4 s, 12 s, 3 min 5 s, 11 h 40 min, 2 d 3 h."""
    if seconds < 10:
        return f"{round(max(seconds, 0), 1):g} s"
    total = round(seconds)
    for unit, length, small, small_length in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if total >= length:
            rest = total % length // small_length
            return f"{total // length} {unit} {rest} {small}" if rest else f"{total // length} {unit}"
    return f"{total} s"
