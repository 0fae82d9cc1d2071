# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action boxlift.portal.envelopes: makes the key of the codes, and the codes in sealed envelopes."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.load import load
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, session
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.session import Paper

Data = dict[str, t.Any]


class ActionModule(ControllerAction):
    SPEC: t.ClassVar[Data] = {
        "dest": {"type": "path"},
        "pages": {"type": "path"},
        "renew": {"type": "bool", "default": False},
        "plan": {"type": "raw"},
        "journal": {"type": "path"},
    }

    def work(self, options: Data, task_vars: Data) -> Data:
        plan = load(options["plan"])
        dest = options["dest"] or session.place_of(place.required(options["journal"]))
        out: Data = {"changed": True, "dest": dest, "plan": codes.spoken(plan.sha256)}
        if os.path.exists(dest) and not options["renew"]:
            made = session.read(dest)
            return {**out, "changed": False, "envelopes": [each.purpose for each in made.envelopes]}
        made, papers = session.make(plan)
        out["envelopes"] = [each.purpose for each in made.envelopes]
        if self._task.check_mode:
            return out
        if options["pages"]:
            if os.path.exists(options["pages"]):
                raise BoxliftError(
                    f"{options['pages']} is there already, and may hold codes that are still to be printed.",
                    "Print and remove it, or name another file.",
                )
            replace_file(options["pages"], pages(papers, plan.sha256))
        else:
            # On the terminal alone: a result would be in the journal, in logs, and in the variables of the host.
            for paper in papers:
                self._display.display(f"{paper.purpose:32} {paper.code}", screen_only=True)
        session.write(dest, made)
        return out


def pages(papers: t.Sequence[Paper], plan: str) -> bytes:
    """What is printed and sealed, as JSON."""
    data = {
        "plan": plan,
        "plan_digits": codes.spoken(plan),
        "envelopes": [{"purpose": paper.purpose, "code": paper.code} for paper in papers],
    }
    return json.dumps(data, indent=1).encode() + b"\n"
