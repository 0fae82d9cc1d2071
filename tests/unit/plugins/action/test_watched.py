# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions of the long modules, in real runs of ansible-playbook."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.restore.specials import LEFTOVERS
from lab.archive_writer import Entry, write_archive
from unit.plugins.action.watching import (
    SECONDS,
    NeverBegan,
    absolute,
    playbook,
    returned,
    run,
    stopped,
    told,
    until_told,
    wait_for,
)
from unit.plugins.playbook import run_playbook, start_playbook


@pytest.mark.slow
def test_it_says_how_far_it_is_and_returns_what_the_module_returns(backup_site: Path) -> None:
    jobs = backup_site / "jobs"
    # In check mode plainly: on the connection itself, and nothing is written.
    output = run(backup_site, playbook(jobs=1), "--check", ANSIBLE_ASYNC_DIR=str(jobs))
    assert told(output) == []
    plain = returned(backup_site)
    assert plain["intact"] is True
    assert not (backup_site / "run").exists()
    assert not jobs.exists()

    journal = backup_site / "move.jsonl"
    modules = backup_site / "modules"
    settings = {"ANSIBLE_ASYNC_DIR": str(jobs), "BOXLIFT_JOURNAL": str(journal), "ANSIBLE_REMOTE_TMP": str(modules)}
    with stopped(backup_site, playbook(jobs=1), **settings) as job:
        output = until_told(job.watcher.stdout, 1)
        assert list(modules.glob("*/AnsiballZ_backup_verify.py"))
        os.kill(job.pid, signal.SIGCONT)
        output += job.watcher.communicate(timeout=SECONDS)[0]
    watched = returned(backup_site)
    written = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    (progress,) = [line for line in written if line["event"] == "progress"]
    assert (progress["module"], progress["phase"], progress["process"]) == (
        "backup_verify",
        "verify",
        written[0]["process"],
    )
    assert 0 <= progress["done"] <= progress["total"]
    assert [line.split(": ", 1)[1].split()[0] for line in told(output)] == ["verify", "done"]
    assert "5 of 5 parts" in told(output)[-1]
    (phase,) = watched.pop("progress")["phases"]
    assert phase["phase"] == "verify"
    assert phase["bytes"] == sum(part.stat().st_size for part in (backup_site / "backup").iterdir())
    assert watched == plain
    assert not list((backup_site / "run").glob("*.job")), "the note is left behind"
    assert list(jobs.iterdir()) == [], "the job's result is left behind"
    assert list(modules.iterdir()) == [], "the module is left behind, and the password in it"

    # What a stopped run has left is cleared, and nothing else.
    precious = backup_site / "precious"
    (jobs / "j1.2").write_text("{}", encoding="utf-8")
    precious.write_text("not ours", encoding="utf-8")
    for left in (jobs / "j1.2", precious):
        note = {"job": "j1.2", "result": str(left), "salt": "00", "arguments": ""}
        (backup_site / "run/verify.json.job").write_text(json.dumps(note), encoding="utf-8")
        run(backup_site, playbook(), ANSIBLE_ASYNC_DIR=str(jobs))
        assert list(jobs.iterdir()) == []
    assert precious.exists()


@pytest.mark.slow
def test_on_a_terminal_there_is_a_line_every_few_seconds_until_it_is_killed(backup_site: Path) -> None:
    terminal, end = pty.openpty()
    with stopped(backup_site, playbook(jobs=1), output=end) as job:
        os.close(end)
        with open(terminal, encoding="utf-8", newline="") as stream:
            output = until_told(stream, 2)
            os.kill(job.pid, signal.SIGKILL)
            with contextlib.suppress(OSError):  # how Linux says that nobody has the other end any more
                while line := stream.readline():
                    output += line
        errors = job.watcher.communicate(timeout=SECONDS)[1]
    assert [line.count("backup_verify: verify 0 %") for line in told(output.replace("\r", ""))] == [1, 1]
    assert job.watcher.returncode == 2
    said = " ".join((output + errors).split())
    assert f"The work in process {job.pid} (verify 0 %, " in said
    assert "Run the same task again: it goes on where it was." in said
    assert told(run(backup_site, playbook()))[-1].startswith("localhost | backup_verify: done after ")


def test_the_tasks_own_async_is_left_to_ansible(backup_site: Path) -> None:
    assert told(run(backup_site, playbook(keywords="async: 60\n      poll: 1"))) == []
    assert returned(backup_site)["intact"] is True
    assert "ansible_job_id" in returned(backup_site)


# Every task is meant to fail, and the test reads what each of them said: the play must go on behind it.
FAILURES = """
- name: Fail
  hosts: localhost
  gather_facts: false
  ignore_errors: true
  tasks:
    - name: Wrong password
      boxlift.portal.backup_verify: {path: backup, password: guess, progress: run/1.json}
    - name: Unknown option
      boxlift.portal.backup_verify: {path: backup, jobz: 3, progress: run/2.json}
    - name: No authority
      boxlift.portal.backup_fetch: {url: "https://x/base.tar", dest: made, ca_path: absent.pem, progress: run/3.json}
    - name: No backup
      boxlift.portal.backup_restore: {source: absent.tar, document_root: www, state_dir: state, progress: run/4.json}
    - name: No dump
      boxlift.portal.database_import: {dump: absent.sql, database: {name: portal}, progress: run/5.json}
"""


