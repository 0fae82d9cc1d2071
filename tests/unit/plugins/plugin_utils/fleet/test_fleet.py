# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own run: what it is given, what is kept of it, and what becomes of everything that can go wrong with one."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.action.site_run import name_of, run_site
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet import run as fleet
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet.site import Site, environment, site
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet.summary import summary
from unit.plugins.playbook import REPOSITORY

CONFIGURATION = """\
[defaults]
inventory = ../../defaults/hosts.yml,hosts.yml
callbacks_enabled = boxlift.portal.journal
[boxlift_journal]
path = journal/move.jsonl
"""
# What stands for ansible-playbook: it writes its journal as the callback does, and ends as it is told.
PLAYBOOK = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process, writer
path = os.environ["BOXLIFT_JOURNAL"]
run = writer.append(path, "start", {"version": 2, "playbook": "x", "process": process.own_process()}).seq
writer.append(path, "play", {"name": "P", "check": False, "run": run})
for name, status in (task.split("=") for task in sys.argv[3:]):
    fields = {"start": writer.iso(time.time()), "seconds": 0.1, "play": "P", "role": "", "name": name, "action": "a"}
    writer.append(path, "task", {**fields, "host": "h", "status": status, "message": f"{name} said", "run": run})
writer.append(path, "end", {"seconds": 1, "hosts": {"h": {"changed": 1}}, "run": run})
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ansible.cfg").write_text(CONFIGURATION)
    return tmp_path


def given(of: Site) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "BOXLIFT_JOURNAL": of.journal}


def play(folder: Path, status: int, *tasks: str) -> fleet.Outcome:
    of = site(str(folder))
    command = [sys.executable, "-c", PLAYBOOK, str(REPOSITORY / ".cache/collections"), str(status), *tasks]
    return fleet.run(of, "x", command, given(of), itertools.count(0.0, 2.5).__next__)


def other(folder: Path, script: str, timeout: float | None = None) -> fleet.Outcome:
    """A program that writes no journal."""
    of = site(str(folder))
    return fleet.run(of, "x", ["bash", "-c", script], given(of), lambda: 0.0, timeout)


def asked(folder: Path, minutes: float | None = None) -> dict[str, t.Any]:
    return {"folder": str(folder), "playbook": "x", "extra_vars": {}, "timeout_minutes": minutes}


class TestSite:
    def test_names_its_journal(self, folder: Path) -> None:
        assert site(str(folder)) == Site(str(folder), f"{folder}/ansible.cfg", f"{folder}/journal/move.jsonl")

    @pytest.mark.parametrize("path", ["", "path =", "path = {{CWD}}/journal/fleet.jsonl"])
    def test_has_one_where_none_is_named(self, folder: Path, path: str) -> None:
        (folder / "ansible.cfg").write_text(CONFIGURATION.replace("path = journal/move.jsonl", path))
        assert site(str(folder)).journal == f"{folder}/journal/fleet.jsonl"

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("path = journal/move.jsonl", "path = ../move.jsonl", "does not lie in the site's folder"),
            ("path = journal/move.jsonl", "path = /var/log/move.jsonl", "does not lie in the site's folder"),
            ("inventory =", "inventories =", "names no inventory"),
            ("callbacks_enabled", "callback_enabled", "does not enable the journal"),
            ("[defaults]", "defaults", "cannot be read"),
        ],
    )
    def test_is_refused(self, folder: Path, old: str, new: str, said: str) -> None:
        (folder / "ansible.cfg").write_text(CONFIGURATION.replace(old, new))
        with pytest.raises(BoxliftError) as caught:
            site(str(folder))
        assert said in caught.value.message and caught.value.remedy

    def test_gets_nothing_of_the_fleet_or_of_others(self, folder: Path) -> None:
        of = site(str(folder))
        base = {
            "ANSIBLE_VAULT_PASSWORD_FILE": "/other", "ANSIBLE_INVENTORY": "/other", "BOXLIFT_JOURNAL": "/other",
            "ANSIBLE_CONFIG": "/other", "ANSIBLE_HOME": "/home", "HOME": "/root", "SSH_AUTH_SOCK": "/agent",
        }  # fmt: skip
        found = environment(of, ["/a", "/b"], base)
        assert "/other" not in found.values()
        assert found["ANSIBLE_CONFIG"] == of.configuration and found["BOXLIFT_JOURNAL"] == of.journal
        assert found["ANSIBLE_COLLECTIONS_PATH"] == "/a:/b"
        assert (found["ANSIBLE_HOME"], found["HOME"], found["SSH_AUTH_SOCK"]) == ("/home", "/root", "/agent")


