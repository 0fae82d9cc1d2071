# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.gate; the work is done on the controller by plugins/action/gate.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gate
short_description: Ask for a gate of the plan, and wait for those who have to sign
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - A gate is a decision that the plan asks for before its next steps. This writes the request into the journal, with
    what was seen of the gate's inputs, and succeeds once all that the plan names have signed (M(boxlift.portal.sign)).
  - What the gate rests on is looked at in journal and plan, such as the findings of the health checks. If something of
    it is not in order, the gate cannot be asked for, unless a signed waiver stands in the journal.
  - A gate that was not decided in the time that the plan gives is expired, and not open. Run the task again to ask
    anew. A plan that was changed afterwards closes the gate.
  - At a dictated site it is refused unless M(boxlift.portal.supervise) has taken the gate's code in this run.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Nothing is written.
  diff_mode:
    support: none
    details: A line that is added differs from nothing.
  idempotent:
    support: full
    details: An open gate stays open, and a request that still counts is not written again.
options:
  gate:
    description: Id of the gate in the plan.
    type: str
    required: true
  requested_by:
    description: Id of the person in the plan who asks. Nobody approves his own request.
    type: str
    required: true
  inputs:
    description:
      - Inputs that somebody answers for, because this collection cannot look at them, each as
        C({met, observed}). The journal says who told them. One that is looked at here is refused.
    type: dict
    default: {}
  wait_minutes:
    description: How long to wait for the signatures. With V(0) the task fails at once if one is missing.
    type: float
    default: 0
  plan:
    description: The site's plan, as its file or the plan itself. Without it the default plan.
    type: raw
  journal:
    description:
      - The journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write.
    type: path
seealso:
  - module: boxlift.portal.sign
  - module: boxlift.portal.step
"""

EXAMPLES = r"""
- name: Ask whether the cutover may begin
  boxlift.portal.gate:
    gate: go
    requested_by: operator
    plan: "{{ migration_plan }}"
    wait_minutes: 30
"""

RETURN = r"""
gate:
  description: Id of the gate.
  returned: success
  type: str
  sample: go
decision:
  description: V(open), or V(open_with_remarks). In check mode also V(closed), V(requested), V(rejected) or V(expired).
  returned: success
  type: str
  sample: open
request:
  description: Number of the request, which the signatures name.
  returned: success
  type: str
  sample: 3f9a1c22
signers:
  description: Who has signed.
  returned: success
  type: list
  elements: str
  sample: [approver, coordinator]
missing:
  description: Who has not. Not empty in check mode only.
  returned: success
  type: list
  elements: str
  sample: []
remarks:
  description: What the signers want done, with C(text), C(owner) and C(due).
  returned: success
  type: list
  elements: dict
  sample: [{text: Printer in room 4, owner: contractor, due: "2027-01-20"}]
waived:
  description: What was not in order and who answers for it, with C(input), C(observed), C(person), C(reason), C(until).
  returned: success
  type: list
  elements: dict
  sample: []
ignored:
  description: Lines of the journal that do not count, with the reason.
  returned: success
  type: list
  elements: str
  sample: []
text:
  description: The decision in lines for people.
  returned: success
  type: list
  elements: str
  sample: ["The gate go is open: approver, coordinator have signed."]
"""
