# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile archives: what the vendor's writer never makes and a reader must refuse.

The stream lies between honest entries, in honest parts: only the attack itself is wrong.
"""

from __future__ import annotations

import dataclasses
import pathlib
import struct
import typing as t
import zlib

from lab.archive_writer import BLOCK, Encryption, Entry, Parts, tar_blocks

HONEST_BEFORE = (Entry(b"index.php", data=b"<?php", mtime=1700000000), Entry(b"upload", type="dir", mode=0o755))
HONEST_AFTER = (Entry(b"last.txt", data=b"last"),)


def header(
    name: bytes,
    typeflag: bytes = b"0",
    size: bytes | int = 0,
    *,
    link: bytes = b"",
    prefix: bytes = b"",
    mode: int = 0o644,
) -> bytes:
    """A header with a right checksum and anything in its fields; `ustar` layout where there is a prefix."""
    stated = size if isinstance(size, bytes) else b"%o" % size
    fields = struct.pack("100s8s8s8s12s12s", name, b"%o" % mode, b"0", b"0", stated, b"0")
    rest = typeflag + struct.pack("100s", link)
    if prefix:
        rest += b"ustar\x0000" + bytes(80) + prefix
    checksum = sum(fields) + sum(rest) + 8 * ord(" ")
    return (fields + struct.pack("8s", b"%o" % checksum) + rest).ljust(BLOCK, b"\0")


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def file(name: bytes, content: bytes = b"evil", **fields: t.Any) -> bytes:
    return header(name, size=len(content), **fields) + padded(content)


def long_named(name: bytes, content: bytes = b"evil", typeflag: bytes = b"0") -> bytes:
    """The name in a block of its own, as for paths over 100 bytes; the header repeats its start."""
    start = name.split(b"\0", 1)[0][:100]
    return (
        header(b"././@LongLink", b"L", len(name))
        + padded(name)
        + header(start, typeflag, len(content))
        + padded(content)
    )


@dataclasses.dataclass(frozen=True)
class Attack:
    """`blocks` are the stream's; `entry` and `reason` are what a refusal must say of them."""

    name: str
    blocks: bytes
    entry: str
    reason: str


def _types() -> t.Iterator[Attack]:
    """Every entry type that tar knows and the vendor's writer never makes."""
    named = {
        b"1": "hard link",
        b"2": "symbolic link",
        b"3": "character device",
        b"4": "block device",
        b"6": "fifo",
        b"7": "contiguous file",
        b"x": "pax header",
        b"g": "global pax header",
        b"K": "long link name",
        b"S": "sparse file",
        b"D": "dump directory",
        b"M": "continued file",
        b"V": "volume name",
        b"Z": "unknown type",
    }
    for typeflag, name in named.items():
        pax = b"30 path=../../../../tmp/evil\n" if typeflag in b"xg" else b""
        blocks = (
            header(b"upload/special", typeflag, len(pax), link=b"/etc/passwd") + padded(pax) + file(b"upload/behind")
        )
        yield Attack(name, blocks, "upload/special", "is neither a file nor a directory")


DEEP = b"/".join([b"d"] * 129)
ATTACKS: tuple[Attack, ...] = (
    Attack("parent", file(b"../evil"), "../evil", "leaves the target"),
    Attack("parent in the middle", file(b"upload/../../evil"), "upload/../../evil", "leaves the target"),
    Attack("parent at the end", header(b"upload/..", b"5"), "upload/..", "leaves the target"),
    Attack("parent behind a dot", file(b"./../evil"), "../evil", "leaves the target"),
    Attack("parent as a folder", header(b"../evil/", b"5"), "../evil", "leaves the target"),
    Attack("absolute", file(b"/tmp/evil"), "/tmp/evil", "is absolute"),
    Attack("absolute behind a dot", file(b".//tmp/evil"), "/tmp/evil", "is absolute"),
    Attack("backslash", file(b"..\\..\\evil"), "..\\\\..\\\\evil", "a backslash"),
    Attack("empty component", file(b"upload//evil"), "upload//evil", "an empty component"),
    Attack("NUL in a long name", long_named(b"upload/evil\0.txt"), "upload/evil\\\\x00.txt", "a NUL byte"),
    Attack("long name", long_named(b"a/" * 50 + b"../" * 60 + b"evil"), "a/a/", "leaves the target"),
    Attack("long name, absolute", long_named(b"/" + b"tmp/" * 40 + b"evil"), "/tmp/tmp/", "is absolute"),
    Attack("prefix", file(b"evil", prefix=b"../.."), "../../evil", "leaves the target"),
    Attack("absolute prefix", file(b"evil", prefix=b"/tmp"), "/tmp/evil", "is absolute"),
    Attack("control character", file(b"upload/\x1b[2Jevil"), "upload/\\\\x1b[2Jevil", "the control character \\x1b"),
    Attack("too deep", long_named(DEEP), "d/d/d", "129 directories deep"),
    Attack("folder with content", header(b"upload/d/", b"5", 600) + bytes(1024), "upload/d/", "600 bytes of content"),
    Attack("file named like a folder", file(b"upload/f/"), "upload/f/", "ends like a directory's"),
    *_types(),
)

