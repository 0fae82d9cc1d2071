# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The threads of a fetch: those that own a connection fetch and repair, others prove and put in place."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import MARKER_SIZE, read_marker
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts, kind_of, part_name
from ansible_collections.boxlift.portal.plugins.module_utils.download.account import Account
from ansible_collections.boxlift.portal.plugins.module_utils.download.bandwidth import BandwidthLimit
from ansible_collections.boxlift.portal.plugins.module_utils.download.failures import no_such, rebuilt
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import PartialFile
from ansible_collections.boxlift.portal.plugins.module_utils.download.proof import Placing
from ansible_collections.boxlift.portal.plugins.module_utils.download.repair import Repairs
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import FetchRequest
from ansible_collections.boxlift.portal.plugins.module_utils.download.retry import Asking, Rebuilt, Stopped
from ansible_collections.boxlift.portal.plugins.module_utils.download.schedule import Job, Schedule, ScheduledPart
from ansible_collections.boxlift.portal.plugins.module_utils.download.sources import Sources
from ansible_collections.boxlift.portal.plugins.module_utils.download.state import FetchState
from ansible_collections.boxlift.portal.plugins.module_utils.download.transfer import Transfer
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

RESTARTS = 3
SAMPLE = 64 * 1024
# A request should last about so long, where the line is fast.
STRETCH_SECONDS = 2.0
LONGEST_STRETCH = 8


