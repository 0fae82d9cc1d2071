# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One control of a baseline, and the host that it looks at."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import typing as t

PASS, NOT_TAKEN, NOT_APPLICABLE = "pass", "not taken", "not applicable"


class NotApplicable(Exception):
    """A control has nothing to judge on such a host; the text says why."""


@functools.cache
def run(container: str, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run a command in a container, once: what it says is asked by several controls."""
    return subprocess.run(["docker", "exec", container, *command], capture_output=True, text=True, check=False)


@dataclasses.dataclass(frozen=True)
class Host:
    """A host in the lab, by the name of its container."""

    container: str

    def _run(self, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return run(self.container, command)

    def status(self, *command: str) -> int:
        return self._run(command).returncode

    def output(self, *command: str) -> str:
        """Standard output of a command that must succeed. Raises subprocess.CalledProcessError."""
        done = self._run(command)
        done.check_returncode()
        return done.stdout

    def text(self, path: str) -> str:
        return self.output("cat", path)

    def exists(self, path: str) -> bool:
        return self.status("test", "-e", path) == 0

    def mode(self, path: str) -> tuple[str, str, int]:
        """Owner, group and mode of a file, links followed."""
        owner, group, mode = self.output("stat", "--dereference", "--format=%U %G %a", path).split()
        return owner, group, int(mode, 8)

    def sql(self, statement: str) -> str:
        return self.output("mariadb", "--skip-column-names", "--batch", "--execute", statement).strip()


#: What is wrong, in the words of the table; empty where the control holds.
Look = t.Callable[[Host], str]


@dataclasses.dataclass(frozen=True)
class Control:
    baseline: str
    id: str
    demand: str
    look: Look
    #: Why it is not taken, or how far; only shown where it does not hold.
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Score:
    control: Control
    status: str
    told: str


CONTROLS: list[Control] = []


def control(baseline: str, name: str, demand: str, reason: str = "") -> t.Callable[[Look], Look]:
    def register(look: Look) -> Look:
        CONTROLS.append(Control(baseline, name, demand, look, reason))
        return look

    return register


def score(host: Host, each: Control) -> Score:
    try:
        wrong = each.look(host)
    except NotApplicable as reason:
        return Score(each, NOT_APPLICABLE, str(reason))
    if not wrong:
        return Score(each, PASS, "")
    return Score(each, NOT_TAKEN, f"{wrong}. {each.reason}".removesuffix(" ") if each.reason else wrong)
