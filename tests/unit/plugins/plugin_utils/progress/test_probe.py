# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell command that looks at progress files, run by a real shell, and what is read from its answer."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.probe import (
    HostState,
    command,
    default_directory,
    read,
)

REPOSITORY = Path(__file__).resolve().parents[5]
WRITE_AND_STAY = """
import sys, time
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
Progress("backup_restore", sys.argv[1])
print("written", flush=True)
time.sleep(60)
"""


def shell(text: str) -> list[str]:
    return subprocess.run(["/bin/sh", "-c", text], check=True, capture_output=True, text=True).stdout.splitlines()


def looked(folder: Path, **more: t.Any) -> HostState:
    return read(shell(command(shlex.quote(str(folder)), **more)))


def test_nothing_there(tmp_path: Path) -> None:
    seen = looked(tmp_path / "absent")
    assert (seen.directory, seen.job, seen.runs) == (str(tmp_path / "absent"), "gone", [])
    assert seen.now > 1_700_000_000


def test_a_living_and_a_killed_process(tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / ".cache/collections")}
    path = folder / "backup_restore.json"
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_STAY, str(path)], env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        (run,) = looked(folder).runs
        assert (run.path, run.alive, run.outcome, run.note) == (str(path), True, "running", None)
        assert (run.state["operation"], run.process[0]) == ("backup_restore", process.pid)
        process.kill()
    (run,) = looked(folder).runs
    assert (run.alive, run.outcome) == (False, "killed")


def test_another_process_with_the_same_number_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "backup_fetch.json"
    Progress("backup_fetch", str(path))
    assert looked(tmp_path).runs[0].alive
    state = {**json.loads(path.read_text(encoding="utf-8")), "born": "1"}
    path.write_text(json.dumps(state), encoding="utf-8")
    assert looked(tmp_path).runs[0].outcome == "killed"


def test_a_message_cannot_pass_for_the_number_of_the_process(tmp_path: Path) -> None:
    progress = Progress("backup_fetch", str(tmp_path / "backup_fetch.json"))
    progress.close("failed", 'Not found: "pid": 1, \n boxlift-probe')
    (run,) = looked(tmp_path).runs
    assert run.alive
    assert run.outcome == "failed"


def test_what_ended_by_itself_is_not_called_killed(tmp_path: Path) -> None:
    path = tmp_path / "backup_fetch.json"
    Progress("backup_fetch", str(path)).close("done")
    state = {**json.loads(path.read_text(encoding="utf-8")), "born": "1"}
    path.write_text(json.dumps(state), encoding="utf-8")
    assert looked(tmp_path).runs[0].outcome == "done"


def test_only_the_files_that_are_asked_for(tmp_path: Path) -> None:
    for name in ("backup_fetch.json", "backup_fetch2.json", "backup_verify.json"):
        Progress(name, str(tmp_path / name))
    (tmp_path / "other.json").write_text('{"pid": 1, "of": "others"}', encoding="utf-8")
    assert len(looked(tmp_path).runs) == 3
    assert [run.state["operation"] for run in looked(tmp_path, pattern="backup_fetch*.json").runs] == [
        "backup_fetch.json",
        "backup_fetch2.json",
    ]


def test_the_note_beside_a_progress_file(tmp_path: Path) -> None:
    Progress("backup_fetch", str(tmp_path / "f.json"))
    seen = looked(tmp_path, prepare=f'printf %s \'{{"job": "j1"}}\' > {shlex.quote(str(tmp_path / "f.json.job"))}\n')
    assert seen.runs[0].note == {"job": "j1"}
    assert (tmp_path / "f.json.job").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "job", "result"),
    [
        ('{"started": true, "finished": false, "ansible_job_id": "j1"}', "running", None),
        ('{"changed": false, "msg": "started"}', "ended", {"changed": False, "msg": "started"}),
        (
            r'{"msg": "\\n %s $HOME \u00e9 \"' + "x" * 300_000 + '"}',
            "ended",
            {"msg": '\\n %s $HOME é "' + "x" * 300_000},
        ),
        ("", "gone", None),
    ],
    ids=["running", "short", "long", "gone"],
)
def test_the_state_of_the_job_and_its_result(tmp_path: Path, content: str, job: str, result: t.Any) -> None:
    (tmp_path / "j1").write_text(content, encoding="utf-8")
    seen = looked(tmp_path, job=str(tmp_path / "j1"))
    assert (seen.job, seen.result) == (job, result)


def test_it_waits_while_the_job_runs_and_no_longer(tmp_path: Path) -> None:
    job = tmp_path / "the job's file"
    job.write_text('{"started": true, "finished": false}', encoding="utf-8")
    began = time.monotonic()
    assert looked(tmp_path, job=str(job), wait=0.6).job == "running"
    assert time.monotonic() - began >= 0.6
    end = threading.Timer(0.3, job.write_text, ['{"changed": true}'])
    end.start()
    began = time.monotonic()
    assert looked(tmp_path, job=str(job), wait=60).job == "ended"
    assert looked(tmp_path, job=str(tmp_path / "none"), wait=60).job == "gone"
    assert 0.3 <= time.monotonic() - began < 30
    end.join()


def test_an_answer_that_is_cut_off_is_no_answer(tmp_path: Path) -> None:
    Progress("backup_fetch", str(tmp_path / "f.json"))
    lines = shell(command(str(tmp_path)))
    assert read(["a banner of the host", *lines, ""]).runs
    assert read([line + "\r" for line in lines]).runs  # what a terminal makes of it
    for length in range(len(lines)):
        with pytest.raises(AnsibleError, match="not whole"):
            read(lines[:length])


def test_where_progress_lies_without_being_told(tmp_path: Path) -> None:
    echo = f"echo {default_directory('~/.my tmp')}"
    assert shell(f"id() {{ echo 0; }}; {echo}") == ["/run/boxlift"]
    home = f"HOME={shlex.quote(str(tmp_path))}; id() {{ echo 1000; }}; "
    assert shell(home + echo) == [f"{tmp_path}/.my tmp/boxlift"]
    assert shell(home + f"echo {default_directory('/var/tmp/x')}") == ["/var/tmp/x/boxlift"]
