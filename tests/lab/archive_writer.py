# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes archives in the vendor's backup format, so that readers can be tested without the vendor's software.

One stream runs through three layers: entries -> tar blocks (`tar_blocks`) -> ECB (`Encryption`) -> parts (`Parts`).
Every layer passes on whole 512-byte blocks and keeps none, so memory does not grow.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import pathlib
import struct
import typing as t
import zlib

from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 512
CHUNK = 2048 * BLOCK
KINDS = ("tar", "tar.gz", "enc", "enc.gz")
SIGNATURE = b"Bitrix Encrypted File"

# The empty gzip member that opens every compressed part. Its extra field (XLEN 10) carries, in part 0 only, `LN` and
# the number of the last part, and in every part `BX` and the uncompressed size.
MARKER_SIZE = 37
UNCLOSED = b"0000"
_MARKER_HEAD = b"\x1f\x8b\x08\x04" + bytes(5) + b"\x03" + b"\x0a\x00"
_MARKER_TAIL = b"\x00\x00\x00\xff\xff\x03\x00" + bytes(8)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file or folder of the archive. `data` is the content, or the path of a file with it, if it is large.

    The vendor writes nothing but files and folders; type `symlink` (`data` is the target) exists for tests of readers
    that must refuse it.
    """

    path: bytes
    type: str = "file"
    data: bytes | pathlib.Path = b""
    mode: int = 0o644
    mtime: int = 0
    uid: int = 0
    gid: int = 0

    @property
    def size(self) -> int:
        if self.type != "file":
            return 0
        return self.data.stat().st_size if isinstance(self.data, pathlib.Path) else len(self.data)


def write_archive(
    entries: t.Iterable[Entry],
    dest_dir: str | pathlib.Path,
    base_name: str,
    *,
    kind: str = "tar.gz",
    part_limit: int = 100 * 1024 * 1024,
    password: str | None = None,
    cipher: str = "aes",
    version: str = "1.2",
    hits: int = 3,
    legacy_gzip: bool = False,
    stream_id: str | None = None,
    level: int = 6,
) -> list[pathlib.Path]:
    """Write `entries` as `<base_name>.<kind>`, `.1`, `.2` … into `dest_dir` and return the parts in order.

    `part_limit` counts bytes of the uncompressed stream, rounded up to whole blocks. `hits` is the number of gzip
    members in a full part: the vendor's writer starts a new one with every web request.
    `legacy_gzip` leaves out the opening empty member, as archives of old portals do. `stream_id` is the random text
    of the encryption header; it is derived from `base_name` so that the same input gives the same bytes.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    encrypted = kind.startswith("enc")
    if encrypted != (password is not None):
        raise ValueError(f"kind {kind!r} {'needs a' if encrypted else 'takes no'} password")
    first = pathlib.Path(dest_dir, f"{base_name}.{kind}")
    with Parts(first, part_limit, hits=hits, marker=not legacy_gzip, level=level) as parts:
        if encrypted:
            encryption = Encryption(t.cast(str, password), cipher)
            parts.write(encryption.header(stream_id or hashlib.md5(base_name.encode()).hexdigest(), version))
        for blocks in tar_blocks(entries):
            parts.write(encryption.update(blocks) if encrypted else blocks)
    return parts.paths


def tar_blocks(entries: t.Iterable[Entry]) -> t.Iterator[bytes]:
    """The tar stream as byte strings of whole blocks; there is no end-of-archive mark."""
    for entry in entries:
        yield entry_header(entry)
        if entry.type != "file":
            continue
        remaining = entry.size
        for chunk in _chunks(entry.data):
            remaining -= len(chunk)
            yield chunk + bytes(-len(chunk) % BLOCK)
        if remaining:
            raise ValueError(f"{entry.path!r} changed its size while it was read")


def entry_header(entry: Entry) -> bytes:
    """The header block, preceded by a long-name header and its name block when the path exceeds 100 bytes."""
    if len(entry.path) > BLOCK:
        raise ValueError(f"path is too long: {entry.path!r}")
    typeflag = {"file": b"0", "dir": b"5", "symlink": b"2"}[entry.type]
    name = entry.path + b"/" if entry.type == "dir" else entry.path
    target = entry.data if isinstance(entry.data, bytes) and entry.type == "symlink" else b""
    header = _header_block(entry, name, typeflag, entry.size, target)
    if len(entry.path) <= 100:
        return header
    long_name = _header_block(entry, b"././@LongLink", b"L", len(entry.path))
    return long_name + entry.path.ljust(BLOCK, b"\0") + header


