# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe a job and its progress on a host: one shell command, milliseconds, no Python on the host."""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.common.json import Direction, get_module_decoder

MARK = "boxlift-probe"
# Prints four lines for each run: path, start time of the process with its number, progress, note.
_SCRIPT = """umask 077
d={directory}
{prepare}{wait}echo {mark}
printf '%s\\n' "$d"
date +%s
printf 'job %s\\n' "$({job})"
for f in "$d"/{pattern}; do
s=$(cat "$f" 2>/dev/null) || continue
p=$(printf '%s' "$s" | sed -n 's/.*"pid": \\([0-9]*\\),.*/\\1/p')
b=$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | cut -d' ' -f20)
printf '%s\\n' "$f" "born $b" "$s" "note $(cat "$f.job" 2>/dev/null)"
done
echo {mark}"""
# The job's file in one line: the state that Ansible's wrapper writes while it runs, then the module's result.
_JOB = "cat {path} 2>/dev/null | tr '\\n' ' '"
# The wrapper's state begins with this key; a module's result never does.
_RUNNING = '{"started"'
# A module's warnings come as Ansible's own objects.
_AS_ANSIBLE = get_module_decoder("legacy", Direction.MODULE_TO_CONTROLLER)
# Five times a second, so that the end of the job ends the probe.
_WAIT = """n={times}
while test $n -gt 0 && test "$(head -c {size} {path} 2>/dev/null)" = {running}; do sleep 0.2; n=$((n-1)); done
"""


@dataclasses.dataclass
class Run:
    """What one progress file says, and whether its process is still there."""

    path: str
    alive: bool
    state: dict[str, t.Any]
    note: dict[str, t.Any] | None  # of the task that started it

    @property
    def process(self) -> tuple[int, str]:
        """Process number and start time; together they are unique on this host."""
        return self.state["pid"], self.state["born"]

    @property
    def outcome(self) -> str:
        """`running`, `done`, `failed`, or `killed`: the process is gone and its last state is `running`."""
        outcome: str = self.state["outcome"]
        return "killed" if outcome == "running" and not self.alive else outcome


@dataclasses.dataclass
class HostState:
    """What one probe saw. `result` is that of a job that has ended."""

    directory: str
    now: float  # by the host's clock
    job: str  # `running`, `ended`, or `gone`
    runs: list[Run]
    result: dict[str, t.Any] | None = None


def default_directory(remote_tmp: str) -> str:
    """Shell expression for the directory of progress files: root's in /run, another user's below `remote_tmp`."""
    home, _slash, rest = remote_tmp.rstrip("/").partition("/")
    # A leading ~ or ~user is for the shell to replace.
    own = f"{home}/{shlex.quote(rest)}/boxlift" if home.startswith("~") else f"{shlex.quote(remote_tmp)}/boxlift"
    return f'$(if test "$(id -u)" = 0; then echo /run/boxlift; else echo {own}; fi)'


def command(directory: str, pattern: str = "*.json", *, prepare: str = "", job: str = "", wait: float = 0.0) -> str:
    """The shell command of a probe.

    `directory` and `pattern` are shell expressions, `prepare` is run first, `job` is the path of the job's result. It
    waits `wait` seconds, or until the job ends, and then looks.
    """
    waiting = ""
    if wait:
        running = shlex.quote(_RUNNING)
        waiting = _WAIT.format(times=int(wait * 5), size=len(_RUNNING), path=shlex.quote(job), running=running)
    return _SCRIPT.format(
        directory=directory,
        prepare=prepare,
        wait=waiting,
        mark=MARK,
        job=_JOB.format(path=shlex.quote(job)) if job else "",
        pattern=pattern,
    )


def read(lines: t.Sequence[str]) -> HostState:
    """Parse the output of the command. Raises AnsibleError if it is cut off, as after a lost connection."""
    lines = [line.rstrip("\r") for line in lines]
    try:
        begin = lines.index(MARK)
        end = lines.index(MARK, begin + 1)
        directory, now, job = lines[begin + 1 : begin + 4]
        rest = lines[begin + 4 : end]
        runs = [_run(*rest[at : at + 4]) for at in range(0, len(rest), 4)]
        state = _job(job[4:])
        result = json.loads(job[4:], cls=_AS_ANSIBLE) if state == "ended" else None
        return HostState(directory, float(now), state, [run for run in runs if run is not None], result)
    except (ValueError, TypeError) as error:
        raise AnsibleError("The host's answer is not whole.") from error


def _run(path: str, born: str, text: str, note: str) -> Run | None:
    state = json.loads(text)
    if not isinstance(state, dict) or "born" not in state:
        return None  # some other file
    return Run(path, born[5:] == state["born"], state, json.loads(note[5:]) if note[5:] else None)


def _job(head: str) -> str:
    if not head.strip():
        return "gone"
    return "running" if head.startswith(_RUNNING) else "ended"
