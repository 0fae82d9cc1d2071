# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proven backup → the staging tree and the staging database, on all cores, gone on with after a kill.

Each part is a task of its own: the proof has told which entry is open where it begins. Files that lie in several parts
are made first, so that their parts can be written in any order.
"""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.crew import Crew
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report, Volume
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import Entry
from ansible_collections.boxlift.portal.plugins.module_utils.restore.dumpfeed import Database, DumpFeed, DumpMark
from ansible_collections.boxlift.portal.plugins.module_utils.restore.placing import (
    Mark,
    PlacePart,
    SettleDirectories,
    Tree,
    work,
)
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Counts, Routes, Straddler
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import first_offset
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import TreeWriter

_LISTEN_SECONDS = 0.2


class Preparable(Database, t.Protocol):
    def prepare(self, state: dict[str, t.Any] | None) -> None:
        """Make it empty, or go on with it where `state` comes from an earlier run."""


class Staging:
    """One run of filling the staging area; `marks` of an earlier run are what it goes on from."""

    def __init__(
        self,
        report: Report,
        tree: Tree,
        logs: str,
        routes: Routes,
        database: Preparable | None,
        jobs: int,
        marks: dict[str, t.Any] | None,
    ) -> None:
        self._report = report
        self._tree = tree
        self._logs = logs
        self._routes = routes
        self._jobs = jobs
        marks = marks or {}
        self._done = {int(index): _mark(saved) for index, saved in marks.get("done", {}).items()}
        self._partial = {int(index): _mark(saved) for index, saved in marks.get("partial", {}).items()}
        made = marks.get("straddlers")
        # Part → the file that is open where it begins; None until these files are made.
        self._paths = None if made is None else {int(index): base64.b64decode(path) for index, path in made.items()}
        self._renamed: list[str] = list(marks.get("renamed", ()))
        self._feed: DumpFeed | None = None
        if database is not None and report.tally.dumps:
            dump = DumpMark(**marks["dump"]) if marks.get("dump") else DumpMark(first_offset(report))
            if dump.imported is None:
                database.prepare(dump.state)
            self._feed = DumpFeed(report, database, dump)

    def run(self, save: t.Callable[[], None], checkpoint_seconds: float) -> None:
        """Do what is not done yet; `save` is called every so often. Raises BoxliftError."""
        # The workers before the thread: forking a process with threads would copy their locks.
        with Crew(min(self._jobs, len(self._report.volumes)), work) as crew:
            if self._paths is None:
                self._paths = self._make_straddlers()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                feed = self._feed
                dump = pool.submit(feed.run) if feed is not None and feed.mark.imported is None else None
                try:
                    self._place(crew, dump, save, checkpoint_seconds)
                    while dump is not None and not concurrent.futures.wait([dump], checkpoint_seconds).done:
                        save()
                    if dump is not None:
                        dump.result()
                except BaseException:
                    if feed is not None:
                        feed.stop()
                    raise
            self._settle(crew)

    def marks(self) -> dict[str, t.Any]:
        """What a later run goes on from, fit for JSON."""
        return {
            "done": {index: dataclasses.asdict(mark) for index, mark in self._done.items()},
            "partial": {index: dataclasses.asdict(mark) for index, mark in self._partial.items()},
            "straddlers": None
            if self._paths is None
            else {index: base64.b64encode(path).decode("ascii") for index, path in self._paths.items()},
            "renamed": self._renamed,
            "dump": dataclasses.asdict(self._feed.mark) if self._feed else None,
        }

    @property
    def imported(self) -> dict[str, t.Any] | None:
        """What the importer said, once it is done."""
        return self._feed.mark.imported if self._feed else None

    def counts(self) -> Counts:
        total = Counts()
        for mark in self._done.values():
            total.add(mark.counts)
        return total

    def renamed(self) -> list[str]:
        """Entries that keep their cp1251 names."""
        return sorted([*self._renamed, *(name for mark in self._done.values() for name in mark.renamed)])

    def _place(
        self,
        crew: Crew,
        dump: concurrent.futures.Future[t.Any] | None,
        save: t.Callable[[], None],
        checkpoint_seconds: float,
    ) -> None:
        waiting = [volume for volume in self._report.volumes if volume.index not in self._done]
        # The largest first, so that no worker is left with a large one at the end.
        waiting.sort(key=lambda volume: -volume.data_size)
        saved = time.monotonic()
        while waiting or crew.busy:
            while waiting and crew.idle:
                crew.give(self._task(waiting.pop(0)))
            for told in crew.listen(_LISTEN_SECONDS):
                if told.kind == "error":
                    raise told.value
                if told.kind == "note":
                    self._partial[told.task.index] = told.value
                else:
                    self._partial.pop(told.task.index, None)
                    self._done[told.task.index] = told.value
            if dump is not None and dump.done():
                dump.result()
            if time.monotonic() - saved >= checkpoint_seconds:
                save()
                saved = time.monotonic()

    def _settle(self, crew: Crew) -> None:
        """What can only be set when nothing is written any more: times of shared files, then those of directories."""
        writer = TreeWriter(self._tree.root, self._log("straddlers"), self._tree.uid, self._tree.gid, None)
        try:
            for index, path in (self._paths or {}).items():
                writer.open_file(t.cast(Entry, self._report.starts[index].entry), path, 0)
                writer.end_file()
        finally:
            writer.close()
        logs = [self._log(f"part-{volume.index}") for volume in self._report.volumes]
        crew.map([SettleDirectories(log, self._tree) for log in logs], lambda note: None)

    def _task(self, volume: Volume) -> PlacePart:
        index = volume.index
        mark = self._partial.get(index, Mark())
        return PlacePart(
            index=index,
            name=volume.name,
            path=self._report.parts.path(index),
            sha256=volume.sha256,
            kind=self._report.parts.kind,
            cipher=self._report.cipher,
            tree=self._tree,
            log=self._log(f"part-{index}"),
            routes=self._routes,
            start=self._report.starts[index],
            incoming=self._straddler(index),
            outgoing=self._straddler(index + 1),
            mark=dataclasses.replace(mark, counts=dataclasses.replace(mark.counts)),
        )

    def _straddler(self, index: int) -> Straddler | None:
        """The file that is open where part `index` begins."""
        start = self._report.starts.get(index)
        path = (self._paths or {}).get(index)
        return Straddler(start.entry, path) if start is not None and start.entry is not None and path else None

    def _make_straddlers(self) -> dict[int, bytes]:
        """Create every file that lies in more than one part; the path of the one that is open where a part begins."""
        paths: dict[int, bytes] = {}
        made: dict[tuple[int, Entry], bytes] = {}
        writer = TreeWriter(self._tree.root, self._log("straddlers"), self._tree.uid, self._tree.gid)
        try:
            begun_in = 0
            for index in range(1, len(self._report.volumes)):
                before, entry = self._report.starts[index - 1].entry, self._report.starts[index].entry
                if entry is None or self._routes.of(entry) != "tree":
                    continue
                # Offsets count within a part: the same entry again only where it covers the whole part between.
                if entry != before or not self._covers(index - 1):
                    begun_in = index - 1
                if (begun_in, entry) not in made:
                    made[begun_in, entry] = writer.begin_file(entry)
                    writer.end_file()
                paths[index] = made[begun_in, entry]
            self._renamed += writer.renamed
            return paths
        finally:
            writer.close()

    def _covers(self, index: int) -> bool:
        """Whether the entry that is open where the part begins is still open where it ends."""
        return self._report.starts[index].need > self._report.volumes[index].data_size

    def _log(self, name: str) -> str:
        return os.path.join(self._logs, name)


def _mark(saved: dict[str, t.Any]) -> Mark:
    return Mark(saved["offset"], saved["log"], Counts(**saved["counts"]), tuple(saved["renamed"]))
