# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore knows of its parts: how far each is, which follow each other, and their counts together."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.doubles import Occurrence
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan_json import from_json, to_json
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, PartMark, Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import OfferedPart


class Chain:
    """Parts that follow each other without a gap, from the first one on. They may be used before all others arrive.

    The proof of the whole backup (archive/assembly.py) needs every part and comes later. `starts` holds the state in
    which each part begins; the last one is that of the part that comes next.
    """

    def __init__(self) -> None:
        self.starts: list[State] = [State()]

    @property
    def length(self) -> int:
        """How many parts are followed; it is also the index of the part that comes next."""
        return len(self.starts) - 1

    def start(self, index: int) -> State | None:
        """The state in which part `index` begins, None while it is not known."""
        return self.starts[index] if index < len(self.starts) else None

    def follow(self, scan: PartScan, known_start: State | None) -> bool:
        """Add the next part. Returns False, and adds nothing, where its walk does not continue the part before.

        `known_start` is the state that the walk began with, None where it searched for the first header.
        """
        state = self.starts[self.length]
        after = _after(scan, state, walked_from=known_start)
        if after is None:
            return False
        self.starts.append(after)
        return True


def _after(scan: PartScan, state: State, walked_from: State | None) -> State | None:
    """The state in which the part ends that begins in `state`, None where its walk does not show it."""
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
    """How far the restore is with one part; saved for a run after a kill."""

    stamp: list[int]  # its file's (files.py), when it was read
    scan: PartScan | None = None  # its proof
    start: State | None = None  # where the proof's walk began, None where it searched for the first header
    partial: PartMark = dataclasses.field(default_factory=PartMark)  # how far it is, or a killed run was, in placing it
    mark: PartMark | None = None  # everything in it is placed, but perhaps its lead
    lead: bool = False  # its lead is placed
    completed: Counts = dataclasses.field(default_factory=Counts)  # what a lead that was placed apart has completed
    path: bytes | None = None  # of the file that is open at its end
    broken: bool = False  # it does not continue the part before it
    proven: list[float] = dataclasses.field(default_factory=list)  # begin and end, in seconds since the restore began
    placed: list[float] = dataclasses.field(default_factory=list)  # the same
    reason: Exception | None = None  # why it could not be placed
    late: bool = False  # it is placed when all others are, without the files that want a place together with others

    @property
    def used(self) -> bool:
        """Whether anything of it is placed in the tree."""
        return self.mark is not None or self.partial.offset > 0

    def saved(self) -> t.Any:
        """Fit for JSON. Of a part with a fault nothing is kept: the next run reads it again."""
        if self.scan is not None and (self.scan.fault or self.scan.walk is None or self.scan.walk.fault):
            return to_json(PartState(self.stamp))
        return to_json(dataclasses.replace(self, reason=None))

    @classmethod
    def from_saved(cls, saved: t.Any) -> PartState:
        state: PartState = from_json(saved, PartState, PartMark, Counts)
        return state


class PartTable:
    """All parts by their index: `states` also of those from earlier runs, `offered` only those of this run.

    `saved` is what the method of that name returned to an earlier run, or empty. `began` is a time of the clock.
    """

    def __init__(self, routes: Routes, saved: dict[str, t.Any]) -> None:
        self._routes = routes
        self.began: float = saved.get("began", time.time())
        self.states = {int(index): PartState.from_saved(state) for index, state in saved.get("parts", {}).items()}
        self.offered: dict[int, OfferedPart] = {}
        self.chain = Chain()

    def saved(self) -> dict[str, t.Any]:
        """Fit for JSON."""
        return {"began": self.began, "parts": {index: state.saved() for index, state in self.states.items()}}

    def now(self) -> float:
        """Seconds since the restore began."""
        return round(time.time() - self.began, 2)

    def again(self, index: int) -> None:
        """Forget what was read and placed of the part."""
        state = self.states[index]
        state.scan, state.mark, state.partial = None, None, PartMark()
        state.lead, state.completed = False, Counts()

    def unplaced(self) -> list[int]:
        """Parts that are still to be placed, in order."""
        return [index for index, state in sorted(self.states.items()) if state.mark is None]

    def straddler(self, index: int) -> Entry | None:
        """The file of the tree that spans the beginning of part `index`, None where none does or it is not known."""
        start = self.chain.start(index)
        if start is None or start.entry is None or self._routes.of(start.entry) != "tree":
            return None
        return start.entry

    def path(self, index: int) -> bytes | None:
        """The path that file got in the tree, None until the part in which it begins is placed."""
        if self.straddler(index) is None:
            return None
        for before in range(index - 1, -1, -1):
            state = self.states[before]
            if state.mark is None or state.path is not None:
                return state.path if state.mark is not None else None
            if state.scan is None or state.scan.walk is None or state.scan.walk.first is not None:
                return None
        return None

    def still_true(self, mark: PartMark, index: int, start: State | None) -> bool:
        """Whether what a killed run has placed of the part is right, now that its `start` is known or still is not."""
        if index == 0 or start is None:
            return True
        return start.plain and mark.first == start.need

    def placed(self) -> int:
        """Files placed so far, also of parts that are not done."""
        return sum((state.mark or state.partial).counts.files for state in self.states.values())

    def counts(self) -> Counts:
        """What all placed parts come to."""
        total = Counts()
        for state in self.states.values():
            total.add(state.completed)
            if state.mark is not None:
                total.add(state.mark.counts)
        return total

    def superseded(self, files: t.Iterable[Occurrence]) -> Counts:
        """What `counts` holds of these files: nothing of those that were left for the end."""
        total = Counts()
        for file in files:
            if not (self.states[file.index].late or self.states[file.last].late):
                total.files += 1
                total.bytes += file.size
        return total

    def forget_open(self, file: Occurrence) -> None:
        """Nobody writes on in this file, if it spans parts."""
        for index in range(file.index, file.last):
            if self.straddler(index + 1) == file.entry():
                self.states[index].path = None

    def derived(self) -> list[str]:
        """Lines about names that the file system does not hold."""
        return [line for _index, state in sorted(self.states.items()) if state.mark for line in state.mark.derived]

    def renamed(self) -> list[str]:
        """Entries that keep the bytes of their cp1251 names."""
        return sorted(name for state in self.states.values() if state.mark for name in state.mark.renamed)

    def left_out(self) -> list[str]:
        """Installers, which are not placed."""
        return sorted(name for state in self.states.values() if state.mark for name in state.mark.left_out)

    def timeline(self, fetched: dict[int, list[float]]) -> list[dict[str, t.Any]]:
        """When each part was fetched, proven and placed: begin and end, in seconds since the restore began.

        `fetched` has times of the clock.
        """
        return [
            {
                "name": self.offered[index].name,
                "index": index,
                "fetched": [round(moment - self.began, 2) for moment in fetched.get(index, ())] or None,
                "proven": state.proven,
                "placed": state.placed,
            }
            for index, state in sorted(self.states.items())
        ]
