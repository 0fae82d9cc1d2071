# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A portal, tables or folders brought back to a moment: from a copy, and from the binary logs behind it.

Everything is made beside the live portal. What was live is kept: a portal as a generation, which portal_rollback brings
back, a table in a database of its own, a folder beside the document root. Each step can be killed and run again.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import beside, binlog_replay, folder, table
from ansible_collections.boxlift.portal.plugins.module_utils.backup.beside import BesideServer, Folder
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import Gtid
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import Copy
from ansible_collections.boxlift.portal.plugins.module_utils.backup.points import Point, find_point, iso
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import KEEP, Generations, name_of
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees, remove_tree
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    Login,
    connect,
    execute,
    hang_up,
    quote_name,
    rows,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import default_jobs
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.staging import Names
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh import sync
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh.snapshot import snapshot
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock, read_json, write_json
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

CONFIRM = "-e recover_confirm_domain={domain} (option confirm_domain of portal_recover)"
# Programs and packages without which the work would end later.
NEEDED: tuple[str, ...] = ("mariadb-backup", "socat")
# What the logs become as SQL, about.
_AS_SQL = 2
_GROWTH = 1.1  # of data that are prepared
_MEMORY = 256 * 1024 * 1024
Result = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Request:
    """What to bring back, to when, and where.

    Without `moment`, `before` and `copy` the latest moment that can be had. Without tables and folders the whole
    portal. With `dest` nothing of the live portal is touched: files are brought there.
    """

    document_root: str
    state_dir: str
    work_dir: str
    database: str | None = None  # name of the live database; None: files only
    moment: float | None = None
    before: Gtid | None = None
    copy: str = ""
    tables: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    dest: str = ""
    uid: int = -1
    gid: int = -1
    keep_previous: int = KEEP
    confirm_domain: str | None = None
    local_logs: str = ""
    user: str = "mysql"  # the account of the server beside
    elsewhere: t.Mapping[str, str] = dataclasses.field(default_factory=dict)  # see switch.lead_elsewhere
    again: bool = False  # also where an earlier run has brought this very moment

    def key(self, point: Point) -> Result:
        """What a second run must have in common to go on with what the first one began."""
        return {
            "copy": point.copy.id,
            "moment": self.moment,
            "before": str(self.before) if self.before else None,
            "document_root": self.document_root,
            "database": self.database,
            "tables": sorted(self.tables),
            "folders": sorted(self.folders),
            "dest": self.dest,
            "owner": [self.uid, self.gid],
            **({"elsewhere": dict(self.elsewhere)} if self.elsewhere else {}),
        }

    @property
    def whole(self) -> bool:
        return not self.tables and not self.folders

    @property
    def with_database(self) -> bool:
        return bool(self.tables) or (self.whole and self.database is not None)

    @property
    def with_files(self) -> bool:
        return self.whole or bool(self.folders)


