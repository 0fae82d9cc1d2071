# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.crm_report: the page of a transfer, made on the controller from the result on its host."""

from __future__ import annotations

import base64
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.crm.transfer_page import parsed, render


class ActionModule(ControllerAction):
    _requires_connection = True

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "result": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
    }

    def work(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        path = options["result"]
        got = self._execute_module(module_name="ansible.builtin.slurp", module_args={"src": path}, task_vars=task_vars)
        if got.get("failed"):
            raise BoxliftError(
                f"The result {path} cannot be read: {got.get('msg', 'no reason was given')}",
                "Run the transfer first, and name the file that it returned as result.",
            )
        result = parsed(base64.b64decode(got["content"]).decode("utf-8", "replace"), path)
        dest, text = options["dest"], render(result)
        changed = output.bring({dest: text}, self._task.check_mode)
        delta = result["delta"]
        return {"changed": changed, "html": os.path.abspath(dest), "grade": delta["grade"], "text": delta["text"]}