def _header_block(entry: Entry, name: bytes, typeflag: bytes, size: int, target: bytes = b"") -> bytes:
    """One header: octal numbers without leading zeros, NUL-padded, and nothing behind the type."""
    numbers = (b"%o" % number for number in (entry.mode, entry.uid, entry.gid, size, entry.mtime))
    fields = struct.pack("100s8s8s8s12s12s", name[:100], *numbers)
    rest = typeflag + target
    checksum = sum(fields) + 8 * ord(" ") + sum(rest)
    return (fields + struct.pack("8s", b"%o" % checksum) + rest).ljust(BLOCK, b"\0")


def _chunks(data: bytes | pathlib.Path) -> t.Iterator[bytes]:
    if isinstance(data, bytes):
        yield from (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
        return
    with data.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


class Encryption:
    """ECB without padding; blocks are independent of each other and of the parts they lie in."""

    def __init__(self, password: str, cipher: str = "aes") -> None:
        key = hashlib.md5(password.encode()).hexdigest().encode()
        algorithm = {"aes": algorithms.AES, "blowfish": Blowfish}[cipher](key)
        self.update = Cipher(algorithm, modes.ECB()).encryptor().update

    def header(self, stream_id: str, version: str) -> bytes:
        """The first block of the stream: 256 bytes in clear text and the same encrypted, which proves the password."""
        clear = struct.pack("100s90s10s56x", stream_id.encode(), SIGNATURE, version.encode())
        return clear + self.update(clear)


class Parts:
    """Cuts the stream into part files at `limit` uncompressed bytes. Compresses each if the name says so."""

    def __init__(self, first: pathlib.Path, limit: int, *, hits: int, marker: bool, level: int) -> None:
        if limit < 1 or hits < 1:
            raise ValueError("part_limit and hits must be at least 1")
        self.first = first
        self.paths: list[pathlib.Path] = []
        self._limit = math.ceil(limit / BLOCK) * BLOCK
        self._gzip = first.name.endswith(".gz")
        self._marker = marker and self._gzip
        self._member_limit = math.ceil(self._limit / BLOCK / hits) * BLOCK
        self._level = level
        self._file: t.BinaryIO | None = None
        self._size = 0
        self._member: t.Any = None

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, failure: type[BaseException] | None, *rest: object) -> None:
        if failure is None:
            self._close_part()
        elif self._file:
            self._file.close()

    def write(self, blocks: bytes) -> None:
        """Append whole blocks. A part is opened only when a block needs it, so the last one is never empty."""
        view = memoryview(blocks)
        while view:
            if self._file is None or self._size >= self._limit:
                self._close_part()
                self._open_part()
            room = self._limit - self._size
            if self._gzip:
                room = min(room, self._member_limit - self._size % self._member_limit)
            piece, view = view[:room], view[room:]
            self._write_piece(piece)

    def _write_piece(self, piece: memoryview) -> None:
        file = t.cast(t.BinaryIO, self._file)
        if not self._gzip:
            file.write(piece)
        else:
            if self._member is None:
                self._member = zlib.compressobj(self._level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            file.write(self._member.compress(piece))
        self._size += len(piece)
        if self._size % self._member_limit == 0:
            self._end_member()

    def _end_member(self) -> None:
        if self._member is not None:
            t.cast(t.BinaryIO, self._file).write(self._member.flush())
            self._member = None

    def _open_part(self) -> None:
        number = len(self.paths)
        path = self.first.with_name(f"{self.first.name}.{number}") if number else self.first
        self._file = path.open("xb")
        self.paths.append(path)
        self._size = 0
        if self._marker:
            self._file.write(_MARKER_HEAD + bytes(4) + b"BX" + UNCLOSED + _MARKER_TAIL)

    def _close_part(self) -> None:
        if self._file is None:
            return
        self._end_member()
        if self._marker:
            self._file.seek(18)
            self._file.write(struct.pack("<I", self._size & 0xFFFFFFFF))
        self._file.close()
        self._file = None
        last = len(self.paths) - 1
        if self._marker and last:
            with self.first.open("r+b") as file:
                file.seek(12)
                file.write(b"LN" + struct.pack("<H", last & 0xFFFF))