class Recovery:
    """One recovery. `plan` says what would be done and refuses what cannot be; `run` does it."""

    def __init__(
        self,
        request: Request,
        restic: Restic,
        login: Login | None,
        staged: StagedDatabase | None,
        progress: Progress | None = None,
        now: t.Callable[[], float] = time.time,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._restic = restic
        self._login = login
        self._staged = staged
        self._progress = progress or Progress("portal_recover")
        self._now = now
        self._clock = clock
        self._trees = Trees.of(request.document_root)
        self._folder = Folder(request.work_dir)
        base = os.path.join(request.state_dir, name_of(self._trees.live))
        self._state_path, self._lock_path, self._restore_logs = f"{base}.recover.json", f"{base}.lock", f"{base}.logs"
        self._timings: dict[str, float] = {}
        self._warnings: list[str] = []
        self._files_of: folder.Source | None = None

    # What will be done

    def plan(self) -> Result:
        """For check mode: reads the repository, writes nothing. Raises BoxliftError for what stands against it."""
        point = self._point()
        self._refuse_early(point, {})
        return {"changed": True, **self._told(point)}

    def _point(self) -> Point:
        request = self._request
        point = find_point(self._restic, request.moment, request.before, request.copy, request.local_logs, self._now())
        if request.with_database and "database" not in point.copy.parts:
            raise BoxliftError(f"The copy {point.copy.id} has no database.", "Name another one (recover_copy).")
        if not request.with_database:
            return point._replace(logs=[], begin=None)
        return point

    def _told(self, point: Point) -> Result:
        """What comes from where, and as of when: files are as of their copy, whatever moment was wished."""
        request, copy = self._request, point.copy
        told = {
            "copy": {"id": copy.id, "kind": copy.kind, "began": iso(copy.began), "ended": iso(copy.ended)},
            "chain": [each.id for each in point.chain],
            "files_as_of": iso(copy.began) if request.with_files else None,
            "database_as_of": iso(point.moment) if request.with_database else None,
            "logs": len(point.logs),
            "possible": point.possible,
            "what": self._what(),
        }
        return told

    def _as_of(self, point: Point, result: Result) -> Result:
        """Before a transaction, only the replay says which moment the database is of."""
        if self._request.before is None or not result.get("replayed"):
            return {}
        last = result["replayed"]["last"]
        return {"database_as_of": last["time"] if last else iso(point.copy.ended)}

    def _what(self) -> list[str]:
        request = self._request
        if request.whole:
            return ["the whole portal"] if request.database else ["all files"]
        return [*(f"table {name}" for name in request.tables), *(f"folder {name}" for name in request.folders)]

    def _refuse_early(self, point: Point, state: Result) -> None:
        """Raise BoxliftError for what would end the work later, before anything is written."""
        request = self._request
        if request.with_database:
            beside.refuse_other_version(point.chain)
            for name in NEEDED:
                beside.program(name, name)
        if request.with_files:
            folder.refuse_early(self._restic, self._source(point.copy), self._trees, request.folders, request.dest)
        generations = Generations(self._trees, request.state_dir, self._staged)
        self._refuse_half_done(generations, state)
        if not request.dest and request.whole:
            if self._staged is not None:
                self._staged.refuse_early(generations.slot())
            self._refuse_living(generations, point)
        if not state.get("room"):
            self._check_room(point)

    def _refuse_half_done(self, generations: Generations, state: Result) -> None:
        switch = generations.switch
        if switch is None or state.get("phase") == "switch":
            return
        kind = "rollback" if switch["kind"] == "rollback" else "restore or recovery"
        raise BoxliftError(
            f"A {kind} of {self._trees.live} is half switched in ({switch['incoming']['why']}).",
            "Run it again as it was, which completes it; then run this.",
        )

    def _refuse_living(self, generations: Generations, point: Point) -> None:
        generations.refuse_living(self._request.confirm_domain, _source_name(point), CONFIRM)

    def _source(self, copy: Copy) -> folder.Source:
        """The snapshot of the copy's files, and the folder that was copied."""
        wanted = copy.snapshot("files")
        if self._files_of is None or self._files_of.snapshot != wanted:
            self._files_of = folder.Source.of(copy, self._restic.find(wanted).paths[0])
        return self._files_of

    def _check_room(self, point: Point) -> None:
        """Raise BoxliftError where a disk has too little room for all that is written to it."""
        request, copy = self._request, point.copy
        needs: list[tuple[str, int]] = []
        if request.with_database:
            data = sum(each.bytes("database") for each in point.chain)
            needs.append((_existing(request.work_dir), int(data * _GROWTH)))
            if request.whole and not request.dest and self._staged is not None and (place := self._staged.directory()):
                needs += [(place, data), *self._logged(data)]
        if request.with_files:
            place = _existing(request.dest) if request.dest else self._trees.parent
            source = self._source(copy)
            needs += [(place, folder.needed(self._restic, source, copy, request.folders))]
            if request.whole:
                further = "" if request.dest else next(iter(request.elsewhere.values()), "")
                needs += [(further or place, folder.needed_elsewhere(copy))]
        _refuse_small(needs)

    def _logged(self, count: int) -> list[tuple[str, int]]:
        """What the live server writes to its binary logs of this load: all of it, so that later moments can be had."""
        return [(self._request.local_logs, count)] if os.path.isdir(self._request.local_logs) else []

    # The work

    def run(self) -> Result:
        """The result, with `changed` and `resumed`. Raises BoxliftError; the live portal is then as it was."""
        os.makedirs(self._request.state_dir, mode=0o700, exist_ok=True)
        began = self._clock()
        with Lock(self._lock_path, f"The portal in {self._trees.live}"):
            state = read_json(self._state_path) or {}
            found = self._completed(state)
            if found is not None:
                return found
            point = self._timed("plan", self._point)
            key = self._request.key(point)
            if state.get("key") != key:
                self._clear(state)
            if state.get("key") != key or state.get("phase") == "done":
                state = {"key": key, "phase": "stage"}
            resumed = "room" in state
            self._timed("plan", lambda: self._refuse_early(point, state))
            state["room"] = True
            if self._request.with_files:
                state["root"] = self._source(point.copy).root
            write_json(self._state_path, state)
            done = self._do(point, state)
            result = {**self._told(point), **done, **self._as_of(point, done), "changed": True, "resumed": resumed}
            self._timings["all"] = self._clock() - began
            result["timings"] = {name: round(seconds, 2) for name, seconds in self._timings.items()}
            result["warnings"] = [*result.get("warnings", []), *self._warnings]
            self._conclude(state, result)
            return result

    def _completed(self, state: Result) -> Result | None:
        """Finish a switch that a killed run has announced, or say that this very moment is live already."""
        request = self._request
        if request.tables or request.folders or request.dest:
            return None
        wish = {
            "moment": request.moment,
            "before": str(request.before) if request.before else None,
            "document_root": request.document_root,
            "database": request.database,
        }
        same = all(state.get("key", {}).get(name) == value for name, value in wish.items())
        generations = Generations(self._trees, request.state_dir, self._staged)
        live = state.get("tree") is not None and state["tree"] == _place(self._trees.live)
        if same and state.get("phase") == "switch" and (generations.switch is not None or live):
            self._switch_in(generations, state)
            result = {**state["result"], **self._kept(generations), "changed": True, "resumed": True, "timings": {}}
            self._conclude(state, result)
            return result
        fixed = request.moment is not None or request.before is not None or bool(request.copy)
        if request.again or not (same and fixed and state.get("phase") == "done" and live):
            return None
        if request.copy and state["key"]["copy"] != request.copy:
            return None
        result = {**state["result"], **self._kept(generations), "changed": False, "resumed": False}
        return {**result, "warnings": [*result.get("warnings", []), *self._changed_since(state)]}

    def _standing(self) -> Result:
        """Where the live database stands: its tables, and its last transaction where it logs them.

        Nothing where that is not asked later, or cannot be told: files come back also where the database is dead.
        """
        request = self._request
        if self._login is None or request.database is None or not request.whole or request.dest:
            return {}
        try:
            conn = connect(self._login)
            try:
                return {
                    "gtid": str(rows(conn, "SELECT @@gtid_binlog_pos AS g")[0]["g"] or ""),
                    "tables": sorted(schema.tables(conn, request.database)),
                }
            finally:
                hang_up(conn)
        except BoxliftError:
            return {}

    def _changed_since(self, state: Result) -> list[str]:
        """A warning unless the database is exactly as the earlier run has left it: the moment is not brought again."""
        then, now = state.get("standing") or {}, self._standing()
        if then.get("gtid") and then == now:
            return []
        gone = sorted(set(then.get("tables", ())) - set(now.get("tables", ())))
        lost = f" Tables that are gone since: {', '.join(gone[:10])}." if gone else ""
        done = iso(state["done"]) if "done" in state else "an earlier day"
        return [
            f"The portal was brought to this moment on {done}. It may have changed since, and was left as it is now."
            f"{lost} To bring it there again: -e recover_again=true (option again of portal_recover)."
        ]

    def _clear(self, state: Result) -> None:
        """Remove what another, killed recovery has left. What a killed restore has staged counts for nothing then."""
        beside.end_processes(self._tree)
        self._folder.remove()
        self._remove_tree(state)
        table.undo(state.get("tables"), self._login)
        folder.undo(state.get("folders"), self._trees)
        if os.path.exists(self._state_path):
            os.unlink(self._state_path)

    @property
    def _tree(self) -> str:
        """Where files are brought to, beside the live tree."""
        return folder.aside_of(self._trees, self._trees.parent)

    def _remove_tree(self, state: Result) -> None:
        """Remove what was brought beside the live tree, and beside what it has in other places."""
        if state.get("root"):
            remove_tree(self._tree + state["root"])
        for place in {self._trees.parent, *self._request.elsewhere.values(), *folder.places_of(self._trees).values()}:
            remove_tree(folder.aside_of(self._trees, place))

    def _do(self, point: Point, state: Result) -> Result:
        if self._request.whole:
            return self._whole(point, state)
        result: Result = {}
        if self._request.tables:
            result["tables"] = self._tables(point, state, result)
        if self._request.folders:
            result["folders"] = self._folders(point, state)
        return result

    # -- the server beside

    @contextlib.contextmanager
    def _running(self, point: Point) -> t.Iterator[tuple[BesideServer, Result]]:
        """The server beside with the data as of the moment, and where its replay ended."""
        server = self._beside(point)
        with contextlib.ExitStack() as stack:
            self._timed("start", lambda: stack.enter_context(server))
            yield server, self._replay(point, server)
            self._timed("stop", stack.close)

    def _beside(self, point: Point) -> BesideServer:
        """The data of the copy, in a server that is not running yet."""
        where, done = self._folder, self._folder.state()
        wanted = [each.id for each in point.chain]
        # What a killed run took for the latest moment is not the latest any more where logs have come since.
        latest = self._request.moment is None and self._request.before is None
        old = latest and done.get("phase") == "replayed" and done.get("moment") != point.moment
        if old or done.get("chain") != wanted or done.get("phase") not in ("prepared", "replayed"):
            where.remove()
            where.make()
            self._timed("unpack", lambda: self._unpack(point))
            self._timed("prepare", lambda: beside.prepare(where, _MEMORY, self._request.user))
            where.note(chain=wanted, phase="prepared")
        return BesideServer(where, self._request.user, _MEMORY, self._case())

    def _unpack(self, point: Point) -> None:
        came = 0

        def on_bytes(count: int) -> None:
            nonlocal came
            came += count
            self._progress.tell(done=came)

        self._progress.tell(total=sum(each.bytes("database") for each in point.chain))
        beside.unpack(self._restic, point.chain, self._folder, on_bytes)

    def _case(self) -> int:
        """How the live server compares names of tables, which the data are laid out for."""
        if self._login is None:
            return 0
        conn = connect(self._login)
        try:
            return int(rows(conn, "SELECT @@lower_case_table_names AS n")[0]["n"])
        finally:
            hang_up(conn)

    def _replay(self, point: Point, server: BesideServer) -> Result:
        """Replay the logs to the moment, unless an earlier run has; where it ended."""
        where, done = self._folder, self._folder.state()
        if done.get("phase") == "replayed":
            return t.cast(Result, done["replay"])
        if point.begin is None or not point.logs:
            return {"transactions": 0, "last": None, "next": None}
        begin = point.begin
        paths = self._timed("logs", lambda: self._fetch(point))
        binlog_replay.prove(begin, paths)
        stop = binlog_replay.find_stop(begin, paths, self._request.moment, self._request.before)
        _refuse_small([(where.path, sum(map(os.path.getsize, paths)) * _AS_SQL)])
        where.note(phase="replaying")
        if stop.transactions:
            self._timed("replay", lambda: self._apply(begin, paths, stop, server))
        if stop.late:
            self._warnings.append(
                f"Transactions behind the end say an earlier second ({', '.join(stop.late)}): the clock was set back. "
                "Where they belong to what is wanted, name the first one that is not (recover_before_gtid)."
            )
        found = {
            "transactions": stop.transactions,
            "last": _shown(stop.last),
            "next": _shown(stop.next),
        }
        where.note(phase="replayed", replay=found, moment=point.moment)
        remove_tree(where.logs)
        return found

    def _fetch(self, point: Point) -> list[str]:
        return binlog_replay.fetch(
            self._restic, point.logs, self._folder.logs, lambda count: self._progress.tell(done=count)
        )

    def _apply(
        self, begin: binlog_replay.Start, paths: list[str], stop: binlog_replay.Stop, server: BesideServer
    ) -> None:
        tool = beside.program("mariadb-binlog", "mariadb-server")
        total = binlog_replay.write_sql(paths, begin, stop, self._folder.sql, tool)
        self._progress.tell(total=total)
        binlog_replay.replay(self._folder.sql, server.client(), lambda count: self._progress.tell(done=count))
        os.unlink(self._folder.sql)

    # -- the whole portal

    def _whole(self, point: Point, state: Result) -> Result:
        request = self._request
        if request.dest:
            return self._whole_as_files(point)
        generations = Generations(self._trees, request.state_dir, self._staged)
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="files") as pool:
            files = pool.submit(self._files, point, state)
            try:
                result = self._database(point, state) if request.with_database else {"rows": 0, "replayed": None}
                self._progress.tell(phase="files")
                result["files"] = files.result()
            except BaseException:
                beside.end_processes(self._tree)
                raise
        state["result"] = {**self._told(point), **result, **self._as_of(point, result)}
        write_json(self._state_path, state)
        self._progress.tell(phase="switch")
        self._timed("switch", lambda: self._switch(point, generations, state))
        return {**result, **self._kept(generations)}

    def _files(self, point: Point, state: Result) -> int:
        """Bring the tree beside the live one; the number of its files."""
        began = self._clock()
        beside.end_processes(self._tree)
        source = self._source(point.copy)
        staged = state.get("staged") is not None and state["staged"] == _place(self._trees.staging)
        if state.get("files") is None or not (staged or os.path.isdir(self._staged_tree(source))):
            tree, owner = self._staged_tree(source), (self._request.uid, self._request.gid)
            remove_tree(tree)  # with its folders elsewhere
            remove_tree(self._tree)
            os.mkdir(self._tree, 0o700)
            self._restic.restore(source.snapshot, self._tree, exclude=source.links)
            count = folder.own(tree, *owner)
            elsewhere = self._request.elsewhere
            count += folder.bring_elsewhere(self._restic, source, self._trees, tree, elsewhere, *owner)
            state["files"] = count
        self._timings["files"] = self._clock() - began
        return int(state["files"])

    def _staged_tree(self, source: folder.Source) -> str:
        return self._tree + source.root

    def _database(self, point: Point, state: Result) -> Result:
        """Fill the staging database from the server beside."""
        if self._login is None or self._request.database is None:
            raise RuntimeError("a whole portal needs its database")
        name, login = self._request.database, self._login
        names = Names.of(name)
        with self._running(point) as (server, replayed):
            self._timed("load", lambda: self._load(server, login, names, state))
            self._warnings += table.left_behind(server.login, name)
            count = self._timed("count", lambda: _prove_rows(server.login, name, login, names.staging))
        return {"rows": count, "replayed": replayed}

    def _load(self, server: BesideServer, login: Login, names: Names, state: Result) -> None:
        there, here = connect(server.login), connect(login)
        try:
            if not state.get("staging") or not schema.exists(here, names.staging):
                schema.drop(here, names.staging)
                defaults = schema.defaults(there, names.live)
                if not defaults:
                    raise BoxliftError(
                        f"The copy has no database {names.live}.", "Name the database that production had."
                    )
                execute(here, f"CREATE DATABASE {quote_name(names.staging)} {defaults}")
                remove_tree(self._restore_logs)  # without them a killed restore does not take this for its own
                state["staging"] = True
                write_json(self._state_path, state)
        finally:
            hang_up(there)
            hang_up(here)
        with snapshot(server.command, server.login.user, names.live) as source:
            sync.refresh(
                source,
                names.live,
                login,
                names.staging,
                jobs=default_jobs(),
                on_bytes=lambda count: self._progress.tell(done=count),
            )

    def _switch(self, point: Point, generations: Generations, state: Result) -> None:
        """Make it live. People may have worked since the run began: they are asked after again."""
        generations.recognise()
        self._refuse_living(generations, point)
        source = self._source(point.copy)
        if os.path.isdir(self._staged_tree(source)):
            remove_tree(self._trees.staging)
            os.rename(self._staged_tree(source), self._trees.staging)
            state["staged"] = _place(self._trees.staging)
        if self._request.with_database and self._staged is not None:
            self._staged.make_staged_ready()
        state["phase"] = "switch"
        write_json(self._state_path, state)
        generations.begin_restore(_source_name(point), self._request.with_database, state["result"])
        self._switch_in(generations, state)

    def _switch_in(self, generations: Generations, state: Result) -> None:
        """Do what was announced, or only what follows it, where a killed run has done that."""
        if generations.switch is not None:
            generations.switch_restored()
        state["tree"] = _place(self._trees.live)
        write_json(self._state_path, state)
        generations.commit()
        generations.prune(self._request.keep_previous)

    def _kept(self, generations: Generations) -> Result:
        replaced = (generations.live or {}).get("replaced")
        tree = self._trees.generation(replaced) if replaced is not None else ""
        return {"previous": tree if os.path.isdir(tree) else None, "generations": generations.listing()}

    def _whole_as_files(self, point: Point) -> Result:
        request, source = self._request, self._source(point.copy)
        result: Result = {"dest": request.dest}
        os.makedirs(request.dest, mode=0o700, exist_ok=True)
        result["folders"] = self._timed("files", lambda: folder.bring_all(self._restic, source, request.dest))
        if request.database is not None:
            with self._running(point) as (server, result["replayed"]):
                result["tables"] = self._timed(
                    "dump", lambda: table.dump(server, request.database or "", (), request.dest)
                )
        return result

    # -- tables and folders

    def _tables(self, point: Point, state: Result, result: Result) -> list[Result]:
        request, login = self._request, self._login
        if login is None or request.database is None:
            raise BoxliftError("To bring tables back, the option database is needed.", "Set it as for the restore.")
        name = request.database
        with self._running(point) as (server, result["replayed"]):
            table.refuse_unknown(server.login, name, request.tables, iso(point.moment))
            if request.dest:
                os.makedirs(request.dest, mode=0o700, exist_ok=True)
                return self._timed("dump", lambda: table.dump(server, name, request.tables, request.dest))
            remove_tree(self._restore_logs)

            def save(noted: Result) -> None:
                state["tables"] = noted
                write_json(self._state_path, state)

            work = table.Work(server, login, name, request.tables, state.get("tables"), save, self._now())
            place = self._staged.directory() if self._staged is not None else ""
            if place:
                _refuse_small([(place, work.needed()), *self._logged(work.needed())])
            self._timed("load", lambda: work.load(lambda count: self._progress.tell(done=count)))
            found = self._timed("switch", work.switch)
            self._warnings += work.warnings
            return t.cast("list[Result]", found)

    def _folders(self, point: Point, state: Result) -> list[Result]:
        request, source = self._request, self._source(point.copy)

        def save(noted: Result) -> None:
            state["folders"] = noted
            write_json(self._state_path, state)

        self._progress.tell(phase="files")
        beside.end_processes(self._tree)
        noted, owner = state.get("folders"), (request.uid, request.gid)
        work = folder.Work(self._restic, source, self._trees, request.folders, noted, save, self._now(), *owner)
        if request.dest:
            return t.cast("list[Result]", self._timed("files", lambda: work.bring(request.dest)))
        self._timed("files", lambda: work.stage(self._tree))
        return t.cast("list[Result]", self._timed("switch", lambda: work.switch(self._tree)))

    def _conclude(self, state: Result, result: Result) -> None:
        self._folder.remove()
        self._remove_tree(state)
        kept = {name: value for name, value in result.items() if name != "generations"}
        done = {"key": state["key"], "phase": "done", "tree": state.get("tree"), "result": kept, "done": self._now()}
        write_json(self._state_path, {**done, "standing": self._standing()})

    def _timed(self, name: str, step: t.Callable[[], t.Any]) -> t.Any:
        self._progress.tell(phase=name)
        began = self._clock()
        result = step()
        self._timings[name] = self._timings.get(name, 0.0) + self._clock() - began
        return result


