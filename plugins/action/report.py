# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.report: writes the report of a move on the controller, where the journal is."""

from __future__ import annotations

import datetime
import json
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover import gantt
from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.move import with_plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.place import FOLDER, configured
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import read as read_journals
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import day_given, given, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.build import build as build_report
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import render


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[dict[str, t.Any]] = {
        "journal": {"type": "list", "elements": "path"},
        "dest": {"type": "path", "required": True},
        "title": {"type": "str", "default": ""},
        "plan": {"type": "raw"},
        "today": {"type": "str"},
    }

    def work(self, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        journals = options["journal"] or [configured() or FOLDER]
        plan = load(given(options["plan"])) if options["plan"] else None
        today = day_given(options["today"])
        return make(journals, options["dest"], options["title"], self._task.check_mode, plan, today)


def make(
    journals: list[str],
    dest: str,
    title: str,
    check: bool,
    plan: Plan | None = None,
    today: datetime.date | None = None,
) -> dict[str, t.Any]:
    """Write report.html and report.json to `dest` if they differ; the module's result."""
    journal = read_journals(journals)
    content = build_report(journal, title)
    if plan is not None:
        content = with_plan(content, journal, plan, today)
    gantts = gantt.drawn(content["move"]) if content["move"] else []
    files = {
        "html": (os.path.join(dest, "report.html"), render(content, gantts)),
        "json": (os.path.join(dest, "report.json"), json.dumps(content, indent=2, ensure_ascii=False) + "\n"),
    }
    changed = output.bring(dict(files.values()), check)
    return {"changed": changed, "result": content["result"], **{key: os.path.abspath(files[key][0]) for key in files}}
