# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback boxlift.portal.once: Ansible's own output, with every error said once."""

from __future__ import annotations

DOCUMENTATION = r"""
name: once
type: stdout
short_description: Ansible's default output with every error said once
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - As C(ansible.builtin.default), which says the message of a failed task as text and once more in the task's
    result. Here the result is shown without the message that was just said.
  - The error of a task with C(no_log) is not printed at all, as ansible-core did it before 2.19.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set it in the configuration with C(stdout_callback = boxlift.portal.once)
"""

import typing as t

from ansible.plugins.callback.default import CallbackModule as Default


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "boxlift.portal.once"

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
