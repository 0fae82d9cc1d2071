# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.read_back: the supervisor's side, where read-backs are taken and codes are given."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.desk import Desk, Given
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.screen import RULE
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import title
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.state import Ended

Data = dict[str, t.Any]


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "read_back": {"type": "str", "default": ""},
        "next": {"type": "str", "default": ""},
        "head": {"type": "str", "default": ""},
        "plan": {"type": "raw"},
        "journal": {"type": "path"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        journal = place.required(options["journal"])
        desk = Desk(load(options["plan"]), journal, session.read(session.place_of(journal)))
        out: Data = {"changed": not self._task.check_mode, "plan": codes.spoken(desk.plan.sha256)}
        if self._task.check_mode:
            if options["read_back"]:
                codes.decoded(options["read_back"])
            return out
        lines: list[str] = []
        if options["read_back"]:
            ended = desk.take(options["read_back"])
            lines.append(told(desk, ended))
            out["ended"] = {
                "number": ended.entry.item,
                "attempt": ended.entry.attempt,
                "outcome": ended.entry.outcome,
                "seconds": round(codes.seconds_of(ended.entry.duration)),
            }
        if options["head"]:
            out["equal"] = desk.compare(options["head"])
            if not out["equal"]:
                raise BoxliftError(
                    f"The heads differ: {options['head']} was said, and it is {desk.state.head} here.",
                    "Ask: type mig, and read me all digits on the screen. Begin nothing before they are equal.",
                )
            lines.append("Both sides have the same head.")
        else:
            given = desk.give(options["next"])
            lines += said(given)
            if given:
                out["next"] = {"number": given.number, "title": given.title, "code": given.code}
        lines.append(f"  Head: {desk.state.head}")
        for line in (RULE, *lines, RULE):
            self._display.display(line)
        return {**out, "head": desk.state.head}


def told(desk: Desk, ended: Ended) -> str:
    """What the read-back said."""
    entry = ended.entry
    took = f", about {duration(round(codes.seconds_of(entry.duration)))}" if entry.outcome != codes.UNKNOWN else ""
    again = f", attempt {entry.attempt}" if entry.attempt > 1 else ""
    return f"  {entry.item} {title(desk.plan, desk.items, entry.item)}: {entry.outcome.upper()}{took}{again}"


def said(given: Given | None) -> list[str]:
    """What the supervisor reads out."""
    if given is None:
        return ["  Nothing is left to do."]
    again = f" (attempt {given.attempt})" if given.attempt > 1 else ""
    return ["", f"  Next: {given.number} {given.title}{again}", "", f"      mig {given.number} {given.code}", ""]
