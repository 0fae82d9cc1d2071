# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that a module was told to run, and what they complain of."""

from __future__ import annotations

import subprocess
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

_MOST = 2000  # bytes of complaints: the first things and the reason


def start(command: t.Sequence[str], **streams: t.Any) -> subprocess.Popen[bytes]:
    """Start it with these standard streams. Raises BoxliftError where it cannot be started."""
    try:
        return subprocess.Popen(command, **streams)
    except OSError as error:
        raise BoxliftError(
            f"{command[0]} cannot be started: {error.strerror}.", "Install it, or name another."
        ) from error


def run(command: t.Sequence[str]) -> tuple[int, str, str]:
    """Run it to its end; its exit status, and what it wrote to standard output and error. Raises OSError.

    For programs that threads start. `AnsibleModule.run_command` runs Python code in the child before the program. In a
    process with threads that hangs for ever if another thread holds a lock of OpenSSL at that moment.
    """
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def complained(complaints: t.IO[bytes]) -> str:
    """A sentence with the beginning of what it wrote to this file."""
    complaints.seek(0)
    said = complaints.read(_MOST).decode("utf-8", "replace").strip().rstrip(".") or "nothing"
    return f"It complained of: {said}."
