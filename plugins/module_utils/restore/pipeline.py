# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts, while they come in → proof, the staging tree and the staging database, on all cores.

A part is proven and placed in one reading, by a worker of its own, before it is known how the part before it ends: its
first header is searched for. What lies before that header belongs to a file of an earlier part and is written when that
part is done. A part that was misled in its search, or whose files met names that exist, takes back all that it placed,
and is placed when everything else is. Nothing counts before the whole backup is proven.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.assembly import Assembly
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan_json import layout
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import check_expected, expected_sums
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.dumpfeed import DumpFeed, DumpMark
from ansible_collections.boxlift.portal.plugins.module_utils.restore.offers import Offers
from ansible_collections.boxlift.portal.plugins.module_utils.restore.parts import PartState, PartTable
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, PartMark, Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import Source
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import (
    PlaceLead,
    Proven,
    ProvePart,
    SettleDirectories,
    Tree,
    work,
)
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter, remove_strays
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew, Told

# What another version of the collection has saved in other classes cannot be read.
LAYOUT = layout(PartState, PartMark, Counts, DumpMark)
_LISTEN_SECONDS = 0.2
_TELL_SECONDS = 0.5
_HURRY_SECONDS = 0.01  # while a worker is idle and parts may come
_Future = concurrent.futures.Future


class Replaced(Exception):
    """A part has another content than the one that was used: what was placed counts for nothing."""


@dataclasses.dataclass(frozen=True)
class Staging:
    """Where a backup is put beside the live portal: `logs` say what was placed, `database` is None for files only."""

    tree: Tree
    logs: str
    routes: Routes
    database: StagedDatabase | None


