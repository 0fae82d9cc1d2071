# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lower bound for any reader of such a backup: the C libraries alone, with one process on each processor."""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
import typing as t
import zlib

_fast: t.Any
try:
    from isal import isal_zlib

    _fast = isal_zlib
except ImportError:
    _fast = zlib

_READ = 128 * 1024


def run(parts: list[str], summed: bool) -> None:
    """Inflate every part without looking at the result; with `summed`, take its sha256 too."""
    # The largest first, so that no processor is left waiting for the last part.
    by_size = sorted(parts, key=os.path.getsize, reverse=True)
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        pool.map(functools.partial(_read, summed=summed), by_size, chunksize=1)


def _read(path: str, summed: bool) -> None:
    sha256 = hashlib.sha256()
    inflate = _fast.decompressobj(wbits=31)
    with open(path, "rb") as part:
        while block := part.read(_READ):
            if summed:
                sha256.update(block)
            while block:
                inflate.decompress(block)
                block = inflate.unused_data
                if inflate.eof:
                    inflate = _fast.decompressobj(wbits=31)
