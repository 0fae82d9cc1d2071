# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback boxlift.portal.once: Ansible's own output, with every error said once, and messages as text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: once
type: stdout
short_description: Ansible's default output with every error said once, and messages as text
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - As C(ansible.builtin.default), which says the message of a failed task as text and once more in the task's
    result. Here the result is shown without the message that was just said.
  - The error of a task with C(no_log) is not printed at all, as ansible-core did it before 2.19.
  - What C(ansible.builtin.debug) says is printed as lines of text, whatever O(result_format) is.
  - A task that tries again until a condition holds says every ten seconds how long it has waited. It is no failure
    before its last try.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set it in the configuration with C(stdout_callback = boxlift.portal.once)
"""

import textwrap
import time
import typing as t

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default

SAY_EVERY = 10  # seconds
# Of a result that has nothing but a message, what nobody asks for.
HIDDEN = {"changed", "failed", "failed_when_result"}


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "boxlift.portal.once"

    def __init__(self) -> None:
        super().__init__()
        self._waits: dict[tuple[str, str], tuple[float, float]] = {}  # of a host's task: begin, last said

    def _dump_results(self, result: t.Any, *args: t.Any, **options: t.Any) -> str:
        """Print what is only a message as its lines; everything else as Ansible does."""
        shown = {name for name in result if not name.startswith("_ansible_")} - HIDDEN
        if result.get("_ansible_verbose_always") and shown == {"msg"}:
            message = result["msg"]
            lines = message if isinstance(message, list) else [message]
            if all(isinstance(line, str) for line in lines):
                return "\n" + textwrap.indent("\n".join(lines).rstrip(), "    ")
        dumped: str = super()._dump_results(result, *args, **options)
        return dumped

    def v2_runner_retry(self, result: t.Any) -> None:
        """Say now and then how long a condition has been waited for; Ansible calls each try a failure."""
        host = self.host_label(result)
        now = time.monotonic()
        began, said = self._waits.setdefault((host, result.task._uuid), (now, now))
        if now - said >= SAY_EVERY:
            self._waits[host, result.task._uuid] = (began, now)
            left = result.result["retries"] - result.result["attempts"]
            text = f"waiting for {now - began:.0f} s: [{host}]: {result.task_name} ({left} tries left)"
            self._display.display(text, color=constants.COLOR_DEBUG)
        if self._run_is_verbose(result, verbosity=2):
            self._display.display(self._dump_results(result.result), color=constants.COLOR_DEBUG)

    def _handle_exception(self, result: t.Any, use_stderr: bool = False) -> None:
        """Print the error; then `result`, which is this plugin's own copy and printed next, need not say it again."""
        if "censored" in result:
            result.pop("exception", None)  # ansible-core 2.19 prints it whatever no_log says
            return
        error = self._current_task_result.exception if self._current_task_result and result.get("exception") else None
        super()._handle_exception(result, use_stderr)
        if error is not None and _says(error.event, str(result.get("msg") or "")):
            del result["msg"]


def _says(event: t.Any, message: str) -> bool:
    """Whether the error, with what caused it, says the message. An empty one is none."""
    parts = []
    while event is not None:
        parts.append(event.msg.strip().rstrip("."))
        event = event.chain.event if event.chain else None
    # Ansible joins them so where it makes one message of them.
    return bool(message) and message.strip().rstrip(".") in ": ".join(parts)
