# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One whole copy: written as unproven, proven, and declared good by its manifest, which is written last."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import figures
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import (
    FORMAT,
    FULL,
    INCREMENTAL,
    MANIFEST,
    Contents,
    Copy,
    contents,
    tags_of_manifest,
    tags_of_part,
)
from ansible_collections.boxlift.portal.plugins.module_utils.backup.database import Server
from ansible_collections.boxlift.portal.plugins.module_utils.backup.lend import server_of
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import ProducerFailed, Restic, Saved
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Settings, Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import free_bytes, replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import name_of
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import folders_elsewhere
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock, read_json
from ansible_collections.boxlift.portal.plugins.module_utils.units import size

Answer = t.TypeVar("Answer")
DAY = 86400.0
#: A host's clock may be off by so many seconds without being wrong.
CLOCK_TOLERANCE = 300.0
#: What the working folder needs for restic's cache and mariadb-backup's notes.
SCRATCH = 256 << 20


class CopyFailed(BoxliftError):
    """Why no copy was taken; `code` names it for alerts."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy, code=code)
        self.code = code


@contextlib.contextmanager
def held(path: str, what: str) -> t.Iterator[None]:
    """Holds a lock. Raises CopyFailed where another process does."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(Lock(path, what))
        except BoxliftError as error:
            raise CopyFailed("busy", error.message, error.remedy) from error
        yield


def work_lock(settings: Settings) -> t.ContextManager[None]:
    """One work at a time on this host."""
    return held(settings.within("work.lock"), "What is copied of this host")