def _source_name(point: Point) -> str:
    return f"copy {point.copy.id} as of {iso(point.moment)}"


def _shown(transaction: t.Any) -> Result | None:
    if transaction is None:
        return None
    return {"gtid": str(transaction.gtid), "time": iso(transaction.time)}


def _place(path: str) -> list[int] | None:
    """Which directory it is: another one of the same name is not the recovered tree."""
    if not os.path.isdir(path):
        return None
    status = os.stat(path)
    return [status.st_dev, status.st_ino]


def _existing(path: str) -> str:
    """The path, or the nearest folder above it that exists: that is the file system it will lie in."""
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "/"
    return path


def _refuse_small(needs: t.Sequence[tuple[str, int]]) -> None:
    """Raise BoxliftError where a file system has less room than all needs of it together."""
    wanted: dict[int, tuple[str, int]] = {}
    for place, count in needs:
        device = os.stat(place).st_dev
        wanted[device] = (wanted.get(device, (place, 0))[0], wanted.get(device, (place, 0))[1] + count)
    for place, count in wanted.values():
        free = free_bytes(place)
        if free < count:
            raise BoxliftError(
                f"{place} has {size(free)} free, and the recovery needs {size(count)} beside what is live and kept.",
                "Nothing was written. Make room, or name a folder on a larger disk (recover_work_dir). Playbook "
                "boxlift.portal.status lists generations that can go.",
                code="room",
            )


def _prove_rows(there: Login, source: str, here: Login, staging: str) -> int:
    """Count the rows of all tables on both sides. Raises BoxliftError where they differ."""
    counted = [table.counts(there, source), table.counts(here, staging)]
    if counted[0] != counted[1]:
        names = sorted(name for name in {*counted[0], *counted[1]} if counted[0].get(name) != counted[1].get(name))
        raise BoxliftError(
            f"The staging database is not what the copy holds: {', '.join(names[:10])} differ in their rows.",
            "Nothing was switched. Nobody else may write to it: run again.",
        )
    return sum(counted[1].values())