class Work:
    """Leave the context to end the threads."""

    def __init__(
        self,
        request: FetchRequest,
        sources: Sources,
        state: FetchState,
        account: Account,
        pace: BandwidthLimit,
        sleep: t.Callable[[float], None],
        placing: Placing,
        provers: int,
    ) -> None:
        self._request = request
        self._sources = sources
        self._base = sources.base
        self._kind = kind_of(self._base)
        self._state = state
        self._account = account
        self.placing = placing
        self._restarts = 0
        self._counting = threading.Lock()
        self._end = request.part_count  # the first number that there is no part for, where somebody has told it
        self._asking = Asking(sources, sleep)
        self.transfer = Transfer(sources, self._kind, pace, self._asking, self)
        self._repairs = Repairs(request, sources, self.transfer, account)
        self.schedule = Schedule(self._make, max(1, request.connections))
        self._threads = [
            threading.Thread(target=self._at_work, args=(("fetch", "repair"), number), daemon=True)
            for number in range(max(1, request.connections))
        ] + [threading.Thread(target=self._at_work, args=(("prove",), 0), daemon=True) for _number in range(provers)]

    def __enter__(self) -> Work:
        self._look_back()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._asking.stopped.set()
        self.schedule.end()
        self._sources.close()
        for thread in self._threads:
            thread.join()
        for part in self.schedule.parts.values():
            part.file.close()

    def _make(self, index: int) -> ScheduledPart:
        """A part as earlier runs have left it."""
        name = part_name(self._base, index)
        file = PartialFile(self._request.dest, name, index, self._request.segment)
        part = ScheduledPart(index, file)
        if file.total < 0 and self._state.unchanged(name):
            known = self._state.parts[name]
            file.recall(known["size"], known["validators"])
            self._account.found(known["size"])
            part.state, part.in_place = "whole", True
        elif file.total >= 0:
            self._account.found(file.here)
            part.state, part.left = "whole" if file.complete else "open", file.missing()
        return part

    def _look_back(self) -> None:
        """What is here already tells how many parts there are, and that the source must still have the same backup."""
        first = self.schedule.part(0)
        if first.in_place:
            last = self._state.parts[self._base]["last_index"]
            self._count(self._end if last is None else last + 1, sure=False)
            if any(part.state != "whole" for part in self.schedule.parts.values()) or last is None:
                self.same_backup()
        elif first.file.here > MARKER_SIZE:
            self._hint(first)

    def _at_work(self, kinds: tuple[str, ...], worker: int) -> None:
        """A thread's life. What it fails with is raised by `Schedule.idle` in the thread that waits."""
        try:
            while True:
                job = self.schedule.job(kinds)
                if job is None:
                    return
                if job.kind == "fetch":
                    self._fetch(job, worker)
                elif job.kind == "repair":
                    self.schedule.done(job, self._repairs.repair(job.part))
                else:
                    self._prove_part(job)
        except Stopped:
            return
        except BaseException as error:
            self._asking.stopped.set()
            self.schedule.fail(error)

    # Fetching

    def _fetch(self, job: Job, worker: int) -> None:
        part = job.part
        began = self._account.now()
        part.start("fetched", began)
        try:
            found = self.transfer.segments(part.file, job.number, job.span, worker)
        except Rebuilt as change:
            self._begin_anew(part, change)
            self.schedule.done(job)
            return
        if not found:
            self._end_at(part)
            self.schedule.done(job)
            return
        ended = self._account.now()
        part.stop("fetched", ended)
        fast = job.span * STRETCH_SECONDS / max(ended - began, 0.001)
        self.schedule.stretch = min(LONGEST_STRETCH, max(1, int(fast)))
        if part.refetched is not None:
            first, last = part.file.bounds(job.number)[0], part.file.bounds(job.number + job.span - 1)[1]
            self._account.again(part.refetched, last + 1 - first, 1)
        if part.index == 0 and job.number == 0:
            self._hint(part)
        self.schedule.done(job)

    def _hint(self, first: ScheduledPart) -> None:
        """The beginning of the first part tells how many there are; it is not proven yet, but why wait."""
        try:
            marker = read_marker(first.file.read(0, MARKER_SIZE)) if self._kind.compressed else None
        except PartFault:
            return  # the proof will name it
        count = (marker.last_index or 0) + 1 if marker else self._end
        if marker is not None and count and self._request.on_stated is not None:
            self._request.on_stated(count * marker.data_size)
        self._count(count, sure=False)

    def _count(self, count: int | None, sure: bool) -> None:
        self.schedule.set_count(count, sure)
        if not sure or count is None:
            self._check_room()
            return
        absent = [
            part.file.name for part in self.schedule.parts.values() if part.state == "absent" and part.index < count
        ]
        if absent:
            raise no_such(absent[0], count)
        for index, path in find_parts(self.schedule.part(0).path).present.items():
            if index >= count:
                raise BoxliftError(
                    f"{path} is no part of this backup, which has {count} parts.",
                    "Remove it, or give an empty directory in dest.",
                )

    def _end_at(self, part: ScheduledPart) -> None:
        """No source has this part."""
        if part.index == 0:
            raise BoxliftError(
                f"The source has no {self._base} (HTTP 404).",
                "Check the address of the first part; the name must be kept.",
            )
        with self._counting:
            self.schedule.update(part, "absent")
            if self.schedule.count is None:
                self._end = part.index
                if self._sources.served:
                    self._state.ends_at(part.index)
                self.schedule.set_count(part.index, sure=self.schedule.part(0).state == "placed")
            elif self.schedule.count_sure and part.index < self.schedule.count:
                raise no_such(part.file.name, self.schedule.count)

    def _begin_anew(self, part: ScheduledPart, change: Rebuilt) -> None:
        """Of two exports nothing is mixed: where a version shows that this is another one, it ends here.

        Where nothing else is here yet, or only the length is odd, which a bad proxy can bring about, the part begins
        again; whether the first part is still the same is asked at the end.
        """
        with self._counting:
            if part.stale:
                return  # another connection has noticed the same change
            part.stale = str(change)
            self._restarts += 1
        alone = part.index == 0 and not self._state.parts
        if self._restarts > RESTARTS or not (alone or change.version != "other"):
            raise rebuilt(part.file.name, str(change), self._request.dest)
        self._account.repair(part, "foreign", f"the source changed it while it was fetched: {change}")

    def same_backup(self) -> None:
        """Parts from an earlier run and parts of a backup made anew would never fit together."""
        part = self.schedule.part(0)
        try:
            there = self.transfer.beginning(part.file, SAMPLE)
        except Rebuilt as change:
            raise rebuilt(self._base, str(change), self._request.dest) from change
        if there is None:
            self._end_at(part)
        elif there:
            with open(part.path, "rb") as first:
                if first.read(len(there)) != there:
                    raise rebuilt(self._base, "it begins otherwise", self._request.dest)

    # Proof

    def _prove_part(self, job: Job) -> None:
        part = job.part
        began = self._account.now()
        found = self.placing.prove(part)
        part.moments["proven"] = [began, self._account.now()]
        if isinstance(found, PartFault):
            self.schedule.done(job, "damaged", found)
            return
        self.schedule.done(job, "placed")
        if part.index == 0:
            with self._counting:
                # A marked first part without a last number is a backup's only part.
                count = (found.last_index or 0) + 1 if found.marker else self._end
                self._count(count, sure=count is not None)

    def doubt(self, index: int, fault: PartFault) -> None:
        """A part that is intact by itself does not fit the others."""
        part = self.schedule.part(index)
        self.placing.take_back(part)
        part.doubted = True
        self.schedule.update(part, "damaged", fault)

    def _check_room(self) -> None:
        first = self.schedule.part(0).file.total
        count = self.schedule.count
        if count is None or first < 0:
            return
        needed = sum(max(0, first - part.file.here) for part in self.schedule.parts.values() if not part.in_place)
        free = free_bytes(self._request.dest)
        if free < needed:
            raise BoxliftError(
                f"{self._request.dest} has {size(free)} free and about {size(needed)} are still to come.",
                "Make room or give another directory in dest; what has arrived is kept.",
            )

    # transfer.Events

    def received(self, size: int) -> None:
        self._account.received(size, self.schedule)

    def opened(self, part: PartialFile) -> None:
        self.schedule.opened(self.schedule.part(part.index))

    def page(self, part: PartialFile) -> None:
        self._account.repair(self.schedule.part(part.index), "foreign", "an HTML page instead of a part of the backup")
