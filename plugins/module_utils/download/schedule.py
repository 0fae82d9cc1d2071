# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who does what next: the lowest part first, so that parts complete in order while all connections are at work."""

from __future__ import annotations

import dataclasses
import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import PartialFile
from ansible_collections.boxlift.portal.plugins.module_utils.http.response import UNKNOWN

# A part is new (nothing asked yet), probed (its first segment is on its way), open (segments are handed out), whole
# (all of it is here, to be proven), damaged (to be repaired), placed (proven, under its own name), or absent (no source
# has it).


@dataclasses.dataclass
class ScheduledPart:
    """`busy` threads are at work on it; `moments` holds the begin and end of its fetching and of its proof.

    `in_place`: it lies under its own name, where an earlier run or this one has put it.
    """

    index: int
    file: PartialFile
    state: str = "new"
    left: list[int] = dataclasses.field(default_factory=list)
    busy: int = 0
    stale: str = ""  # why it must be begun anew, once nobody is at work on it
    in_place: bool = False
    # What was wrong with it when it was proven last; of meaning where it is damaged.
    fault: PartFault = dataclasses.field(default_factory=lambda: PartFault("corrupt", "is damaged", 0))
    moments: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    refetched: dict[str, t.Any] | None = None  # the repair for which it is fetched as a whole
    rounds: int = 0  # how often it was found damaged
    doubted: bool = False  # intact by itself, and does not fit the others

    @property
    def path(self) -> str:
        return self.file.final if self.in_place else self.file.path

    def start(self, event: str, now: float) -> None:
        self.moments.setdefault(event, [now, now])

    def stop(self, event: str, now: float) -> None:
        self.moments[event][1] = now


class Job(t.NamedTuple):
    """Segments to fetch, `span` of them from `number` on, or a part to prove or to repair."""

    kind: str
    part: ScheduledPart
    number: int = 0
    span: int = 1


class Schedule:
    """Handed between threads. `count` is how many parts there are, None while that is not known."""

    def __init__(self, make: t.Callable[[int], ScheduledPart], connections: int) -> None:
        self._make = make
        self._connections = connections
        self._changed = threading.Condition()
        self.parts: dict[int, ScheduledPart] = {0: make(0)}
        self.count: int | None = 1
        self.count_sure = False
        # How many segments one request is for: between two requests a connection stands idle for a round trip.
        self.stretch = 1
        self.failure: BaseException | None = None
        self._over = False

    def part(self, index: int) -> ScheduledPart:
        if index not in self.parts:
            self.parts[index] = self._make(index)
        return self.parts[index]

    def set_count(self, count: int | None, sure: bool) -> None:
        """`sure` once the first part, which tells it, is proven; until then it may change."""
        with self._changed:
            if self.count_sure:
                return
            self.count, self.count_sure = count, sure
            for index in range(count or 0):
                self.part(index)
            self._changed.notify_all()

    def job(self, kinds: t.Collection[str]) -> Job | None:
        """The next piece of work of these kinds (fetch, repair, prove), waited for; None when all is over."""
        with self._changed:
            while not self._over:
                found = self._find(kinds)
                if found:
                    found.part.busy += 1
                    return found
                self._changed.wait()
            return None

    def _find(self, kinds: t.Collection[str]) -> Job | None:
        if "prove" in kinds:
            return self._proof()
        for part in self._known():
            if part.state == "damaged" and not part.busy:
                return Job("repair", part)
            if part.state == "new":
                part.state = "probed"
                return Job("fetch", part, 0)
            if part.state == "open" and part.left and not part.stale:
                return self._stretch(part)
        return None

    def _stretch(self, part: ScheduledPart) -> Job:
        """Neighbours together, as far as there is enough for all connections."""
        first, count = part.left[0], 1
        most = min(self.stretch, len(part.left) // self._connections)
        while count < most and part.left[count] == first + count:
            count += 1
        del part.left[:count]
        return Job("fetch", part, first, count)

    def _proof(self) -> Job | None:
        """Part 0 alone comes first: it opens the cipher and tells how many parts there are."""
        for part in self._known():
            if part.state == "whole" and not part.busy:
                return Job("prove", part)
            if part.index == 0 and part.state != "placed":
                return None
        return None

    def _known(self) -> t.Iterator[ScheduledPart]:
        """In order. Where the count is not known, one part beyond the last that is known to exist."""
        index = 0
        while self.count is None or index < self.count:
            part = self.part(index)
            yield part
            if self.count is None and part.state in ("new", "probed", "absent"):
                return
            index += 1

    def done(self, job: Job, state: str | None = None, fault: PartFault | None = None) -> None:
        """A thread has finished its job; `state` is the part's new one, if it changes by that."""
        with self._changed:
            part = job.part
            part.busy -= 1
            part.state, part.fault = state or part.state, fault or part.fault
            if part.state == "probed" and part.file.total != UNKNOWN:
                self._open(part, but=job.number)
            if part.state in ("probed", "open") and not part.busy:
                if part.stale or part.state == "probed":
                    part.file.discard()
                    part.state, part.stale = "new", ""
                elif part.file.complete:
                    part.state = "whole"
                else:
                    part.left = part.file.missing()
            self._changed.notify_all()

    def opened(self, part: ScheduledPart) -> None:
        """The first answer for the part has come: its other segments can be fetched beside the first."""
        with self._changed:
            if part.state == "probed" and part.file.total != UNKNOWN:
                self._open(part, but=0)
                self._changed.notify_all()

    def _open(self, part: ScheduledPart, but: int) -> None:
        part.state = "open"
        part.left = [number for number in part.file.missing() if number != but]

    def update(self, part: ScheduledPart, state: str, fault: PartFault | None = None) -> None:
        with self._changed:
            part.state, part.fault = state, fault or part.fault
            self._changed.notify_all()

    def idle(self) -> None:
        """Wait until nothing is left to do. Raises what a thread failed with."""
        with self._changed:
            while self.failure is None and not self._settled():
                self._changed.wait()
            if self.failure is not None:
                raise self.failure

    def _settled(self) -> bool:
        if self.count is None or not self.count_sure:
            return False
        return all(self.part(index).state in ("placed", "absent") for index in range(self.count))

    def fail(self, failure: BaseException) -> None:
        with self._changed:
            self.failure = self.failure or failure
            self._over = True
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
