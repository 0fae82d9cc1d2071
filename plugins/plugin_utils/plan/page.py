# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as one self-contained HTML page, and the letter that says what an organisation has to provide."""

from __future__ import annotations

import pathlib

from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import chart
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.merge import Merged
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.schedule import Schedule
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.view import Data, view
from ansible_collections.boxlift.portal.plugins.plugin_utils.report.page import page

PAGE = pathlib.Path(__file__).with_name("page.html.j2")
LETTER = pathlib.Path(__file__).with_name("letter.html.j2")
# Colours of states. The word stands beside each.
LEVELS = {"done": "ok", "arrived": "ok", "ordered": "changed", "now": "warn", "late": "bad"}


def state_level(state: str) -> str:
    return LEVELS.get(state, "quiet")


def render(plan: Plan, of: Schedule, merged: Merged) -> str:
    drawings = [chart.overview(plan, of), *chart.stages(plan, of)]
    data: Data = visible({"plan": view(plan, of, merged), "drawings": drawings})
    return page(PAGE, data, {"state_level": state_level})


def letter(plan: Plan, of: Schedule, merged: Merged, org: str) -> str:
    """To one organisation: what it provides and by when, what its people do, and what they sign."""
    whole = view(plan, of, merged)
    owner = next(one for one in whole["owners"] if one["id"] == org)
    leads = [lead for lead in whole["leads"] if lead["org"] == org]
    data: Data = visible({"plan": whole, "owner": owner, "leads": leads})
    return page(LETTER, data, {"state_level": state_level})
