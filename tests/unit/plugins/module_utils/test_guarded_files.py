# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change with a way back: the real script in a real shell, with a systemd that only notes what it is asked."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.guarded_files import Guard, Plan, change
from ansible_collections.boxlift.portal.plugins.module_utils.host_files import Entry

OWNER = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


class Host:
    """Two files, and programs that note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.units = folder, folder / "state", folder / "units"
        self.notes = folder / "notes"
        self.active = "inactive"
        programs = folder / "bin"
        for path in (self.units, programs):
            path.mkdir()
        for name in ("systemctl", "load", "unload", "refuse"):
            code = f'echo "{name} $*" >> {self.notes}\n' + ("exit 1\n" if name == "refuse" else "")
            (programs / name).write_text(f"#!/bin/sh\n{code}")
            (programs / name).chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        self.guard = Guard("rules", str(self.state), str(self.units), self.run)

    def run(self, command: t.Sequence[str]) -> tuple[int, str]:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, self.active if "show" in command else done.stdout + done.stderr

    def path(self, name: str) -> Path:
        return self.folder / name

    def plan(self, text: str = "new", apply: t.Sequence[t.Sequence[str]] = (["load"],), in_service: str = "") -> Plan:
        entries = [Entry(str(self.path(name)), "file", f"{text} {name}".encode(), **OWNER) for name in ("a", "b c")]
        return Plan("rules", entries, apply, [["unload"]], in_service.split(), 60)

    def change(self, *given: t.Any, predict: bool = False, **options: t.Any) -> list[str]:
        found = change(self.plan(*given, **options), self.guard, self.run, predict)
        return [os.path.basename(each.path) for each in found]

    def timer_runs_out(self) -> None:
        assert self.run(["/bin/sh", str(self.state / "rules/back.sh")])[0] == 0

    @property
    def texts(self) -> list[str | None]:
        paths = [self.path(name) for name in ("a", "b c")]
        return [path.read_text() if path.exists() else None for path in paths]

    def noted(self, name: str) -> list[str]:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_confirmed_it_stays(host: Host) -> None:
    assert host.change(predict=True) == ["a", "b c"]
    assert host.texts == [None, None] and not host.guard.armed
    assert host.change() == ["a", "b c"]
    assert host.guard.armed
    assert "systemctl enable --now boxlift-guard-rules.timer" in host.noted("systemctl")
    assert "OnActiveSec=60\n" in (host.units / "boxlift-guard-rules.timer").read_text()
    assert host.guard.confirm()
    assert "systemctl disable --now boxlift-guard-rules.timer" in host.noted("systemctl")
    assert host.texts == ["new a", "new b c"]
    assert list(host.units.iterdir()) == [] and not host.guard.armed
    assert host.change() == [] and host.noted("load") == ["load "]


def test_the_timer_is_set_before_anything_changes(host: Host) -> None:
    seen: list[list[str | None]] = []

    def run(command: t.Sequence[str]) -> tuple[int, str]:
        if "enable" in command:
            seen.append(host.texts)
        return host.run(command)

    guard = Guard("rules", str(host.state), str(host.units), run)
    change(host.plan(), guard, run, only_predict=False)
    assert seen == [[None, None]]


def test_what_nobody_confirms_is_put_back(host: Host) -> None:
    host.change("old")
    host.guard.confirm()
    host.path("a").chmod(0o600)
    host.change("new")
    host.timer_runs_out()
    assert host.texts == ["old a", "old b c"]
    assert host.path("a").stat().st_mode & 0o777 == 0o600
    assert host.noted("load") == ["load "] * 3 and host.noted("unload") == []
    assert not host.guard.confirm()
    assert not host.guard.armed and list(host.units.iterdir()) == []


def test_files_that_were_not_there_go_away(host: Host) -> None:
    host.change()
    host.timer_runs_out()
    assert host.texts == [None, None] and host.noted("unload") == ["unload "]


def test_too_late_by_a_moment(host: Host) -> None:
    host.change()
    host.active = "activating"
    assert not host.guard.confirm()
    assert host.guard.armed


def test_the_next_run_takes_back_what_nobody_confirmed(host: Host) -> None:
    host.change("old")
    host.guard.confirm()
    host.change("new")
    assert host.change("newer") == ["a", "b c"]
    host.timer_runs_out()
    assert host.texts == ["old a", "old b c"]


def test_a_way_back_that_was_taken_is_not_taken_again(host: Host) -> None:
    host.change("new")
    host.timer_runs_out()
    host.path("a").write_text("by hand")
    host.path("b c").write_text("by hand")
    assert host.guard.end_former()
    assert host.texts == ["by hand", "by hand"]


def test_a_command_that_fails_leaves_all_as_it_was(host: Host) -> None:
    host.change("old")
    host.guard.confirm()
    with pytest.raises(BoxliftError, match="rules: 'refuse now' failed: it ended with 1") as refused:
        host.change("new", apply=[["load"], ["refuse", "now"]])
    assert refused.value.remedy.endswith("everything is as it was before.")
    assert host.texts == ["old a", "old b c"] and not host.guard.armed


def test_files_out_of_service_are_put_in_again(host: Host) -> None:
    host.change()
    host.guard.confirm()
    assert host.change(in_service="true") == []
    assert host.change(in_service="false", predict=True) == ["rules"]
    assert host.noted("load") == ["load "]
    assert host.change(in_service="false") == ["rules"]
    assert host.noted("load") == ["load "] * 2
