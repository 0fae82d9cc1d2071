# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the tar stream from part to part, and names the part that breaks it."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import HEADER_SIZE, Cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.order import Link, right_order
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import PartFiles
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Volume
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import (
    DumpFile,
    PartScan,
    Tally,
    Walk,
    content_tail,
    is_dump,
    scan_part,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State, TarFault


class Continuity:
    """Follows the stream through `count` parts: marks damage in `volumes`, and counts the contents in `tally`."""

    def __init__(
        self,
        parts: PartFiles,
        cipher: Cipher | None,
        scans: dict[int, PartScan],
        volumes: dict[int, Volume],
        count: int,
        count_proven: bool,
        exclude: t.Sequence[str] = (),
    ) -> None:
        self.parts = parts
        self.cipher = cipher
        self.scans = scans
        self.volumes = volumes
        self.count = count
        self.count_proven = count_proven
        self.exclude = exclude
        self.tally = Tally()
        # The state at the beginning of each part.
        self.starts: dict[int, State] = {}
        # Parts whose own search for the first header was misled; they were walked again from their known start.
        self.misled: list[int] = []

    def follow(self) -> bool:
        """Follow the stream; True if every part could be followed to the end."""
        state: State | None = State()
        tail, whole = b"", True
        for index in range(self.count):
            scan = self.scans.get(index)
            if state is not None:
                self.starts[index] = state
            if scan is None or scan.walk is None or self.volumes[index].status != "intact":
                state, whole = None, False
            elif state is None:
                # The part before is damaged, so only the start that the search found is known.
                walk = scan.walk
                state = None if self._fault(index, walk) or walk.first is None else walk.state
                tail = walk.tally.open_tail
            elif index and not self._continues(index, scan, state):
                self.misled.append(index)
                again = scan_part(self.parts, self.cipher, index, start=(state, tail), exclude=self.exclude)
                walk = again.walk or scan.walk
                state, tail, whole = self._walked(index, walk, scan.walk, state, whole)
            elif index == 0:
                state, tail, whole = self._walked(index, scan.walk, scan.walk, state, whole)
            else:
                state, tail = self._advance(scan, scan.walk, state, tail)
        if state is not None and not self._closed(state):
            whole = False
        return whole

    def _walked(
        self, index: int, walk: Walk, guessed: Walk, state: State, whole: bool
    ) -> tuple[State | None, bytes, bool]:
        """Count a part that was walked from its known start, or mark why it breaks the stream."""
        fault = self._fault(index, walk)
        if fault:
            self._name_break(index, fault, guessed, state)
            return None, b"", False
        self.tally.add(walk.tally)
        return walk.state, walk.tally.open_tail, whole

    def _fault(self, index: int, walk: Walk) -> TarFault | None:
        if walk.blank_at is not None and index < self.count - 1:
            return TarFault("zeros where a header is expected", walk.blank_at, in_place=True)
        return walk.fault

    def _continues(self, index: int, scan: PartScan, state: State) -> bool:
        walk = scan.walk
        if walk is None or self._fault(index, walk) or not state.plain:
            return False
        return walk.first == state.need or (walk.first is None and state.need >= scan.data_size)

    def _advance(self, scan: PartScan, walk: Walk, state: State, tail: bytes) -> tuple[State, bytes]:
        """Count a part whose start, found by the search, is exactly where `state` ends."""
        padding = state.need - state.data
        if walk.first is None:
            in_part = min(state.data, scan.data_size)
            tail = content_tail(tail, walk.end, min(len(walk.end), scan.data_size - in_part))
            rest = State(state.need - scan.data_size, state.data - in_part, None, 0, state.entry)
            if rest.need == 0 and state.entry:
                self._end_straddler(state, tail)
                return State(), b""
            return rest, tail
        if state.entry and state.need:
            self._end_straddler(state, content_tail(tail, walk.lead, min(len(walk.lead), padding)))
        self.tally.add(walk.tally)
        return walk.state, walk.tally.open_tail

    def _end_straddler(self, state: State, tail: bytes) -> None:
        if state.entry and is_dump(state.entry.path):
            self.tally.add_dump(DumpFile(state.entry.path, state.entry.size, tail))

    def _closed(self, state: State) -> bool:
        """True if the stream ends between two entries; otherwise mark the end of the backup as missing."""
        if state.need == 0 and state.plain:
            return True
        last = self.volumes[self.count - 1]
        inside = (
            f"the stream ends inside {state.entry.text!r}, {state.need} bytes early"
            if state.entry
            else "the stream ends inside a header"
        )
        full = self.count == 1 or last.data_size == self.volumes[0].data_size
        if full and not self.count_proven:
            missing = Volume(self.parts.name(self.count), self.count)
            missing.damage("missing", f"{inside}, and no part follows")
            self.volumes[self.count] = missing
        else:
            last.damage("truncated", inside, last.size)
        return False

    def _name_break(self, index: int, fault: TarFault, guessed: Walk, state: State) -> None:
        """Mark why part `index` does not continue the part before it."""
        volume, at = self.volumes[index], fault.offset
        where = at if not self.parts.kind.compressed else None
        twin = self._twin(index)
        if twin is not None:
            volume.damage("out_of_order", f"it holds the same bytes as {twin}", 0)
            return
        if self._name_order():
            return
        copy = self._copy_before(index)
        if copy is not None and not fault.in_place:
            # The break shows only here, but the copy stands where another part belongs.
            self.volumes[copy].damage("out_of_order", f"it holds the same bytes as {self._twin(copy)}", 0)
            return
        if fault.in_place or at > state.need + self._skip(index):
            volume.damage("corrupt", f"{fault.reason} (byte {at} of its stream)", where)
        elif guessed.first is not None and not guessed.fault:
            volume.damage(
                "foreign", "it does not continue the part before it; perhaps a part between them is missing", 0
            )
        else:
            volume.damage("foreign", f"it does not continue the part before it ({fault.reason})", 0)

    def _twin(self, index: int) -> str | None:
        """The name of another part with the same bytes."""
        sha256 = self.scans[index].sha256
        return next((scan.name for other, scan in self.scans.items() if other != index and scan.sha256 == sha256), None)

    def _copy_before(self, index: int) -> int | None:
        """The last part before `index` that has the same bytes as another one."""
        copies = [other for other in self.scans if other < index and self._twin(other) is not None]
        return copies[-1] if copies else None

    def _skip(self, index: int) -> int:
        return HEADER_SIZE if index == 0 and self.parts.kind.encrypted else 0

    def _name_order(self) -> bool:
        """Mark the parts that lie under each other's names; True if exactly one order fits."""
        links = {}
        for index in range(self.count):
            scan = self.scans.get(index)
            if scan is None or scan.walk is None or scan.fault:
                return False
            walk = scan.walk
            if index == 0 and walk.fault:
                # Walked from its beginning in vain: look for where its headers really begin.
                walk = scan_part(self.parts, self.cipher, index, search=True).walk or walk
            starts = walk.first == self._skip(index) and (index == 0 or not self.parts.kind.encrypted)
            links[index] = Link(walk.first, walk.state.need, scan.data_size, starts)
        order = right_order(links)
        if order is None or order == sorted(order):
            return False
        for place, index in enumerate(order):
            if place != index:
                self.volumes[index].damage("out_of_order", f"it holds the content of {self.parts.name(place)}", 0)
        return True
