# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore, step by step: a backup → a staged tree and database → switched in.

The order of the steps is the promise. Everything is placed beside the live portal. Only when the backup is proven whole
and all of it is in place, renames make it live. Each step can be killed and run again.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.settings import refuse_uneditable
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import KEEP, Generations, name_of
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
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import (
    Trees,
    folders_elsewhere,
    lead_elsewhere,
    remove_tree,
)
from ansible_collections.boxlift.portal.plugins.module_utils.restore.writer import StagingTree
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import told
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.finish import told_views
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock, read_json, write_json
from ansible_collections.boxlift.portal.plugins.module_utils.workers import processors

CHECKPOINT_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class RestoreRequest:
    """What to restore, and where."""

    source: str  # path of the first part, or of the folder that holds the parts
    document_root: str
    state_dir: str
    password: str | None = dataclasses.field(default=None, repr=False)
    database_name: str | None = None  # None: files only
    uid: int = -1  # -1: files belong to whoever runs this
    gid: int = -1  # the same
    jobs: int | None = None  # worker processes; None: one for each processor
    exclude: tuple[str, ...] = ()  # see sink.Routes
    keep_previous: int = KEEP  # generations beside the live one
    confirm_domain: str | None = None  # of the live portal, which may be replaced although people use it
    judge_settings: bool = False  # refuse a portal whose settings cannot be edited
    raw_names: bool = False  # names keep their bytes
    umask: int = 0  # rights that nothing in the tree gets
    expected: tuple[str, ...] | None = None  # the parts' sums as taken at the source, in the lines of sha256sum
    part_count: int | None = None  # the number of parts, where the archive does not state it
    elsewhere: t.Mapping[str, str] = dataclasses.field(default_factory=dict)  # see switch.lead_elsewhere

    def key(self) -> dict[str, t.Any]:
        """What two requests must have in common, so that the second resumes what the first began."""
        return {
            "document_root": self.document_root,
            "database": self.database_name,
            "uid": self.uid,
            "gid": self.gid,
            "exclude": list(self.exclude),
            "raw_names": self.raw_names,
            # A site that has none keeps the state that an earlier version wrote.
            **({"elsewhere": dict(self.elsewhere)} if self.elsewhere else {}),
        }


class Restore:
    """One restore. `run` does what is not done yet, `would_change` says whether there is anything.

    `source` is None where the parts are on this host. `report` is the proof, after a run that has made it.
    """

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
        name = os.path.join(request.state_dir, name_of(self._trees.live))
        self._state_path, self._logs, self._lock_path = f"{name}.json", f"{name}.logs", f"{name}.lock"
        self._timings: dict[str, float] = {}
        self.report: Report | None = None

    def run(self) -> dict[str, t.Any]:
        """The result, with `changed` and `resumed`.

        Raises BoxliftError; where the backup is at fault, nothing of the live portal was touched.
        """
        os.makedirs(self._request.state_dir, mode=0o700, exist_ok=True)
        with Lock(self._lock_path, f"The restore into {self._trees.live}"):
            state = read_json(self._state_path) or {}
            generations = Generations(self._trees, self._request.state_dir, self._database)
            self._refuse_half_done(generations, state)
            if state.get("phase") == "done":
                generations.commit()
            if self.done(state):
                removed = generations.prune(self._request.keep_previous)
                found = {**state["result"], **self._kept(generations)}
                return {**found, "changed": bool(removed), "resumed": False}
            if not self._can_go_on(state, generations):
                state = {"key": self._request.key(), "phase": "stage"}
            resumed = state["phase"] == "switch" or "marks" in state
            if state["phase"] == "stage":
                self._refuse_early(generations, resumed)
                self._timed("stage", lambda: self._stage(state))
            self._timed("switch", lambda: self._switch(state, generations))
            self._conclude(state, generations)
            return {**state["result"], **self._kept(generations), "changed": True, "resumed": resumed}

    def _refuse_half_done(self, generations: Generations, state: dict[str, t.Any]) -> None:
        """Raise BoxliftError where another switch was begun, which must be completed first."""
        switch = generations.switch
        if switch is None:
            return
        if switch["kind"] == "rollback":
            raise BoxliftError(
                f"A rollback of {self._trees.live} to generation {switch['incoming']['number']} is half done.",
                "Run playbook boxlift.portal.rollback again; it completes it.",
            )
        if state.get("phase") == "done":
            return  # it was killed before its last word
        if state.get("phase") != "switch" or state.get("key") != self._request.key():
            raise BoxliftError(
                f"A restore of {switch['incoming']['source']} into {self._trees.live} is half switched in, and this "
                "task has other options (database, owner, group, exclude, names or state_dir).",
                "Run the task again as it was; it completes the switch.",
            )

    def _refuse_early(self, generations: Generations, resumed: bool) -> None:
        """Raise BoxliftError for what would stop the switch, before anything is fetched or written."""
        if self._database is not None:
            self._database.refuse_early(generations.slot())
        if not resumed:
            self._refuse_living(generations)

    def _refuse_living(self, generations: Generations) -> None:
        name = os.path.basename(self._request.source.rstrip("/"))
        generations.refuse_living(self._request.confirm_domain, name)

    def _can_go_on(self, state: dict[str, t.Any], generations: Generations) -> bool:
        """Whether an interrupted run wanted the same, and everything it left is still there."""
        if state.get("key") != self._request.key():
            return False
        if state["phase"] == "switch":
            return generations.switch is not None or unchanged(state["directory"], state["parts"])
        if state["phase"] == "done" or state.get("marks", {}).get("layout") != LAYOUT:
            return False
        if self._database is not None and state["marks"].get("dump", {}).get("state") and not self._database.exists():
            return False
        if not os.path.isdir(self._trees.staging) or not os.path.isdir(self._logs):
            return False
        folders = folders_elsewhere(self._trees.staging)
        return set(folders) == set(self._request.elsewhere) and all(map(os.path.isdir, folders.values()))

    def done(self, state: dict[str, t.Any]) -> bool:
        """Whether the tree that is live now came from this very backup, by the same request."""
        if state.get("phase") != "done" or state.get("key") != self._request.key():
            return False
        if not os.path.isdir(self._trees.live) or state["tree"] != _place(self._trees.live):
            return False
        return _same_source(self._request.source, state) and unchanged(state["directory"], state["parts"])

    def would_change(self) -> bool:
        """For check mode: reads the state, proves nothing and writes nothing."""
        return not self.done(read_json(self._state_path) or {})

    def _stage(self, state: dict[str, t.Any]) -> None:
        """Place everything beside the live portal, proven; then note in the state what there is to switch in."""
        try:
            pipeline, report = self._fill(state)
        except Replaced:
            del state["marks"]
            pipeline, report = self._fill(state)
        if not report.intact:
            self._refuse(report, state)
        self.report = report
        state["result"] = self._result(pipeline, report)
        state["directory"], state["parts"] = report.parts.directory, identity(report)
        del state["marks"]
        state["phase"] = "switch"
        write_json(self._state_path, state)

    def _refuse(self, report: Report, state: dict[str, t.Any]) -> t.NoReturn:
        """Raise BoxliftError. What is staged stays for the next run, if a repaired part can make the backup whole."""
        if not report.damaged():
            del state["marks"]
            remove_tree(self._trees.staging)
            remove_tree(self._logs)
            write_json(self._state_path, state)
        raise BoxliftError(
            f"The backup is not intact, nothing was restored. {report.summary()}",
            "Repair or replace what is named, and run again.",
            **report.as_dict(),
        )

    def _result(self, pipeline: Pipeline, report: Report) -> dict[str, t.Any]:
        """What was staged, as the module returns it."""
        imported = pipeline.imported or {}
        found = survey(self._trees.staging)
        doubles = pipeline.double_findings()
        return {
            "document_root": self._trees.live,
            **dataclasses.asdict(pipeline.counts()),
            "tables": imported.get("tables", []),
            "rows": imported.get("rows", 0),
            "repairs": imported.get("repairs", []),
            "server_warnings": imported.get("warnings", []),
            "views_left_out": imported.get("views_left_out", []),
            "timeline": pipeline.timeline(),
            "import_timeline": pipeline.import_timeline(),
            "findings": [finding.as_dict() for finding in [*report.findings, *doubles]],
            "left_out": pipeline.parts.left_out(),
            "specials": found.as_dict(),
            "warnings": [
                *found.warnings(),
                *told(imported.get("warnings", [])),
                *(
                    f"{name} keeps the bytes of its name: the converted one is taken or too long."
                    for name in pipeline.parts.renamed()
                ),
                *told_views(imported.get("views_left_out", [])),
                *pipeline.parts.derived(),
                *(f"{finding.observed} {finding.remedy}" for finding in doubles if finding.status == "warn"),
                *self._without_dump(report),
            ],
        }

    def _fill(self, state: dict[str, t.Any]) -> tuple[Pipeline, Report]:
        """Fill the staging area. Whatever ends this, the state says what is done and need not be done again."""
        request = self._request
        if "marks" not in state:
            self._clear()
        source = self._source or LocalParts(request.source)
        folders = folders_elsewhere(self._trees.staging)
        own = (request.uid, request.gid, request.raw_names, request.umask)
        tree = StagingTree(self._trees.staging, *own, tuple(folders.items()))
        routes = Routes(self._database is not None, request.exclude)
        staging = Staging(tree, self._logs, routes, self._database)
        jobs = request.jobs or processors()
        marks = state.get("marks", {})
        proof = (request.password, request.expected, request.part_count)
        pipeline = Pipeline(source, *proof, staging, jobs, marks, self._progress)
        try:
            return pipeline, pipeline.run(lambda: self._save(pipeline, state), CHECKPOINT_SECONDS)
        finally:
            self._save(pipeline, state)

    def _clear(self) -> None:
        """Make the staging area, empty. Raises BoxliftError where the tree cannot fit."""
        for path in (self._trees.staging, self._logs):
            remove_tree(path)
        os.makedirs(self._trees.parent, exist_ok=True)
        if self._source is None:
            datadir = self._database.directory() if self._database is not None else ""
            backup = (self._request.source, self._request.password)
            further = tuple(self._request.elsewhere.values())
            check_room(self._trees.parent, *backup, self._database is not None, datadir, further)
        mode = 0o755 & ~self._request.umask
        os.mkdir(self._trees.staging, mode)
        os.mkdir(self._logs, 0o700)
        if self._request.uid >= 0 or self._request.gid >= 0:
            os.chown(self._trees.staging, self._request.uid, self._request.gid)
        lead_elsewhere(self._trees.staging, self._request.elsewhere, self._request.uid, self._request.gid, mode)

    def _save(self, pipeline: Pipeline, state: dict[str, t.Any]) -> None:
        """A checkpoint. What was placed is on the disk before the state says that it is."""
        marks = pipeline.marks()
        os.sync()
        state["marks"] = marks
        write_json(self._state_path, state)

    def _without_dump(self, report: Report) -> list[str]:
        if self._database is None or report.tally.dumps:
            return []
        return ["The archive holds no database dump: the database was not restored."]

    def _switch(self, state: dict[str, t.Any], generations: Generations) -> None:
        """Make what is staged live: first the database, then the tree. Raises BoxliftError before the first rename.

        People may have worked with the portal since the run began, which may have taken half a day.
        """
        if generations.switch is None:
            if self._request.judge_settings and os.path.isdir(self._trees.staging):
                refuse_uneditable(self._trees.staging)
            generations.recognise()
            self._refuse_living(generations)
            with_database = self._database is not None and bool(state["result"]["tables"])
            generations.begin_restore(state["parts"][0]["name"], with_database, state["result"])
        generations.switch_restored()

    def _conclude(self, state: dict[str, t.Any], generations: Generations) -> None:
        """Note that it is done, and into which tree, so that the same request finds nothing to do."""
        state["result"]["timings"] = {name: round(seconds, 2) for name, seconds in self._timings.items()}
        state["phase"] = "done"
        state["tree"] = _place(self._trees.live)
        write_json(self._state_path, state)
        generations.commit()
        generations.prune(self._request.keep_previous)
        remove_tree(self._logs)

    def _kept(self, generations: Generations) -> dict[str, t.Any]:
        """What was live before, as the module returns it."""
        replaced = (generations.live or {}).get("replaced")
        tree = self._trees.generation(replaced) if replaced is not None else ""
        return {"previous": tree if os.path.isdir(tree) else None, "generations": generations.listing()}

    def _timed(self, name: str, step: t.Callable[[], t.Any]) -> t.Any:
        began = self._clock()
        result = step()
        self._timings[name] = self._clock() - began
        return result


def _place(path: str) -> list[int]:
    """Which directory it is: another one of the same name is not the restored tree."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def _same_source(source: str, state: dict[str, t.Any]) -> bool:
    """Whether `source` names the backup in the state: its first part, or the directory of its parts."""
    path = os.path.abspath(source)
    return path == state["directory"] or path == os.path.join(state["directory"], state["parts"][0]["name"])