class TestRun:
    def test_done(self, folder: Path) -> None:
        found = play(folder, 0, "A=ok", "B=changed")
        assert (found.state, found.status, found.tasks, found.reached) == ("done", 0, 2, "B")
        assert found.good and found.changed and found.failures == () and found.seconds == 2.5
        assert stat.S_IMODE(os.stat(found.log).st_mode) == 0o600

    def test_failed(self, folder: Path) -> None:
        found = play(folder, 2, "A=ok", "B=failed", "C=skipped")
        assert (found.state, found.status, found.reached) == ("failed", 2, "B")
        assert found.failures == (fleet.Failure("h", "B", "B said"),)

    def test_unreachable(self, folder: Path) -> None:
        assert play(folder, 4, "A=unreachable").state == "unreachable"

    def test_an_error_that_was_caught_is_none(self, folder: Path) -> None:
        found = play(folder, 0, "A=failed", "B=ok")
        assert found.good and found.failures == ()

    def test_only_its_own_run_counts(self, folder: Path) -> None:
        play(folder, 2, "Before=failed")
        found = play(folder, 0, "Now=ok")
        assert (found.tasks, found.reached) == (1, "Now")

    def test_another_run_at_the_same_time_does_not_count(self, folder: Path) -> None:
        """As one by hand, which writes the same journal."""
        play(folder, 2, "By hand=failed")
        found = other(folder, "exit 3")
        assert (found.tasks, found.reached) == (0, "") and "ended with 3" in found.failures[0].message

    def test_what_was_never_played_is_told_by_its_output(self, folder: Path) -> None:
        found = other(folder, "echo before; echo '[ERROR]: the playbook x is not there, password=hunter22'; exit 1")
        assert (found.state, found.status, found.tasks) == ("failed", 1, 0)
        assert found.failures[0].message == "[ERROR]: the playbook x is not there, password=********"

    def test_silence_is_told_as_such(self, folder: Path) -> None:
        found = other(folder, "exit 250")
        assert found.failures[0].message.startswith("ansible-playbook ended with 250 and said no error; see ")

    def test_killed(self, folder: Path) -> None:
        assert other(folder, "kill -9 $$").state == "failed"

    def test_hanging(self, folder: Path) -> None:
        found = other(folder, "exec sleep 600", timeout=0.2)
        assert found.state == "timed out" and not found.good

    def test_hanging_and_deaf(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fleet, "GRACE", 0.2)
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the program inherits it
        try:
            found = other(folder, "exec sleep 600", timeout=0.2)
        finally:
            signal.signal(signal.SIGTERM, before)
        assert (found.state, found.status) == ("timed out", -9)

    def test_two_at_a_time_are_refused(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ansible_collections.boxlift.portal.plugins.module_utils.state.LOCK_PATIENCE", 0.0)
        with Lock(str(folder / ".fleet.lock"), "it"):
            found = run_site(asked(folder), [], False)
        assert found.state == "refused" and "already being worked on" in found.failures[0].message

    @pytest.mark.parametrize(("minutes", "said"), [(0.0, "timeout_minutes is 0."), (-1.0, "timeout_minutes is -1.")])
    def test_no_time_at_all(self, folder: Path, minutes: float, said: str) -> None:
        assert run_site(asked(folder, minutes), [], False).failures[0].message.startswith(said)

    def test_a_folder_that_cannot_be_written(self, folder: Path) -> None:
        (folder / "journal").write_text("a file")
        found = run_site(asked(folder), [], False)
        assert found.state == "refused" and "journal" in found.failures[0].message


@pytest.mark.parametrize(
    ("playbook", "name"),
    [("boxlift.portal.health", "health"), ("playbooks/health.yml", "health"), ("/a/own.yaml", "own"), ("x", "x")],
)
def test_the_log_has_the_playbook_s_name(playbook: str, name: str) -> None:
    assert name_of(playbook) == name


class TestSummary:
    GOOD: t.ClassVar[dict[str, t.Any]] = {"state": "done", "status": 0, "seconds": 61, "tasks": 9, "failures": []}
    BAD: t.ClassVar[dict[str, t.Any]] = {
        "state": "failed", "status": 2, "seconds": 5, "tasks": 4, "reached": "B", "log": "/l",
        "failures": [{"host": "h", "task": "B", "message": "no room\nmore"}],
    }  # fmt: skip

    def test_names_the_bad_ones_first(self) -> None:
        found = summary({"a": self.GOOD, "b": self.BAD, "c": {**self.BAD, "state": "unreachable"}})
        assert (found["ok"], found["bad"]) == (False, ["c", "b"])
        assert found["text"] == [
            "c: UNREACHABLE in 5 s, exit status 2, reached: B (4 tasks)",
            "  h, B: no room",
            "  output: /l",
            "b: FAILED in 5 s, exit status 2, reached: B (4 tasks)",
            "  h, B: no room",
            "  output: /l",
            "a: done in 1 min 1 s, 9 tasks",
            "3 sites: 1 unreachable, 1 failed, 1 done.",
        ]

    def test_all_good(self) -> None:
        assert summary({"a": self.GOOD})["ok"]

    def test_no_site_is_no_success(self) -> None:
        assert summary({}) == {"ok": False, "bad": [], "counts": dict.fromkeys(
            ("refused", "unreachable", "timed out", "failed", "lost", "done"), 0
        ), "text": ["No site was run."]}  # fmt: skip

    @pytest.mark.parametrize("result", [{}, {"unreachable": True}, {"msg": "crashed"}, None])
    def test_a_site_without_a_result_is_lost(self, result: t.Any) -> None:
        found = summary({"a": self.GOOD, "b": result})
        assert found["bad"] == ["b"] and "  its run gave no result" in found["text"]