class Pipeline:
    """One run of filling the staging area; `marks` of an earlier run are what it goes on from.

    `expected` are sums of the parts that were taken at the source, as sha256sum prints them.
    """

    def __init__(
        self,
        source: Source,
        password: str | None,
        expected: t.Sequence[str] | None,
        staging: Staging,
        jobs: int,
        marks: dict[str, t.Any],
        progress: Progress,
    ) -> None:
        self._source = source
        self._expected = expected
        self._staging = staging
        self._jobs = jobs
        self._progress = progress
        self.board = PartTable(staging.routes, marks)
        self._offers = Offers(source, password)
        self._feed: DumpFeed | None = None
        if staging.database is not None:
            self._feed = DumpFeed(staging.database, DumpMark(**marks.get("dump", {})))
        self._waiting: list[int] = []
        self._leads: set[int] = set()
        self._read = 0
        self._told = 0.0

    def run(self, save: t.Callable[[], None], checkpoint_seconds: float) -> Report:
        """Do what is not done yet; `save` is called every so often. Nothing is complete where the report says damage.

        Raises BoxliftError.
        """
        self._save, self._save_every, self._saved_at = save, checkpoint_seconds, time.monotonic()
        # The workers before the threads: forking a process with threads would copy their locks.
        with Crew(self._jobs, work) as self._crew, concurrent.futures.ThreadPoolExecutor(2) as pool:
            try:
                source = pool.submit(self._source.run, self._offers.offer)
                dump = pool.submit(self._feed.run) if self._feed is not None else None
                self._prove_and_place(source, dump)
                report = self._report()
                if report.intact:
                    self._place_the_rest()
                    self._load(dump)
                    self._settle()
                elif self._feed is not None:
                    self._feed.stop()
                return report
            except BaseException as error:
                self._stop(error)
                raise

    def marks(self) -> dict[str, t.Any]:
        """What a later run goes on from, fit for JSON."""
        saved = {"layout": LAYOUT, **self.board.saved()}
        if self._feed is not None:
            saved["dump"] = dataclasses.asdict(self._feed.mark)
        return saved

    @property
    def imported(self) -> dict[str, t.Any] | None:
        """What the importer said, once it is done."""
        return self._feed.mark.imported if self._feed else None

    def timeline(self) -> list[dict[str, t.Any]]:
        """When each part was fetched, proven and placed, in seconds since the restore began."""
        return self.board.timeline(self._source.fetched)

    def import_timeline(self) -> list[dict[str, t.Any]]:
        """When each table was loaded, in the same seconds; of a table that a killed run has loaded nothing is known."""
        if self._feed is None or self._feed.began is None or self.imported is None:
            return []
        later = self._feed.began - self.board.began
        return [
            {**row, "begin": round(row["begin"] + later, 2), "end": round(row["end"] + later, 2)}
            for row in self.imported["timeline"]
        ]

    # What comes in.

    def _take_offers(self) -> None:
        for part in self._offers.take():
            index = part.index
            self.board.files[index] = part
            known, now = self.board.parts.get(index), stamp(part.arrived)
            if known is not None and known.stamp != now:
                if known.used or index < self.board.chain.length:
                    raise Replaced(part.name)
                known = None
            if known is not None and known.scan is not None:
                self._offers.answer(index, known.scan)
                self._read += now[0]
            else:
                self.board.parts[index] = known or PartState(now)
                self._waiting.append(index)
        self._waiting.sort()

    # What is to be done.

    def _prove_and_place(self, source: _Future[None], dump: _Future[t.Any] | None) -> None:
        """Until every part is proven, and all that could be placed early is."""
        while True:
            coming = not source.done()
            self._take_offers()
            self._advance()
            self._give_tasks()
            last = not (coming or self._waiting or self._crew.busy)
            self._tell(coming, last)
            if last:
                break
            self._listen(_HURRY_SECONDS if coming and self._crew.idle else _LISTEN_SECONDS)
            if dump is not None and dump.done():
                dump.result()
        source.result()

    def _give_tasks(self) -> None:
        ready = [index for index in sorted(self._leads) if self.board.path(index) is not None]
        while self._crew.idle and (ready or self._waiting):
            if ready:
                index = ready.pop(0)
                self._leads.discard(index)
                self._give_lead(index)
            else:
                self._give_part(self._waiting.pop(0))

    def _give_part(self, index: int) -> None:
        state, start = self.board.parts[index], self.board.chain.start(index)
        state.proven = [self.board.now()] * 2
        if state.broken:
            # Read without placing, and from its own first header: as verification reads it.
            self._crew.give(ProvePart(self.board.files[index]))
            return
        path = None if start is None else self.board.path(index)
        if not self.board.still_true(state.partial, index, start):
            state.partial = PartMark()
        staging = self._staging
        self._crew.give(
            ProvePart(
                self.board.files[index], start, path, staging.tree, self._log(index), staging.routes, state.partial
            )
        )

    def _give_lead(self, index: int) -> None:
        state, path = self.board.parts[index], t.cast(bytes, self.board.path(index))
        sha256, start = t.cast(PartScan, state.scan).sha256, self.board.chain.starts[index]
        part, tree = self.board.files[index], self._staging.tree
        self._crew.give(PlaceLead(part, sha256, state.stamp, start, path, tree, self._log(index)))

    def _advance(self) -> None:
        """Follow the stream through the parts that are proven."""
        while True:
            index = self.board.chain.length
            state, part = self.board.parts.get(index), self.board.files.get(index)
            if state is None or state.scan is None or part is None:
                return
            start = self.board.chain.starts[index]
            if self.board.chain.follow(state.scan, state.start):
                if self._feed is not None:
                    self._feed.add(part, start, state.scan)
                if self.board.straddler(index) is not None and not state.lead:
                    self._leads.add(index)
                continue
            if state.scan.fault or state.scan.size_fault() or state.start == start or state.broken:
                return  # damage; the report names it
            self._again(index)
            return

    def _again(self, index: int) -> None:
        """Read a part once more, now that it is known how it begins."""
        self.board.again(index)
        self._waiting.insert(0, index)

    # What workers say.

    def _listen(self, seconds: float) -> None:
        for told in self._crew.listen(seconds):
            if told.kind == "error":
                raise told.value
            if told.kind == "note":
                self._take_note(told)
            elif isinstance(told.task, ProvePart):
                self._take_part(told.task, told.value)
            else:
                self._take_lead(told.task.part.index, told.value)
        if time.monotonic() - self._saved_at >= self._save_every:
            self._checkpoint()

    def _take_note(self, told: Told) -> None:
        if isinstance(told.value, PartMark):
            self.board.parts[told.task.part.index].partial = told.value
        else:
            self._read += told.value

    def _take_part(self, task: ProvePart, proven: Proven) -> None:
        index, state = task.part.index, self.board.parts[task.part.index]
        walk = proven.scan.walk
        if index and task.start is not None and walk is not None and walk.fault and not proven.scan.fault:
            # It does not go on where the part before it ends.
            state.broken = True
            self._again(index)
            return
        state.scan, state.start = proven.scan, task.start
        if task.tree is not None:
            state.partial = PartMark()
            state.mark, state.path, state.reason = proven.mark, proven.path, proven.reason
            state.lead = proven.mark is not None and (proven.mark.lead or task.path is not None)
            state.proven[1] = self.board.now()
            state.placed = list(state.proven)
        self._offers.answer(index, proven.scan)

    def _take_lead(self, index: int, completed: Counts) -> None:
        state = self.board.parts[index]
        state.lead, state.completed = True, completed
        state.placed[1] = self.board.now()

    # When everything is here.

    def _report(self) -> Report:
        report = self._assemble()
        # To name damage, parts are compared by where their own first headers lie, whatever the part before says.
        led = [index for index, state in sorted(self.board.parts.items()) if index and state.start is not None]
        if report.intact or not led:
            return report
        for index in led:
            self.board.parts[index].broken = True
        self._waiting = led
        self._finish_tasks()
        return self._assemble()

    def _assemble(self) -> Report:
        parts = find_parts(self._source.first)
        scans = {index: t.cast(PartScan, state.scan) for index, state in sorted(self.board.parts.items())}
        report = Assembly(parts, self._offers.cipher, scans, self._offers.header_fault).report()
        if self._expected is not None:
            check_expected(report, expected_sums(self._expected, parts.base))
        return report

    def _finish_tasks(self) -> None:
        """Until nothing is left that can be done now."""
        while True:
            self._give_tasks()
            if not (self._waiting or self._crew.busy):
                return
            self._listen(_LISTEN_SECONDS)

    def _place_the_rest(self) -> None:
        """In order, one at a time: what could not be placed before. Now a name that exists is there twice."""
        if self.board.chain.length < len(self.board.parts):
            raise RuntimeError(
                f"the report knows all {len(self.board.parts)} parts intact, the chain {self.board.chain.length}"
            )
        unplaced = self.board.unplaced()
        if unplaced:
            with self._shared_writer() as writer:
                remove_strays(writer, self._staging.logs)
        for index in unplaced:
            self._leads.discard(index)
            self._again(index)
            self._finish_tasks()
            if self.board.parts[index].mark is None:
                raise t.cast(BaseException, self.board.parts[index].reason)
        self._finish_tasks()

    def _load(self, dump: _Future[t.Any] | None) -> None:
        """Wait for what is left of the dump."""
        if self._feed is None or dump is None:
            return
        self._feed.close()
        self._progress.tell(phase="load")
        while not concurrent.futures.wait([dump], self._save_every).done:
            self._checkpoint()
        dump.result()

    def _settle(self) -> None:
        """What can only be set when nothing is written any more: times of shared files, then those of directories."""
        with self._shared_writer() as writer:
            for index in range(1, len(self.board.parts)):
                path, entry = self.board.path(index), self.board.straddler(index)
                if path is not None and entry is not None:
                    writer.open_file(entry, path, 0)
                    writer.end_file()
            remove_strays(writer, self._staging.logs)
        self._crew.map([SettleDirectories(self._log(index), self._staging.tree) for index in self.board.parts])

    def _shared_writer(self) -> t.ContextManager[TreeWriter]:
        """For what belongs to no part alone."""
        return contextlib.closing(self._staging.tree.writer(os.path.join(self._staging.logs, "shared"), None))

    def _log(self, index: int) -> str:
        return os.path.join(self._staging.logs, f"part-{index}")

    def _tell(self, coming: bool, last: bool) -> None:
        """What is placed; and what is read, unless the source tells what comes. The last word is always said."""
        now = time.monotonic()
        if now - self._told < _TELL_SECONDS and not last:
            return
        self._told = now
        self._progress.tell(files=self.board.placed())
        if coming and self._source.tells:
            return
        states = [state for index, state in self.board.parts.items() if index in self.board.files]
        proven = [state.scan for state in states if state.scan is not None]
        damaged = sum(scan.fault is not None or scan.size_fault() is not None for scan in proven)
        total = sum(state.stamp[0] for state in states)
        self._progress.tell(
            phase="restore",
            # Workers tell what they read from time to time, so that the last bytes of a part are not told.
            done=total if last else self._read,
            total=total,
            parts={"total": len(states), "done": len(proven) - damaged, "damaged": damaged, "repaired": 0},
        )

    def _checkpoint(self) -> None:
        self._save()
        self._saved_at = time.monotonic()

    # When it cannot go on.

    def _stop(self, error: BaseException) -> None:
        """Let the threads end: nothing is waited for any more."""
        if self._feed is not None:
            self._feed.stop()
        self._offers.fail(error)
