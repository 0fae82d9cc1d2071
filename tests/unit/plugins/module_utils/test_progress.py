# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a long run writes down for whoever looks."""

from __future__ import annotations

import json
import os
import stat
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def read(path: Path) -> dict[str, t.Any]:
    content: dict[str, t.Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_file_is_there_at_once_and_only_for_its_owner(tmp_path: Path, clock: Clock) -> None:
    Progress("backup_fetch", str(tmp_path / "made" / "f.json"), clock)
    state = read(tmp_path / "made" / "f.json")
    assert (state["operation"], state["outcome"], state["pid"]) == ("backup_fetch", "running", os.getpid())
    assert stat.S_IMODE((tmp_path / "made" / "f.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700
    assert [entry.name for entry in (tmp_path / "made").iterdir()] == ["f.json"]


def test_it_names_the_moment_of_its_birth_as_the_kernel_does(tmp_path: Path) -> None:
    Progress("backup_fetch", str(tmp_path / "f.json"))
    fields = Path(f"/proc/{os.getpid()}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
    assert read(tmp_path / "f.json")["born"] == fields[19]


def test_it_is_written_about_once_a_second(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "f.json"
    progress = Progress("backup_fetch", str(path), clock)
    progress.tell(phase="fetch", done=0, total=100)
    clock.now += 0.9
    progress.tell(done=40)
    assert read(path)["done"] == 0
    clock.now += 0.2
    progress.tell(done=50, files=3)
    state = read(path)
    assert (state["done"], state["total"], state["files"], state["updated"]) == (50, 100, 3, 1001.1)


def test_a_new_phase_begins_anew_and_the_old_one_is_summed_up(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "f.json"
    progress = Progress("backup_restore", str(path), clock)
    progress.tell(phase="fetch", done=30, total=100)  # resumed: 30 bytes were there
    clock.now += 10
    progress.tell(done=100)
    progress.tell(phase="stage")
    assert read(path)["phases"] == {}  # written with the next second
    clock.now += 5
    progress.tell(done=7)
    state = read(path)
    assert (state["phase"], state["since"], state["base"], state["total"]) == ("stage", 1010.0, 0, None)
    assert state["phases"] == {"fetch": {"seconds": 10.0, "bytes": 70}}
    progress.tell(phase="fetch", done=100)  # two parts again
    clock.now += 2
    progress.tell(done=120)
    progress.close("done")
    assert read(path)["phases"] == {
        "fetch": {"seconds": 12.0, "bytes": 90},
        "stage": {"seconds": 5.0, "bytes": 7},
    }


def test_the_last_word_is_always_written(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "f.json"
    progress = Progress("backup_verify", str(path), clock)
    progress.tell(phase="verify")
    progress.close("failed", "Part 3 is damaged.")
    state = read(path)
    assert (state["outcome"], state["message"], state["phase"]) == ("failed", "Part 3 is damaged.", "verify")


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    progress = Progress("backup_verify")
    progress.tell(phase="verify", done=1)
    progress.close("done")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_before_the_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BoxliftError, match="The progress file .*/file/f.json cannot be written: File exists."):
        Progress("backup_verify", str(tmp_path / "file" / "f.json"))


def test_a_directory_that_everybody_can_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    with pytest.raises(BoxliftError, match="everybody can write to"):
        Progress("backup_verify", str(tmp_path / "open" / "f.json"))
    assert list((tmp_path / "open").iterdir()) == []


def test_a_disk_that_fills_up_later_does_not_end_the_work(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "run"
    progress = Progress("backup_verify", str(folder / "f.json"), clock)
    (folder / "f.json").unlink()
    folder.rmdir()
    clock.now += 2
    progress.tell(done=1)
    folder.mkdir()
    clock.now += 2
    progress.tell(done=2)
    assert read(folder / "f.json")["done"] == 2


def test_many_threads_may_tell(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    progress = Progress("backup_fetch", str(path), clock=iter(range(10**6)).__next__)  # every call is a second later
    torn: list[str] = []

    def work(number: int) -> None:
        for step in range(200):
            progress.tell(done=number * step)
            try:
                read(path)
            except ValueError as error:
                torn.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torn == []
