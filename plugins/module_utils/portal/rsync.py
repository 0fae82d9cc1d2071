# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the files of a portal in service with rsync, which transfers only what differs."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.program import complained, start

# A line for each change, lines with the progress, and the totals; no names, which may hold any byte.
_OPTIONS = ("--info=progress2,stats2", "--no-human-readable", "--out-format=%i", "--outbuf=L")
_CHANGE = re.compile(rb"[<>ch.][fdLDS][^ ]{9}|\*deleting *")
_FAR = re.compile(rb" *(\d+) +\d+%")
_SIZE = re.compile(rb"Total transferred file size: (\d+) bytes")
# rsync's exit status when files vanished, as they do in a portal in use; all others were transferred.
_VANISHED = 24
_WENT = (b"file has vanished: ", b"directory has vanished: ")
_READ_EVERY = 0.05  # seconds; meanwhile the pipe holds the lines of hundreds of files


class Fetched(t.NamedTuple):
    """`changed` counts files, directories and links that were made, changed or deleted; of them, `fetched` are files
    transferred (`bytes` in all) and `deleted` the deleted. `vanished` disappeared at the source while it was read.
    """

    changed: int
    fetched: int
    bytes: int
    deleted: int
    vanished: int


@contextlib.contextmanager
def fetching(
    command: t.Sequence[str], on_progress: t.Callable[[int, int], object], *, check: bool = False
) -> t.Iterator[concurrent.futures.Future[Fetched]]:
    """Run the command, which runs rsync with the arguments added here, in the background.

    `on_progress` is called with the bytes and files transferred so far. With `check` nothing is written. Leaving the
    context ends rsync; what was transferred is kept, and the next run continues. Raises BoxliftError where the command
    cannot be started; the future raises it where it fails.
    """
    arguments = [*command, *_OPTIONS, *(["--dry-run"] if check else [])]
    with tempfile.TemporaryFile() as complaints:
        process = start(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
        with process, concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="rsync") as pool:
            try:
                yield pool.submit(_follow, process, command[0], complaints, on_progress)
            finally:
                process.terminate()  # does nothing to one that has ended


def _follow(
    process: subprocess.Popen[bytes],
    name: str,
    complaints: t.IO[bytes],
    on_progress: t.Callable[[int, int], object],
) -> Fetched:
    changed = fetched = deleted = size = 0
    for line in _lines(process):
        far = _FAR.match(line) or _SIZE.match(line)
        if far:
            size = int(far.group(1))
        elif _CHANGE.fullmatch(line):
            changed += 1
            fetched += line.startswith(b">f")
            deleted += line.startswith(b"*")
        on_progress(size, fetched)
    code = process.wait()
    if code not in (0, _VANISHED):
        raise BoxliftError(
            f"The files cannot be fetched: {name} ended with {code}. {complained(complaints)}",
            "Mend that, and run the same task again: it goes on where it was.",
        )
    complaints.seek(0)
    vanished = sum(line.startswith(_WENT) for line in complaints)
    return Fetched(changed, fetched, size, deleted, vanished)


def _lines(process: subprocess.Popen[bytes]) -> t.Iterator[bytes]:
    """The lines of its output; progress lines end with a carriage return."""
    source, rest = t.cast("t.IO[bytes]", process.stdout).fileno(), b""
    while piece := os.read(source, 65536):
        *lines, rest = re.split(rb"[\r\n]", rest + piece)
        yield from lines
        # rsync writes a line for every small file. Reading each at once cost a third of a processor, at 1000 a second.
        time.sleep(_READ_EVERY)
