# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: replaced in one step, recognised when they are met again; and the room that is left beside them."""

from __future__ import annotations

import contextlib
import os
import typing as t


def replace_file(
    path: str | os.PathLike[str],
    content: bytes,
    mode: int = 0o600,
    owner: tuple[int, int] | None = None,
    durable: bool = True,
    prove: t.Callable[[str], None] | None = None,
) -> None:
    """Replace `path` so that it holds either what it held before or all of `content`, whatever happens.

    `owner` is a uid and a gid. `durable` also outlasts a crash of the host. `prove` is given the path of the new file,
    which lies beside the old one, and raises what speaks against it. Raises OSError; nothing is left behind then.
    """
    folder, name = os.path.split(os.path.abspath(path))
    # A fixed name, so that what a killed run left does not stay; hidden, so that no program reads it as one of its own.
    spare = os.path.join(folder, f".{name}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(spare)
    descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            if owner is not None:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            if durable:
                os.fsync(stream.fileno())
        if prove is not None:
            prove(spare)
        os.replace(spare, path)
    except BaseException:
        os.unlink(spare)
        raise
    if durable:
        sync_directory(folder)


def sync_directory(path: str) -> None:
    """Make the names in the directory outlast a crash of the host."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stamp(path: str) -> list[int]:
    """Size in bytes and time in nanoseconds: while both are the same, nobody has touched the file. Raises OSError."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]


def free_bytes(path: str) -> int:
    """What the owner's processes may still write to the file system of `path`. Raises OSError."""
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize
