# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup → a staged tree and database → switched in.

The order of the steps is the promise: everything is placed beside the live portal, and only when the backup is proven
whole and all of it is in place, renames make it live. Each step can be killed and run again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.pipeline import LAYOUT, Pipeline, Replaced, Staging
from ansible_collections.boxlift.portal.plugins.module_utils.restore.room import check_room
from ansible_collections.boxlift.portal.plugins.module_utils.restore.sink import Routes
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import (
    LocalParts,
    Source,
    identity,
    unchanged,
)
from ansible_collections.boxlift.portal.plugins.module_utils.restore.specials import survey
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees, remove_tree, switch_in
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import StagingTree
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock, read_json, write_json
from ansible_collections.boxlift.portal.plugins.module_utils.workers import processors

CHECKPOINT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class RestoreRequest:
    """What to restore where. `uid`/`gid` of -1 leave ownership to the caller's process."""

    source: str
    document_root: str
    state_dir: str
    password: str | None = dataclasses.field(default=None, repr=False)
    database_name: str | None = None
    uid: int = -1
    gid: int = -1
    jobs: int | None = None
    exclude: tuple[str, ...] = ()
    keep_previous: bool = True
    raw_names: bool = False
    expected: tuple[str, ...] | None = None

    def key(self) -> dict[str, t.Any]:
        """What an interrupted run must have in common with this one to be gone on with."""
        return {
            "document_root": self.document_root,
            "database": self.database_name,
            "uid": self.uid,
            "gid": self.gid,
            "exclude": list(self.exclude),
            "raw_names": self.raw_names,
        }


