# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.size: hosts and times of a portal that nobody has seen yet."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.output import holds, put
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import given, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing import page
from ansible_collections.boxlift.portal.plugins.plugin_utils.sizing.measured import known, portal


class ActionModule(ControllerAction):
    # raw: a number that is none is refused with its variable's name.
    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "people": {"type": "raw", "required": True},
        "gigabytes": {"type": "raw", "required": True},
        "link_mbit": {"type": "raw", "required": True},
        "database_gigabytes": {"type": "raw"},
        "measured": {"type": "dict", "default": {}},
        "assumed": {"type": "dict", "default": {}},
        "plan": {"type": "raw"},
        "dest": {"type": "path"},
    }

    def work(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        of = portal(options["people"], options["gigabytes"], options["link_mbit"], options["database_gigabytes"])
        said = page.view(load(given(options["plan"])), of, known(options["measured"], options["assumed"]))
        path, changed = "", False
        if options["dest"]:
            path = os.path.abspath(os.path.join(options["dest"], "size.html"))
            content = page.render(said)
            changed = not holds(path, content.encode())
            if changed and not self._task.check_mode:
                put(path, content.encode())
        return {"changed": changed, "html": path, "text": page.lines(said), "size": said}
