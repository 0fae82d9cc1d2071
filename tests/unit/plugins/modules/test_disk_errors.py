# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No module ends in a traceback, whatever the disk answers where it is written to."""

from __future__ import annotations

import errno
import itertools
import json
import os
import pathlib
import sys
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, from_system, result_of
from ansible_collections.boxlift.portal.plugins.modules import (
    backup_fetch,
    backup_restore,
    backup_verify,
    host_files,
    portal_health,
    portal_option,
    portal_settings,
)
from lab.archive_writer import Entry, write_archive
from unit.plugins.module_utils.health import toy_fixtures

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal

ERRORS = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO, errno.EDQUOT, errno.EPERM, errno.ESTALE)
CALLS = (
    "open",
    "mkdir",
    "makedirs",
    "replace",
    "rename",
    "fsync",
    "unlink",
    "rmdir",
    "chown",
    "fchown",
    "chmod",
    "fchmod",
)
Place = tuple[str, int, str]


class Disk:
    """Between the collection and the calls of the system that write: notes who calls, and fails at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: dict[Place, None] = {}
        self.at: Place | None = None
        self.code = 0
        self.hit = False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._between(name, getattr(os, name)))

    def _between(self, name: str, real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*args: t.Any, **more: t.Any) -> t.Any:
            code = sys._getframe(1).f_code
            if "/portal/plugins/" in code.co_filename and "site-packages" not in code.co_filename:
                here = (code.co_filename.rpartition("/plugins/")[2], sys._getframe(1).f_lineno, name)
                self.seen.setdefault(here)
                if here == self.at and not self.hit:
                    self.hit = True
                    path = args[0] if args and isinstance(args[0], (str, bytes)) else None
                    raise OSError(self.code, os.strerror(self.code), path)
            return real(*args, **more)

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def try_all(disk: Disk, run: t.Callable[[], dict[str, t.Any]], fewest: int) -> None:
    first = run()
    assert not first["failed"], first["msg"]
    errors = itertools.cycle(ERRORS)
    failures = 0
    for where in list(disk.seen):
        for code in (errno.ENOSPC, next(errors)):
            disk.at, disk.code, disk.hit = where, code, False
            result = run()
            disk.at = None
            assert "Traceback" not in json.dumps(result)
            if result["failed"]:
                failures += 1
                assert result["remedy"] and result["msg"], (where, code, result)
    assert len(disk.seen) >= fewest and failures >= fewest, (failures, disk.seen)


@pytest.fixture
def number() -> t.Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def source(tmp_path: pathlib.Path) -> str:
    entries = [Entry(b"a/index.php", data=b"<?php", mode=0o640), Entry(b"b.php", data=b"x" * 999)]
    (tmp_path / "source").mkdir()
    return str(write_archive(entries, tmp_path / "source", "base")[0])


def test_backup_restore(source: str, tmp_path: pathlib.Path, run_module: t.Any, disk: Disk, number: t.Any) -> None:
    def run() -> t.Any:
        folder = tmp_path / str(next(number))
        state, progress = str(folder / "state"), str(folder / "run" / "progress")
        root = str(folder / "site" / "www")
        return run_module(backup_restore, source=source, document_root=root, state_dir=state, progress=progress, jobs=1)

    try_all(disk, run, 5)


def test_backup_fetch(source: str, tmp_path: pathlib.Path, run_module: t.Any, disk: Disk, number: t.Any) -> None:
    def run() -> t.Any:
        dest = str(tmp_path / str(next(number)))
        return run_module(backup_fetch, url=f"file://{source}", dest=dest, timeout=1)

    try_all(disk, run, 4)


def test_backup_verify(source: str, tmp_path: pathlib.Path, run_module: t.Any, disk: Disk, number: t.Any) -> None:
    def run() -> t.Any:
        manifest = str(tmp_path / f"{next(number)}.json")
        return run_module(backup_verify, path=source, manifest=manifest, jobs=1)

    try_all(disk, run, 2)


def test_portal_settings(portal: t.Any, run_module: t.Any, disk: Disk, number: t.Any) -> None:
    def run() -> t.Any:
        constants = {"BX_NUMBER": str(next(number))}
        return run_module(portal_settings, document_root=str(portal.root), constants=constants)

    try_all(disk, run, 2)


def test_portal_option(portal: t.Any, run_module: t.Any, disk: Disk, number: t.Any) -> None:
    def run() -> t.Any:
        portal.write("bitrix/managed_cache/MYSQL/x", "x")
        options = {"nginx": str(next(number))}
        return run_module(portal_option, document_root=str(portal.root), module="pull", options=options)

    first = run()
    assert not first["failed"]
    for where in list(disk.seen):
        for code in ERRORS:
            disk.at, disk.code, disk.hit = where, code, False
            result = run()
            assert not result["failed"] or result["remedy"]


def test_portal_health_writes_a_list(portal: t.Any, run_module: t.Any, disk: Disk, tmp_path: pathlib.Path) -> None:
    def run() -> t.Any:
        path = tmp_path / "users.csv"
        path.unlink(missing_ok=True)
        wanted = {"areas": ["identity"], "fail_on": "never", "users_csv": str(path)}
        return run_module(portal_health, document_root=str(portal.root), **wanted)

    try_all(disk, run, 1)


def test_host_files(tmp_path: pathlib.Path, run_module: t.Any, disk: Disk, number: t.Any) -> None:
    def run() -> t.Any:
        name = tmp_path / f"f{next(number)}"
        return run_module(host_files, files=[{"path": str(name), "content": "x"}])

    try_all(disk, run, 1)


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_every_error_of_the_system_has_a_remedy(code: int) -> None:
    result = result_of(OSError(code, os.strerror(code), "/srv/portal/x"))
    assert result["msg"].startswith(f"/srv/portal/x: {os.strerror(code)}.") and result["path"] == "/srv/portal/x"
    assert result["remedy"] and "{" not in result["remedy"]


def test_an_error_without_a_file_or_number_is_told_too() -> None:
    assert from_system(OSError("odd")).message == "odd."
    assert result_of(BoxliftError("Said.", "Do."))["remedy"] == "Do."
    assert from_system(OSError(errno.ENOSPC, "full", b"/srv/x")).remedy.startswith("Make room (df -h /srv;")