class Night:
    """Takes one copy into the main store."""

    def __init__(
        self,
        settings: Settings,
        restic: Restic,
        *,
        progress: Progress | None = None,
        now: t.Callable[[], float] = time.time,
        server: Server | None = None,
    ) -> None:
        if settings.database is None or not settings.document_root:
            raise CopyFailed(
                "settings", "The settings name no portal to copy.", "Run the playbook that sets up the copies again."
            )
        self._settings = settings
        self._database = settings.database
        self._restic = restic
        self._progress = progress or Progress("backup")
        self._now = now
        self._server = server or server_of(settings.database)

    def take(self, full: bool = False) -> dict[str, t.Any]:
        """The manifest of the copy that was taken and proven. Raises BoxliftError; earlier copies are untouched."""
        with work_lock(self._settings):
            self._progress.tell(phase="look")
            look_at_mount(self._restic.store)
            self._restic.unlock()
            before = contents(self._restic)
            began = self._now()
            warnings = clock_warnings(before, began)
            self._refuse_empty_tree()
            self._refuse_little_room()
            about = self._asked(self._server.about)
            base = None if full else self._base(before, began, about)
            with self._no_restore():
                return self._copy(before, base, began, about, warnings)

    def _copy(
        self, before: Contents, base: Copy | None, began: float, about: dict[str, str], warnings: list[str]
    ) -> dict[str, t.Any]:
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(began))}-{secrets.token_hex(2)}"
        self._progress.tell(phase="count")
        rows_before = self._asked(self._server.count)
        if not sum(rows_before.values()):
            raise CopyFailed(
                "empty",
                f"The database {self._database.name} holds no rows; a copy of it would be a success of nothing.",
                "See that the settings name the portal's database, and restore the newest copy if it was emptied.",
            )
        parts = {"files": self._files(name), **self._elsewhere(name), "configuration": self._configuration(name)}
        self._progress.tell(phase="database")
        part = self._stream(name, base)
        ended = self._now()
        rows_after = self._asked(self._server.count)
        kind = INCREMENTAL if base is not None else FULL
        # The data would be noted as those of another server, whose logs do not lead on from them.
        if (after := self._asked(self._server.about))["logs_of"] != about["logs_of"]:
            raise CopyFailed(
                "failover",
                f"Another server became the primary while the copy was taken ({about['logs_of']} before,"
                f" {after['logs_of']} behind), so it is of neither.",
                "The copies before are as good as they were. Take it again: boxlift-backup now.",
            )
        parts["database"] = {**part, **about}
        self._progress.tell(phase="prove")
        self._prove(name, parts)
        warnings += figures.odd_sizes(parts, kind, before.good)
        warnings += figures.odd_rows(rows_before, before.good)
        unread = [path for part in parts.values() for path in part.get("unread", ())]
        if unread:
            warnings.append(f"could not be read: {', '.join(unread[:20])}" + (" …" if len(unread) > 20 else ""))
        manifest: dict[str, t.Any] = {
            "format": FORMAT,
            "id": name,
            "began": began,
            "ended": ended,
            "host": os.uname().nodename,
            "domain": self._settings.domain,
            "kind": kind,
            "base": base.id if base is not None else None,
            "parts": parts,
            "noted": {
                "tables": {table: [count, rows_after.get(table)] for table, count in rows_before.items()},
                "files": _files_of(parts),
            },
            "warnings": warnings,
        }
        text = json.dumps(manifest, sort_keys=True)
        snapshot = self._restic.save_text(MANIFEST, text, tags_of_manifest(name))
        if self._restic.read_text(snapshot, MANIFEST) != text:
            raise CopyFailed(
                "damaged",
                f"The manifest of the copy {name} does not come back from the repository as it was written.",
                "Look at the disk of the repository (dmesg), and run boxlift-backup verify.",
            )
        return manifest

    # Before anything is written

    def _base(self, before: Contents, now: float, about: t.Mapping[str, str]) -> Copy | None:
        """The full copy that an incremental one can follow; None where a full copy is due."""
        fulls = [copy for copy in before.good if copy.kind == FULL and copy.ended <= now + CLOCK_TOLERANCE]
        if not fulls:
            return None
        newest = fulls[-1]
        part = newest.parts["database"]
        due = now - newest.ended > (self._settings.full_every_days - 0.5) * DAY
        other = (part.get("incarnation"), _series(part.get("server"))) != (
            about["incarnation"],
            _series(about["server"]),
        )
        return None if due or other or newest.damaged else newest

    def _refuse_empty_tree(self) -> None:
        root = self._settings.document_root
        try:
            with os.scandir(root) as entries:
                empty = next(entries, None) is None
        except OSError:
            empty = True
        if empty:
            raise CopyFailed(
                "empty",
                f"The document root {root} is empty or not there; a copy of it would be a success of nothing.",
                "See that its disk is mounted, and restore the newest copy if it was emptied.",
            )

    def _refuse_little_room(self) -> None:
        free = free_bytes(self._settings.folder)
        if free < SCRATCH:
            raise CopyFailed(
                "room",
                f"{self._settings.folder} has {size(free)} left; a copy needs {size(SCRATCH)} to work with.",
                f"Make room (df -h {self._settings.folder}), and take the copy again.",
            )

    @contextlib.contextmanager
    def _no_restore(self) -> t.Iterator[None]:
        """Holds the lock that restores of this document root take."""
        folder, live = self._settings.restore_state_dir, os.path.realpath(self._settings.document_root)
        path = os.path.join(folder, name_of(live))
        with held(f"{path}.lock", f"The document root {live}"):
            if (read_json(f"{path}.generations.json") or {}).get("switch"):
                raise CopyFailed(
                    "half_restored",
                    f"A restore into {live} was cut off between files and database; a copy now would hold both halves.",
                    "Run that restore or rollback again: it goes on where it stopped. Then take the copy.",
                )
            yield

    # The parts

    def _files(self, name: str) -> dict[str, t.Any]:
        self._progress.tell(phase="files")
        saved = self._restic.backup(
            [self._settings.document_root], tags_of_part(name, "files"), self._settings.exclude, self._on_progress
        )
        return _described(saved)

    def _elsewhere(self, name: str) -> dict[str, t.Any]:
        """Folders that the tree has on the share of several web hosts: a copy holds the link alone."""
        root = self._settings.document_root
        places = folders_elsewhere(root)
        for each, place in places.items():
            if not os.path.isdir(place) or not os.listdir(place):
                raise CopyFailed(
                    "empty",
                    f"{os.path.join(root, each)} leads to {place}, and that is empty or not there.",
                    "See that the share is mounted (playbook health), and take the copy again.",
                )
        if not places:
            return {}
        self._progress.tell(phase="elsewhere")
        exclude = [
            place + pattern[len(os.path.join(root, each)) :]
            for each, place in places.items()
            for pattern in self._settings.exclude
            if pattern.startswith(os.path.join(root, each, ""))
        ]
        tags = tags_of_part(name, "elsewhere")
        saved = self._restic.backup(sorted(places.values()), tags, exclude, self._on_progress)
        return {"elsewhere": {**_described(saved), "places": places}}

    def _configuration(self, name: str) -> dict[str, t.Any]:
        self._progress.tell(phase="configuration")
        paths = [path for path in self._settings.configuration if os.path.lexists(path)]
        return _described(self._restic.backup([*paths, self._packages()], tags_of_part(name, "configuration")))

    def _packages(self) -> str:
        """A file with the packages of this host and their versions."""
        path = self._settings.within("packages.txt")
        try:
            listed = subprocess.run(["dpkg-query", "-W"], capture_output=True, check=False).stdout
        except OSError:
            listed = b""
        replace_file(path, listed or b"dpkg-query is not there\n")
        return path

    def _stream(self, name: str, base: Copy | None) -> dict[str, t.Any]:
        try:
            taken = self._server.take(
                self._restic,
                tags_of_part(name, "database"),
                base,
                self._settings.within("scratch"),
                lambda passed: self._progress.tell(done=passed),
            )
        except ProducerFailed as error:
            self._asked(self._server.version)  # a server that stopped is the better reason
            sys.stderr.write(error.said)  # for the unit's journal
            raise
        return taken.part

    def _asked(self, ask: t.Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except BoxliftError as error:
            raise CopyFailed(
                "database_stopped",
                f"The database does not answer, so no copy was taken: {error.message}",
                f"Start it (systemctl start mariadb; journalctl -u mariadb), then: boxlift-backup now. {error.remedy}",
            ) from error

    def _on_progress(self, seen: dict[str, t.Any]) -> None:
        self._progress.tell(done=seen["done"], total=seen["total"], files=seen["files"])

    def _prove(self, name: str, parts: t.Mapping[str, t.Any]) -> None:
        """Every part is listed in the repository, with its size. Raises CopyFailed."""
        for part, told in parts.items():
            files, listed = self._restic.sizes(told["snapshot"])
            if listed != told["bytes"]:
                # It counts files with several names once, and restic 0.14 those of several disks with one number, too.
                listed = sum(each.size for each in self._restic.list(told["snapshot"]) if each.type == "file")
            if not files or not listed or listed != told["bytes"]:
                raise CopyFailed(
                    "unproven",
                    f"The repository lists {size(listed)} in {files} files as {part} of the copy {name}, and "
                    f"{size(told['bytes'])} were written.",
                    "Take the copy again; this one counts nowhere. If it comes again, run boxlift-backup verify.",
                )


def _described(saved: Saved) -> dict[str, t.Any]:
    return {
        "snapshot": saved.snapshot,
        "files": saved.files,
        "bytes": saved.bytes,
        "stored": saved.stored,
        "unread": list(saved.unread),
    }


def _files_of(parts: t.Mapping[str, t.Any]) -> int:
    """So many files come back; restic counts no links."""
    return int(parts["files"]["files"]) + int(parts.get("elsewhere", {}).get("files", 0))


def _series(version: str | None) -> str:
    """10.11 of 10.11.19-MariaDB: within a series, increments fit."""
    return ".".join((version or "").split(".")[:2])


def clock_warnings(known: Contents, now: float) -> list[str]:
    """What speaks against this host's clock, or against the one of a night before."""
    ahead = [copy.id for copy in known.good if copy.ended > now + CLOCK_TOLERANCE]
    if not ahead:
        return []
    return [f"copies that ended later than now: {', '.join(ahead)}; this host's clock was or is wrong"]


def look_at_mount(store: Store) -> None:
    """Raises CopyFailed where the repository's disk is not mounted."""
    if store.mount and not os.path.ismount(store.mount):
        raise CopyFailed(
            "not_mounted",
            f"{store.mount} is no mount point, so the disk of the repository {store.name} is not there.",
            f"Mount it: mount {store.mount}; then take the copy again.",
        )
