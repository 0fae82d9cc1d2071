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
import queue
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.assembly import Assembly
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import Cipher, WrongPassword
from ansible_collections.boxlift.portal.plugins.module_utils.archive.crew import Crew, Told
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import (
    PartFiles,
    find_parts,
    kind_of,
    part_name,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.scan import PartScan, scan_file
from ansible_collections.boxlift.portal.plugins.module_utils.archive.stream import backup_cipher
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import check_expected, expected_sums
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry, State
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.chain import Chain
from ansible_collections.boxlift.portal.plugins.module_utils.restore.dumpfeed import Database, DumpFeed, DumpMark
from ansible_collections.boxlift.portal.plugins.module_utils.restore.marks import PartState
from ansible_collections.boxlift.portal.plugins.module_utils.restore.placing import (
    Part,
    PlaceLead,
    Proven,
    ProvePart,
    SettleDirectories,
    Tree,
    work,
)
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, Mark, Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import Source, stamp
from ansible_collections.boxlift.portal.plugins.module_utils.restore.strays import remove_strays
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter

_LISTEN_SECONDS = 0.2
_TELL_SECONDS = 0.5
_HURRY_SECONDS = 0.01  # while a worker is idle and parts may come
_Future = concurrent.futures.Future


class Replaced(Exception):
    """A part has another content than the one that was used: what was placed counts for nothing."""


@dataclasses.dataclass(frozen=True)
class _Offered:
    index: int
    path: str
    answer: _Future[PartScan]


@dataclasses.dataclass(frozen=True)
class Staging:
    """Where a backup is put beside the live portal: `logs` say what was placed, `database` is None for files only."""

    tree: Tree
    logs: str
    routes: Routes
    database: Database | None


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
        self._password = password
        self._expected = expected
        self._staging = staging
        self._jobs = jobs
        self._progress = progress
        self._began = marks.get("began", time.time())
        self._parts = {int(index): PartState.from_saved(saved) for index, saved in marks.get("parts", {}).items()}
        self._feed: DumpFeed | None = None
        if staging.database is not None:
            self._feed = DumpFeed(staging.database, DumpMark(**marks.get("dump", {})))
        self._chain = Chain()
        self._cipher: Cipher | None = None
        self._header_fault: PartFault | None = None
        self._directory = self._base = ""
        self._files: dict[int, Part] = {}
        self._offers: queue.SimpleQueue[_Offered] = queue.SimpleQueue()
        self._answers: dict[int, _Future[PartScan]] = {}
        self._waiting: list[int] = []
        self._leads: set[int] = set()
        self._failure: BaseException | None = None
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
                source = pool.submit(self._source.run, self._offer)
                dump = pool.submit(self._feed.run) if self._feed is not None else None
                self._prove_and_place(source, dump)
                report = self._report()
                if not report.intact:
                    raise _Damaged(report)
                self._place_the_rest()
                self._load(dump)
                self._settle()
                return report
            except _Damaged as damaged:
                self._stop(damaged)
                return damaged.report
            except BaseException as error:
                self._stop(error)
                raise

    def marks(self) -> dict[str, t.Any]:
        """What a later run goes on from, fit for JSON."""
        saved: dict[str, t.Any] = {
            "began": self._began,
            "parts": {index: state.saved() for index, state in self._parts.items()},
        }
        if self._feed is not None:
            saved["dump"] = dataclasses.asdict(self._feed.mark)
        return saved

    @property
    def imported(self) -> dict[str, t.Any] | None:
        """What the importer said, once it is done."""
        return self._feed.mark.imported if self._feed else None

    def counts(self) -> Counts:
        total = Counts()
        for state in self._parts.values():
            total.add(state.completed)
            if state.mark is not None:
                total.add(state.mark.counts)
        return total

    def renamed(self) -> list[str]:
        """Entries that keep their cp1251 names."""
        return sorted(name for state in self._parts.values() if state.mark for name in state.mark.renamed)

    def left_out(self) -> list[str]:
        """Installers, which are not placed."""
        return sorted(name for state in self._parts.values() if state.mark for name in state.mark.left_out)

    def timeline(self) -> list[dict[str, t.Any]]:
        """When each part was fetched, proven and placed: beginning and end, in seconds since the restore began."""
        fetched = {
            index: [round(moment - self._began, 2) for moment in moments]
            for index, moments in self._source.fetched.items()
        }
        return [
            {
                "name": self._files[index].name,
                "index": index,
                "fetched": fetched.get(index),
                "proven": state.proven,
                "placed": state.placed,
            }
            for index, state in sorted(self._parts.items())
        ]

    def import_timeline(self) -> list[dict[str, t.Any]]:
        """When each table was loaded, in the same seconds; of a table that a killed run has loaded nothing is known."""
        if self._feed is None or self._feed.began is None or self.imported is None:
            return []
        later = self._feed.began - self._began
        return [
            {**row, "begin": round(row["begin"] + later, 2), "end": round(row["end"] + later, 2)}
            for row in self.imported["timeline"]
        ]

    # What comes in.

    def _offer(self, index: int, path: str) -> _Future[PartScan]:
        """Called by the source, from whichever thread."""
        answer: _Future[PartScan] = _Future()
        self._offers.put(_Offered(index, path, answer))
        if self._failure is not None:
            self._refuse_offers()
        return answer

    def _take_offers(self) -> None:
        while not self._offers.empty():
            offered = self._offers.get()
            index = offered.index
            self._answers[index] = offered.answer  # from here on it gets one, whatever happens
            if not self._directory:
                self._directory, self._base = os.path.split(os.path.abspath(self._source.first))
            if index == 0 or not self._files:
                self._open_cipher(index, offered.path)
            name = part_name(self._base, index)
            own = os.path.join(self._directory, name)
            self._files[index] = Part(index, name, own, offered.path, kind_of(self._base), self._cipher)
            known, now = self._parts.get(index), stamp(offered.path)
            if known is not None and known.stamp != now:
                if known.used or index < self._chain.length:
                    raise Replaced(name)
                known = None
            if known is not None and known.scan is not None:
                self._answer(index, known.scan)
                self._read += now[0]
            else:
                self._parts[index] = known or PartState(now)
                self._waiting.append(index)
        self._waiting.sort()

    def _open_cipher(self, index: int, path: str) -> None:
        """The first part proves the password; where it cannot, the report says why."""
        kind = kind_of(self._base)
        parts = PartFiles(self._directory, self._base, kind, {} if index else {0: path})
        self._header_fault = None
        try:
            self._cipher = backup_cipher(parts, self._password)
        except PartFault as fault:
            self._header_fault = fault
        except WrongPassword:
            # Damage can look like that, too; the part is then fetched again.
            if not scan_file(path, self._base, 0, kind).fault:
                raise

    # What is to be done.

    def _prove_and_place(self, source: _Future[None], dump: _Future[t.Any] | None) -> None:
        """Until every part is proven, and all that could be placed early is."""
        while True:
            coming = not source.done()
            self._take_offers()
            self._advance()
            self._give_tasks()
            if not (coming or self._waiting or self._crew.busy):
                break
            self._tell(coming)
            self._listen(_HURRY_SECONDS if coming and self._crew.idle else _LISTEN_SECONDS)
            if dump is not None and dump.done():
                dump.result()
        source.result()

    def _give_tasks(self) -> None:
        ready = [index for index in sorted(self._leads) if self._path(index) is not None]
        while self._crew.idle and (ready or self._waiting):
            if ready:
                index = ready.pop(0)
                self._leads.discard(index)
                self._give_lead(index)
            else:
                self._give_part(self._waiting.pop(0))

    def _give_part(self, index: int) -> None:
        state, start = self._parts[index], self._chain.start(index)
        state.proven = [self._now()] * 2
        if state.broken:
            # Read without placing, and from its own first header: as verification reads it.
            self._crew.give(ProvePart(self._files[index]))
            return
        path = None if start is None else self._path(index)
        if not _still_true(state.partial, index, start):
            state.partial = Mark()
        staging = self._staging
        self._crew.give(
            ProvePart(self._files[index], start, path, staging.tree, self._log(index), staging.routes, state.partial)
        )

    def _give_lead(self, index: int) -> None:
        state, path = self._parts[index], t.cast(bytes, self._path(index))
        sha256, start = t.cast(PartScan, state.scan).sha256, self._chain.starts[index]
        part, tree = self._files[index], self._staging.tree
        self._crew.give(PlaceLead(part, sha256, state.stamp, start, path, tree, self._log(index)))

    def _advance(self) -> None:
        """Follow the stream through the parts that are proven."""
        while True:
            index = self._chain.length
            state, part = self._parts.get(index), self._files.get(index)
            if state is None or state.scan is None or part is None:
                return
            start = self._chain.starts[index]
            if self._chain.follow(state.scan, state.start):
                if self._feed is not None:
                    self._feed.add(part, start, state.scan)
                if self._straddler(index) is not None and not state.lead:
                    self._leads.add(index)
                continue
            if state.scan.fault or state.scan.size_fault() or state.start == start or state.broken:
                return  # damage; the report names it
            self._again(index)
            return

    def _again(self, index: int) -> None:
        """Read a part once more, now that it is known how it begins."""
        state = self._parts[index]
        state.scan, state.mark, state.partial = None, None, Mark()
        state.lead, state.completed = False, Counts()
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
        if isinstance(told.value, Mark):
            self._parts[told.task.part.index].partial = told.value
        else:
            self._read += told.value

    def _take_part(self, task: ProvePart, proven: Proven) -> None:
        index, state = task.part.index, self._parts[task.part.index]
        walk = proven.scan.walk
        if index and task.start is not None and walk is not None and walk.fault and not proven.scan.fault:
            # It does not go on where the part before it ends.
            state.broken = True
            self._again(index)
            return
        state.scan, state.start = proven.scan, task.start
        if task.tree is not None:
            state.partial = Mark()
            state.mark, state.path, state.reason = proven.mark, proven.path, proven.reason
            state.lead = proven.mark is not None and (proven.mark.lead or task.path is not None)
            state.proven[1] = self._now()
            state.placed = list(state.proven)
        self._answer(index, proven.scan)

    def _answer(self, index: int, scan: PartScan) -> None:
        """The source hears of a part once."""
        answer = self._answers.pop(index, None)
        if answer is not None:
            answer.set_result(scan)

    def _take_lead(self, index: int, completed: Counts) -> None:
        state = self._parts[index]
        state.lead, state.completed = True, completed
        state.placed[1] = self._now()

    # When everything is here.

    def _report(self) -> Report:
        report = self._assemble()
        # To name damage, parts are compared by where their own first headers lie, whatever the part before says.
        led = [index for index, state in sorted(self._parts.items()) if index and state.start is not None]
        if report.intact or not led:
            return report
        for index in led:
            self._parts[index].broken = True
        self._waiting = led
        self._finish_tasks()
        return self._assemble()

    def _assemble(self) -> Report:
        parts = find_parts(self._source.first)
        scans = {index: t.cast(PartScan, state.scan) for index, state in sorted(self._parts.items())}
        report = Assembly(parts, self._cipher, scans, self._header_fault).report()
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
        if self._chain.length < len(self._parts):
            raise RuntimeError(f"the report knows all {len(self._parts)} parts intact, the chain {self._chain.length}")
        unplaced = [index for index, state in sorted(self._parts.items()) if state.mark is None]
        if unplaced:
            with self._shared_writer() as writer:
                remove_strays(writer, self._staging.logs)
        for index in unplaced:
            self._leads.discard(index)
            self._again(index)
            self._finish_tasks()
            if self._parts[index].mark is None:
                raise t.cast(BaseException, self._parts[index].reason)
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
            for index in range(1, len(self._parts)):
                path, entry = self._path(index), self._straddler(index)
                if path is not None and entry is not None:
                    writer.open_file(entry, path, 0)
                    writer.end_file()
            remove_strays(writer, self._staging.logs)
        self._crew.map([SettleDirectories(self._log(index), self._staging.tree) for index in self._parts])

    def _shared_writer(self) -> t.ContextManager[TreeWriter]:
        """For what belongs to no part alone."""
        return contextlib.closing(self._staging.tree.writer(os.path.join(self._staging.logs, "shared"), None))

    # What is known.

    def _straddler(self, index: int) -> Entry | None:
        """The file of the tree that is open where part `index` begins."""
        start = self._chain.start(index)
        if start is None or start.entry is None or self._staging.routes.of(start.entry) != "tree":
            return None
        return start.entry

    def _path(self, index: int) -> bytes | None:
        """The path of that file, None as long as the part that it begins in is not placed."""
        if self._straddler(index) is None:
            return None
        for before in range(index - 1, -1, -1):
            state = self._parts[before]
            if state.mark is None or state.path is not None:
                return state.path if state.mark is not None else None
            if state.scan is None or state.scan.walk is None or state.scan.walk.first is not None:
                return None
        return None

    def _log(self, index: int) -> str:
        return os.path.join(self._staging.logs, f"part-{index}")

    def _now(self) -> float:
        return round(time.time() - self._began, 2)

    def _tell(self, coming: bool) -> None:
        """What is placed; and what is read, unless the source tells what comes."""
        now = time.monotonic()
        if now - self._told < _TELL_SECONDS:
            return
        self._told = now
        counts = [(state.mark or state.partial).counts for state in self._parts.values()]
        self._progress.tell(files=sum(count.files for count in counts))
        if coming and self._source.tells:
            return
        states = [state for index, state in self._parts.items() if index in self._files]
        proven = [state.scan for state in states if state.scan is not None]
        damaged = sum(scan.fault is not None or scan.size_fault() is not None for scan in proven)
        self._progress.tell(
            phase="restore",
            done=self._read,
            total=sum(state.stamp[0] for state in states),
            parts={"total": len(states), "done": len(proven) - damaged, "damaged": damaged, "repaired": 0},
        )

    def _checkpoint(self) -> None:
        self._save()
        self._saved_at = time.monotonic()

    # When it cannot go on.

    def _stop(self, error: BaseException) -> None:
        """Let the threads end: nothing is waited for any more."""
        self._failure = error
        if self._feed is not None:
            self._feed.stop()
        for answer in self._answers.values():
            answer.set_exception(error)
        self._refuse_offers()

    def _refuse_offers(self) -> None:
        while not self._offers.empty():
            self._offers.get().answer.set_exception(t.cast(BaseException, self._failure))


class _Damaged(Exception):
    """The backup is not intact."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.summary())
        self.report = report


def _still_true(mark: Mark, index: int, start: State | None) -> bool:
    """Whether what a killed run has placed of the part stays, now that this is known of its beginning."""
    if index == 0 or start is None:
        return True
    return start.plain and mark.first == start.need
