# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.progress_info: the long runs on a host, those at work and those that have ended."""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import probe
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress import text as progress_text
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.forecast import Forecast


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path"},
                "state_dir": {"type": "path", "default": "/var/lib/boxlift/restore"},
            }
        )
        if options["directory"]:
            directory = shlex.quote(options["directory"])
        else:
            directory = probe.default_directory(self.get_shell_option("remote_tmp", default="~/.ansible/tmp"))
        answer = self._low_level_execute_command(probe.command(directory))
        if answer["rc"] != 0:
            return {**result, "failed": True, "msg": answer["stderr"].strip()}
        seen = probe.read(answer["stdout_lines"])
        runs = sorted(seen.runs, key=lambda run: run.state["started"])
        registers = self._registers(options["state_dir"])
        return {
            **result,
            "changed": False,
            "generations": registers,
            "runs": [described(run, seen.now) for run in runs],
            "text": [
                *(progress_text.status(run, seen.now) for run in runs),
                *(line for register in registers for line in progress_text.generations(register)),
            ],
        }

    def _registers(self, directory: str) -> list[dict[str, t.Any]]:
        """The registers of what was live, one for each document root; none for an account that may not read them."""
        command = (
            f'for f in {shlex.quote(directory)}/*.generations.json; do test -r "$f" && cat "$f" && echo; done; true'
        )
        answer = self._low_level_execute_command(command)
        return [json.loads(line) for line in answer["stdout_lines"] if line.startswith("{")]


def described(run: probe.Run, now: float) -> dict[str, t.Any]:
    state, forecast = run.state, Forecast()
    forecast.see(state)
    return {
        "path": run.path,
        "outcome": run.outcome,
        "age": round(max(now - state["updated"], 0)),
        "rate": forecast.rate() if run.outcome == "running" else None,
        **{key: state[key] for key in KEPT},
    }


KEPT = (
    "operation",
    "pid",
    "started",
    "updated",
    "message",
    "phase",
    "done",
    "total",
    "parts",
    "files",
    "rows",
    "phases",
)
