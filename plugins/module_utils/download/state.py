# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run of a fetch leaves to the next: the parts that are proven and in their place, and the result."""

from __future__ import annotations

import os
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles, part_name
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import KnownCount
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json


class FetchState:
    """One state file beside the parts. Safe to use from several threads.

    Each part has its `size`, `mtime_ns`, `sha256`, the `validators` of the hosts that it came from, and the first one
    `last_index`. `compared`: after the last part came, the source was seen to have the same first part still. `end` is
    the number of the first part that a server said it has not, which shows how many there are.
    """

    def __init__(self, directory: str, base: str) -> None:
        self._directory = directory
        self._base = base
        self._path = _note(directory, base)
        self._lock = threading.Lock()
        content = read_json(self._path) or {}
        self.parts: dict[str, dict[str, t.Any]] = content.get("parts", {})
        self.result: dict[str, t.Any] | None = content.get("result")
        self.compared: bool = content.get("compared", False)
        self.end: int | None = content.get("end")

    def unchanged(self, name: str) -> bool:
        """Whether the part lies where an earlier run has put it, with the size and time of then."""
        part = self.parts.get(name)
        try:
            now = stamp(os.path.join(self._directory, name))
        except FileNotFoundError:
            return False
        return part is not None and now == [part["size"], part["mtime_ns"]]

    def add(self, name: str, part: dict[str, t.Any], fetched: bool) -> None:
        with self._lock:
            self.parts[name] = part
            if self.end is not None and name == part_name(self._base, self.end):
                self.end = None  # it has come after all
            self.compared = self.compared and not fetched
            self._save(None)

    def remove(self, name: str) -> None:
        with self._lock:
            self.parts.pop(name, None)
            self._save(None)

    def ends_at(self, index: int | None) -> None:
        """A server has answered that it has no part `index`."""
        with self._lock:
            self.end = index
            self._save(self.result)

    def told(self) -> KnownCount | None:
        """The number of parts by what a server has answered, None where none has."""
        if not self.end:
            return None
        return KnownCount(self.end, f"the server that they came from, which has no {part_name(self._base, self.end)}")

    def was_compared(self) -> None:
        with self._lock:
            self.compared = True
            self._save(None)

    def conclude(self, result: dict[str, t.Any]) -> None:
        with self._lock:
            self._save(result)

    def _save(self, result: dict[str, t.Any] | None) -> None:
        self.result = result
        content = {"parts": self.parts, "result": result, "compared": self.compared, "end": self.end}
        write_json(self._path, content)


def known_count(stated: int | None, parts: PartFiles) -> KnownCount | None:
    """How many parts there are by the user, or by the server that a fetch brought them from; None: nobody knows.

    What a fetch has noted counts as long as all its parts lie where it has put them.
    """
    if stated is not None:
        return KnownCount(stated, "the number that the task states")
    if not os.path.exists(_note(parts.directory, parts.base)):
        return None
    state = FetchState(parts.directory, parts.base)
    names = [part_name(parts.base, index) for index in range(state.end or 0)]
    return state.told() if names and all(map(state.unchanged, names)) else None


def _note(directory: str, base: str) -> str:
    return os.path.join(directory, f".{base}.fetched.json")
