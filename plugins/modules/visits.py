# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.visits, which works on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: visits
short_description: Plan the visits after the opening, and prepare the next one
version_added: 0.3.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Writes C(visits.ics) on the controller, for calendar programs. A later file changes the entries of an earlier one,
    and doubles none, since what each entry has said stands in the site's records. A visit that falls away is cancelled.
  - The visits are those of the plan (days 3, 8 and 15 after the opening), then one every month or every three months
    by O(customer_class). These fall on working days.
  - For each visit that is due or next, C(visit-ID.html) has a checklist and the figures since the last one.
  - A visit that nobody noted as held within 7 days was missed.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.service
  - boxlift.portal.service.figures
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The files are pages for people.
  idempotent:
    support: full
    details: The calendar stays the same to the byte; the pages have the figures of their day.
options:
  held:
    description: The visit that was held, such as V(d3) or V(2027-03).
    type: str
    default: ""
  move:
    description: The visit that is moved to O(day).
    type: str
    default: ""
  day:
    description: The day on which it was held, which is today if not set, or to which it is moved.
    type: str
    default: ""
  text:
    description: What was agreed, or why it is moved.
    type: str
    default: ""
  operator:
    description: Who says so; without it as in M(boxlift.portal.step).
    type: str
seealso:
  - module: boxlift.portal.service_report
  - module: boxlift.portal.plan
"""

EXAMPLES = r"""
- name: Write the calendar, and the page of the next visit
  boxlift.portal.visits:
    dest: boxlift-service
    plan: "{{ migration_plan }}"
    customer_class: vip
  delegate_to: localhost
  run_once: true

- name: Note that the first visit was held
  boxlift.portal.visits:
    dest: boxlift-service
    plan: "{{ migration_plan }}"
    held: d3
    text: Two departments miss their bookmarks.
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
queries:
  description: What to ask of Prometheus, each with a name and a path with its query.
  returned: with O(questions_only)
  type: list
  elements: dict
  sample:
    - name: certificate
      path: /api/v1/query?query=min%28probe_ssl_earliest_cert_expiry%29&time=1796044500
calendar:
  description: The calendar file.
  returned: when it was written
  type: str
  sample: /home/operator/site/boxlift-service/visits.ics
pages:
  description: The pages of the visits that are due or next.
  returned: when they were written
  type: list
  elements: str
  sample: [/home/operator/site/boxlift-service/visit-d3.html]
opened:
  description: The day of the opening from which the days are counted.
  returned: when they were written
  type: str
  sample: "2026-12-06"
visits:
  description: All visits, with C(state) V(held), V(missed), V(due) or V(ahead).
  returned: when they were written
  type: list
  elements: dict
  sample:
    - id: d3
      title: "First visit: what disturbs people at work"
      owner: Contractor
      day: "2026-12-09"
      state: ahead
      held:
      by: ""
      text: ""
text:
  description: What was missed, is due and is next, for people.
  returned: when they were written
  type: list
  elements: str
  sample:
    - The portal was opened on 2026-12-06.
    - "Next: First visit: what disturbs people at work (d3), 2026-12-09"
"""
