# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.sign; the work is done on the controller by plugins/action/sign.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sign
short_description: Sign a gate of the plan, or answer for going on without one of its inputs
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Writes one person's word into the journal, if it counts. If it would not, because the person asked for the gate
    himself, is no signer of it, or comes too late, nothing is written and the reason is said.
  - There are three ways to sign. O(text) is typed, from another account than the request came from. O(signature) is
    one of the person's SSH key, which the plan holds, over the statement that O(write) has written. O(code) is one of
    the person's codes on paper, whose hashes the plan holds; each serves once.
  - The statement names the plan's checksum and the request, so that a signature serves for no other.
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
    support: none
    details: Each signature is a line of its own.
options:
  gate:
    description: Id of the gate in the plan.
    type: str
    required: true
  person:
    description: Id of the person in the plan who signs.
    type: str
    required: true
  verdict:
    description: V(waive) answers for one input that is not in order. One V(reject) closes the gate.
    type: str
    choices: [approve, reject, waive]
    default: approve
  remarks:
    description: What the person wants done, each with C(text), C(owner) and C(due) (a day such as V(2027-01-31)).
    type: list
    elements: dict
    default: []
  input:
    description: The input that is waived.
    type: str
    default: ""
  reason:
    description: Why it may be waived.
    type: str
    default: ""
  days:
    description: For how many days from today it is waived.
    type: float
  text:
    description: What the person has typed, such as C(anna approves go 3f9a1c22). The error says the wording.
    type: str
  signature:
    description: File with the signature of C(ssh-keygen -Y sign -n boxlift-gate).
    type: path
  code:
    description: The code. Spaces do not count.
    type: str
  write:
    description: File that the statement is written to, so that it can be signed with a key. Nothing else is done.
    type: path
  plan:
    description: The site's plan, as its file or the plan itself. Without it the default plan.
    type: raw
  journal:
    description:
      - The journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write.
    type: path
seealso:
  - module: boxlift.portal.gate
"""

EXAMPLES = r"""
- name: Approve, by typing
  boxlift.portal.sign:
    gate: go
    person: approver
    text: approver approves go 3f9a1c22

- name: Approve with a key
  boxlift.portal.sign:
    gate: go
    person: coordinator
    signature: /media/stick/statement.sig

- name: Answer for going on without test calls
  boxlift.portal.sign:
    gate: go
    person: approver
    verdict: waive
    input: test_calls
    reason: The carrier switches on Monday.
    days: 3
    text: approver waives go test_calls
"""

RETURN = r"""
statement:
  description: The text that was signed, or is to be.
  returned: success
  type: str
  sample: |
    plan move 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    gate go
    stage final
    request 3f9a1c22
    person approver
    verdict approve
    with []
gate:
  description: Id of the gate.
  returned: when something was signed
  type: str
  sample: go
decision:
  description: State of the gate after it.
  returned: when something was signed
  type: str
  sample: requested
"""
