# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository in memory that takes the calls of `Restic`, and a portal whose database and files are copied into it.

The repository keeps what the real one keeps of a snapshot: tags, paths, files and sizes. It can die at any call.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.backup import database, restic, settings
from ansible_collections.boxlift.portal.plugins.module_utils.backup.night import Night

DAY = 86400.0
NOON = 1_800_000_000.0


class Killed(BaseException):
    """As a SIGKILL: nothing of ours runs after it, so no code may catch it."""


class Memory(restic.Restic):
    """A repository without restic. `dies_at` is the number of the call before which the process dies."""

    def __init__(self, clock: t.Callable[[], float], store: settings.Store | None = None, cache: str = "") -> None:
        super().__init__(store or settings.Store("local", "/srv/backup", "/etc/password"), cache=cache)
        self.clock = clock
        self.held: dict[str, tuple[restic.Snapshot, dict[str, bytes]]] = {}
        self.calls: list[str] = []
        self.dies_at: int | None = None
        self.faults: list[restic.Fault] = []
        self.failure: restic.ResticFailed | None = None
        self.made = True
        self.unread: tuple[str, ...] = ()
        self._numbers = itertools.count(1)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.dies_at is not None and len(self.calls) >= self.dies_at:
            raise Killed
        if self.failure is not None:
            raise self.failure

    def _keep(self, files: dict[str, bytes], tags: t.Sequence[str], paths: t.Sequence[str]) -> restic.Saved:
        number = f"{next(self._numbers):064x}"
        made = restic.Snapshot(number, self.clock(), tuple(tags), tuple(paths), "production", "", f"tree of {number}")
        self.held[made.id] = (made, files)
        whole = sum(map(len, files.values()))
        return restic.Saved(made.id, len(files), whole, whole, self.unread)

    def snapshots(self, *tags: str) -> restic.Snapshots:
        self._called("snapshots")
        wanted = set(tags or (restic.OURS,))
        found = [each for each, _files in self.held.values() if wanted <= set(each.tags)]
        return sorted(found, key=lambda each: each.time)

    def sizes(self, snapshot: str) -> tuple[int, int]:
        self._called("sizes")
        files = self.held[snapshot][1]
        return len(files), sum(map(len, files.values()))

    def list(self, snapshot: str, folder: str = "") -> t.Iterator[restic.Entry]:
        self._called("list")
        return iter([restic.Entry(path, "file", len(text), 0.0) for path, text in self.held[snapshot][1].items()])

    def read_text(self, snapshot: str, filename: str) -> str:
        self._called("read_text")
        return self.held[snapshot][1][f"/{filename}"].decode()

    def backup(
        self,
        paths: t.Sequence[str],
        tags: t.Sequence[str],
        exclude: t.Sequence[str] = (),
        on_progress: restic.OnProgress | None = None,
    ) -> restic.Saved:
        self._called("backup")
        files = {}
        for path in map(Path, paths):
            for each in [path] if path.is_file() else sorted(path.rglob("*")):
                if each.is_file():
                    files[str(each)] = each.read_bytes()
        return self._keep(files, tags, paths)

    def save_text(self, filename: str, text: str, tags: t.Sequence[str]) -> str:
        self._called("save_text")
        return self._keep({f"/{filename}": text.encode()}, tags, [f"/{filename}"]).snapshot

    def backup_stream(
        self,
        command: t.Sequence[str],
        filename: str,
        tags: t.Sequence[str],
        env: t.Mapping[str, str] | None = None,
        prove: t.Callable[[str], None] | None = None,
        on_bytes: t.Callable[[int], None] | None = None,
    ) -> restic.Saved:
        self._called("backup_stream")
        ended = subprocess.run(command, capture_output=True, check=False)
        words = ended.stderr.decode()
        if ended.returncode != 0 or not ended.stdout:
            raise restic.ProducerFailed(f"{command[0]} failed", "See why.", words)
        if prove is not None:
            prove(words)
        saved = self._keep({f"/{filename}": ended.stdout}, tags, [f"/{filename}"])
        return dataclasses.replace(saved, said=words)

    def check(self, slice_: tuple[int, int] | None = None, lock: bool = True) -> restic.Faults:
        self._called("check" if lock else "check --no-lock")
        return list(self.faults)

    def touched_by(self, fault: restic.Fault) -> t.Collection[str]:
        self._called("find")
        return {fault.pack} & set(self.held)

    def repair(self, packs: t.Sequence[str], aside: str) -> None:
        self._called("repair")
        self.faults = []

    def forget(self, snapshots: t.Sequence[str]) -> None:
        self._called("forget")
        for each in snapshots:
            del self.held[each]

    def prune(self) -> None:
        self._called("prune")

    def unlock(self) -> None:
        self._called("unlock")

    def exists(self) -> bool:
        self._called("exists")
        return self.made

    def init(self, chunker_of: restic.Restic | None = None) -> None:
        self._called("init")
        self.made = True

    def copy_from(self, source: restic.Restic, snapshots: t.Sequence[str]) -> None:
        assert isinstance(source, Memory)
        for each in snapshots:
            self._called("copy")
            found, files = source.held[each]
            mine = f"{next(self._numbers) + 0xF000:064x}"
            self.held[mine] = (
                dataclasses.replace(found, id=mine, original=found.original or found.id),
                dict(files),
            )

    def dump(self, snapshot: str, filename: str, out: t.IO[bytes]) -> None:
        self._called("dump")
        out.write(io.BytesIO(self.held[snapshot][1][f"/{filename.lstrip('/')}"]).getvalue())


