# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contents of files, in a folder beside the store: each content once, named by its SHA-256, sealed if the store is."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import struct
import tempfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.crm.sealing import Sealer
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import sync_directory

_CHUNK = 1024 * 1024
_IN_MEMORY = 8 * _CHUNK
_FETCHED = ".fetched"
#: What the name of the folder has more than that of its store.
SUFFIX = ".files"


@dataclasses.dataclass(frozen=True)
class StoredFile:
    """`id` as `kinds.file_key` gives it; the size is that of the plain content."""

    id: str
    sha256: str
    size: int
    name: str


class FileFolder:
    """The folder of one store. Used by one writer at a time."""

    def __init__(self, store: str, sealer: Sealer) -> None:
        self._folder, self._sealer = f"{store}{SUFFIX}", sealer

    def path(self, sha256: str) -> str:
        return os.path.join(self._folder, sha256[:2], sha256)

    def add(self, write: t.Callable[[t.BinaryIO], object]) -> tuple[str, int]:
        """SHA-256 and size of what `write` puts into the file that it is given; on the disk when this returns."""
        self._make(self._folder)
        fetched = os.path.join(self._folder, _FETCHED)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fetched)
        try:
            with open(os.open(fetched, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w+b") as plain:
                write(plain)
                size = plain.seek(0, os.SEEK_END)
                plain.seek(0)
                sha256 = _sum(plain)
                place = self.path(sha256)
                if os.path.exists(place):
                    return sha256, size
                self._make(os.path.dirname(place))
                with open(os.open(f"{place}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                    plain.seek(0)
                    for piece in self._sealed(plain, sha256):
                        out.write(piece)
                    out.flush()
                    os.fsync(out.fileno())
                self._give_away(f"{place}.new")
                os.replace(f"{place}.new", place)
                sync_directory(os.path.dirname(place))
            return sha256, size
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fetched)

    def _make(self, folder: str) -> None:
        if not os.path.isdir(folder):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._give_away(folder)

    def _give_away(self, path: str) -> None:
        """What root makes belongs to the store's account, as the database does: it would lock that account out."""
        store = self._folder[: -len(SUFFIX)]
        if os.geteuid() == 0 and os.path.exists(store):
            owner = os.stat(store)
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def open(self, sha256: str) -> t.BinaryIO:
        """The plain content, from its beginning. Raises BoxliftError where it is missing or damaged."""
        path = self.path(sha256)
        with contextlib.ExitStack() as unless_good:
            out = t.cast(t.BinaryIO, unless_good.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY)))
            try:
                with open(path, "rb") as source:
                    for piece in self._opened(source, sha256):
                        out.write(piece)
                out.seek(0)
                if _sum(out) != sha256:
                    raise ValueError("its content has another sum")
            except (OSError, ValueError, struct.error) as error:
                raise BoxliftError(
                    f"The stored file {path} cannot be read: {error}.",
                    "Put back a copy of it, or take a snapshot with its files again while the portal has it.",
                ) from error
            unless_good.pop_all()
            out.seek(0)
            return out

    def remove_others(self, kept: t.Collection[str]) -> int:
        """Remove contents that are not among these; how many bytes that freed."""
        freed = 0
        for folder, _names, files in os.walk(self._folder):
            for name in files:
                if name not in kept:
                    path = os.path.join(folder, name)
                    freed += os.stat(path).st_size
                    os.unlink(path)
        return freed

    def size(self) -> int:
        """What the folder takes on the disk."""
        return sum(
            os.stat(os.path.join(at, name)).st_size for at, _names, files in os.walk(self._folder) for name in files
        )

    def _sealed(self, source: t.BinaryIO, sha256: str) -> t.Iterator[bytes]:
        if not self._sealer.seals:
            while piece := source.read(_CHUNK):
                yield piece
            return
        number = 0
        while True:
            piece = source.read(_CHUNK)
            sealed = self._sealer.seal(piece, _part(sha256, number, not piece))
            yield struct.pack(">I", len(sealed)) + sealed
            if not piece:
                return
            number += 1

    def _opened(self, source: t.BinaryIO, sha256: str) -> t.Iterator[bytes]:
        if not self._sealer.seals:
            while piece := source.read(_CHUNK):
                yield piece
            return
        number = 0
        while True:
            (length,) = struct.unpack(">I", source.read(4))
            sealed = source.read(length)
            last = length <= self._sealer.overhead
            piece = self._sealer.open(sealed, _part(sha256, number, last))
            if last:
                return
            yield piece
            number += 1


def _part(sha256: str, number: int, last: bool) -> bytes:
    """Sealed with each piece, so that none can be left out, moved or added."""
    return f"file {sha256} {number} {'end' if last else ''}".encode()


def _sum(source: t.BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_CHUNK):
        digest.update(piece)
    return digest.hexdigest()
