# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base of actions whose module may run for hours: it runs detached from the connection, and its progress is shown."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shlex
import sys
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.vars.clean import remove_internal_keys
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place, process, writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import probe
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import text as progress_text
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.follow import AGAIN, Follower

LIMIT = 172800  # seconds, where the task has no timeout
# Read when the action is loaded: Ansible's forked workers have no terminal.
ON_TERMINAL = sys.stdout.isatty()
display = Display()
Result = dict[str, t.Any]


class Job(t.NamedTuple):
    """A detached run on the host: Ansible's id of it, the files for its result and progress, the module's folder."""

    name: str
    result: str
    progress: str
    folder: str = ""  # where this run may remove it


def _refuse_orphan() -> None:
    """Raise BoxliftError if ansible-playbook was killed: its next run watches the job, and needs the result."""
    if process.is_orphan():
        raise BoxliftError("The ansible-playbook of this task was killed. What it has begun goes on.", AGAIN)


class LongAction(ActionBase):
    _supports_check_mode = True
    _supports_async = True
    _task: t.Any

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        result = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._module = self._task.action.rpartition(".")[2]
        self._limit = int(self._task.timeout or LIMIT)
        self._former: set[tuple[int, str]] = set()  # processes with a progress file before this task began
        if self._task.check_mode or self._task.async_val or self._connection.has_native_async:
            return {**result, **self._plainly()}
        try:
            return {**result, **self._followed()}
        except BoxliftError as error:
            return {**result, "failed": True, **error.as_result()}

    def _plainly(self) -> Result:
        """Run the module as Ansible runs any other, with the task's own `async` if it has one."""
        apart = bool(self._task.async_val) and not self._connection.has_native_async
        result: Result = self._execute_module(task_vars=self._vars, wrap_async=apart)
        if not apart:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _followed(self) -> Result:
        job, note = self._at_work(), None
        if isinstance(job, str):
            note = self._note()
            _refuse_orphan()
            started = self._start(job)
            if started.get("failed") or "ansible_job_id" not in started:
                return started
            job = Job(started["ansible_job_id"], started["results_file"], job, self._folder)
            note.update(job=job.name, result=job.result)
        follower = Follower(
            probe=lambda wait: self._probe(job, note, wait),
            say=self._say,
            limit=self._limit,
            terminal=ON_TERMINAL,
            record=self._record,
        )
        result = follower.result()
        _refuse_orphan()
        remove_internal_keys(result)
        if "cmd" in result and "data" in result:  # the wrapper's own message: the module printed no result
            raise BoxliftError(
                follower.killed(), AGAIN, module_stdout=result["data"], module_stderr=result.get("stderr", "")
            )
        if result.get("msg") == "Timeout exceeded":
            raise BoxliftError(
                f"The work took longer than {self._limit} s and was ended.", f"Raise its timeout. {AGAIN}"
            )
        self._clear(job)
        if follower.run is not None:
            result["progress"] = progress_text.summary(follower.run.state)
            self._say(progress_text.ended(follower.run.state))
        return result

    # -- on the host

    def _at_work(self) -> Job | str:
        """The job that an earlier run of this same task left at work, else the path of a free progress file."""
        given = self._task.args.get("progress")
        if given:
            directory, pattern = (shlex.quote(part) for part in os.path.split(given))
            runs = self._ask(probe.command(directory, pattern)).runs
        else:
            directory = probe.default_directory(self.get_shell_option("remote_tmp", default="~/.ansible/tmp"))
            seen = self._ask(probe.command(directory, f"{self._module}*.json", prepare='mkdir -p "$d"\n'))
            directory, runs = seen.directory, seen.runs
        self._former = {run.process for run in runs}
        busy = {run.path: run for run in runs if run.outcome == "running"}
        # Results that a stopped ansible-playbook has left behind and nobody reads any more.
        self._litter = [run.note["result"] for run in runs if run.note is not None and run.path not in busy]
        for run in busy.values():
            if run.note is not None and run.note["arguments"] == self._fingerprint(run.note["salt"]):
                self._say("is at work already, since an earlier run of this task; watching it")
                self._former.discard(run.process)
                return Job(run.note["job"], run.note["result"], run.path)
        if given:
            return str(given)
        names = (f"{self._module}{number}.json" for number in ["", *range(2, len(busy) + 2)])
        return next(path for path in (f"{directory}/{name}" for name in names) if path not in busy)

    def _start(self, progress: str) -> Result:
        """Start the module detached from the connection; Ansible's answer."""
        task = self._task
        self._task = task.copy()
        self._task.async_val = self._limit
        try:
            if self._connection._shell.tmpdir is None:
                self._make_tmp_path()
            folder = self._connection._shell.tmpdir
            self._folder = folder if self._should_remove_tmp_path(folder) else ""
            started: Result = self._execute_module(
                module_args={**task.args, "progress": progress}, task_vars=self._vars, wrap_async=True
            )
            return started
        finally:
            self._task = task

    def _probe(self, job: Job, note: Result | None, wait: float) -> probe.HostState:
        _refuse_orphan()
        directory, name = os.path.split(job.progress)
        prepare = ""
        if note is not None:
            file = shlex.quote(job.progress + ".job")
            # Never through a symbolic link that somebody else has put there.
            prepare = f"rm -f {file}; set -C; printf %s {shlex.quote(json.dumps(note))} > {file}; set +C\n"
        seen = self._ask(
            probe.command(shlex.quote(directory), shlex.quote(name), prepare=prepare, job=job.result, wait=wait)
        )
        seen.runs = [run for run in seen.runs if run.process not in self._former]
        return seen

    def _ask(self, command: str) -> probe.HostState:
        answer = self._low_level_execute_command(command)
        if answer["rc"] != 0:
            raise AnsibleError(answer["stderr"].strip() or f"a command ended with {answer['rc']}")
        return probe.read(answer["stdout_lines"])

    def _clear(self, job: Job) -> None:
        directory = os.path.dirname(job.result)
        litter = [path for path in self._litter if re.fullmatch(re.escape(directory) + r"/j\d+\.\d+", path)]
        files = [job.result, job.progress + ".job", *litter]
        # The module has secrets among its arguments, and Ansible's wrapper removes it only seconds after its end.
        files += [job.folder] if job.folder else []
        try:
            self._low_level_execute_command(f"rm -rf {shlex.join(files)}")
        except AnsibleError as error:
            self._say(f"{job.result} is left behind: {error}")

    # -- who is who

    def _note(self) -> Result:
        salt = secrets.token_hex(16)
        return {"salt": salt, "arguments": self._fingerprint(salt)}

    def _fingerprint(self, salt: str) -> str:
        """Recognises the same task in a later run. Slow to compute, since passwords may be among the arguments."""
        text = json.dumps(self._task.args, sort_keys=True, default=str).encode()
        return hashlib.scrypt(text, salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()

    def _record(self, state: t.Mapping[str, t.Any]) -> None:
        """How far the work is, as a line of the journal, where one is configured."""
        path = place.configured()
        if not path:
            return
        fields = {"host": self._vars.get("inventory_hostname", ""), "module": self._module}
        fields.update({name: state[name] for name in ("phase", "done", "total")}, process=process.parent_process())
        try:
            writer.append(os.path.abspath(path), "progress", fields)
        except (OSError, BoxliftError) as error:
            self._say(f"its progress is not in the journal: {getattr(error, 'message', None) or error}")

    def _say(self, text: str) -> None:
        display.display(f"{self._vars.get('inventory_hostname', 'host')} | {self._module}: {text}")
