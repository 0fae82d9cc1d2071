# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: merge_findings
short_description: Make one list of findings from two vantage points
version_added: 0.1.0
description:
  - Takes the findings of M(boxlift.portal.portal_health) on the portal's host and those from outside.
  - A check that was made from both places keeps the worse of the two findings, from V(fail) over V(unknown), V(warn)
    and V(skip) to V(pass), and shows both observations.
positional: outside
options:
  _input:
    description: RV(boxlift.portal.portal_health#module:findings) of the run on the host.
    type: list
    elements: dict
    required: true
  outside:
    description: The same of the run with O(boxlift.portal.portal_health#module:vantage=outside).
    type: list
    elements: dict
    required: true
seealso:
  - module: boxlift.portal.portal_health
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Say what is wrong from either place
  ansible.builtin.debug:
    msg: >-
      {{ host.findings | boxlift.portal.merge_findings(outside.findings)
         | selectattr('status', 'equalto', 'fail') | map(attribute='id') | join(', ') }}
"""

RETURN = r"""
_value:
  description: >-
    The host's findings in their order, then those that only the outside has. Each also has C(seen_from), a list of
    V(host), V(outside) or both.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import STATUSES, merge


def merge_findings(host: t.Any, outside: t.Any) -> list[dict[str, t.Any]]:
    for place, findings in (("left of the filter", host), ("in its parentheses", outside)):
        if not isinstance(findings, (list, tuple)):
            raise AnsibleFilterError(f"merge_findings: {place} is no list. Give `findings` of portal_health.")
        for finding in findings:
            if not isinstance(finding, t.Mapping) or finding.get("status") not in STATUSES or "id" not in finding:
                raise AnsibleFilterError(
                    f"merge_findings: {str(finding)[:80]!r} {place} is no finding. Give `findings` of portal_health."
                )
    return merge(host, outside)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"merge_findings": merge_findings}
