# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files brought by a real rsync from one folder to another."""

from __future__ import annotations

import os
import pathlib
import threading
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.rsync import Fetched, fetching


class Folders:
    """Production's files, and where the copy's are to be."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.source, self.copy = folder / "production", folder / "copy"
        (self.source / "upload").mkdir(parents=True)
        for name, size in (("a.bin", 1000), ("b\nNumber of files: 7\r 9 9%", 2000), ("upload/c", 3000)):
            (self.source / name).write_bytes(os.urandom(size))
        (self.source / "link").symlink_to("a.bin")
        self.seen: list[tuple[int, int]] = []

    def fetch(self, *options: str, check: bool = False, on_progress: t.Any = None) -> Fetched:
        command = ["rsync", "--archive", "--delete", *options, f"{self.source}/", f"{self.copy}/"]
        with fetching(command, on_progress or (lambda *seen: self.seen.append(seen)), check=check) as files:
            return files.result()

    def equal(self) -> bool:
        one, other = (
            {
                str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
                for path in sorted(root.rglob("*"))
            }
            for root in (self.source, self.copy)
        )
        return one == other


@pytest.fixture
def folders(tmp_path: pathlib.Path) -> Folders:
    return Folders(tmp_path)


def test_everything_comes_first_and_nothing_again(folders: Folders) -> None:
    assert folders.fetch() == Fetched(changed=6, fetched=3, bytes=6000, deleted=0, vanished=0)
    assert folders.equal()
    assert folders.seen[-1] == (6000, 3)
    assert folders.seen == sorted(folders.seen)
    assert folders.fetch() == Fetched(0, 0, 0, 0, 0)


def test_only_what_differs_comes(folders: Folders) -> None:
    folders.fetch()
    (folders.source / "a.bin").unlink()
    (folders.source / "new").write_bytes(b"new")
    (folders.source / "upload/c").chmod(0o600)
    os.utime(folders.source, (1, 1))
    assert folders.fetch() == Fetched(changed=4, fetched=1, bytes=3, deleted=1, vanished=0)
    assert folders.equal()


def test_a_dry_run_says_it_and_writes_nothing(folders: Folders) -> None:
    found = folders.fetch(check=True)
    assert (found.changed, found.fetched) == (6, 3)
    assert not folders.copy.exists()


def test_how_far_a_large_file_is_is_told_while_it_comes(folders: Folders) -> None:
    (folders.source / "0").write_bytes(os.urandom(5_000_000))
    within = set()

    def note(size: int, _files: int) -> None:
        if not (folders.copy / "0").exists():  # it has its name when it is whole
            within.add(size)

    folders.fetch("--bwlimit=2000", on_progress=note)
    assert len([size for size in within if 0 < size < 5_000_000]) >= 2, within


def test_a_file_that_is_removed_meanwhile_is_counted_and_the_others_come(folders: Folders) -> None:
    (folders.source / "0").write_bytes(os.urandom(5_000_000))  # first, and slow

    def remove(size: int, _files: int) -> None:
        if size:
            (folders.source / "upload/c").unlink(missing_ok=True)

    found = folders.fetch("--bwlimit=2000", on_progress=remove)
    assert (found.vanished, found.fetched) == (1, 4 - 1)
    assert folders.equal()


def test_a_failure_is_told_in_its_own_words(folders: Folders) -> None:
    folders.source = folders.source / "absent"
    with pytest.raises(BoxliftError, match=r"rsync ended with 23\. It complained of: .*absent.*No such file") as caught:
        folders.fetch()
    assert "run the same task again" in str(caught.value.remedy)


def test_a_program_that_is_not_there() -> None:
    message = "/nonexistent/rsync cannot be started: No such file"
    with pytest.raises(BoxliftError, match=message), fetching(["/nonexistent/rsync"], print):
        pass


def test_whoever_breaks_it_off_ends_the_program_too(tmp_path: pathlib.Path) -> None:
    started = threading.Event()
    command = ["sh", "-c", f"echo $$ > {tmp_path}/pid; echo '>f+++++++++'; exec sleep 60"]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), fetching(command, lambda *_seen: started.set()):
        assert started.wait(10)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_error_of_who_is_told_ends_it(folders: Folders) -> None:
    def refuse(_size: int, _files: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        folders.fetch(on_progress=refuse)
