# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the last work of a kind failed on this host: told with the status until that work succeeds.

It says nothing of what can be restored; that is read from the repositories alone.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Settings
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

#: By the work: how people call it.
WORKS = {
    "now": "The night's copy",
    "binlogs": "Storing the binary logs",
    "verify": "The check of the repository",
    "prune": "Removing old copies",
    "copy": "Sending copies to the off-site store",
    "repair": "The repair of the repository",
}


def known(settings: Settings) -> list[dict[str, t.Any]]:
    """Each with `work`, `store`, `code`, `text`, `remedy` and `since` (epoch)."""
    folder = settings.within("problems")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = (_read(os.path.join(folder, name)) for name in names if name.endswith(".json"))
    return [each for each in found if each]


def _read(path: str) -> dict[str, t.Any] | None:
    try:
        return read_json(path)
    except BoxliftError:
        return None  # the next run of that work writes it anew


@contextlib.contextmanager
def noted(settings: Settings, work: str, store: str, now: t.Callable[[], float] = time.time) -> t.Iterator[None]:
    """Around a work: what ends it is noted, and success removes the note."""
    path = settings.within("problems", f"{work}-{store}.json")
    try:
        yield
    except (BoxliftError, OSError) as error:
        failure = error if isinstance(error, BoxliftError) else from_system(error)
        with contextlib.suppress(BoxliftError, OSError):  # the first failure is the one to tell
            before = read_json(path) if os.path.exists(path) else None
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            write_json(
                path,
                {
                    "work": work,
                    "store": store,
                    "code": getattr(error, "code", "other"),
                    "text": failure.message,
                    "remedy": failure.remedy,
                    "since": before["since"] if before else now(),
                },
            )
        raise
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
