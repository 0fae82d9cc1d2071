# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of files that a cloud portal's backup leaves out, because they are in the vendor's storage.

The vendor's restore fetches each of them into `upload/` (docs/archive-format.md, section 5). The list has the name of a
PHP file. Here it is read as lines of text and never executed, whatever it says.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.names import placed_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import refusal
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import printable

LISTS = ("bitrix/restore_cloud.php", "bitrix/restore_cloud.txt")
_LINE = re.compile(rb"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8})[ \t]+([0-9]{1,18})[ \t]+(.+)$")
# The vendor's restore skips what a portal creates again: these, as the first component below `upload/`.
_PASSED_OVER = re.compile(rb"^[^/]*(?:cache/|tmp/|test\.txt)")
_LONGEST_LINE = 8192
_MOST_NAMED = 20


class CloudFile(t.NamedTuple):
    """One line of the list."""

    time: str  # as the list writes it
    size: int  # bytes
    source: bytes  # path in the vendor's storage
    target: bytes  # path below the document root


@dataclasses.dataclass
class CloudFiles:
    """What the list names, compared with the tree."""

    name: str  # of the list
    files: int = 0
    bytes: int = 0
    absent: int = 0  # files that are not in the tree with their stated size
    absent_bytes: int = 0
    passed_over: int = 0  # lines that the vendor's restore skips, too
    unread: int = 0  # lines that cannot be read or must not be followed
    unread_lines: list[str] = dataclasses.field(default_factory=list)  # the first of them, with the reason


def find_list(root: str) -> str | None:
    """The list's path below `root`. None: the backup is not of a cloud portal, or it holds all files."""
    return next((name for name in LISTS if _size(root, name.encode()) is not None), None)


def compare_with_tree(root: str) -> CloudFiles | None:
    """Read the tree's list and look for each of its files. None where there is no list."""
    name = find_list(root)
    if name is None:
        return None
    found = CloudFiles(name)
    descriptor = os.open(os.path.join(root, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as source:
        for number, line in _lines(source):
            try:
                file = read_line(line)
            except ValueError as error:
                found.unread += 1
                if len(found.unread_lines) < _MOST_NAMED:
                    found.unread_lines.append(f"line {number}: {error}")
                continue
            if file is None:
                found.passed_over += 1
                continue
            found.files += 1
            found.bytes += file.size
            if _size(root, file.target) != file.size:
                found.absent += 1
                found.absent_bytes += file.size
    return found


def read_line(line: bytes) -> CloudFile | None:
    """One line of the list, None where the vendor's restore skips it. Raises ValueError, which says what is wrong."""
    match = _LINE.match(line)
    if match is None:
        raise ValueError("not a time, a size and a path")
    source = match[3]
    # The first component is the portal's own folder in the storage.
    folder, _slash, below = source.partition(b"/")
    below = below if folder and below else source
    if _PASSED_OVER.match(below):
        return None
    target = b"upload/" + below
    reason = refusal(target)
    if reason:
        raise ValueError(f"{printable(source)} is refused: {reason}")
    return CloudFile(match[1].decode("ascii"), int(match[2]), source, target)


def _lines(source: t.BinaryIO) -> t.Iterator[tuple[int, bytes]]:
    """Number and text of each line, without PHP's opening ones. A line that is too long has no text."""
    number, begins = 0, True
    while line := source.readline(_LONGEST_LINE):
        first, begins = begins, line.endswith(b"\n")
        if not first:
            continue
        number += 1
        whole = begins or len(line) < _LONGEST_LINE
        if not line.startswith(b"<?php") and line.strip():
            yield number, line.strip() if whole else b""


def _size(root: str, target: bytes) -> int | None:
    """The size of a file in the tree, None where there is none."""
    try:
        status = os.lstat(os.path.join(os.fsencode(root), placed_name(target)))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return None
        raise
    return status.st_size if stat.S_ISREG(status.st_mode) else None
