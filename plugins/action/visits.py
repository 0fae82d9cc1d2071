# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.visits: the calendar of visits after the opening, and the page of each that is next."""

from __future__ import annotations

import datetime
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.action.service_report import OFFICE, answers_of, office_of
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils import output
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import process
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import masking
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import answers as asked
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import calendar, page, records, report
from ansible_collections.boxlift.portal.plugins.plugin_utils.service import visits as vs
from ansible_collections.boxlift.portal.plugins.plugin_utils.service.gather import Office

Data = dict[str, t.Any]


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        **OFFICE,
        "held": {"type": "str", "default": ""},
        "move": {"type": "str", "default": ""},
        "day": {"type": "str", "default": ""},
        "text": {"type": "str", "default": ""},
        "operator": {"type": "str"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        office = office_of(options, time.time())
        if options["questions_only"]:
            begin = report.midnight(since(office), office.zone)
            return {"changed": False, "queries": asked.questions(begin, office.now, office.now)}
        options = {**options, "text": str(masking(task_vars)(options["text"]))}
        return make(office, options, self._task.check_mode)


def since(office: Office) -> datetime.date:
    """From which day on the next visit looks back."""
    return vs.last_before(office.visits(), office.opened, office.today)


def make(office: Office, options: Data, check: bool) -> Data:
    """Note what was held or moved, and bring the files into their state; the module's result."""
    records.whole(office.path)
    noted = note(office, options)
    if noted is not None and not check:
        records.add(office.path, records.VISIT, {**noted, **process.operator(options["operator"])})
        office = office_of(options, office.now)
    found = office.visits()
    entries, line = calendar.entries(office.plan, office.records, found, office.now)
    files = {"visits.ics": calendar.calendar(office.plan, entries).decode()}
    period = of_last_visit(office)
    content = report.build(office.site(period, answers_of(options)), period)
    for visit in vs.next_ones(found):
        shown = next(each for each in [*content["visits"]["list"], shown_of(office, visit)] if each["id"] == visit.id)
        files[f"visit-{visit.id}.html"] = page.checklist(content, shown)
    changed = noted is not None or line is not None
    if line is not None and not check:
        records.add(office.path, records.CALENDAR, line)
    changed |= output.bring({os.path.join(options["dest"], name): text for name, text in files.items()}, check)
    return {
        "changed": changed,
        "calendar": os.path.abspath(os.path.join(options["dest"], "visits.ics")),
        "pages": [os.path.abspath(os.path.join(options["dest"], name)) for name in files if name.endswith(".html")],
        "opened": office.opened.isoformat(),
        "visits": [shown_of(office, each) for each in found],
        "text": said(office, found),
    }


def note(office: Office, options: Data) -> Data | None:
    if options["move"] and (options["held"] or not options["day"]):
        raise BoxliftError(
            "A visit is either held, or moved to a day.", "Give visit_held, or visit_move together with visit_day."
        )
    wanted, what = (options["held"], vs.HELD) if options["held"] else (options["move"], vs.MOVED)
    if not wanted:
        return None
    day = day_of(options["day"]) if options["day"] else office.today
    text = " ".join(options["text"].split())
    return vs.line_for(office.visits(), wanted, what, day, text, office.today)


def day_of(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise BoxliftError(
            f"visit_day: {text} is no day.", "Write it as YEAR-MONTH-DAY, such as 2026-12-09."
        ) from error


def of_last_visit(office: Office) -> report.Period:
    """From the last visit until now."""
    begin = since(office)
    what = "the last visit" if begin != office.opened else "the opening"
    return report.Period(f"since {what}", f" since {what}", report.midnight(begin, office.zone), office.now, office.now)


def shown_of(office: Office, visit: vs.Visit) -> Data:
    """A visit as data."""
    return {
        "id": visit.id,
        "title": visit.title,
        "owner": office.plan.organisations.get(visit.owner, visit.owner),
        "day": visit.day.isoformat(),
        "state": visit.state,
        "held": visit.held.isoformat() if visit.held else None,
        "by": visit.by,
        "text": visit.text,
    }


def said(office: Office, found: t.Sequence[vs.Visit]) -> list[str]:
    """What was missed, what is due, and what is next."""
    out = [f"MISSED: {each.title} ({each.id}), {each.day}" for each in found if each.state == vs.MISSED]
    for each in vs.next_ones(found):
        out.append(f"{'Due now' if each.state == vs.DUE else 'Next'}: {each.title} ({each.id}), {each.day}")
    return [f"The portal was opened on {office.opened}.", *out]