class Restore:
    """One restore; `run()` does whatever of it has not been done yet."""

    def __init__(
        self,
        request: RestoreRequest,
        database: StagedDatabase | None,
        source: Source | None = None,
        progress: Progress | None = None,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._database = database
        self._source = source
        self._progress = progress or Progress("restore")
        self._clock = clock
        self._trees = Trees.of(request.document_root)
        name = hashlib.sha256(self._trees.live.encode()).hexdigest()[:12]
        self._state_path = os.path.join(request.state_dir, f"restore-{name}.json")
        self._logs = os.path.join(request.state_dir, f"restore-{name}.logs")
        self._lock_path = os.path.join(request.state_dir, f"restore-{name}.lock")
        self._timings: dict[str, float] = {}
        self.report: Report | None = None  # the proof, after a run that has made it

    def run(self) -> dict[str, t.Any]:
        """The result, with `changed`. Raises BoxliftError before the live portal is touched, whatever is wrong."""
        os.makedirs(self._request.state_dir, mode=0o700, exist_ok=True)
        with Lock(self._lock_path, f"The restore into {self._trees.live}"):
            state = read_json(self._state_path) or {}
            if self.done(state):
                return {**state["result"], "changed": False, "resumed": False}
            if not self._can_go_on(state):
                state = {"key": self._request.key(), "phase": "stage"}
            resumed = state["phase"] == "switch" or "marks" in state
            if state["phase"] == "stage":
                self._timed("stage", lambda: self._stage(state))
            self._timed("switch", lambda: self._switch(state))
            self._conclude(state)
            return {**state["result"], "changed": True, "resumed": resumed}

    def _can_go_on(self, state: dict[str, t.Any]) -> bool:
        """Whether an interrupted run has left its work behind, all of it, and wanted the same."""
        if state.get("key") != self._request.key():
            return False
        if state["phase"] == "switch":
            return unchanged(state["directory"], state["parts"])
        if state["phase"] == "done" or state.get("marks", {}).get("layout") != LAYOUT:
            return False
        if self._database is not None and state["marks"].get("dump", {}).get("state") and not self._database.exists():
            return False
        return os.path.isdir(self._trees.staging) and os.path.isdir(self._logs)

    def done(self, state: dict[str, t.Any]) -> bool:
        """Whether this very backup was restored into the tree that stands there now."""
        if state.get("phase") != "done" or state.get("key") != self._request.key():
            return False
        if not os.path.isdir(self._trees.live) or state["tree"] != _place(self._trees.live):
            return False
        return _same_source(self._request.source, state) and unchanged(state["directory"], state["parts"])

    def would_change(self) -> bool:
        """For check mode: reads the state, proves nothing and writes nothing."""
        return not self.done(read_json(self._state_path) or {})

    def _stage(self, state: dict[str, t.Any]) -> None:
        try:
            pipeline, report = self._fill(state)
        except Replaced:
            # What was placed came of a part that is another one now.
            del state["marks"]
            pipeline, report = self._fill(state)
        if not report.intact:
            if not report.damaged():
                # No repair of a part can make this backup acceptable: nothing of it stays.
                del state["marks"]
                remove_tree(self._trees.staging)
                remove_tree(self._logs)
                write_json(self._state_path, state)
            raise BoxliftError(
                f"The backup is not intact, nothing was restored. {report.summary()}",
                "Repair or replace what is named, and run again.",
                **report.as_dict(),
            )
        self.report = report
        imported = pipeline.imported or {}
        found = survey(self._trees.staging)
        del state["marks"]
        state["phase"] = "switch"
        state["directory"], state["parts"] = report.parts.directory, identity(report)
        state["result"] = {
            "document_root": self._trees.live,
            **dataclasses.asdict(pipeline.parts.counts()),
            "tables": imported.get("tables", []),
            "rows": imported.get("rows", 0),
            "repairs": imported.get("repairs", []),
            "timeline": pipeline.timeline(),
            "import_timeline": pipeline.import_timeline(),
            "findings": [finding.as_dict() for finding in report.findings],
            "left_out": pipeline.parts.left_out(),
            "specials": found.as_dict(),
            "warnings": [
                *found.warnings(),
                *(
                    f"{row['table']}: {row['text']} ({row['count']} times, code {row['code']})"
                    for row in imported.get("warnings", [])
                ),
                *(
                    f"{name} keeps the bytes of its name: the converted one is taken or too long."
                    for name in pipeline.parts.renamed()
                ),
                *self._without_dump(report),
            ],
        }
        write_json(self._state_path, state)

    def _fill(self, state: dict[str, t.Any]) -> tuple[Pipeline, Report]:
        """Fill the staging area; whatever ends it, what is done need not be done again."""
        request = self._request
        if "marks" not in state:
            self._clear()
        source = self._source or LocalParts(request.source)
        tree = StagingTree(self._trees.staging, request.uid, request.gid, request.raw_names)
        routes = Routes(self._database is not None, request.exclude)
        staging = Staging(tree, self._logs, routes, self._database)
        jobs = request.jobs or processors()
        marks = state.get("marks", {})
        pipeline = Pipeline(source, request.password, request.expected, staging, jobs, marks, self._progress)
        try:
            return pipeline, pipeline.run(lambda: self._save(pipeline, state), CHECKPOINT_SECONDS)
        finally:
            self._save(pipeline, state)

    def _clear(self) -> None:
        """Begin with an empty staging area."""
        for path in (self._trees.staging, self._logs):
            remove_tree(path)
        os.makedirs(self._trees.parent, exist_ok=True)
        if self._source is None:
            check_room(self._trees.parent, self._request.source, self._request.password, self._database is not None)
        os.mkdir(self._trees.staging, 0o755)
        os.mkdir(self._logs, 0o700)
        if self._request.uid >= 0 or self._request.gid >= 0:
            os.chown(self._trees.staging, self._request.uid, self._request.gid)

    def _save(self, pipeline: Pipeline, state: dict[str, t.Any]) -> None:
        """A checkpoint: what was placed is made durable before the state says that it is there."""
        marks = pipeline.marks()
        os.sync()
        state["marks"] = marks
        write_json(self._state_path, state)

    def _without_dump(self, report: Report) -> list[str]:
        if self._database is None or report.tally.dumps:
            return []
        return ["The archive holds no database dump: the database was not restored."]

    def _switch(self, state: dict[str, t.Any]) -> None:
        if self._database is not None and state["result"]["tables"]:
            self._database.switch_in(self._request.keep_previous)
        switch_in(self._trees)
        if not self._request.keep_previous:
            remove_tree(self._trees.previous)

    def _conclude(self, state: dict[str, t.Any]) -> None:
        state["result"]["previous"] = self._trees.previous if os.path.isdir(self._trees.previous) else None
        state["result"]["timings"] = {name: round(seconds, 2) for name, seconds in self._timings.items()}
        state["phase"] = "done"
        state["tree"] = _place(self._trees.live)
        write_json(self._state_path, state)
        remove_tree(self._logs)

    def _timed(self, name: str, step: t.Callable[[], t.Any]) -> t.Any:
        began = self._clock()
        result = step()
        self._timings[name] = self._clock() - began
        return result


def _place(path: str) -> list[int]:
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def _same_source(source: str, state: dict[str, t.Any]) -> bool:
    """Whether `source` still means the backup in the state: its first part, or the directory it lies in."""
    path = os.path.abspath(source)
    return path == state["directory"] or path == os.path.join(state["directory"], state["parts"][0]["name"])
