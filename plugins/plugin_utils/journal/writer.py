# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appends lines to a journal: under a lock, chained to the line before, on the disk when the call returns.

Several processes may write to one file at a time: the callback of one ansible-playbook, its forked workers, and other
runs. Nothing is kept between two lines, so each of them finds the end of the chain in the file itself.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import sync_directory
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.verify import LINK, Link, hash_of, link_of

LONGEST_WAIT = 20.0  # seconds for the lock; a line takes milliseconds
_LOOK_AGAIN = 0.001
_FIRST_LOOK = 512  # bytes; more than the three fields at the end of a line


def iso(moment: float) -> str:
    """A time in the journal's format: UTC with milliseconds."""
    stamp = datetime.datetime.fromtimestamp(moment, tz=datetime.timezone.utc)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def append(path: str, event: str, fields: t.Mapping[str, t.Any]) -> Link:
    """Append one event; how its line is chained. It is on the disk then.

    Makes the file, and its folder with mode 0700, where they are missing. Raises OSError and BoxliftError; the file is
    as before then.
    """
    folder = os.path.dirname(path)
    if folder and not os.path.exists(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)  # another process may be as quick
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, path)
        size = os.fstat(descriptor).st_size
        link, data = _continued(descriptor, size, {"event": event, "time": iso(time.time()), **fields})
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, size)  # half a line would stand there as the trace of a killed run
            raise
        if size == 0:
            sync_directory(folder or ".")
        return link
    finally:
        os.close(descriptor)  # and unlocks it


def _lock(descriptor: int, path: str) -> None:
    end = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise BoxliftError(
                    f"The journal {path} has been locked by another process for {LONGEST_WAIT:.0f} s.",
                    f"See which one (fuser -v {path}), let it go on or end it, and run again.",
                ) from None
            time.sleep(_LOOK_AGAIN)
        else:
            return


def _continued(descriptor: int, size: int, record: dict[str, t.Any]) -> tuple[Link, bytes]:
    """The record as the next line, and all bytes to append: it, and what closes a write that was cut off before it."""
    last, end = _last(descriptor, size)
    loose = os.pread(descriptor, size - end, end)
    if last is None:
        data = b"" if loose.endswith(b"\n") or not loose else b"\n"
        last = Link(0, "", hashlib.sha256(loose + data).hexdigest())
    elif not loose:
        data = b""
    elif (whole := link_of(loose + b"\n")) and whole.prev == last.hash and hash_of(loose + b"\n") == whole.hash:
        last, data = whole, b"\n"  # nothing but its newline was cut off
    else:
        data = b"" if loose.endswith(b"\n") else b"\n"
        seal = {"bytes": len(loose), "sha256": hashlib.sha256(loose + data).hexdigest()}
        last, line = _line({"event": "torn", "time": record["time"], **seal}, last)
        data += line
    link, line = _line(record, last)
    return link, data + line


def _last(descriptor: int, size: int) -> tuple[Link | None, int]:
    """The last chained line, and where it ends. Reads the file's tail, and further back only where that is torn."""
    block = _FIRST_LOOK
    while True:
        start = max(size - block, 0)
        links = list(LINK.finditer(os.pread(descriptor, size - start, start)))
        if links:
            found = links[-1]
            return Link(int(found[1]), found[2].decode(), found[3].decode()), start + found.end()
        if start == 0:
            return None, 0
        block *= 8


def _line(record: t.Mapping[str, t.Any], last: Link) -> tuple[Link, bytes]:
    body = json.dumps({**record, "seq": last.seq + 1, "prev": last.hash}, ensure_ascii=False, separators=(",", ":"))
    data = body[:-1].encode("utf-8", errors="replace")
    link = Link(last.seq + 1, last.hash, hashlib.sha256(data).hexdigest())
    return link, data + f',"hash":"{link.hash}"}}\n'.encode()
