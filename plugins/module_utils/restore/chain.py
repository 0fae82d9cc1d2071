# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts follow each other without a gap from the first one on, told while they come in.

This is what may be used early; the proof of the whole backup (archive/assembly.py) comes when every part is here.
"""

from __future__ import annotations

from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State


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
