# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers: their results and errors arrive, a killed one is noticed, and none outlives the process that made it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.tar import TarFault
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew

Note = t.Callable[[t.Any], None]


def test_every_task_has_its_result_and_its_notes_are_heard() -> None:
    def square(number: int, note: Note) -> int:
        note(number)
        return number * number

    heard: list[int] = []
    with Crew(2, square) as crew:
        assert crew.map(range(20), heard.append) == {number: number * number for number in range(20)}
    assert sorted(heard) == list(range(20))


@pytest.mark.parametrize(
    "error",
    (
        BoxliftError("part 3 is gone.", "Fetch it.", part="3"),
        PartFault("corrupt", "damaged", 7),
        TarFault("zeros", 9, in_place=True),
    ),
    ids=lambda error: type(error).__name__,
)
def test_an_error_arrives_whole(error: Exception) -> None:
    def fail(_task: int, _note: Note) -> None:
        raise error

    with Crew(1, fail) as crew, pytest.raises(type(error)) as caught:
        crew.map([1], print)
    assert vars(caught.value) == vars(error)


def test_a_killed_worker_is_an_error() -> None:
    def die(_task: int, _note: Note) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with Crew(1, die) as crew, pytest.raises(BoxliftError, match="worker process was killed"):
        crew.map([1], print)


def test_leaving_ends_workers_that_are_at_work(tmp_path: Path) -> None:
    def work(_task: int, note: Note) -> None:
        (tmp_path / "process").write_text(str(os.getpid()))
        while True:
            note("at work")

    with Crew(1, work) as crew:
        crew.give(1)
        assert crew.listen()[0].value == "at work"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "process").read_text()), 0)


def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from ansible_collections.boxlift.portal.plugins.module_utils.workers import Crew
def work(task, note):
    open({str(tmp_path / "process")!r}, "w").write(str(os.getpid()))
    while True:
        note(None)
with Crew(1, work) as crew:
    crew.map([1], print)
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    process = tmp_path / "process"
    while not (process.exists() and process.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker = int(process.read_text())
    parent.kill()
    parent.wait()
    while Path(f"/proc/{worker}").exists() and "Z" not in Path(f"/proc/{worker}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the worker still runs"
        time.sleep(0.01)
