# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore knows of each part, and how it is kept for a run that goes on after a kill."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan_json import from_json, to_json
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import State
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, Mark


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
    partial: Mark = dataclasses.field(default_factory=Mark)
    mark: Mark | None = None
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
        state: PartState = from_json(saved, PartState, Mark, Counts)
        return state
