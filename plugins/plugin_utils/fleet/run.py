# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook run for one site: started in its folder, its output kept there, its journal asked how far it came."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.state import Lock
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet.site import Site
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Run, read
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import Redactor

DONE, FAILED, UNREACHABLE, TIMED_OUT, REFUSED = "done", "failed", "unreachable", "timed out", "refused"
#: Seconds that ansible-playbook gets to end its work before it is killed.
GRACE = 30.0
_LAST = 4000  # characters of the output in which an error is looked for


@dataclasses.dataclass(frozen=True)
class Failure:
    """A task that failed on a host; without both, what ansible-playbook itself said."""

    host: str
    task: str
    message: str


@dataclasses.dataclass(frozen=True)
class Outcome:
    """`reached` is the last task that was run. `status` is ansible-playbook's, None if it never began."""

    state: str
    status: int | None
    seconds: float
    tasks: int
    reached: str
    failures: tuple[Failure, ...]
    changed: bool
    journal: str
    log: str

    @property
    def good(self) -> bool:
        return self.state == DONE


def refused(error: BoxliftError) -> Outcome:
    """Of a site that could not be begun."""
    message = f"{error.message} {error.remedy}".strip()
    return Outcome(REFUSED, None, 0.0, 0, "", (Failure("", "", message),), False, "", "")


def run(
    of: Site,
    name: str,
    command: t.Sequence[str],
    environment: t.Mapping[str, str],
    clock: t.Callable[[], float],
    timeout: float | None = None,
) -> Outcome:
    """Run `command` in the site's folder and wait for it. Raises BoxliftError if another run is at work there.

    `name` is that of the playbook. `timeout` is in seconds.
    """
    os.makedirs(os.path.dirname(of.journal), mode=0o700, exist_ok=True)
    log = os.path.join(os.path.dirname(of.journal), f"{name}.log")
    began = clock()
    with (
        Lock(os.path.join(of.folder, ".fleet.lock"), f"The site {of.folder}"),
        open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as output,
        subprocess.Popen(
            command,
            cwd=of.folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        in_time = _wait(process, timeout)
    seconds = clock() - began
    written = _written(of.journal, process.pid, began)
    tasks = [step for step in written.steps if step.status != "skipped"] if written else []
    wrong = [step for step in tasks if step.status in ("failed", "unreachable") and not step.ignored]
    failures = tuple(Failure(step.host, step.name, step.message or "failed; the result is hidden") for step in wrong)
    status = process.returncode
    if not in_time:
        state = TIMED_OUT
    elif status == 0:
        state = DONE
    else:
        # Not by the status: ansible-playbook ends with the same one where it cannot read a file.
        state = UNREACHABLE if wrong and all(step.status == "unreachable" for step in wrong) else FAILED
    if state == DONE:
        failures = ()  # what a rescue section has caught is none
    elif not failures:
        failures = (Failure("", "", _said(log, status)),)
    recap = (written.hosts or {}) if written else {}
    return Outcome(
        state=state,
        status=status,
        seconds=seconds,
        tasks=len(tasks),
        reached=tasks[-1].name if tasks else "",
        failures=failures,
        changed=any(host.get("changed") for host in recap.values()),
        journal=of.journal,
        log=log,
    )


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> bool:
    """Whether it ended in time. If not it is ended here, with a chance to end its work."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return False
    return True


def _written(journal: str, pid: int, began: float) -> Run | None:
    """The run of this process; None if it has written nothing, as a playbook that does not exist."""
    if not os.path.isfile(journal):
        return None
    # A number is given again some day, so the moment counts too; the journal's clock is in milliseconds.
    mine = [one for one in read([journal]).runs if one.start >= began - 1 and one.process.split("-")[1:2] == [str(pid)]]
    return mine[-1] if mine else None


def _said(log: str, status: int) -> str:
    """The last error in the output, masked; else that there was none."""
    with open(log, encoding="utf-8", errors="replace") as stream:
        text = stream.read()[-_LAST:]
    errors = [line for line in text.splitlines() if line.startswith(("[ERROR]", "ERROR!", "fatal:"))]
    return (
        Redactor().text(errors[-1]) if errors else f"ansible-playbook ended with {status} and said no error; see {log}"
    )
