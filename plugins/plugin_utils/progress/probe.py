# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a job and its progress on a host: one shell command, milliseconds, and no Python there."""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.common.json import Direction, get_module_decoder

MARK = "boxlift-look"
# A file of four lines for each run: its path, when the process of that number was born, the progress, the note.
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
# What the job says, in one line: Ansible's own words while it runs, the module's result afterwards.
_JOB = "cat {path} 2>/dev/null | tr '\\n' ' '"
# Ansible's wrapper begins its file with this key and replaces it by the module's result, which never has it first.
_RUNNING = '{"started"'
# A module's warnings come as Ansible's own objects.
_AS_ANSIBLE = get_module_decoder("legacy", Direction.MODULE_TO_CONTROLLER)
# Five times a second, so that the end is known when it comes, not at the next look.
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
        """Its number and the moment of its birth, which no other process of this host has."""
        return self.state["pid"], self.state["born"]

    @property
    def outcome(self) -> str:
        """`running`, `done`, `failed`, or `killed`: gone without a last word."""
        outcome: str = self.state["outcome"]
        return "killed" if outcome == "running" and not self.alive else outcome


@dataclasses.dataclass
class Look:
    directory: str
    now: float  # by the host's clock
    job: str  # `running`, `ended`, or `gone`
    runs: list[Run]
    result: dict[str, t.Any] | None = None  # of the job that has ended


def default_directory(remote_tmp: str) -> str:
    """For the shell: what root's runs use, else a folder of the user's own."""
    home, _slash, rest = remote_tmp.rstrip("/").partition("/")
    # A leading ~ or ~user is for the shell to replace.
    own = f"{home}/{shlex.quote(rest)}/boxlift" if home.startswith("~") else f"{shlex.quote(remote_tmp)}/boxlift"
    return f'$(if test "$(id -u)" = 0; then echo /run/boxlift; else echo {own}; fi)'


def command(directory: str, pattern: str = "*.json", *, prepare: str = "", job: str = "", wait: float = 0.0) -> str:
    """`directory` and `pattern` are the shell's; `prepare` is done before, `job` is the path of the job's result.

    It waits so many seconds before it looks, but no longer than the job runs.
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


def read(lines: t.Sequence[str]) -> Look:
    """What the command wrote. Raises AnsibleError where it is not whole, as after a lost connection."""
    lines = [line.rstrip("\r") for line in lines]
    try:
        begin = lines.index(MARK)
        end = lines.index(MARK, begin + 1)
        directory, now, job = lines[begin + 1 : begin + 4]
        rest = lines[begin + 4 : end]
        runs = [_run(*rest[at : at + 4]) for at in range(0, len(rest), 4)]
        state = _job(job[4:])
        result = json.loads(job[4:], cls=_AS_ANSIBLE) if state == "ended" else None
        return Look(directory, float(now), state, [run for run in runs if run is not None], result)
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
