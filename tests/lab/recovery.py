# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A production with binary logs, and a repository of it in memory: for tests of recoveries, without restic."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.backup import copies
from ansible_collections.boxlift.portal.plugins.module_utils.backup.copies import tags_of_binlogs, tags_of_manifest
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Entry, Restic, Snapshot
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Store


class Repository(Restic):
    """Holds folders and texts under ids; answers as restic does where recoveries ask."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(Store("lab", str(folder), "/nowhere"))
        self.folder = folder
        folder.mkdir()
        self.listed: list[Snapshot] = []
        self.restored: list[str] = []  # ids, in the order of the calls
        self.unlocked = 0

    def add(self, tags: t.Sequence[str], paths: t.Sequence[str] = (), moment: float = 0.0) -> str:
        """Keep a copy of these files and folders."""
        number = f"{len(self.listed) + 1:064x}"
        for path in paths:
            kept = self.folder / number / path.lstrip("/")
            kept.parent.mkdir(parents=True, exist_ok=True)
            if os.path.isdir(path):
                shutil.copytree(path, kept, symlinks=True)
            else:
                shutil.copy2(path, kept)
        self.listed.append(Snapshot(number, moment, tuple(tags), tuple(paths), "production"))
        return number

    def add_copy(self, name: str, ended: float, parts: dict[str, dict[str, t.Any]], **more: t.Any) -> str:
        """A proven copy, with the snapshots of its parts."""
        said = {"format": copies.FORMAT, "id": name, "began": ended - 10, "ended": ended, "kind": "full", "base": None}
        said.update(host=os.uname().nodename, domain="portal.test", parts=parts, noted={}, warnings=[], **more)
        for part, content in parts.items():
            paths = content.pop("paths", [])
            content["snapshot"] = self.add(copies.tags_of_part(name, part), paths, ended)
        number = self.add(tags_of_manifest(name), (), ended)
        (self.folder / f"{number}.json").write_text(json.dumps(said))
        return number

    def add_logs(self, until: float, paths: t.Sequence[pathlib.Path]) -> str:
        return self.add(tags_of_binlogs(until, ""), [str(path) for path in paths], until)

    def unlock(self) -> None:
        self.unlocked += 1

    def forget(self, snapshots: t.Sequence[str]) -> None:
        self.listed = [each for each in self.listed if each.id not in snapshots]

    def snapshots(self, *tags: str) -> list[Snapshot]:
        return [each for each in self.listed if set(tags) <= set(each.tags)]

    def find(self, prefix: str) -> Snapshot:
        return next(each for each in self.listed if each.id.startswith(prefix))

    def read_text(self, snapshot: str, filename: str) -> str:
        return (self.folder / f"{snapshot}.json").read_text()

    def dump(self, snapshot: str, filename: str, out: t.IO[bytes]) -> None:
        out.write((self.folder / snapshot / filename.lstrip("/")).read_bytes())
        out.flush()

    def restore(
        self,
        snapshot: str,
        target: str,
        include: t.Sequence[str] = (),
        on_progress: t.Any = None,
        exclude: t.Sequence[str] = (),
    ) -> None:
        self.restored.append(snapshot)
        source = self.folder / snapshot
        for path in include or self.find(snapshot).paths:
            kept, place = source / path.lstrip("/"), pathlib.Path(target) / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if kept.is_dir():
                shutil.copytree(kept, place, symlinks=True)
            else:
                shutil.copy2(kept, place)
        for path in exclude:
            left_out = pathlib.Path(target) / path.lstrip("/")
            if left_out.is_dir() and not left_out.is_symlink():
                shutil.rmtree(left_out)
            else:
                left_out.unlink(missing_ok=True)

    def list(self, snapshot: str, folder: str = "") -> t.Iterator[Entry]:
        top = self.folder / snapshot / folder.lstrip("/")
        found = [top, *top.rglob("*")] if top.is_dir() else [top] if top.exists() else []
        for path in found:
            kind = "dir" if path.is_dir() else "file"
            name = "/" + str(path.relative_to(self.folder / snapshot))
            yield Entry(name, kind, path.stat().st_size, path.stat().st_mtime)
