# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore knows of its parts: how far each is, how they follow each other, what that comes to."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan_json import from_json, to_json
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, PartMark, Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import OfferedPart


class Chain:
    """`starts` knows the state in which each part begins, as far as the parts are followed."""

    def __init__(self) -> None:
        self.starts: list[State] = [State()]

    @property
    def length(self) -> int:
        """The number of parts that were followed; the part of this number comes next."""
        return len(self.starts) - 1

    def start(self, index: int) -> State | None:
        return self.starts[index] if index < len(self.starts) else None

    def follow(self, scan: PartScan, known_start: State | None) -> bool:
        """Take the next part; False where it does not continue the one before as it was walked.

        `known_start` is the state that was known when it was walked, None where its first header was searched for.
        """
        state = self.starts[self.length]
        after = _after(scan, state, walked_from=known_start)
        if after is None:
            return False
        self.starts.append(after)
        return True

    def cut(self, index: int) -> None:
        """Forget part `index` and all that was followed after it."""
        del self.starts[index + 1 :]


def _after(scan: PartScan, state: State, walked_from: State | None) -> State | None:
    walk = scan.walk
    if scan.fault or scan.size_fault() or walk is None or walk.fault:
        return None
    if scan.index == 0 or (walked_from == state and not state.plain):
        return walk.state
    if not state.plain:
        return None
    if walk.first is not None:
        return walk.state if walk.first == state.need else None
    if state.need < scan.data_size:
        return None
    rest = state.need - scan.data_size
    return State(rest, max(0, state.data - scan.data_size), None, 0, state.entry) if rest else State()


@dataclasses.dataclass
class PartState:
    """One part. `stamp` is its file's as it was read.

    `scan`: it is proven, walked from `start` (None: its first header was searched for). `mark`: it is placed, but for
    its lead; `reason` says why not. `lead`: so is that. `partial`: how far a killed run had placed it. `path`: of the
    file open at its end. `broken`: it does not go on where the part before it ends. `proven` and `placed`: when, in
    seconds since the restore began.
    """

    stamp: list[int]
    scan: PartScan | None = None
    start: State | None = None
    partial: PartMark = dataclasses.field(default_factory=PartMark)
    mark: PartMark | None = None
    lead: bool = False
    completed: Counts = dataclasses.field(default_factory=Counts)  # by placing the lead apart
    path: bytes | None = None
    broken: bool = False
    proven: list[float] = dataclasses.field(default_factory=list)
    placed: list[float] = dataclasses.field(default_factory=list)
    reason: Exception | None = None

    @property
    def used(self) -> bool:
        """Whether something of it lies in the tree."""
        return self.mark is not None or self.partial.offset > 0

    def saved(self) -> t.Any:
        """Fit for JSON. A part with a fault is read again by the next run."""
        if self.scan is not None and (self.scan.fault or self.scan.walk is None or self.scan.walk.fault):
            return to_json(PartState(self.stamp))
        return to_json(dataclasses.replace(self, reason=None))

    @classmethod
    def from_saved(cls, saved: t.Any) -> PartState:
        state: PartState = from_json(saved, PartState, PartMark, Counts)
        return state


class PartTable:
    """`parts` of this run and of those that it goes on from; `files` only of those that were offered in this one."""

    def __init__(self, routes: Routes, saved: dict[str, t.Any]) -> None:
        self._routes = routes
        self.began: float = saved.get("began", time.time())
        self.parts = {int(index): PartState.from_saved(state) for index, state in saved.get("parts", {}).items()}
        self.files: dict[int, OfferedPart] = {}
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
        state.scan, state.mark, state.partial = None, None, PartMark()
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

    def still_true(self, mark: PartMark, index: int, start: State | None) -> bool:
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
