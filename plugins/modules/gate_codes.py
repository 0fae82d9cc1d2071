# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.gate_codes; the work is done by plugins/action/gate_codes.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate_codes
short_description: Make codes that a person signs gates with
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Makes random codes, for somebody who has neither an account on the controller nor an SSH key. Each serves once, with
    M(boxlift.portal.sign).
  - The codes are shown on the terminal, and nowhere else. What is returned is for the plan, and no code can be found
    from it.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: none
    details: It makes other codes each time.
options:
  count:
    description: How many codes.
    type: int
    default: 5
seealso:
  - module: boxlift.portal.sign
"""

EXAMPLES = r"""
- name: Make codes for the customer's decision maker
  boxlift.portal.gate_codes:
    count: 3
  delegate_to: localhost
  run_once: true
  register: made
"""

RETURN = r"""
codes:
  description: What stands in the plan for each code, in the list C(codes) of the person.
  returned: success
  type: list
  elements: str
  sample: ["7f1c0a55b1e2d3c4a5968778695a4b3c:0d9b3e0f"]
"""
