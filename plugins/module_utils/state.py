# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State files that survive a crash, and the lock that keeps a second runner out."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file


def read_json(path: str) -> dict[str, t.Any] | None:
    """The state in `path`, None where there is none yet."""
    try:
        with open(path, encoding="utf-8") as source:
            content: dict[str, t.Any] = json.load(source)
            return content
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BoxliftError(
            f"The state file {path} is not readable: {error}.", "Remove it; the work then begins anew."
        ) from error


def write_json(path: str, content: dict[str, t.Any]) -> None:
    """Replace `path` so that after a crash it holds either the old state or the new one. Mode 0600.

    Raises BoxliftError where the disk is full; the old state then stays.
    """
    try:
        replace_file(path, json.dumps(content).encode())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BoxliftError(
            f"The disk is full: the state file {path} could not be written.",
            "Make room and run the same task again: it goes on where it stopped.",
        ) from error


# The workers of a killed run hold its lock until they notice, moments later, that it is gone.
LOCK_PATIENCE = 3.0


class Lock:
    """One runner at a time. The file names its owner; the kernel lets go of it when the owner and its workers die."""

    def __init__(self, path: str, what: str) -> None:
        self._path = path
        self._what = what

    def __enter__(self) -> Lock:
        self._file = open(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+", encoding="utf-8")
        deadline = time.monotonic() + LOCK_PATIENCE
        while not self._taken():
            if time.monotonic() > deadline:
                owner = self._file.read().strip() or "an unnamed process"
                self._file.close()
                raise BoxliftError(
                    f"{self._what} is already being worked on by {owner}.",
                    "Wait until it ends, or stop that process first.",
                )
            time.sleep(0.05)
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {os.uname().nodename}")
        self._file.flush()
        return self

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *_failure: object) -> None:
        self._file.close()