# Each name alone is harmless: only together they cannot be placed.
COLLISIONS: tuple[Attack, ...] = (
    Attack("below a file", file(b"upload/a") + file(b"upload/a/b"), "upload/a/b", "a file or link stands"),
    Attack("folder over a file", file(b"upload/a") + header(b"upload/a/", b"5"), "upload/a", "a file or link stands"),
    Attack("file over a folder", header(b"upload/a/", b"5") + file(b"upload/a"), "upload/a", "two entries named"),
)

# The restore makes files of such names beside the tree. Within it they are ordinary names.
MARKERS = (b".www.staging/a", b".www.previous/a", b"restore-0.json", b"restore-0.logs/part-0", b"base.tar.gz")

# Headers that lie about how much follows, or are no headers at all.
FALSE_HEADERS: tuple[Attack, ...] = (
    Attack("more than there is", header(b"upload/a", size=8**11 - 1), "", "ends inside"),
    Attack("the largest size", header(b"upload/a", size=8**12 - 1), "", "ends inside"),
    Attack("binary size", header(b"upload/a", size=b"\x80" + bytes(10) + b"\x01") + bytes(BLOCK), "", "header"),
    Attack("negative size", header(b"upload/a", size=b"-1"), "", "header"),
    Attack("wrong checksum", bytes([header(b"upload/a")[0] ^ 1]) + header(b"upload/a")[1:], "", "checksum is wrong"),
    Attack("long name of 1 MiB", header(b"././@LongLink", b"L", 2**20) + b"a" * 2**20, "", "a long name of 1048576"),
    Attack("long name of another entry", long_named(b"a" * 120)[:1024] + file(b"b"), "", "header of another entry"),
    Attack("long name of a long name", header(b"././@LongLink", b"L", 9) * 2, "", "header"),
)


def write_hostile(
    directory: pathlib.Path,
    blocks: bytes,
    *,
    kind: str = "tar.gz",
    password: str | None = None,
    part_limit: int = 4096,
) -> pathlib.Path:
    """A backup with `blocks` between its honest entries; the path of its first part."""
    directory.mkdir(parents=True, exist_ok=True)
    first = directory / f"base.{kind}"
    stream = b"".join((*tar_blocks(HONEST_BEFORE), blocks, *tar_blocks(HONEST_AFTER)))
    with Parts(first, part_limit, hits=2, marker=True, level=6) as parts:
        if password is not None:
            encryption = Encryption(password)
            parts.write(encryption.header("0" * 32, "1.2"))
            stream = encryption.update(stream)
        parts.write(stream)
    return first


def write_bomb(directory: pathlib.Path, inflated: int, stated: int | None = None) -> pathlib.Path:
    """One file of `inflated` zeros (whole MiB) in a part that states `stated` bytes; None states the truth."""
    directory.mkdir(parents=True, exist_ok=True)
    first = directory / "base.tar.gz"
    with Parts(first, 2**40, hits=1, marker=True, level=6) as parts:
        parts.write(header(b"upload/zeros", size=inflated))
    rest = inflated
    with first.open("r+b") as part:
        part.seek(0, 2)
        for size in (64 * 2**20, 2**20):
            member = gzip_member(bytes(size))
            part.write(member * (rest // size))
            rest %= size
        part.seek(18)
        part.write(struct.pack("<I", (inflated + BLOCK if stated is None else stated) & 0xFFFFFFFF))
    return first


def write_names(directory: pathlib.Path, names: t.Iterable[bytes]) -> pathlib.Path:
    """Empty files with these names, of any length: many entries in few bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    first = directory / "base.tar.gz"
    with Parts(first, 2**40, hits=1, marker=True, level=9) as parts:
        for name in names:
            parts.write(long_named(name, b"") if len(name) > 100 else header(name))
    return first


def gzip_member(content: bytes) -> bytes:
    member = zlib.compressobj(6, zlib.DEFLATED, 31)
    return member.compress(content) + member.flush()
