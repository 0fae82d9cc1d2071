# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.plan: writes the pages and the calendar of a plan on the controller."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import ics, page, view
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import day_given, given, load_merged
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import schedule


class ActionModule(ControllerAction):
    _supports_diff = True

    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "plan": {"type": "raw"},
        "dest": {"type": "path", "required": True},
        "today": {"type": "str"},
        "letter_to": {"type": "str", "default": "customer"},
    }

    def work(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        made = make(options["plan"], options["dest"], options["today"], options["letter_to"], self._task.check_mode)
        if not self._task.diff:
            made.pop("diff")
        return made


def make(plan: t.Any, dest: str, today: str | None, letter_to: str, check: bool) -> dict[str, t.Any]:
    """Write the plan's files to `dest` where they differ; the module's result, with the differences."""
    typed, merged = load_merged(given(plan))
    if letter_to not in typed.organisations:
        raise BoxliftError(
            f"letter_to: the plan has no organisation {letter_to}.", f"Possible are {', '.join(typed.organisations)}."
        )
    dates = schedule(typed, day_given(today))
    said = view.view(typed, dates, merged)
    # Without a window there are no days to put into a calendar, and those of an earlier plan would mislead.
    files: dict[str, bytes | None] = {
        "plan.html": page.render(typed, dates, merged).encode(),
        f"letter-{letter_to}.html": page.letter(typed, dates, merged, letter_to).encode(),
        "plan.ics": ics.calendar(typed, dates) if dates.dated else None,
    }
    paths = {name: os.path.abspath(os.path.join(dest, name)) for name in files}
    before = {name: output.read(path) for name, path in paths.items()}
    changed = [name for name, content in files.items() if content != before[name]]
    if not check:
        for name in changed:
            output.put(paths[name], files[name])
    return {
        "changed": bool(changed),
        "html": paths["plan.html"],
        "letter": paths[f"letter-{letter_to}.html"],
        "calendar": paths["plan.ics"] if dates.dated else "",
        "sha256": typed.sha256,
        "result": said["result"],
        "conflicts": said["conflicts"],
        "late": said["late"],
        "diff": [
            {
                "before_header": paths[name],
                "after_header": paths[name],
                "before": (before[name] or b"").decode(errors="replace"),
                "after": (files[name] or b"").decode(),
            }
            for name in changed
        ],
    }
