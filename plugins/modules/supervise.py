# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.supervise; the work is done by plugins/action/supervise.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supervise
short_description: Begin a step of the plan by its number and its code
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Each occurrence and each gate of the plan has a short number, such as V(3.4). Playbook C(supervise) begins one of
    them, does its work, and ends it.
  - At a dictated site (C(supervision) in the plan) a step begins with a code alone, which the supervisor tells by
    telephone. The code is of this plan, this step, this attempt, and of the read-back before it. It has a check digit.
    Three wrong codes one after the other pause the site.
  - When the work is over, the callback P(boxlift.portal.journal#callback) shows digits that are read back. They say
    what came of the step, and prove that both sides have the same chain of results.
  - In the other modes no code is needed, and none is looked at.
  - A refusal says what to say on the telephone. It is written into the journal, and nothing is changed.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Whether the plan lets the item begin is looked at. The code is not judged, and nothing is written.
  diff_mode:
    support: none
    details: A line that is added differs from nothing.
  idempotent:
    support: none
    details: A code serves once.
options:
  state:
    description:
      - V(begin) judges the code, and writes that the item begins.
      - V(show) shows what is next, and the read-backs that may not have been read out. What a killed run has left open
        is ended as broken off.
    type: str
    choices: [begin, show]
    default: begin
  number:
    description: Number of the step or gate; or V(stop), V(rollback) or V(resume). Required for O(state=begin).
    type: str
    default: ""
  code:
    description:
      - The code from the telephone, or out of a sealed envelope. Spaces do not count. It is required at a dictated
        site.
    type: str
    default: ""
  outcome:
    description: What came of a step that people do, which has begun. Then no code is needed.
    type: str
    choices: [ok, failed]
  message:
    description: Why people could not do it.
    type: str
    default: ""
  plan:
    description: The site's plan, as its file or the plan itself.
    type: raw
  journal:
    description:
      - The journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write.
      - Beside it lies the key of a dictated site, C(supervision.key).
    type: path
seealso:
  - module: boxlift.portal.read_back
  - module: boxlift.portal.envelopes
  - module: boxlift.portal.step
"""

EXAMPLES = r"""
- name: Begin the restore of the final run
  boxlift.portal.supervise:
    number: "3.4"
    code: 417 3055
    plan: "{{ migration_plan }}"
  delegate_to: localhost
  run_once: true

- name: Tell that people have stopped the work in the cloud
  boxlift.portal.supervise:
    number: "3.13"
    outcome: ok
    plan: "{{ migration_plan }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
begun:
  description: Whether work of this run has begun now.
  returned: success
  type: bool
  sample: true
done:
  description: Whether the item is over.
  returned: O(state=begin)
  type: bool
  sample: false
title:
  description: Title of the item.
  returned: O(state=begin)
  type: str
  sample: Restore files and database
attempt:
  description: Which attempt it is, from 1.
  returned: when it has begun
  type: int
  sample: 1
recorded:
  description: Whether the terminal of this run is kept.
  returned: success
  type: bool
  sample: true
read_back:
  description: The last read-back, as it is read out; empty before the first one, and in the modes without codes.
  returned: when an item has ended
  type: str
  sample: 40711 22694 55086
head:
  description: Head of the chain of results, as it is written on paper. It is the same on both sides.
  returned: when an item has ended
  type: str
  sample: 39829 66303 56998
last_words:
  description: What is shown at the end of the run.
  returned: when there is something to read out
  type: list
  elements: str
  sample: ["  3.13  Stop work in the cloud portal", "  Result: OK, about 15 min"]
say:
  description: What is said on the telephone.
  returned: when it was refused
  type: str
  sample: Step 3.4 refuses, the code is of step 3.5. Which one do you want?
"""
