# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback boxlift.portal.journal: writes down every event of a run, one JSON object per line."""

from __future__ import annotations

DOCUMENTATION = r"""
name: journal
type: notification
short_description: Write down every step of a move, its time and its outcome
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Appends one JSON object per line to a file while a playbook runs, written through to the disk at the end of every
    task, so that the journal is there after a crash of the controller too.
  - It holds every play, every task with its role, host, start, duration, status and message, and what the modules of
    this collection found out, such as volumes of a backup, restored rows and findings of health checks. The module
    M(boxlift.portal.report) makes its report of it.
  - Results of tasks with C(no_log) are never written, only that the task ran. Values of options and variables whose
    names say password, secret, token and the like are masked everywhere, and so is what looks like a secret.
  - Where the journal cannot be written a warning says so once, and the playbook goes on.
  - In a run of M(boxlift.portal.supervise) it ends the step, and shows the read-back as the last thing on the screen.
    What a supervised or dictated run shows on the terminal is kept as text, masked as the journal is, in the folder
    C(recordings) beside the journal.
requirements:
  - enable it in the configuration with C(callbacks_enabled = boxlift.portal.journal)
options:
  path:
    description:
      - The file to append to. Name one file to gather all playbooks of a move in one journal.
      - Without it every run begins a file of its own in the working directory,
        C(boxlift-journal/<playbook>-<UTC start>.jsonl).
    type: path
    env:
      - name: BOXLIFT_JOURNAL
    ini:
      - section: boxlift_journal
        key: path
"""

import datetime
import os
import time
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible.utils import display as ansible_display
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.process import own_process
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import Redactor
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.writer import iso
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import closing, screen
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.recording import Recording, listen
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Site

VERSION = 2
#: Whose beginning may begin a recording: whether it does, their result says.
STEP = "boxlift.portal.step"
SUPERVISE = "boxlift.portal.supervise"
COLLECTION = "boxlift.portal."

# Values kept of the results of the collection's own modules; of all other results only the message is written.
KEPT: dict[str, tuple[str, ...]] = {
    "backup_drill": ("drill",),
    "backup_status": ("stores", "promise"),
    "backup_fetch": (
        *("intact", "volumes", "bytes_fetched", "bytes_refetched", "repairs", "findings", "timeline", "progress"),
    ),
    "backup_restore": (
        *("files", "directories", "bytes", "tables", "rows", "repairs", "timings", "resumed"),
        *("timeline", "import_timeline", "progress"),
    ),
    "backup_verify": (
        *("intact", "format", "encrypted", "volumes", "entries", "files", "directories", "bytes", "dumps", "findings"),
        "progress",
    ),
    "crm_transfer": ("delta", "progress"),
    "database_import": ("tables", "rows", "repairs", "timeline", "progress"),
    "entitlement_check": ("findings", "debts", "files"),
    "host_acceptance": ("findings", "figures"),
    "portal_copy": ("loaded", "kept", "dropped", "files", "progress"),
    "portal_health": ("findings", "summary", "vantage"),
    "portal_info": ("portal",),
    "name_info": ("findings", "answers"),
    "package_update": ("packages", "note", "held", "kept_back", "without_copy"),
    "preflight": ("findings",),
    "upkeep_info": ("findings", "outdated", "reboot"),
    "telephony_check": ("findings", "summary", "calls"),
}

# Fields with text of people or programs, which may hold a secret. The others are this plugin's own.
FREE_TEXT = ("name", "play", "message", "warnings", "results")


