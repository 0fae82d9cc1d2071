# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts on a disk that was brought here, read as `Client` reads those at a server."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.http.response import (
    READ_SIZE,
    Body,
    HttpRefused,
    Interrupted,
    Lasting,
)


def get_file(path: str, first: int = 0, last: int | None = None, validator: str = "", step: int = READ_SIZE) -> Body:
    """The bytes `first` to `last` of the file; all of it where it has changed since `validator`."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise HttpRefused(404, "no such file") from error
    except OSError as error:
        raise Lasting(f"it cannot be read: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Lasting("it is not a file")
    is_now = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    ranged = validator in ("", is_now)
    if not ranged:
        first, last = 0, None
    if first and first >= status.st_size:
        os.close(descriptor)
        raise HttpRefused(416, "the file is shorter")
    end = status.st_size if last is None else min(last + 1, status.st_size)
    return Body(first, status.st_size, is_now, _blocks(open(descriptor, "rb"), first, end, step), ranged)


def _blocks(source: t.BinaryIO, position: int, end: int, step: int) -> t.Iterator[bytes]:
    with source:
        source.seek(position)
        while position < end:
            try:
                block = source.read(min(step, end - position))
            except OSError as error:
                raise Interrupted(f"byte {position} cannot be read: {error.strerror}") from error
            if not block:
                raise Interrupted(f"the file ended {end - position} bytes early")
            position += len(block)
            yield block
