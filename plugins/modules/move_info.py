# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.move_info, which reads plan and journals on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: move_info
short_description: When the portal will open, by what was measured so far
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Reads the steps in the journal and in its history, and forecasts the rest of the final run. P50 is the time that is
    kept in half of the cases, P80 the one that is kept in four of five.
  - A step that was measured in a rehearsal takes as long as then, times the ratio of the sizes that the plan names for
    it. P80 comes from the spread of several measurements. One measurement shows no spread, so P80 is taken as 1.5 times
    as much, and said to be so. What nobody has measured takes the plan's estimate, and P80 is twice as much.
  - Steps are taken to be late together for a half of their variance, since a slow line or a tired team slows most of
    them down. Waiting for a gate may take any time until the gate expires.
  - If P80 of the opening is later than the point of no return, once the stage has begun, a decision is required.
  - Without steps in the journal it returns nothing.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
options:
  plan:
    description: The plan's file, or the plan as a mapping. Without it the default plan.
    type: raw
  journal:
    description:
      - The journal of the run. Without it the file that the callback P(boxlift.portal.journal#callback) is configured
        to write.
    type: path
  history:
    description: Journals of rehearsals, or folders of them. Without it all journals in the journal's folder.
    type: list
    elements: path
    default: []
  stage:
    description: The stage that ends with the opening.
    type: str
    default: final
  sizes:
    description:
      - Sizes of the final run where they are known beforehand, such as C(backup_bytes).
      - What the run has measured itself counts more.
    type: dict
    default: {}
  leads_per_day:
    description: How many leads arrive a day, to tell how many are at risk.
    type: float
  backup_time:
    description: When the backup was made, such as V(2026-11-26T18:00:00+03:00).
    type: str
seealso:
  - module: boxlift.portal.step
"""

EXAMPLES = r"""
- name: See whether the night fits
  boxlift.portal.move_info:
    plan: "{{ migration_plan }}"
    sizes:
      backup_bytes: 34000000000
    leads_per_day: 120
  delegate_to: localhost
  run_once: true
  register: move
"""

RETURN = r"""
forecast:
  description: The forecast; null without steps in the journal. Times are seconds since the epoch.
  returned: success
  type: dict
  contains:
    at:
      description: The moment that it is made for.
      type: int
    stage:
      description: As given.
      type: str
    begun:
      description: Whether a step of the stage has begun.
      type: bool
    opened:
      description: Whether the last step is over.
      type: bool
    steps:
      description: >-
        Each step and gate until the opening, with C(id), C(title), C(kind), C(state), C(seconds) (null if it is over),
        C(actual) (how long it took), C(begin) and C(end). A state is V(done), V(skipped), V(running), V(awaited)
        (begun, and people are at it), V(unknown) (killed), V(failed), V(ahead), or V(unrecorded) (nobody wrote it
        down).
      type: list
      elements: dict
    opening:
      description: When the portal opens, as C(p50) and C(p80).
      type: dict
    closed:
      description: Seconds in which nobody can work, as C(p50) and C(p80).
      type: dict
    drift:
      description: Seconds that the finished steps took more than expected.
      type: int
    window:
      description: Begin and end of the cutover window, null without one.
      type: list
      elements: int
    fits:
      description: Whether P80 of the opening is within the window, null without one.
      type: bool
    rollback:
      description: Seconds of a rollback, as C(p50) and C(p80), by attempts at the step C(rollback) or by the plan.
      type: dict
    point_of_no_return:
      description: Later, a rollback would not end within the window. Null without a window.
      type: int
    decision:
      description: Null, or C(before) which moment somebody must decide, and why, as C(text).
      type: dict
    leads:
      description: Null, or the leads that arrive while the portal is C(closed), and C(since_backup).
      type: dict
steps:
  description: All attempts at steps, in all journals, in the order of their begin.
  returned: success
  type: list
  elements: dict
  sample:
    - step: move.fetch
      stage: rehearsal
      outcome: ok
      begin: 1776535451.2
      seconds: 41400.0
      operator: anna
      waiting_for: ""
      journal: /home/operator/site/journal/rehearsal.jsonl
notices:
  description:
    - What became of the notices to each C(person) who could be told at some time, by this journal.
    - C(sent) and C(failed) count by channel, C(reasons) says why a channel failed last, unless it has worked since.
    - C(late) counts the notices that no channel brought in time; C(overdue) says that one is late now.
  returned: success
  type: list
  elements: dict
  sample:
    - person: approver
      sent: {mail: 34}
      failed: {mail: 2}
      reasons: {}
      late: 0
      overdue: false
supervision:
  description: How the operator is watched, and what is next. Null for a move that goes by itself.
  returned: success
  type: dict
  contains:
    mode:
      description: V(supervised) or V(dictated); V(autonomous) for a move that was stopped once.
      type: str
    next:
      description: Number of what is next, empty at the end.
      type: str
    title:
      description: What that is.
      type: str
    paused:
      description: Why nothing may begin, V(stop) or V(codes) (three wrong ones), else empty.
      type: str
    head:
      description: Head of the chain of results, as it is written on paper.
      type: str
    opened:
      description: What the envelopes were for that were opened.
      type: list
      elements: str
    refused:
      description: How many codes were refused.
      type: int
  sample:
    mode: dictated
    next: "3.4"
    title: Restore files and database
    paused: ""
    head: 39829 66303 56998
    opened: []
    refused: 2
text:
  description: The forecast for people, what must be decided first.
  returned: success
  type: list
  elements: str
  sample:
    - "Stage final: 3 of 15 steps until the opening are over."
    - "Opening: P50 2026-11-29 00:52 UTC, P80 2026-11-29 02:10 UTC; closed for P50 2 h 52 min, P80 4 h 10 min."
    - It fits the window (P80), which ends at 2026-11-29 06:00 UTC.
"""
