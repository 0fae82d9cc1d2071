# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of each update: a note with the version of each package before and after, and a line in the history."""

from __future__ import annotations

import json
import os
import re
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep.packages import Change

FOLDER = "/var/lib/boxlift/updates"
#: One line of JSON for each update, by night or by playbook.
HISTORY = "history.jsonl"
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-(playbook|night|back)$")


class Note(t.NamedTuple):
    """An update. `outcome` is `begun` until it has ended: what a killed one has changed is not known then."""

    name: str
    began: float
    by: str  # playbook, night or back
    changes: list[Change]
    outcome: str = "begun"  # begun, done, failed
    of: str = ""  # of a way back: the note that it took back
    problems: tuple[str, ...] = ()

    def path(self, folder: str) -> str:
        return os.path.join(folder, f"{self.name}.json")


def begin(by: str, changes: list[Change], now: float, of: str = "") -> Note:
    return Note(f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{by}", now, by, changes, of=of)


def save(note: Note, folder: str) -> str:
    """Write the note; its path. Raises OSError and BoxliftError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    write_json(note.path(folder), {"format": 1, **note._asdict(), "changes": [each._asdict() for each in note.changes]})
    return note.path(folder)


def load(name: str, folder: str) -> Note:
    """The note of this name (or path). Raises BoxliftError where there is none."""
    bare = os.path.basename(name)
    bare = bare[: -len(".json")] if bare.endswith(".json") else bare
    content = read_json(os.path.join(folder, f"{bare}.json")) if _NAME.match(bare) else None
    if content is None or content.get("format") != 1:
        there = ", ".join(names(folder)[-5:]) or "none"
        raise BoxliftError(f"There is no note {name} of an update in {folder}.", f"The newest are: {there}.")
    changes = [Change(**each) for each in content.pop("changes")]
    return Note(
        content["name"], content["began"], content["by"], changes, content["outcome"], content["of"],
        tuple(content["problems"]),
    )  # fmt: skip


def names(folder: str) -> list[str]:
    """The names of all notes, the oldest first."""
    there = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(file[: -len(".json")] for file in there if file.endswith(".json") and _NAME.match(file[:-5]))


def remember(note: Note, folder: str, now: float) -> None:
    """Add the update's line to the history. Raises OSError."""
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "note": note.name,
        "by": note.by,
        "outcome": note.outcome,
        "packages": len(note.changes),
        "security": sum(change.security for change in note.changes),
        "problems": list(note.problems),
    }
    os.makedirs(folder, mode=0o700, exist_ok=True)
    opened = os.open(os.path.join(folder, HISTORY), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with open(opened, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
