# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.remark; the work is done on the controller by plugins/action/remark.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remark
short_description: Note what cured an error of a step
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Adds a cure to an error of the journal. The next time that the step begins, M(boxlift.portal.step) shows the error
    with its cure and the time that the cure took.
  - An error is a task that failed during a step, or a step that ended as failed. Earlier lines are not changed, the
    remark is a line of its own.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A line that is added differs from nothing.
  idempotent:
    support: full
options:
  step:
    description: Id of the step. Without it the errors of all steps are considered.
    type: str
    default: ""
  error:
    description: Number of the error's line in the journal. V(0) is the last error without a cure.
    type: int
    default: 0
  text:
    description: What cured it. Without it nothing is written, and the errors are listed.
    type: str
    default: ""
  minutes:
    description:
      - How long the cure took.
      - Without it the next run says how long after the error the step was begun again.
    type: int
  operator:
    description: Who says so; without it as in M(boxlift.portal.step).
    type: str
  journal:
    description:
      - The journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write.
    type: path
seealso:
  - module: boxlift.portal.step
"""

EXAMPLES = r"""
- name: Note what helped
  boxlift.portal.remark:
    step: move.restore
    text: Removed the first backup from /var/lib/boxlift.
    minutes: 15
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
journal:
  description: Path of the journal.
  returned: success
  type: str
  sample: /home/operator/site/journal/move.jsonl
step:
  description: Id of the step whose error it is.
  returned: if a text was given
  type: str
  sample: move.restore
error:
  description: Number of the error's line.
  returned: if a text was given
  type: int
  sample: 127
errors:
  description: The errors with their cures, as RV(boxlift.portal.step#module:known_errors).
  returned: success
  type: list
  elements: dict
  sample: []
text:
  description: The same for people.
  returned: success
  type: list
  elements: str
  sample:
    - "move.restore: known error (line 127): Restore the tree and the database, portal-prod: The disk is full."
    - "  cure: Removed the first backup from /var/lib/boxlift. (took 15 min)"
"""
