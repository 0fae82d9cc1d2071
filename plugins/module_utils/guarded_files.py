# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that may lock everybody out: put into service with a way back that the host takes by itself.

What was before is kept, and a timer of systemd is set, before the first file changes. Unless someone confirms in time,
the timer puts everything back. It is enabled, so that it also runs after a reboot. A killed run leaves it set.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils import host_files
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file

Commands = t.Sequence[t.Sequence[str]]

SCRIPT = """\
#!/bin/sh
# What was in service before {name} was changed. A timer runs this where nobody confirms the change.
{files}
{commands}
touch {folder}/taken
systemctl disable --now {unit}.timer
"""
SERVICE = """\
[Unit]
Description=Way back from a change of {name} that nobody has confirmed

[Service]
Type=oneshot
ExecStart=/bin/sh {folder}/back.sh
"""
TIMER = """\
[Unit]
Description=Time to confirm the change of {name}

[Timer]
OnActiveSec={seconds}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What shall be in service."""

    name: str
    entries: t.Sequence[host_files.Entry]
    apply: Commands  # put the files into service, also those of before
    remove: Commands  # take them out of service, where there was no such file before
    in_service: t.Sequence[str]  # succeeds where the files are in service; empty: they are if they are there
    seconds: int  # to confirm


class Guard:
    """The way back from a change, on this host."""

    def __init__(self, name: str, state: str, units: str, run: host_files.Run) -> None:
        self.name = name
        self.unit = f"boxlift-guard-{name}"
        self._folder = os.path.join(state, name)
        self._units = units
        self._run = run

    @property
    def armed(self) -> bool:
        return os.path.exists(os.path.join(self._folder, "back.sh"))

    def arm(self, plan: Plan) -> None:
        """Keep what is there now, and set the timer."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        quoted = {"name": self.name, "folder": shlex.quote(self._folder), "unit": self.unit}
        files, there = [], True
        for number, entry in enumerate(each for each in plan.entries if each.state != "directory"):
            path, kept = shlex.quote(entry.path), os.path.join(self._folder, str(number))
            if os.path.lexists(entry.path):
                shutil.copy2(entry.path, kept, follow_symlinks=False)
                # The rename is one step; a copy over the file is none.
                files.append(f"cp -a {shlex.quote(kept)} {path}.boxlift-back && mv -f {path}.boxlift-back {path}")
            else:
                files.append(f"rm -f {path}")
                there = False
        commands = [shlex.join(command) for command in (plan.apply if there else plan.remove)]
        script = SCRIPT.format(files="\n".join(files), commands="\n".join(commands), **quoted)
        self._write(os.path.join(self._folder, "back.sh"), script, 0o700)
        self._write(f"{self._path}.service", SERVICE.format(**quoted))
        self._write(f"{self._path}.timer", TIMER.format(seconds=plan.seconds, **quoted))
        self._must(["systemctl", "daemon-reload"])
        self._must(["systemctl", "enable", "--now", f"{self.unit}.timer"])

    def take_back(self) -> None:
        """Put back what was before, now."""
        self._must(["/bin/sh", os.path.join(self._folder, "back.sh")])
        self._forget()

    def end_former(self) -> bool:
        """Take back a change of before that nobody has confirmed; True where there was one."""
        if not self.armed:
            return False
        if self._taken:
            self._forget()
        else:
            self.take_back()
        return True

    def confirm(self) -> bool:
        """End the timer. False where the host has taken the way back already."""
        if not self.armed:
            return False
        self._must(["systemctl", "disable", "--now", f"{self.unit}.timer"])
        state = self._must(["systemctl", "show", "--property=ActiveState", "--value", f"{self.unit}.service"]).strip()
        if state == "activating":
            return False  # it is at work; the next run finds what it leaves
        taken = self._taken
        self._forget()
        return not taken

    @property
    def _taken(self) -> bool:
        return os.path.exists(os.path.join(self._folder, "taken"))

    @property
    def _path(self) -> str:
        return os.path.join(self._units, self.unit)

    def _forget(self) -> None:
        for suffix in (".timer", ".service"):
            if os.path.exists(self._path + suffix):
                os.unlink(self._path + suffix)
        shutil.rmtree(self._folder)
        self._must(["systemctl", "daemon-reload"])

    def _write(self, path: str, text: str, mode: int = 0o644) -> None:
        replace_file(path, text.encode(), mode, (os.getuid(), os.getgid()))

    def _must(self, command: t.Sequence[str]) -> str:
        code, said = self._run(command)
        if code != 0:
            raise BoxliftError(
                f"'{shlex.join(command)}' failed: {said.strip() or f'it ended with {code}'}.",
                "Run it on the host by hand, correct what it complains of, and run again.",
            )
        return said


def change(plan: Plan, guard: Guard, run: host_files.Run, only_predict: bool) -> list[host_files.Change]:
    """Put the files into service with the timer set; what differs, nothing where all is as it shall be.

    Where there are changes the timer runs until `Guard.confirm`. A change that was not confirmed before is taken back
    first. Raises BoxliftError where a file or a command fails; everything is then as it was.
    """
    if not only_predict:
        guard.end_former()
    changes = [found for entry in plan.entries for found in host_files.settle(entry, run, only_predict=True)]
    if not changes and plan.in_service and run(plan.in_service)[0] != 0:
        changes = [host_files.Change(plan.name, {"in service": "no"}, {"in service": "yes"})]
    if not changes or only_predict:
        return changes
    guard.arm(plan)
    try:
        for entry in plan.entries:
            host_files.settle(entry, run, only_predict=False)
        for command in plan.apply:
            _apply(command, plan, run)
    except BaseException:
        guard.take_back()
        raise
    return changes


def _apply(command: t.Sequence[str], plan: Plan, run: host_files.Run) -> None:
    code, said = run(command)
    if code != 0:
        raise BoxliftError(
            f"{plan.name}: '{shlex.join(command)}' failed: {said.strip() or f'it ended with {code}'}.",
            "Correct what the files are made of; everything is as it was before.",
        )
