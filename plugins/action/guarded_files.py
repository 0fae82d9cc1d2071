# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.guarded_files: the module of this name, and the new connection that confirms its change."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

Data = dict[str, t.Any]
PAUSE = 2  # seconds between attempts to connect
MARGIN = 20  # seconds that the host may take for the way back, after its time


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        result = super().run(tmp, task_vars)
        options = dict(self._task.args)
        changed: Data = {**result, **self._execute_module(module_args=options, task_vars=task_vars)}
        if changed.get("failed") or not changed.get("changed") or self._task.check_mode:
            return changed
        began = time.monotonic()
        given = changed["invocation"]["module_args"]
        seconds = given["seconds"]
        confirmed, problem = self._confirm({**options, "step": "confirm"}, task_vars, began + seconds + MARGIN)
        if confirmed:
            return {**changed, "confirmed": True}
        name = options["name"]
        message = f"{name}: no new connection came through within {seconds} s, so that the host has put back what was."
        remedy = f"Correct what {name} says of this machine's address and account, and run again."
        if problem:
            message = f"{name}: this machine cannot connect to the host any more: {problem}"
            remedy = f"At the host's console run: sh {given['state_directory']}/{name}/back.sh"
        return {
            **changed,
            "failed": True,
            "changed": bool(problem),
            "confirmed": False,
            "msg": f"{message} {remedy}",
            "remedy": remedy,
        }

    def _confirm(self, options: Data, task_vars: Data | None, deadline: float) -> tuple[bool, str]:
        """Whether a new connection confirmed in time; and what is wrong where there is none until the deadline."""
        while True:
            try:
                # Whoever is connected stays so, whatever the change does: only a new connection proves anything.
                self._connection.reset()
                told = self._execute_module(module_args=options, task_vars=task_vars)
                if told.get("failed"):
                    return False, str(told.get("msg"))
                return bool(told["confirmed"]), ""
            except AnsibleConnectionFailure as error:
                if time.monotonic() >= deadline:
                    return False, str(error)
            time.sleep(PAUSE)
