# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore knows of its parts: how far each is, how they follow each other, what that comes to."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State
from ansible_collections.boxlift.portal.plugins.module_utils.restore.chain import Chain
from ansible_collections.boxlift.portal.plugins.module_utils.restore.marks import PartState
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, Mark, Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import Part


class Board:
    """`parts` of this run and of those that it goes on from; `files` only of those that were offered in this one."""

    def __init__(self, routes: Routes, saved: dict[str, t.Any]) -> None:
        self._routes = routes
        self.began: float = saved.get("began", time.time())
        self.parts = {int(index): PartState.from_saved(state) for index, state in saved.get("parts", {}).items()}
        self.files: dict[int, Part] = {}
        self.chain = Chain()

    def saved(self) -> dict[str, t.Any]:
        """Fit for JSON."""
        return {"began": self.began, "parts": {index: state.saved() for index, state in self.parts.items()}}

    def now(self) -> float:
        """Seconds since the restore began."""
        return round(time.time() - self.began, 2)

    def again(self, index: int) -> None:
        """What was read and placed of a part counts for nothing."""
        state = self.parts[index]
        state.scan, state.mark, state.partial = None, None, Mark()
        state.lead, state.completed = False, Counts()

    def unplaced(self) -> list[int]:
        return [index for index, state in sorted(self.parts.items()) if state.mark is None]

    def straddler(self, index: int) -> Entry | None:
        """The file of the tree that is open where part `index` begins."""
        start = self.chain.start(index)
        if start is None or start.entry is None or self._routes.of(start.entry) != "tree":
            return None
        return start.entry

    def path(self, index: int) -> bytes | None:
        """The path of that file, None as long as the part that it begins in is not placed."""
        if self.straddler(index) is None:
            return None
        for before in range(index - 1, -1, -1):
            state = self.parts[before]
            if state.mark is None or state.path is not None:
                return state.path if state.mark is not None else None
            if state.scan is None or state.scan.walk is None or state.scan.walk.first is not None:
                return None
        return None

    def still_true(self, mark: Mark, index: int, start: State | None) -> bool:
        """Whether what a killed run has placed of the part stays, now that this is known of its beginning."""
        if index == 0 or start is None:
            return True
        return start.plain and mark.first == start.need

    def placed(self) -> int:
        """Files, those of parts at work included."""
        return sum((state.mark or state.partial).counts.files for state in self.parts.values())

    def counts(self) -> Counts:
        total = Counts()
        for state in self.parts.values():
            total.add(state.completed)
            if state.mark is not None:
                total.add(state.mark.counts)
        return total

    def renamed(self) -> list[str]:
        """Entries that keep their cp1251 names."""
        return sorted(name for state in self.parts.values() if state.mark for name in state.mark.renamed)

    def left_out(self) -> list[str]:
        """Installers, which are not placed."""
        return sorted(name for state in self.parts.values() if state.mark for name in state.mark.left_out)

    def timeline(self, fetched: dict[int, list[float]]) -> list[dict[str, t.Any]]:
        """When each part was fetched, proven and placed: beginning and end, in seconds since the restore began.

        `fetched` is in the clock's seconds.
        """
        return [
            {
                "name": self.files[index].name,
                "index": index,
                "fetched": [round(moment - self.began, 2) for moment in fetched.get(index, ())] or None,
                "proven": state.proven,
                "placed": state.placed,
            }
            for index, state in sorted(self.parts.items())
        ]
