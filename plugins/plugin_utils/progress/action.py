# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of the modules that may run for hours: the module of the same name, apart from the connection, and watched."""

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
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import probe
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import text as progress_text
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.follow import AGAIN, Watch

LIMIT = 172800  # seconds, where the task has no timeout
# Ansible loads actions before it forks its workers, which have no terminal any more.
ON_TERMINAL = sys.stdout.isatty()
display = Display()
Result = dict[str, t.Any]


class Job(t.NamedTuple):
    """Ansible's name for a job on the host, the file that its result will be in, and where its progress is."""

    name: str
    result: str
    progress: str


class WatchedAction(ActionBase):
    _supports_check_mode = True
    _supports_async = True
    _task: t.Any

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        result = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._module = self._task.action.rpartition(".")[2]
        self._limit = int(self._task.timeout or LIMIT)
        self._former: set[tuple[int, str]] = set()  # processes whose progress lay there before
        if self._task.check_mode or self._task.async_val or self._connection.has_native_async:
            return {**result, **self._plainly()}
        try:
            return {**result, **self._watched()}
        except BoxliftError as error:
            return {**result, "failed": True, **error.as_result()}

    def _plainly(self) -> Result:
        """As any other module: at once, or as the task's own `async` wants it."""
        apart = bool(self._task.async_val) and not self._connection.has_native_async
        result: Result = self._execute_module(task_vars=self._vars, wrap_async=apart)
        if not apart:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _watched(self) -> Result:
        job, note = self._at_work(), None
        if isinstance(job, str):
            note = self._note()
            started = self._start(job)
            if started.get("failed") or "ansible_job_id" not in started:
                return started
            job = Job(started["ansible_job_id"], started["results_file"], job)
            note.update(job=job.name, result=job.result)
        watch = Watch(
            look=lambda wait: self._look(job, note, wait),
            say=self._say,
            limit=self._limit,
            terminal=ON_TERMINAL,
        )
        result = watch.result()
        remove_internal_keys(result)
        if "cmd" in result and "data" in result:  # the wrapper's own words: the module said nothing that it understood
            raise BoxliftError(
                watch.killed(), AGAIN, module_stdout=result["data"], module_stderr=result.get("stderr", "")
            )
        if result.get("msg") == "Timeout exceeded":
            raise BoxliftError(
                f"The work took longer than {self._limit} s and was ended.", f"Raise its timeout. {AGAIN}"
            )
        self._clear(job)
        if watch.run is not None:
            result["progress"] = progress_text.summary(watch.run.state)
            self._say(progress_text.ended(watch.run.state))
        return result

    # -- on the host

    def _at_work(self) -> Job | str:
        """The job of this very task that an earlier run of Ansible has left at work, else a free place for progress."""
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
        # What a run whose ansible-playbook was stopped has left, and nobody will ask for any more.
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
        """Begin the work apart from the connection."""
        task = self._task
        self._task = task.copy()
        self._task.async_val = self._limit
        try:
            started: Result = self._execute_module(
                module_args={**task.args, "progress": progress}, task_vars=self._vars, wrap_async=True
            )
            return started
        finally:
            self._task = task

    def _look(self, job: Job, note: Result | None, wait: float) -> probe.Look:
        directory, name = os.path.split(job.progress)
        prepare = ""
        if note is not None:
            file = shlex.quote(job.progress + ".job")
            # Never through a link that somebody else has put there.
            prepare = f"rm -f {file}; set -C; printf %s {shlex.quote(json.dumps(note))} > {file}; set +C\n"
        seen = self._ask(
            probe.command(shlex.quote(directory), shlex.quote(name), prepare=prepare, job=job.result, wait=wait)
        )
        seen.runs = [run for run in seen.runs if run.process not in self._former]
        return seen

    def _ask(self, command: str) -> probe.Look:
        answer = self._low_level_execute_command(command)
        if answer["rc"] != 0:
            raise AnsibleError(answer["stderr"].strip() or f"a command ended with {answer['rc']}")
        return probe.read(answer["stdout_lines"])

    def _clear(self, job: Job) -> None:
        directory = os.path.dirname(job.result)
        litter = [path for path in self._litter if re.fullmatch(re.escape(directory) + r"/j\d+\.\d+", path)]
        files = " ".join(shlex.quote(path) for path in (job.result, job.progress + ".job", *litter))
        try:
            self._low_level_execute_command(f"rm -f {files}")
        except AnsibleError as error:
            self._say(f"{job.result} is left behind: {error}")

    # -- who is who

    def _note(self) -> Result:
        salt = secrets.token_hex(16)
        return {"salt": salt, "arguments": self._fingerprint(salt)}

    def _fingerprint(self, salt: str) -> str:
        """Tells the same task again from another one. Costly to try passwords on, which may be among the arguments."""
        text = json.dumps(self._task.args, sort_keys=True, default=str).encode()
        return hashlib.scrypt(text, salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()

    def _say(self, text: str) -> None:
        display.display(f"{self._vars.get('inventory_hostname', 'host')} | {self._module}: {text}")
