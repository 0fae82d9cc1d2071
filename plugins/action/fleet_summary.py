# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.fleet_summary: what a run over all sites came to, in lines and as JSON."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.fleet.summary import summary
from ansible_collections.boxlift.portal.plugins.plugin_utils.output import holds, put

KEPT = ("state", "status", "seconds", "tasks", "reached", "failures", "changed", "journal", "log")


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "sites": {"type": "dict", "required": True},
        "playbook": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
    }

    def work(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        found = summary(options["sites"])
        sites = {
            name: {key: result[key] for key in KEPT if key in result}
            for name, result in sorted(options["sites"].items())
            if isinstance(result, t.Mapping)
        }
        content = json.dumps({"playbook": options["playbook"], **found, "sites": sites}, indent=1, default=str) + "\n"
        path = os.path.abspath(os.path.join(options["dest"], "fleet.json"))
        changed = not holds(path, content.encode())
        if changed and not self._task.check_mode:
            put(path, content.encode())
        return {"changed": changed, "json": path, **found}
