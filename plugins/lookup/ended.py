# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup boxlift.portal.ended: when a step of the plan was done."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ended
short_description: When a step of the plan was done
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Reads in the journal when a step ended well for the last time, such as the freeze, from which on nobody wrote in the
    cloud portal.
  - An empty text where the journal does not tell it, so also at a site without a plan.
options:
  _terms:
    description: Id of the step in the plan.
    required: true
  stage:
    description: The stage of the plan.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say since when nobody can work
  ansible.builtin.debug:
    msg: "{{ lookup('boxlift.portal.ended', 'move.freeze', stage='final') }}"
"""

RETURN = r"""
_raw:
  description: Seconds since 1970, or an empty text.
  type: list
  elements: raw
"""

import pathlib
import typing as t

from ansible.plugins.lookup import LookupBase
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import STEP, events_in
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import moment


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[float | str]:
        self.set_options(var_options=variables, direct=kwargs)
        journal = place.configured()
        content = pathlib.Path(journal).read_bytes() if journal and pathlib.Path(journal).is_file() else b""
        return [ended(content, str(step), str(self.get_option("stage"))) for step in terms]


def ended(content: bytes, step: str, stage: str) -> float | str:
    """When the step ended well for the last time, by the lines of a journal."""
    done = ("step", step), ("stage", stage), ("state", "end"), ("outcome", "ok")
    times = [
        moment(event["time"])
        for event in events_in(content, STEP)
        if all(event.get(name) == value for name, value in done)
    ]
    return times[-1] if times else ""