@pytest.mark.slow
def test_failures_are_told_in_the_modules_words(backup_site: Path) -> None:
    output = run(backup_site, FAILURES)
    for message in (
        "The password does not open base.enc.gz.",
        "Unsupported parameters for (boxlift.portal.backup_verify) module: jobz",
        "absent.pem cannot be read",
        "No part of absent.tar was found",
        "absent.sql",
    ):
        assert message in output
    assert "Traceback" not in output
    assert "ignored=5" in output


@pytest.mark.slow
def test_the_work_outlives_its_playbook_and_the_same_task_watches_it_again(backup_site: Path) -> None:
    with stopped(backup_site, playbook()) as job:
        job.watcher.send_signal(signal.SIGINT)
        job.watcher.communicate(timeout=SECONDS)
        assert Path(f"/proc/{job.pid}").exists()

        with start_playbook(backup_site, absolute(backup_site, playbook()), ANSIBLE_CALLBACKS_ENABLED="") as second:
            output = until_told(second.stdout, 1)
            os.kill(job.pid, signal.SIGCONT)
            rest, errors = second.communicate(timeout=SECONDS)
        output += rest
        assert second.returncode == 0, output + errors
    assert told(output)[0] == (
        "localhost | backup_verify: is at work already, since an earlier run of this task; watching it"
    )
    assert returned(backup_site)["intact"] is True
    assert json.loads((backup_site / "run/verify.json").read_text(encoding="utf-8"))["pid"] == job.pid


@pytest.mark.slow
def test_a_killed_playbook_leaves_the_result_to_the_next_run(backup_site: Path) -> None:
    """Its worker outlives it, and would take the result away from whoever watches the work by then."""
    jobs = backup_site / "jobs"
    settings = {"ANSIBLE_ASYNC_DIR": str(jobs)}
    with stopped(backup_site, playbook(), **settings) as job:
        named = command_of(job.watcher.pid)
        job.watcher.kill()
        job.watcher.wait(SECONDS)
        os.kill(job.pid, signal.SIGCONT)
        wait_for(lambda: not Path(f"/proc/{job.pid}").exists())
        wait_for(lambda: all(command_of(int(each.name)) != named for each in Path("/proc").glob("[0-9]*")))
    (left,) = jobs.glob("j*")
    assert json.loads(left.read_text(encoding="utf-8"))["intact"] is True
    run(backup_site, playbook(), **settings)
    assert list(jobs.iterdir()) == []


def command_of(pid: int) -> bytes:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_the_note_is_not_written_through_a_link(backup_site: Path) -> None:
    precious = backup_site / "precious"
    precious.write_text("not ours", encoding="utf-8")
    (backup_site / "run").mkdir(mode=0o700)
    (backup_site / "run/verify.json.job").symlink_to(precious)
    with stopped(backup_site, playbook()) as job:
        wait_for(lambda: not (backup_site / "run/verify.json.job").is_symlink())
        os.kill(job.pid, signal.SIGCONT)
        job.watcher.communicate(timeout=SECONDS)
    assert precious.read_text(encoding="utf-8") == "not ours"


@pytest.mark.slow
def test_another_task_does_not_take_the_work_for_its_own(backup_site: Path) -> None:
    with stopped(backup_site, playbook()) as job:
        text = playbook(fail_on_damage=False, progress=f"{backup_site}/run/other.json")
        done = run_playbook(backup_site, absolute(backup_site, text), name="second.yml", ANSIBLE_CALLBACKS_ENABLED="")
        assert done.returncode == 0, done.stdout
        assert "at work already" not in done.stdout
        assert json.loads((backup_site / "run/verify.json").read_text(encoding="utf-8"))["pid"] == job.pid


@pytest.mark.slow
def test_the_tasks_timeout_ends_the_work(tmp_path: Path, backup: Path) -> None:
    for seconds in (6, 20, 60):
        site = tmp_path / str(seconds)
        site.mkdir()
        (site / "backup").symlink_to(backup)
        # A loaded machine may need longer than that to begin the work: then there is nothing to end.
        with contextlib.suppress(NeverBegan), stopped(site, playbook(keywords=f"timeout: {seconds}")) as job:
            output, errors = job.watcher.communicate(timeout=SECONDS)
            assert job.watcher.returncode == 2
            assert f"Timed out after {seconds} second" in output + errors
            wait_for(lambda pid=job.pid: not Path(f"/proc/{pid}").exists())
            return
    pytest.fail("the work never began")


RESTORE = """
- name: Restore
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Restore the backup
      boxlift.portal.backup_restore: {source: backup/base.tar, document_root: www, state_dir: s, progress: run/r.json}
"""


def test_what_the_module_warns_of_is_a_warning_of_the_task(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    entries = [Entry(b"index.php", data=b"<?php"), Entry(LEFTOVERS[0].encode(), data=b"old")]
    write_archive(entries, tmp_path / "backup", "base", kind="tar")
    output = " ".join(run(tmp_path, RESTORE).split())
    assert f"[WARNING]: An earlier restore on the source left {LEFTOVERS[0]}: compare and remove them." in output
