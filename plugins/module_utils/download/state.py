# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run of a fetch leaves to the next: the parts that are proven and in their place, and the result."""

from __future__ import annotations

import os
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json


class FetchState:
    """One state file beside the parts. Safe to use from several threads.

    Each part has its `size`, `mtime_ns`, `sha256`, the `validators` of the hosts that it came from, and the first one
    `last_index`. `compared`: after the last part came, the source was seen to have the same first part still.
    """

    def __init__(self, directory: str, base: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, f".{base}.fetched.json")
        self._lock = threading.Lock()
        content = read_json(self._path) or {}
        self.parts: dict[str, dict[str, t.Any]] = content.get("parts", {})
        self.result: dict[str, t.Any] | None = content.get("result")
        self.compared: bool = content.get("compared", False)

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
            self.compared = self.compared and not fetched
            self._save(None)

    def remove(self, name: str) -> None:
        with self._lock:
            self.parts.pop(name, None)
            self._save(None)

    def was_compared(self) -> None:
        with self._lock:
            self.compared = True
            self._save(None)

    def conclude(self, result: dict[str, t.Any]) -> None:
        with self._lock:
            self._save(result)

    def _save(self, result: dict[str, t.Any] | None) -> None:
        self.result = result
        write_json(self._path, {"parts": self.parts, "result": result, "compared": self.compared})
