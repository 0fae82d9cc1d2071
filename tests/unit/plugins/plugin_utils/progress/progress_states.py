# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a progress file may hold, written by the real Progress at invented moments."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress

BEGIN = 1_776_535_651.0


class Told:
    """A run at an invented clock; `state` is what its file would hold now."""

    def __init__(self, operation: str = "backup_fetch") -> None:
        self.now = BEGIN
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "progress.json"
        self.progress = Progress(operation, str(self._path), lambda: self.now)

    def after(self, seconds: float, **values: t.Any) -> dict[str, t.Any]:
        self.now += seconds
        self.progress.tell(**values)
        return self.state

    @property
    def state(self) -> dict[str, t.Any]:
        content: dict[str, t.Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return content
