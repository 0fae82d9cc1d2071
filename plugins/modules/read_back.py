# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.read_back; the work is done by plugins/action/read_back.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: read_back
short_description: Take what the operator of a dictated site reads out, and give the next code
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - The supervisor's side of a dictated move, on a machine of his own. Its journal is the mirror of the site's. Nothing
    but digits goes between the two.
  - A read-back says which step has ended, how, and in about what time. 20 of its bits prove that plan, order and all
    results so far are the same on both sides. A digit that was misheard is located to its group.
  - Then the code of the next step is shown. Without a read-back it is shown too, as at the beginning.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: The check digits are looked at, and nothing is written.
  diff_mode:
    support: none
    details: A line that is added differs from nothing.
  idempotent:
    support: full
    details: The last read-back may come again. Every code that is shown has a line in the journal.
options:
  read_back:
    description: The digits as they were read out, three groups of five. Spaces do not count.
    type: str
    default: ""
  next:
    description:
      - Number of the step or gate whose code is wanted, or V(stop), V(rollback) or V(resume).
      - Without it the first one in the plan's order that is not done.
    type: str
    default: ""
  head:
    description: The head that the other side has. It is compared, and no code is given.
    type: str
    default: ""
  plan:
    description: The site's plan, as its file or the plan itself. It is the same as on the site.
    type: raw
  journal:
    description:
      - The mirror journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to
        write. Beside it lies the same C(supervision.key) as on the site.
    type: path
seealso:
  - module: boxlift.portal.supervise
  - module: boxlift.portal.envelopes
"""

EXAMPLES = r"""
- name: Take what was read out
  boxlift.portal.read_back:
    read_back: 40711 22694 55086
    plan: "{{ migration_plan }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
ended:
  description: What came of which step.
  returned: with O(read_back)
  type: dict
  contains:
    number:
      description: Number of the step or gate.
      type: str
    attempt:
      description: Which attempt it was, from 1.
      type: int
    outcome:
      description: V(ok), V(failed), V(unknown) (broken off) or V(waiting) (for signatures).
      type: str
    seconds:
      description: About how long it took.
      type: int
  sample: {number: "3.4", attempt: 1, outcome: ok, seconds: 7205}
next:
  description: Whose code was shown, with its C(title), and the C(code) in groups. Null if nothing is left.
  returned: without O(head)
  type: dict
  contains:
    number:
      description: Number of the step or gate.
      type: str
    title:
      description: What it is.
      type: str
    code:
      description: The code.
      type: str
  sample: {number: "3.5", title: "Configure the portal", code: 417 3055}
head:
  description: Head of the chain of results, as it is written on paper.
  returned: success
  type: str
  sample: 39829 66303 56998
equal:
  description: Whether the other side's head is the same. It fails if not.
  returned: with O(head)
  type: bool
  sample: true
plan:
  description: The plan's checksum in digits, by which both sides compare their plans.
  returned: success
  type: str
  sample: 14209 50678 12270
"""