def own_module(action: str) -> str:
    """The module's name if it is in KEPT, else an empty text."""
    name = action[len(COLLECTION) :] if action.startswith(COLLECTION) else action
    return name if name in KEPT else ""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "boxlift.portal.journal"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._redactor = Redactor()
        self._path = ""
        self._run = 0  # number of this run's first line
        self._began = 0.0
        self._site = ""
        self._play: t.Any = None
        self._starts: dict[tuple[str, str], float] = {}
        self._learned: set[tuple[str, str]] = set()
        self._recording: Recording | None = None
        self._plan: t.Any = None  # of the item that this run has begun with its number
        self._worked = False
        self._last_words: list[str] = []

    # -- the file

    def _open(self, playbook: str) -> None:
        path = self.get_option("path")
        if not path:
            start = datetime.datetime.fromtimestamp(self._began, tz=datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
            path = os.path.join("boxlift-journal", f"{playbook}-{start}.jsonl")
        self._path = os.path.abspath(path)

    def _write(self, event: str, **fields: t.Any) -> None:
        if self.disabled:
            return
        record = {**fields, **({"run": self._run} if self._run else {})}
        record.update((key, self._redactor.data(record[key])) for key in FREE_TEXT if key in record)
        try:
            line = writer.append(self._path, event, record)
        except OSError as error:
            self._give_up(error.strerror or str(error))
        except BoxliftError as error:
            self._give_up(error.message)
        else:
            self._run = self._run or line.seq

    def _give_up(self, reason: str) -> None:
        """Warn once and stop writing: the move must not fail for its journal."""
        self._display.warning(
            f"The journal {self._path} cannot be written: {reason.rstrip('.')}. The playbook goes on, but its steps "
            "are not recorded from here on. Make room, or name a writable file in BOXLIFT_JOURNAL."
        )
        self.disabled = True

    # -- events of Ansible

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._began = time.time()
        name = os.path.splitext(os.path.basename(playbook._file_name))[0]
        self._open(name)
        self._write("start", version=VERSION, playbook=name, process=own_process())

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._play = play
        self._redactor.learn(play.get_variable_manager().get_vars(play=play, include_hostvars=False))
        self._write("play", name=play.get_name().strip(), check=bool(play.check_mode))

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._starts[host.get_name(), task._uuid] = time.time()
        self._learn(host)
        if task.action in (STEP, SUPERVISE) and self._recording is None and not self.disabled:
            self._recording = Recording(self._redactor.text)
            listen(self._recording, ansible_display)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._task(result, "changed" if result.is_changed() else "ok")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._task(result, "failed", ignored=ignore_errors)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._task(result, "skipped")

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._task(result, "unreachable")

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._write("no_hosts", play=self._play_name())

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._write("end", seconds=round(time.time() - self._began, 3), hosts=hosts)
        self._close(any(host["failures"] or host["unreachable"] for host in hosts.values()))

    # -- one task on one host

    def _play_name(self) -> str:
        return self._play.get_name().strip() if self._play is not None else ""

    def _learn(self, host: t.Any) -> None:
        """Learn the secrets among the host's variables, and write the site's domain; once per play and host."""
        key = (host.get_name(), self._play._uuid)
        if key not in self._learned:
            self._learned.add(key)
            manager = self._play.get_variable_manager()
            variables = manager.get_vars(play=self._play, host=host, include_hostvars=False)
            self._redactor.learn(variables)
            domain = variables.get("site_domain")
            if isinstance(domain, str) and "{{" not in domain and domain != self._site:
                self._site = str(domain)
                self._write("site", domain=self._site)

    def _task(self, result: t.Any, status: str, **more: t.Any) -> None:
        now = time.time()
        start = self._starts.pop((result.host.get_name(), result.task._uuid), now)
        role = result.task._role
        record = {
            "start": iso(start),
            "seconds": round(now - start, 3),
            "play": self._play_name(),
            "role": role.get_name(include_role_fqcn=False) if role else "",
            "name": written_name(result.task),
            "action": result.task.action,
            "host": self.host_label(result),
            "status": status,
            **{key: value for key, value in more.items() if value},
        }
        if self._hidden(result):
            record["hidden"] = True
        else:
            self._redactor.learn(result.task_fields.get("args") or {})
            record["name"] = str(result.task_fields.get("name") or record["name"]).strip()
            record.update(self._of_result(result.task.action, result.result, status))
        self._write("task", **record)
        if result.task.action in (STEP, SUPERVISE):
            self._supervised(result)
        else:
            self._worked = self._worked or status in ("ok", "changed", "failed")
        if self._recording and not self._starts:
            # What a task that is still at work has shown may hold what is learned only when it has ended.
            self._recording.keep()

    # -- a step that was begun with its number

    def _supervised(self, result: t.Any) -> None:
        """What a step's beginning and end ask for: a recording, a read-back, words to say on the telephone."""
        data, options = result.result, result.task_fields.get("args") or {}
        if data.get("recorded") and self._recording and not self._recording.path:
            name = f"{datetime.datetime.now(tz=datetime.timezone.utc):%Y%m%dT%H%M%S.%fZ}.txt"
            try:
                self._recording.open(os.path.join(os.path.dirname(self._path), "recordings", name))
            except OSError as error:
                self._display.warning(f"The recording of this run cannot be written: {error.strerror}.")
        elif data.get("recorded") is False and self._recording and not self._recording.path:
            self._recording.drop()
        if data.get("begun"):
            self._plan, self._worked = options.get("plan"), False
        if data.get("last_words"):
            self._last_words = [str(line) for line in data["last_words"]]
        elif data.get("say"):
            self._last_words = screen.say(str(data["say"]))
        if result.task.action == STEP and options.get("state") == "end":
            self._prove(str(options.get("id")), str(options.get("stage") or ""))

    def _close(self, failed: bool) -> None:
        """Ends what this run has begun, shows what is to be read out, and seals the recording."""
        step = stage = ""
        try:
            if self._plan is not None:
                site = Site(load(self._plan), self._path, own_process())
                ended = closing.close(site, failed, self._worked)
                if ended is not None:
                    self._last_words = site.shown(ended)
                    step, stage = site.step_of(ended.entry.item)
        except (BoxliftError, OSError) as error:
            self._last_words = screen.say(f"the end of the step cannot be written down. {error}")
        for line in self._last_words:
            self._display.display(line)
        self._prove(step, stage)

    def _prove(self, step: str, stage: str) -> None:
        """Writes the sum of what is recorded so far."""
        if self._recording is None or not self._recording.path:
            return
        try:
            self._recording.keep()
            proof = self._recording.proof()
        except OSError as error:
            self._display.warning(f"The recording {self._recording.path} cannot be written: {error.strerror}.")
            return
        self._write("recording", **({"step": step, "stage": stage} if step else {}), **proof)

    @staticmethod
    def _hidden(result: t.Any) -> bool:
        """Whether the result is hidden by no_log."""
        return bool(result.task.no_log or result.result.get("_ansible_no_log") or "censored" in result.result)

    @staticmethod
    def _of_result(action: str, data: t.Mapping[str, t.Any], status: str) -> dict[str, t.Any]:
        """Message, warnings and kept values of a result that is not hidden."""
        items = [item for item in data.get("results") or [] if isinstance(item, t.Mapping)]
        items = [item for item in items if "censored" not in item and not item.get("_ansible_no_log")]
        record: dict[str, t.Any] = {}
        module = own_module(action)
        if status in ("failed", "unreachable"):
            wrong = next((item for item in items if item.get("failed")), data)
            record["message"] = message_of(wrong)
        elif status == "skipped":
            record["message"] = str(data.get("skip_reason") or "")
        elif module and isinstance(data.get("msg"), str):
            record["message"] = data["msg"]
        if data.get("warnings"):
            record["warnings"] = [str(warning) for warning in data["warnings"]]
        tries = data.get("attempts")  # of until; a module may return something else by that name
        if isinstance(tries, int) and tries > 1:
            record["attempts"] = tries
        if module and status != "skipped":
            kept = [{key: item[key] for key in KEPT[module] if key in item} for item in items or [data]]
            record["results"] = [item for item in kept if item]
        return record


def written_name(task: t.Any) -> str:
    """The task's name before templating, since a variable in it may be a secret."""
    return str((task.get_ds() or {}).get("name") or task.action).strip()


def message_of(data: t.Mapping[str, t.Any]) -> str:
    """A failed task's message, and the last 2000 characters of its standard error."""
    parts = [str(data.get("msg") or "")]
    stderr = str(data.get("stderr") or "").strip()
    if stderr and stderr not in parts[0]:
        parts.append(stderr[-2000:])
    return "\n".join(part for part in parts if part) or "failed without a message"
