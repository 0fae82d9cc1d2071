# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle in pieces of the size of a medium, each with a label for the courier; `join.sh` puts them together."""

from __future__ import annotations

import hashlib
import io
import pathlib
import shutil
import tarfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import size
from ansible_collections.boxlift.portal.plugins.plugin_utils.bundle import manifest

JOIN = pathlib.Path(__file__).with_name("join.sh")
LIST = "PIECES"
#: Below this, the labels would be most of it.
SMALLEST = 4096


class Piece(t.NamedTuple):
    file: str
    size: int
    sha256: str


class _Pieces(io.RawIOBase):
    """Takes a stream, and cuts it into files of `limit` bytes."""

    def __init__(self, folder: pathlib.Path, name: str, limit: int) -> None:
        self._folder, self._name, self._limit = folder, name, limit
        self._stream: t.BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._written = 0
        self.pieces: list[Piece] = []

    def writable(self) -> bool:
        return True

    def write(self, data: t.Any) -> int:
        left = memoryview(data).cast("B")
        while len(left):
            if self._stream is None:
                self._stream = (self._folder / self._file).open("wb")
            taken = left[: self._limit - self._written]
            self._stream.write(taken)
            self._digest.update(taken)
            self._written += len(taken)
            left = left[len(taken) :]
            if self._written == self._limit:
                self.end()
        return memoryview(data).nbytes

    @property
    def _file(self) -> str:
        return f"{self._name}.{len(self.pieces) + 1:04}"

    def end(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self.pieces.append(Piece(self._file, self._written, self._digest.hexdigest()))
            self._stream, self._digest, self._written = None, hashlib.sha256(), 0


def split(bundle: pathlib.Path, dest: pathlib.Path, limit: int) -> list[Piece]:
    """Write the pieces of at most `limit` bytes, their labels, the list and join.sh; the same for the same bundle."""
    if limit < SMALLEST:
        raise BoxliftError(f"A piece of {limit} bytes is too small.", f"Give at least {SMALLEST}.")
    found = manifest.read(bundle)
    if dest.exists() and any(dest.iterdir()) and not (dest / LIST).exists():
        raise BoxliftError(f"{dest} is not empty, and holds no pieces of a bundle.", "Name another folder.")
    shutil.rmtree(dest, ignore_errors=True)
    dest.mkdir(parents=True)
    writer = _Pieces(dest, found["id"], limit)
    with tarfile.open(fileobj=t.cast(t.Any, writer), mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(bundle.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(path.relative_to(bundle).as_posix())
                entry.size, entry.mode = path.stat().st_size, 0o644
                with path.open("rb") as stream:
                    archive.addfile(entry, stream)
    writer.end()
    for number, piece in enumerate(writer.pieces, 1):
        (dest / f"{piece.file}.txt").write_text(_label(found, number, len(writer.pieces), piece), encoding="utf-8")
    # Written last: without it, there is nothing to join.
    (dest / "join.sh").write_bytes(JOIN.read_bytes())
    (dest / LIST).write_text("".join(f"{piece.sha256} {piece.file}\n" for piece in writer.pieces), encoding="utf-8")
    return writer.pieces


def _label(found: t.Mapping[str, t.Any], number: int, total: int, piece: Piece) -> str:
    head = " ".join(piece.sha256[start : start + 4] for start in (0, 4, 8))
    return (
        f"Site:    {found['site']}\nBundle:  {found['id']}\nPiece:   {number} of {total}\nFile:    {piece.file}\n"
        f"Size:    {piece.size} bytes ({size(piece.size)})\nSHA-256: {head} ...\n"
    )
