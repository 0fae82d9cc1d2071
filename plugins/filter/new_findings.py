# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: new_findings
short_description: The findings that are worse than they were before
version_added: 0.1.0
description:
  - Takes findings of M(boxlift.portal.portal_health), and keeps those that are not in order now and were better in
    O(before), or not there. What was wrong already is not among them.
positional: before
options:
  _input:
    description: Findings of now.
    type: list
    elements: dict
    required: true
  before:
    description: Findings of before, such as before an update.
    type: list
    elements: dict
    required: true
seealso:
  - module: boxlift.portal.portal_health
  - plugin: boxlift.portal.failing_findings
    plugin_type: filter
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Stop where the work has broken something
  ansible.builtin.assert:
    that: after.findings | boxlift.portal.new_findings(before.findings) | length == 0
"""

RETURN = r"""
_value:
  description: Those findings, in their order.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import STATUSES, worsened


def new_findings(after: t.Any, before: t.Any) -> list[dict[str, t.Any]]:
    for place, findings in (("left of the filter", after), ("in its parentheses", before)):
        good = isinstance(findings, (list, tuple)) and all(
            isinstance(finding, t.Mapping) and finding.get("status") in STATUSES and "id" in finding
            for finding in findings
        )
        if not good:
            raise AnsibleFilterError(f"new_findings: {place} are no findings. Give `findings` of portal_health.")
    return worsened(before, after)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"new_findings": new_findings}
