# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of files that a cloud portal's backup leaves out because they lie in the vendor's storage.

The vendor's restore fetches each of them into `upload/` (docs/archive-format.md, section 5). The list has the name of a
PHP file; here it is read as lines of text, whatever they say, and never executed.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.safety import refusal
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import printable
from ansible_collections.boxlift.portal.plugins.module_utils.restore.names import placed_name

LISTS = ("bitrix/restore_cloud.php", "bitrix/restore_cloud.txt")
_LINE = re.compile(rb"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8})[ \t]+([0-9]{1,18})[ \t]+(.+)$")
# The vendor passes over what a portal makes anew: these, as the first component below `upload/`.
_PASSED_OVER = re.compile(rb"^[^/]*(?:cache/|tmp/|test\.txt)")
_LONGEST_LINE = 8192
_MOST_NAMED = 20


class CloudFile(t.NamedTuple):
    """`source` is the path in the vendor's storage, `target` the one below the document root."""

    time: str
    size: int
    source: bytes
    target: bytes


@dataclasses.dataclass
class CloudFiles:
    """What the list `name` says, compared with the tree: `absent` files are not there with their stated size.

    `unread` lines cannot be read or must not be followed.
    """

    name: str
    files: int = 0
    bytes: int = 0
    absent: int = 0
    absent_bytes: int = 0
    passed_over: int = 0
    unread: int = 0
    unread_lines: list[str] = dataclasses.field(default_factory=list)


def find_list(root: str) -> str | None:
    """The list's path below `root`, None where the backup is not of a cloud portal or brought its files."""
    return next((name for name in LISTS if _size(root, name.encode()) is not None), None)


def compare_with_tree(root: str) -> CloudFiles | None:
    """What the list in the tree names, and how much of it is not there with the stated size. None without a list."""
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
    """One line of the list; None where the vendor passes it over. Raises ValueError that says what is wrong with it."""
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
    """Number and text of each line but PHP's opening ones; of a line that is too long, its beginning."""
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
    try:
        status = os.lstat(os.path.join(os.fsencode(root), placed_name(target)))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return None
        raise
    return status.st_size if stat.S_ISREG(status.st_mode) else None
