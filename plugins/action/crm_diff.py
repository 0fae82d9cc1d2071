# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.crm_diff: runs the module of this name detached, and writes its page on the controller."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.crm import difference_page
from ansible_collections.boxlift.portal.plugins.plugin_utils.progress.action import LongAction

Result = dict[str, t.Any]


class ActionModule(LongAction):
    """The page is written of a difference that fails the task, too."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result = super().run(tmp, task_vars)
        dest = self._task.args.get("dest")
        if not dest or self._task.check_mode:
            return result
        try:
            if result.get("difference"):
                page, content = difference_page.render(result["difference"]), result["difference"]
            elif "history" in result:
                page = difference_page.render_history(result["record"], result["history"])
                content = {"record": result["record"], "history": result["history"]}
            else:
                return result
            text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
            return {**result, **written(str(dest), {"html": page, "json": text})}
        except BoxliftError as error:
            return {**result, "failed": True, **error.as_result()}


def written(dest: str, files: t.Mapping[str, str]) -> dict[str, str]:
    """The files' paths, by their sort. Raises BoxliftError."""
    paths = {}
    for sort, text in files.items():
        path = os.path.abspath(os.path.join(dest, f"crm-diff.{sort}"))
        output.put(path, text.encode("utf-8", "replace"))
        paths[sort] = path
    return paths
