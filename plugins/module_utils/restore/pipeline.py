# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills the staging tree and the staging database from parts as they arrive, on all processors.

A worker proves and places a part in one reading, before anyone knows how the part before it ends: it searches for the
part's first header. What lies before that header, the *lead*, ends a file of an earlier part, and is written when that
part is placed. A search can be misled, and a file can meet a name that exists: then the worker takes back all that it
placed of the part, and the part is placed when all others are. Nothing counts before the whole backup is proven.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.assembly import Assembly
from ansible_collections.boxlift.portal.plugins.module_utils.archive.doubles import (
    Occurrence,
    findings_about,
    stays,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan_json import from_json, layout, to_json
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import check_expected, expected_sums
from ansible_collections.boxlift.portal.plugins.module_utils.download.state import known_count
from ansible_collections.boxlift.portal.plugins.module_utils.files import stamp
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.doubles import Doubles
from ansible_collections.boxlift.portal.plugins.module_utils.restore.dumpfeed import DumpFeed, DumpMark
from ansible_collections.boxlift.portal.plugins.module_utils.restore.offers import Offers
from ansible_collections.boxlift.portal.plugins.module_utils.restore.parts import PartState, PartTable
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, PartMark, Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import Source
from ansible_collections.boxlift.portal.plugins.module_utils.restore.tasks import (
    PartOutcome,
    PlaceLead,
    ProvePart,
    SettleDirectories,
    work,
)
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import (
    StagingTree,
    TreeWriter,
    remove_strays,
)
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew, Told

# What a version of the collection with other classes has saved cannot be read.
LAYOUT = layout(PartState, PartMark, Counts, DumpMark, Occurrence)
_LISTEN_SECONDS = 0.2
_TELL_SECONDS = 0.5
_HURRY_SECONDS = 0.01  # while a worker is idle and parts may arrive
_Future = concurrent.futures.Future


class Replaced(Exception):
    """A part changed after it was placed: everything placed is void."""


@dataclasses.dataclass(frozen=True)
class Staging:
    """Where a backup is put beside the live portal.

    `logs` is the folder of the workers' logs, from which a later run takes back what is half done. `database` is None
    where only files are restored.
    """

    tree: StagingTree
    logs: str
    routes: Routes
    database: StagedDatabase | None


class Pipeline:
    """One run of filling the staging area; it resumes from the `marks` of an earlier run.

    `expected` are the parts' sums as taken at the source, in the lines that sha256sum prints; `part_count` is the
    number of parts where somebody stated it.
    """

    def __init__(
        self,
        source: Source,
        password: str | None,
        expected: t.Sequence[str] | None,
        part_count: int | None,
        staging: Staging,
        jobs: int,
        marks: dict[str, t.Any],
        progress: Progress,
    ) -> None:
        self._source = source
        self._expected = expected
        self._part_count = part_count
        self._staging = staging
        self._jobs = jobs
        self._progress = progress
        self.parts = PartTable(staging.routes, marks)
        self._offers = Offers(source, password)
        self._feed: DumpFeed | None = None
        if staging.database is not None:
            self._feed = DumpFeed(staging.database, DumpMark(**marks.get("dump", {})))
        self._waiting: list[int] = []  # parts to give to a worker, the first one next
        self._leads: set[int] = set()  # parts whose lead is due, as soon as its file's path is known
        # Files that want one place in the tree, those of one place together; None before that was looked for.
        self._doubles: list[list[Occurrence]] | None = None
        if "doubles" in marks:
            self._doubles = from_json(marks["doubles"], Occurrence)
        self._read = 0  # bytes
        self._told = 0.0

    def run(self, save: t.Callable[[], None], checkpoint_seconds: float) -> Report:
        """Do what is not done yet, and return the proof. Where it names damage, the staging area is incomplete.

        `save` is called about every `checkpoint_seconds`. Raises BoxliftError, or Replaced.
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
        """What a later run resumes from, fit for JSON."""
        saved = {"layout": LAYOUT, **self.parts.saved()}
        if self._feed is not None:
            saved["dump"] = dataclasses.asdict(self._feed.mark)
        if self._doubles is not None:
            saved["doubles"] = to_json(self._doubles)
        return saved

    @property
    def imported(self) -> dict[str, t.Any] | None:
        """The importer's result; None until it is done, and where only files are restored."""
        return self._feed.mark.imported if self._feed else None

    def timeline(self) -> list[dict[str, t.Any]]:
        """When each part was fetched, proven and placed, in seconds since the restore began."""
        return self.parts.timeline(self._source.fetched)

    def import_timeline(self) -> list[dict[str, t.Any]]:
        """When each table was loaded, in the same seconds. Tables that a killed run has loaded are not in it."""
        if self._feed is None or self._feed.began is None or self.imported is None:
            return []
        later = self._feed.began - self.parts.began
        return [
            {**row, "begin": round(row["begin"] + later, 2), "end": round(row["end"] + later, 2)}
            for row in self.imported["timeline"]
        ]

    # Parts that arrive

    def _take_offers(self) -> None:
        """Queue the parts that arrived. What an earlier run has proven is answered at once. Raises Replaced."""
        for part in self._offers.take():
            index = part.index
            self.parts.offered[index] = part
            known, now = self.parts.states.get(index), stamp(part.arrived)
            if known is not None and known.stamp != now:
                if known.used or index < self.parts.chain.length:
                    raise Replaced(part.name)
                known = None
            if known is not None and known.scan is not None:
                self._offers.answer(index, known.scan)
                self._read += now[0]
            else:
                self.parts.states[index] = known or PartState(now)
                self._waiting.append(index)
        self._waiting.sort()

    # Tasks for the workers

    def _prove_and_place(self, source: _Future[None], dump: _Future[t.Any] | None) -> None:
        """Give tasks until every part is proven, and everything that can be placed early is placed."""
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
        """Keep every worker busy. Leads that can be written come before parts."""
        ready = [index for index in sorted(self._leads) if self.parts.path(index) is not None]
        while self._crew.idle and (ready or self._waiting):
            if ready:
                index = ready.pop(0)
                self._leads.discard(index)
                self._give_lead(index)
            else:
                self._give_part(self._waiting.pop(0))

    def _give_part(self, index: int) -> None:
        state, start = self.parts.states[index], self.parts.chain.start(index)
        state.proven = [self.parts.now()] * 2
        if state.broken:
            # Only prove it, from the first header that a search finds: so the report compares it with the others.
            self._crew.give(ProvePart(self.parts.offered[index], routes=self._staging.routes))
            return
        path = None if start is None else self.parts.path(index)
        if not self.parts.still_true(state.partial, index, start):
            state.partial = PartMark()
        staging = self._staging
        self._crew.give(
            ProvePart(
                self.parts.offered[index],
                start,
                path,
                staging.tree,
                self._log(index),
                staging.routes,
                state.partial,
                frozenset(file.offset for file in self._double_files() if file.index == index) if state.late else None,
            )
        )

    def _give_lead(self, index: int) -> None:
        state, path = self.parts.states[index], t.cast(bytes, self.parts.path(index))
        sha256, start = t.cast(PartScan, state.scan).sha256, self.parts.chain.starts[index]
        part, tree = self.parts.offered[index], self._staging.tree
        self._crew.give(PlaceLead(part, sha256, state.stamp, start, path, tree, self._log(index)))

    def _advance(self) -> None:
        """Follow the stream through the proven parts: feed the dump, find leads, have misled parts read again."""
        while True:
            index = self.parts.chain.length
            state, part = self.parts.states.get(index), self.parts.offered.get(index)
            if state is None or state.scan is None or part is None:
                return
            start = self.parts.chain.starts[index]
            if self.parts.chain.follow(state.scan, state.start):
                if self._feed is not None:
                    self._feed.add(part, start, state.scan)
                if self.parts.straddler(index) is not None and not state.lead:
                    self._leads.add(index)
                continue
            if state.scan.fault or state.scan.size_fault() or state.start == start or state.broken:
                return  # damage, which the report names
            self._again(index)
            return

    def _again(self, index: int) -> None:
        """Have the part read once more, before all others: now it is known how it begins."""
        self.parts.again(index)
        self._waiting.insert(0, index)

    # Answers of the workers

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
            self.parts.states[told.task.part.index].partial = told.value
        else:
            self._read += told.value

    def _take_part(self, task: ProvePart, outcome: PartOutcome) -> None:
        index, state = task.part.index, self.parts.states[task.part.index]
        walk = outcome.scan.walk
        if index and task.start is not None and walk is not None and walk.fault and not outcome.scan.fault:
            # It does not continue the part before it.
            state.broken = True
            self._again(index)
            return
        state.scan, state.start = outcome.scan, task.start
        if task.tree is not None:
            state.partial = PartMark()
            state.mark, state.path, state.reason = outcome.mark, outcome.path, outcome.reason
            state.lead = outcome.mark is not None and (outcome.mark.lead or task.path is not None)
            state.proven[1] = self.parts.now()
            state.placed = list(state.proven)
        self._offers.answer(index, outcome.scan)

    def _take_lead(self, index: int, completed: Counts) -> None:
        state = self.parts.states[index]
        state.lead, state.completed = True, completed
        state.placed[1] = self.parts.now()

    # When every part has arrived

    def _report(self) -> Report:
        """The proof of the whole backup. Where there is damage, first make sure that it is blamed on the right part."""
        report = self._assemble()
        # Which part is wrong shows where each part's own first header lies; what the part before says does not count.
        led = [index for index, state in sorted(self.parts.states.items()) if index and state.start is not None]
        if report.intact or not led:
            return report
        for index in led:
            self.parts.states[index].broken = True
        self._waiting = led
        self._finish_tasks()
        return self._assemble()

    def _assemble(self) -> Report:
        files = find_parts(self._source.first)
        scans = {index: t.cast(PartScan, state.scan) for index, state in sorted(self.parts.states.items())}
        report = Assembly(
            files,
            self._offers.cipher,
            scans,
            self._offers.header_fault,
            exclude=self._staging.routes.exclude,
            known=known_count(self._part_count, files),
        ).report()
        if self._expected is not None:
            check_expected(report, expected_sums(self._expected, files.base))
        return report

    def _finish_tasks(self) -> None:
        """Give tasks until none is waiting and no worker is busy."""
        while True:
            self._give_tasks()
            if not (self._waiting or self._crew.busy):
                return
            self._listen(_LISTEN_SECONDS)

    def _place_the_rest(self) -> None:
        """Place what could not be placed early, one part at a time, in order.

        All other parts are in their place: what is in the way now has its name from the archive. Files that want one
        place together come last of all.
        """
        if self.parts.chain.length < len(self.parts.states):
            raise RuntimeError(
                f"the report knows all {len(self.parts.states)} parts intact, the chain {self.parts.chain.length}"
            )
        unplaced = self.parts.unplaced()
        if unplaced:
            with self._shared_writer() as writer:
                remove_strays(writer, self._staging.logs)
        files = find_parts(self._source.first)
        doubles = Doubles(self._staging.tree, self._staging.routes, self._log, files, self.parts)
        if unplaced and self._doubles is None:
            self._doubles = doubles.find(unplaced, self._offers.cipher)
            for file in self._double_files():
                self.parts.forget_open(file)
        for index in unplaced:
            self._leads.discard(index)
            self.parts.states[index].late = True
            self._again(index)
            self._finish_tasks()
            if self.parts.states[index].mark is None:
                raise t.cast(BaseException, self.parts.states[index].reason)
        self._finish_tasks()
        if self._doubles:
            with self._shared_writer() as writer:
                doubles.place(writer, self._doubles, self._offers.cipher)

    def _double_files(self) -> list[Occurrence]:
        return [file for group in self._doubles or () for file in group]

    def counts(self) -> Counts:
        """What is in the tree, after everything was placed."""
        total, wrong = self.parts.counts(), self.parts.superseded(self._double_files())
        raw = self._staging.tree.raw_names
        stay = [file for group in self._doubles or () for file in stays(group, raw).values()]
        total.files += len(stay) - wrong.files
        total.bytes += sum(file.size for file in stay) - wrong.bytes
        return total

    def double_findings(self) -> list[Finding]:
        """What `backup_verify` says of names that are in the archive several times."""
        return findings_about(self._doubles, ()) if self._doubles else []

    def _load(self, dump: _Future[t.Any] | None) -> None:
        """Wait until the rest of the dump is loaded."""
        if self._feed is None or dump is None:
            return
        self._feed.close()
        self._progress.tell(phase="load")
        while not concurrent.futures.wait([dump], self._save_every).done:
            self._checkpoint()
        dump.result()

    def _settle(self) -> None:
        """Set what writing would change again: the times of files that span parts, then those of directories."""
        with self._shared_writer() as writer:
            for index in range(1, len(self.parts.states)):
                path, entry = self.parts.path(index), self.parts.straddler(index)
                if path is not None and entry is not None:
                    writer.open_file(entry, path, 0)
                    writer.end_file()
            remove_strays(writer, self._staging.logs)
        self._crew.map([SettleDirectories(self._log(index), self._staging.tree) for index in self.parts.states])

    def _shared_writer(self) -> t.ContextManager[TreeWriter]:
        """A writer for what belongs to several parts."""
        return contextlib.closing(self._staging.tree.writer(os.path.join(self._staging.logs, "shared"), None))

    def _log(self, index: int) -> str:
        return os.path.join(self._staging.logs, f"part-{index}")

    def _tell(self, coming: bool, last: bool) -> None:
        """Report the files placed and, unless the source reports what arrives, the bytes read.

        At most twice a second; the `last` report is always made.
        """
        now = time.monotonic()
        if now - self._told < _TELL_SECONDS and not last:
            return
        self._told = now
        self._progress.tell(files=self.parts.placed())
        if coming and self._source.tells:
            return
        states = [state for index, state in self.parts.states.items() if index in self.parts.offered]
        proven = [state.scan for state in states if state.scan is not None]
        damaged = sum(scan.fault is not None or scan.size_fault() is not None for scan in proven)
        total = sum(state.stamp[0] for state in states)
        self._progress.tell(
            phase="restore",
            # Workers report what they have read from time to time, and never the last bytes of a part.
            done=total if last else self._read,
            total=total,
            parts={"total": len(states), "done": len(proven) - damaged, "damaged": damaged, "repaired": 0},
        )

    def _checkpoint(self) -> None:
        self._save()
        self._saved_at = time.monotonic()

    # Failure

    def _stop(self, error: BaseException) -> None:
        """Let the threads end: those of the source wait for answers, that of the dump for parts."""
        if self._feed is not None:
            self._feed.stop()
        self._offers.fail(error)
