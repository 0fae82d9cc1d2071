# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that an action writes on the controller, where they differ from what is there."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file


def read(path: str) -> bytes | None:
    """What the file holds; None where there is none. Raises BoxliftError."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error


def holds(path: str, content: bytes | None, mode: int | None = None) -> bool:
    """Whether the file is so already, of that mode too where one is given; None is no file. Raises BoxliftError."""
    before = read(path)
    if before != content or before is None:
        return before == content
    return mode is None or stat.S_IMODE(os.stat(path).st_mode) == mode


def put(path: str, content: bytes | None, mode: int = 0o600, folder_mode: int = 0o777) -> None:
    """Replace the file in one step, with its folder where that is missing; None removes it. Raises BoxliftError."""
    try:
        if content is None:
            os.unlink(path)
        else:
            os.makedirs(os.path.dirname(os.path.abspath(path)), mode=folder_mode, exist_ok=True)
            replace_file(path, content, mode)
    except OSError as error:
        raise _unusable(path, error) from error


def bring(files: t.Mapping[str, str], check: bool) -> bool:
    """Bring each file to its text; whether one differs. Check mode writes none. Raises BoxliftError."""
    differing = {path: text.encode() for path, text in files.items() if not holds(path, text.encode())}
    if not check:
        for path, content in differing.items():
            put(path, content)
    return bool(differing)


def _unusable(path: str, error: OSError) -> BoxliftError:
    return BoxliftError(f"{path} cannot be written: {error.strerror}.", "Give a writable folder as dest.")
