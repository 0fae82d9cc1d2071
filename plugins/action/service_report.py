# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.service_report: what a month of operation was like, as a page and as JSON."""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import given, load
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import answers, desk, page, records, report
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.gather import Office

Data = dict[str, t.Any]
#: What every action on a site in operation is told.
OFFICE: Data = {
    "dest": {"type": "path", "required": True},
    "questions_only": {"type": "bool", "default": False},
    "prometheus": {"type": "dict", "default": {}},
    "copies": {"type": "dict", "default": {}},
    "entitlements": {"type": "dict", "default": {}},
    "customer_class": {"type": "str", "choices": list(desk.CUSTOMER_CLASSES), "default": desk.REGULAR},
    "opened": {"type": "str", "default": ""},
    "plan": {"type": "raw"},
    "journal": {"type": "path"},
    "records": {"type": "path"},
}


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {**OFFICE, "month": {"type": "str", "default": ""}}

    def work(self, options: Data, task_vars: Data) -> Data:
        office = office_of(options, time.time())
        period = period_of(office, options["month"])
        if options["questions_only"]:
            queries = answers.questions(period.begin, period.over, period.now)
            return {"changed": False, "queries": queries}
        return make(office, period, answers_of(options), options["dest"], self._task.check_mode)


def office_of(options: Data, now: float) -> Office:
    """The site that the options tell of. Raises BoxliftError."""
    journal = place.required(options["journal"])
    path = os.path.abspath(options["records"] or records.beside(journal))
    plan = load(given(options["plan"]))
    return Office(plan, journal, path, options["customer_class"], str(options["opened"]), now)


def answers_of(options: Data) -> answers.Answers:
    return answers.Answers(options["prometheus"], options["copies"], options["entitlements"])


def period_of(office: Office, month: str) -> report.Period:
    try:
        return report.month(office.plan, month, office.now)
    except ValueError as error:
        raise BoxliftError(
            f"service_report_month: {month} is no month.", "Write it as YEAR-MONTH, such as 2026-11."
        ) from error


def make(office: Office, period: report.Period, found: answers.Answers, dest: str, check: bool) -> Data:
    """Write service-MONTH.html and .json to `dest` if they differ; the module's result."""
    if period.begin >= office.now:
        raise BoxliftError(f"{period.name} has not begun.", "Name a month that has: service_report_month.")
    content = report.build(office.site(period, found), period)
    name = "service-" + office.month_of(period.begin)
    files = {
        "html": (os.path.join(dest, f"{name}.html"), page.render(content)),
        "json": (os.path.join(dest, f"{name}.json"), json.dumps(content, indent=2, ensure_ascii=False) + "\n"),
    }
    changed = output.bring(dict(files.values()), check)
    paths = {key: os.path.abspath(files[key][0]) for key in files}
    return {"changed": changed, "result": content["result"], "unknown": content["unknown"], **paths}