class FakeServer(database.Server):
    """A database with these tables; `stopped` is raised by every question."""

    def __init__(self, given: settings.Database) -> None:
        super().__init__(given)
        self.tables: dict[str, int] = {"b_user": 120, "b_file": 400}
        self.logs = ["binlog.000001"]
        self.gtid = "0-1-10"
        self.stopped: Exception | None = None
        self.born = "77"
        self.host = "db1"
        self.series = "10.11.19-MariaDB"

    def _answers(self) -> None:
        if self.stopped is not None:
            raise self.stopped

    def count(self) -> dict[str, int]:
        self._answers()
        return dict(self.tables)

    def version(self) -> str:
        self._answers()
        return self.series

    def incarnation(self) -> str:
        return self.born

    def node(self) -> str:
        self._answers()
        return self.host

    def ask(self, sql: str) -> list[dict[str, t.Any]]:
        self._answers()
        if sql.startswith("FLUSH"):
            self.logs.append(f"binlog.{int(self.logs[-1][-6:]) + 1:06d}")
            return []
        if sql.startswith("SHOW"):
            return [{"Log_name": name} for name in self.logs]
        return [{"g": self.gtid}]


# What mariadb-backup does that matters here: a stream, its last word, and the notes in --extra-lsndir.
ENGINE = """\
#!{python}
import json, os, sys
given = dict(each.lstrip("-").partition("=")[::2] for each in sys.argv[1:])
wanted = json.load(open({wanted!r}))
first = int(given.get("incremental-lsn", 0))
with open(os.path.join(given["extra-lsndir"], "xtrabackup_checkpoints"), "w") as notes:
    notes.write(f"backup_type = full\\nfrom_lsn = {{first}}\\n")
    if wanted["lsn"]:
        notes.write(f"to_lsn = {{wanted['lsn']}}\\n")
with open(os.path.join(given["extra-lsndir"], "xtrabackup_info"), "w") as notes:
    notes.write(f"binlog_pos = filename '{{wanted['log']}}', position '342', GTID of the last change '0-1-10'\\n")
sys.stdout.buffer.write(b"x" * (wanted["bytes"] // (10 if first else 1)))
sys.stderr.write(wanted["word"] + "\\n")
sys.exit(wanted["code"])
"""


class Portal:
    """A portal on this host, with what its night needs; `wanted` says how mariadb-backup behaves."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "www"
        (self.root / "upload").mkdir(parents=True)
        (self.root / "index.php").write_text("<?php")
        (self.root / "upload" / "a").write_text("a" * 1000)
        (folder / "etc").mkdir()
        (folder / "etc" / "settings").write_text("secret")
        (folder / "data").mkdir()
        self.now = NOON
        self.wanted: dict[str, t.Any] = {"bytes": 5000, "lsn": 1000, "word": "[00] completed OK!", "code": 0}
        self.engine, self._wanted_file = folder / "mariadb-backup", folder / "wanted.json"
        self.engine.write_text(ENGINE.format(python=sys.executable, wanted=str(self._wanted_file)))
        self.engine.chmod(0o755)
        self.settings = settings.Settings(
            stores=(settings.Store("local", str(folder / "repository"), str(folder / "password")),),
            document_root=str(self.root),
            database=settings.Database("portal", "/nowhere/my.cnf", str(folder / "data"), str(folder / "data")),
            configuration=(str(folder / "etc"), "/nowhere/at/all"),
            folder=str(folder / "state"),
            restore_state_dir=str(folder / "restores"),
            domain="portal.example",
        )
        assert self.settings.database is not None
        self.server = FakeServer(self.settings.database)
        self.server.program = str(self.engine)
        self.memory = Memory(lambda: self.now, self.settings.main)

    def night(self, full: bool = False, restic_: Memory | None = None) -> dict[str, t.Any]:
        self.wanted["log"] = self.server.logs[-1]
        self._wanted_file.write_text(json.dumps(self.wanted))
        self.wanted["lsn"] += 100 if self.wanted["lsn"] else 0
        made = Night(
            self.settings,
            restic_ or self.memory,
            now=lambda: self.now,
            server=self.server,
        )
        return made.take(full)

    def log(self, name: str, content: bytes = b"log") -> None:
        """A binary log on the disk."""
        assert self.settings.database is not None
        Path(os.path.join(self.settings.database.binlog_dir, name)).write_bytes(content)
