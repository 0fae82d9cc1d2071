# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.plan; the work is done on the controller by plugins/action/plan.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Check the plan of a move, and make its pages and its calendar
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Merges a site's plan into the plan of a usual move, checks the whole, and computes its dates backwards from the
    cutover window.
  - Writes C(plan.html), one self-contained page that loads nothing from anywhere, with timeline, critical path, what
    is late, what takes days and must be ordered when, gates with their signers, and what each organisation has to do.
  - Writes C(plan.ics), a calendar with the order-by dates, the cutover window, the gates and the visits, and a letter
    that says what an organisation has to provide, and by when.
  - A plan that cannot be used is refused with everything that is wrong with it, each with file, line, place and remedy.
  - The same plan and the same O(today) always give the same files, byte for byte. It needs no host and no network.
  - What a plan may hold is in C(plugins/plugin_utils/plan/schema.json), the usual plan in C(default.yml) beside it.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
requirements:
  - jsonschema on the controller
  - icalendar on the controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  plan:
    description:
      - Path of the site's plan on the controller, or the plan itself as a mapping. Only what differs from the usual
        plan stands in it. Lines can be named for a path alone.
      - Entries are merged by their ids. V(null) takes an entry out, and a new id adds one.
      - Without it the usual plan is shown. It has no dates, since it has no cutover window.
    type: raw
  dest:
    description:
      - Folder on the controller for the files. It is made where it does not exist.
      - The files are readable by their owner alone.
    type: path
    required: true
  today:
    description:
      - The day, as C(YEAR-MONTH-DAY), on which things are late or not.
      - Without it nothing is late.
    type: str
  letter_to:
    description: Id of the organisation to which the letter goes. It becomes a part of the file's name.
    type: str
    default: customer
seealso:
  - module: boxlift.portal.report
"""

EXAMPLES = r"""
- name: Show the plan as it stands today
  boxlift.portal.plan:
    plan: "{{ inventory_dir }}/migration_plan.yml"
    dest: plans/{{ site_domain }}
    today: "{{ now(fmt='%Y-%m-%d') }}"
  delegate_to: localhost
  run_once: true

- name: Check a plan without writing anything
  boxlift.portal.plan:
    plan: migration_plan.yml
    dest: plans
  check_mode: true
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
html:
  description: Path of the page.
  returned: success
  type: str
  sample: /home/operator/plans/portal.example.com/plan.html
letter:
  description: Path of the letter.
  returned: success
  type: str
  sample: /home/operator/plans/portal.example.com/letter-customer.html
calendar:
  description: Path of the calendar. Empty for a plan without a cutover window, since it has no days.
  returned: success
  type: str
  sample: /home/operator/plans/portal.example.com/plan.ics
sha256:
  description:
    - Checksum of what was agreed. What was ordered, what arrived and what is done is no part of it.
  returned: success
  type: str
  sample: ed157b5fc1006d1c3a5f6c0e6b1e6e7a1d1e64f6ce1ea3f5ce1c4c2b9d0f5a37
result:
  description: How the plan stands.
  returned: success
  type: dict
  contains:
    level:
      description: One of V(ok), V(warn) and V(bad).
      type: str
    text:
      description: The same in one sentence.
      type: str
  sample:
    level: bad
    text: 2 things are late.
conflicts:
  description: What cannot be by the plan itself, in sentences.
  returned: success
  type: list
  elements: str
  sample: []
late:
  description: What is late on O(today).
  returned: success
  type: list
  elements: dict
  contains:
    title:
      description: What it is.
      type: str
    owner:
      description: Name of the organisation that has to do it.
      type: str
    due:
      description: When it was due.
      type: str
    text:
      description: How it stands.
      type: str
  sample:
    - title: Certificate of the portal's name
      owner: Customer
      due: Wed 2026-10-28
      text: not ordered, 6 days late
"""
