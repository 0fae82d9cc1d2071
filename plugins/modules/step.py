# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.step; the work is done on the controller by plugins/action/step.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: step
short_description: Write down that a step of the plan begins, or how it ended
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Writes one line before a step of the move and one after it into the journal, on the controller. Each line is chained
    to the line before it, and on the disk when the task ends. A step without a line after it is V(unknown), as after
    a crash.
  - Unlike the callback P(boxlift.portal.journal#callback), it fails where it cannot write, because what follows rests
    on these lines. All runs of a move must share one journal.
  - Tasks of the same ansible-playbook between the two lines belong to the step, with their errors.
  - At its begin, a step says which errors it has met before, in this journal and in its history, and what cured them.
  - If the plan's C(supervision) is in mode C(supervised), O(state=begin) says what will happen, on which hosts, how
    long it takes and how it is undone. Operator and watcher agree at the terminal, or nothing begins.
  - In mode C(dictated), O(state=begin) is refused unless M(boxlift.portal.supervise) has taken the step's code in this
    run.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Known errors are shown, and nothing is written.
  diff_mode:
    support: none
    details: A line that is added differs from nothing.
  idempotent:
    support: none
    details: Every attempt at a step has lines of its own.
options:
  id:
    description: Id of the step in the plan.
    type: str
    required: true
  state:
    description:
      - V(begin) before the work, V(end) after it.
      - V(begin) is refused while another ansible-playbook is at this step, and V(end) if the step has not begun.
      - V(await) writes nothing. It succeeds if a step that people do is done, and else fails and says whose it is.
    type: str
    choices: [begin, end, await]
    required: true
  stage:
    description: The stage of the plan that the step is done in, such as V(rehearsal) or V(final).
    type: str
    default: ""
  plan:
    description:
      - The site's plan, as its file or the plan itself. With it O(state=begin) is refused where a step that comes
        before is not done, a gate is not open, or the move would skip a state. A step that is done is not begun again.
        One that the plan has taken out is written down as skipped.
    type: raw
  by_people:
    description: Whether people did it. For a step that has a playbook, O(message) must then say how it was done.
    type: bool
    default: false
  await_people:
    description:
      - Whether O(state=begin) of a step that the plan leaves to people does what O(state=await) does. So a playbook
        serves plans of either kind.
    type: bool
    default: false
  outcome:
    description: How the step ended. Required for O(state=end).
    type: str
    choices: [ok, failed, skipped, undone]
  message:
    description: Why it failed, or was skipped.
    type: str
    default: ""
  waiting_for:
    description: For whom the step waits, such as V(customer). Its whole time counts as waiting then.
    type: str
    default: ""
  operator:
    description:
      - Who types. Without it the account that C(sudo) was called from, else the one that runs ansible-playbook. The
        address of an SSH session is written too.
      - It is what the system or the operator says, and proves nothing.
    type: str
  watcher:
    description: Who watches the operator.
    type: str
    default: ""
  values:
    description: Measured values, such as C(backup_bytes). The forecast scales with the size that the plan names.
    type: dict
    default: {}
  evidence:
    description: Files on the controller that prove the step. Their SHA-256 and size are written.
    type: list
    elements: path
    default: []
  journal:
    description:
      - The journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write.
    type: path
  history:
    description:
      - Journals with earlier attempts, or folders of them, for the known errors.
      - Without it all journals (C(*.jsonl)) in the journal's folder.
    type: list
    elements: path
    default: []
seealso:
  - module: boxlift.portal.move_info
  - module: boxlift.portal.remark
  - plugin: boxlift.portal.journal
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Begin to restore
  boxlift.portal.step:
    id: move.restore
    state: begin
    stage: final
    watcher: A. Petrova
  delegate_to: localhost
  run_once: true

- name: Note that it is restored
  boxlift.portal.step:
    id: move.restore
    state: end
    stage: final
    outcome: ok
    values:
      backup_bytes: 31540211712
    evidence:
      - boxlift-report/report.html
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
done:
  description: Whether the plan's step was done before, so that it was not begun.
  returned: O(state=begin) and O(state=await)
  type: bool
  sample: false
journal:
  description: Path of the journal.
  returned: success
  type: str
  sample: /home/operator/site/journal/move.jsonl
line:
  description: Number of the line in the journal. Not in check mode.
  returned: success
  type: int
  sample: 412
recorded:
  description: Whether the terminal of this run is kept, as in the modes C(supervised) and C(dictated).
  returned: O(state=begin), when it has begun
  type: bool
  sample: false
attempt:
  description: Which attempt at the step in this journal and stage this is, from 1.
  returned: O(state=begin)
  type: int
  sample: 2
earlier:
  description: The attempts before it, each with its C(outcome) and C(seconds), which is null for V(unknown).
  returned: O(state=begin)
  type: list
  elements: dict
  sample: [{outcome: unknown, seconds: null}]
known_errors:
  description: What the step has met before, the oldest first.
  returned: O(state=begin)
  type: list
  elements: dict
  contains:
    step:
      description: Id of the step.
      type: str
    journal:
      description: The journal that the error stands in.
      type: str
    line:
      description: Number of its line.
      type: int
    time:
      description: When it came last, in UTC.
      type: str
    times:
      description: How often it came.
      type: int
    task:
      description: Name of the task that failed; empty if the step failed as a whole.
      type: str
    host:
      description: The task's host.
      type: str
    message:
      description: What it said.
      type: str
    cures:
      description: What was remarked, each with C(text), C(operator), and C(seconds) that the cure took, or null.
      type: list
      elements: dict
    seconds_until_next:
      description: Seconds from the error until the step was begun again, null if it was not.
      type: float
  sample:
    - step: move.restore
      journal: /home/operator/site/journal/rehearsal.jsonl
      line: 127
      time: "2026-04-18T23:41:07.112Z"
      times: 1
      task: Restore the tree and the database
      host: portal-prod
      message: The disk is full.
      cures:
        - {text: Removed the first backup from /var/lib/boxlift., seconds: 900, operator: anna}
      seconds_until_next: 1312.4
text:
  description: The same for people; the task prints it.
  returned: O(state=begin)
  type: list
  elements: str
  sample:
    - "move.restore: known error (line 127): Restore the tree and the database, portal-prod: The disk is full."
    - "  cure: Removed the first backup from /var/lib/boxlift. (took 15 min)"
seconds:
  description: Seconds since the begin of this attempt.
  returned: O(state=end)
  type: float
  sample: 2915.2
outcome:
  description: As given.
  returned: O(state=end)
  type: str
  sample: ok
evidence:
  description: Path, SHA-256 and size of each file of evidence.
  returned: O(state=end)
  type: list
  elements: dict
  sample:
    - path: /home/operator/site/boxlift-report/report.html
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      bytes: 184220
"""
