# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores in processes of their own, which may be killed."""

from __future__ import annotations

import signal
import subprocess
import time
import typing as t
from pathlib import Path

Start = t.Callable[[], subprocess.Popen[str]]


def complete(start: Start, files: int) -> float:
    """Let a run come to its end, where it prints the number of files; the seconds that it took."""
    began = time.monotonic()
    output, errors = start().communicate(timeout=120)
    assert output.strip() == str(files), errors
    return time.monotonic() - began


def kill(start: Start, root: Path, pause: t.Callable[[], float], most: int) -> int:
    """Start and kill again and again, until the live tree is there or `most` were killed; how many were.

    There must be a limit: on a busy machine a run that is always killed may come nowhere.
    """
    kills = 0
    while not root.exists() and kills < most:
        process = start()
        time.sleep(pause())
        kills += process.poll() is None
        process.kill()
        _output, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors
    return kills
