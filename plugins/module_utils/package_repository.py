# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of Debian packages with its index, brought to a host by pieces and proven file by file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tarfile
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

INDEX = ("Packages", "Release")
_FIELD = re.compile(r"^(Filename|Size|SHA256): *(.+)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_%-]*")
# What else a killed run or an earlier repository leaves.
_OURS = re.compile(r"\.?[^/]+\.deb(\.new)?|\.?(Packages|Release)(\.new)?")


class File(t.NamedTuple):
    """One file that belongs into the folder."""

    name: str
    size: int  # bytes
    sha256: str


def _blocks(stream: t.IO[bytes]) -> t.Iterator[bytes]:
    while True:
        block = stream.read(2**20)
        if not block:
            return
        yield block


def sum_of(path: str) -> str:
    """SHA-256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in _blocks(stream):
            digest.update(block)
    return digest.hexdigest()


def listed(folder: str) -> list[File]:
    """What the index in `folder` names, and last the index itself. Raises BoxliftError, OSError."""
    path = os.path.join(folder, INDEX[0])
    try:
        with open(path, encoding="utf-8") as stream:
            stanzas = stream.read().split("\n\n")
    except FileNotFoundError:
        raise BoxliftError(
            f"There is no {path}.", "Name the folder `debian` of a bundle; it has one folder for each release."
        ) from None
    found = []
    for stanza in stanzas:
        field = dict(_FIELD.findall(stanza))
        if field:
            name = field.get("Filename", "").rsplit("/", 1)[-1]
            if not _NAME.fullmatch(name) or not field.get("Size", "").isdigit() or len(field.get("SHA256", "")) != 64:
                raise BoxliftError(f"{path} has an entry that is none: {name or stanza[:60]}.", "Make the bundle anew.")
            found.append(File(name, int(field["Size"]), field["SHA256"]))
    index = [os.path.join(folder, name) for name in INDEX]
    return found + [File(os.path.basename(each), os.path.getsize(each), sum_of(each)) for each in index]


def missing(folder: str, files: t.Iterable[File]) -> list[str]:
    """Names of those that are not there, or are not what they should be. Raises OSError."""
    lacking = []
    for file in files:
        path = os.path.join(folder, file.name)
        try:
            right = not os.path.islink(path) and os.path.getsize(path) == file.size and sum_of(path) == file.sha256
        except FileNotFoundError:
            right = False
        if not right:
            lacking.append(file.name)
    return lacking


def surplus(folder: str, files: t.Iterable[File]) -> list[str]:
    """Names of what else is there, sorted. Raises BoxliftError where that is none of a repository's, and OSError."""
    wanted = {file.name for file in files}
    try:
        present = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = sorted(name for name in present if name not in wanted)
    if foreign := [name for name in found if not _OURS.fullmatch(name)]:
        raise BoxliftError(f"{folder} holds {foreign[0]}, which is no package.", "Name a folder of its own.")
    return found


def pack(folder: str, files: t.Iterable[File], archive: str) -> None:
    """Put these files of `folder` into a tar archive. Raises OSError."""
    with tarfile.open(archive, "w") as made:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            entry.size = file.size
            with open(os.path.join(folder, file.name), "rb") as stream:
                made.addfile(entry, stream)


def unpack(archive: str, folder: str, files: t.Iterable[File]) -> list[str]:
    """Put each file of the archive in its place, if it is what `files` says; their names. Raises BoxliftError, OSError.

    A file appears under its name only when it is complete.
    """
    wanted = {file.name: file for file in files}
    os.makedirs(folder, mode=0o755, exist_ok=True)
    placed = []
    with tarfile.open(archive) as packed:
        for entry in packed:
            file = wanted.get(entry.name)
            stream = packed.extractfile(entry) if file and entry.isreg() else None
            if file is None or stream is None:
                raise BoxliftError(f"{entry.name!r} was sent, and nobody has asked for it.", "Run again.")
            spare = os.path.join(folder, f".{file.name}.new")
            digest = hashlib.sha256()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(spare)
            with open(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as writing:
                for block in _blocks(stream):
                    digest.update(block)
                    writing.write(block)
                os.fchmod(writing.fileno(), 0o644)
            if digest.hexdigest() != file.sha256:
                os.unlink(spare)
                raise BoxliftError(
                    f"{file.name} has the SHA-256 {digest.hexdigest()}, and the index says {file.sha256}.",
                    "It was damaged on the controller or on the way: verify the bundle there (verify.sh), run again.",
                )
            os.replace(spare, os.path.join(folder, file.name))
            placed.append(file.name)
    return placed


def remove(folder: str, names: t.Iterable[str]) -> None:
    """Remove these files. Raises OSError."""
    for name in names:
        os.unlink(os.path.join(folder, name))


def batches(files: t.Iterable[File], limit: int) -> t.Iterator[list[File]]:
    """The files in groups of at most `limit` bytes, or of one file that is bigger."""
    group: list[File] = []
    for file in files:
        if group and sum(each.size for each in group) + file.size > limit:
            yield group
            group = []
        group.append(file)
    if group:
        yield group
