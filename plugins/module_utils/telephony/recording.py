# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings on the exchange's disk: whether one is complete, and what it holds."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import stat
import struct
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

HEADER_BYTES = 44  # of a wav file; one of a call without sound is nothing more
_CHUNK = 256 * 1024
EXTENSIONS = (".wav", ".mp3")  # the portal takes no others


@dataclasses.dataclass(frozen=True)
class Recording:
    """A complete file: its bytes and their SHA-256."""

    path: str
    size: int
    sha256: str


class NotYet(Exception):
    """The file is still being written, or not there yet."""


def path_of(folder: str, name: str) -> str:
    """Where a recording lies that the exchange calls `name`. Raises BoxliftError for one outside the folder."""
    path = os.path.realpath(os.path.join(folder, name))
    if os.path.commonpath([path, os.path.realpath(folder)]) != os.path.realpath(folder):
        raise BoxliftError(
            f"The recording {name} does not lie in {folder}.",
            "Record into the folder that call_connector_recordings names.",
        )
    if not path.lower().endswith(EXTENSIONS):
        raise BoxliftError(
            f"The recording {name} is neither wav nor mp3, which is all that the portal takes.",
            "Let MixMonitor write wav.",
        )
    return path


def of_call(folder: str, linkedid: str, started: float) -> str:
    """The name, within the folder, of a recording that only its Linkedid ties to a call; empty if there is none.

    Dial plans name recordings by it, in the folder itself or in one of the day: 2026/01/31. Raises OSError.
    """
    wanted = re.compile(rf"(.*[^0-9.])?{re.escape(linkedid)}\.(wav|mp3)", re.IGNORECASE)
    # The recording of a call that began just before midnight may be one of the next day.
    days = [time.strftime("%Y/%m/%d", time.localtime(moment)) for moment in (started, started + 60.0)]
    for day in dict.fromkeys([*days, ""]):
        path = os.path.join(folder, day)
        if os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if wanted.fullmatch(name):
                    return os.path.join(day, name)
    return ""


def take(path: str, now: float, quiet_seconds: float, smallest: int) -> Recording | None:
    """The file if it is complete; None if it is too small to hold any sound.

    A wav is complete once its header states its size, which the exchange writes at the end; any file, once nobody has
    written to it for `quiet_seconds`. Raises NotYet, or OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotYet(f"{path} is not there") from None
    with open(descriptor, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise BoxliftError(f"{path} is no file.", "Move it away, and let MixMonitor write wav files there.")
        quiet = now - status.st_mtime
        if quiet < quiet_seconds and not (quiet >= 1.0 and _states_its_size(stream, status.st_size)):
            raise NotYet(f"{path} was written to {max(0.0, quiet):.0f} s ago")
        if status.st_size < max(smallest, HEADER_BYTES + 1):
            return None
        stream.seek(0)
        digest = hashlib.sha256()
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            digest.update(chunk)
        if os.fstat(stream.fileno()).st_size != status.st_size:
            raise NotYet(f"{path} grew while it was read")
        return Recording(path, status.st_size, digest.hexdigest())


def _states_its_size(stream: t.BinaryIO, size: int) -> bool:
    head = stream.read(8)
    return (
        len(head) == 8 and head[:4] == b"RIFF" and struct.unpack("<I", head[4:])[0] == size - 8 and size > HEADER_BYTES
    )
