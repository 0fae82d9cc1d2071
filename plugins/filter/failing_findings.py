# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: failing_findings
short_description: The findings that make a run fail
version_added: 0.1.0
description:
  - Takes findings of M(boxlift.portal.portal_health), as one list of both vantage points too, and keeps those that its
    option O(boxlift.portal.portal_health#module:fail_on) would fail for.
positional: fail_on
options:
  _input:
    description: Findings.
    type: list
    elements: dict
    required: true
  fail_on:
    description:
      - V(fail) stands for failures alone, V(unknown) also for checks that could not look, V(warn) for everything that
        is not in order.
    type: str
    choices: [never, fail, unknown, warn]
    required: true
seealso:
  - module: boxlift.portal.portal_health
  - plugin: boxlift.portal.merge_findings
    plugin_type: filter
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Stop where a check failed or could not look
  ansible.builtin.assert:
    that: health_findings | boxlift.portal.failing_findings('unknown') | length == 0
"""

RETURN = r"""
_value:
  description: Those findings, in their order.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import FAIL_ON


def failing_findings(findings: t.Sequence[dict[str, t.Any]], fail_on: str) -> list[dict[str, t.Any]]:
    if fail_on not in FAIL_ON:
        raise AnsibleFilterError(f"failing_findings: {fail_on!r} is none of {', '.join(FAIL_ON)}.")
    return [finding for finding in findings if finding["status"] in FAIL_ON[fail_on]]


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"failing_findings": failing_findings}
