# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.move_info: where the move stands, and when the portal opens."""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import known, place, process
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Journal
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices import tell
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import forecast, forecast_text
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import AUTONOMOUS
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import is_dictated
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.summary import summary, was_supervised

Data = dict[str, t.Any]


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "plan": {"type": "raw"},
        "journal": {"type": "path"},
        "history": {"type": "list", "elements": "path", "default": []},
        "stage": {"type": "str", "default": "final"},
        "sizes": {"type": "dict", "default": {}},
        "leads_per_day": {"type": "float"},
        "backup_time": {"type": "str"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        nothing: Data = {
            "changed": False, "forecast": None, "steps": [], "notices": [], "supervision": None, "text": []
        }  # fmt: skip
        path = options["journal"] or place.configured()
        if not path:
            return nothing  # each run has a journal of its own then, and no step is in any of them
        path = os.path.abspath(path)
        journal = known.gathered(path, options["history"])
        out = {**nothing, **look(path, journal, options, time.time())} if journal.steps else nothing
        plan = load(options["plan"])
        if plan.supervision.mode == AUTONOMOUS and not is_dictated(plan, path) and not was_supervised(path):
            return out
        supervised = summary(plan, path)
        return {**out, "supervision": dataclasses.asdict(supervised), "text": [*supervised.lines, *out["text"]]}


def look(path: str, journal: Journal, options: Data, now: float) -> Data:
    """Forecast, attempts and text, at a moment. Raises BoxliftError for a plan or option that is wrong."""
    plan = load(options["plan"])
    last = plan.steps[plan.cutover.last].stages
    if options["stage"] not in last:
        raise BoxliftError(
            f"No opening is planned in stage {options['stage']!r}.",
            f"Give one of these as stage: {', '.join(last)}.",
        )
    what = forecast.forecast(
        plan,
        journal,
        path,
        options["stage"],
        now,
        process.is_running,
        {name: int(size) for name, size in options["sizes"].items()},
        options["leads_per_day"],
        moment_of(options["backup_time"]),
    )
    attempts = [
        {
            "step": attempt.step,
            "stage": attempt.stage,
            "outcome": attempt.outcome,
            "begin": attempt.start,
            "seconds": attempt.seconds,
            "operator": attempt.operator,
            "waiting_for": attempt.waiting_for,
            "journal": attempt.journal,
        }
        for attempt in journal.attempts
    ]
    counts = tell.count(plan, path, now, process.is_running)
    return {
        "notices": [dataclasses.asdict(count) for count in counts],
        "forecast": forecast.as_data(what),
        "steps": attempts,
        "text": [*forecast_text.lines(what, plan.timezone), *tell.summary(plan, counts)],
    }


def moment_of(text: str | None) -> float | None:
    """Seconds since the epoch; without a zone, in UTC. Raises BoxliftError."""
    if not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise BoxliftError(
            f"backup_time is {text!r}, which is no time.", "Write it as 2026-11-26T18:00:00+03:00."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()
