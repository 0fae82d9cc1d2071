# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.incident, which works on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: incident
short_description: Open, note, hand over and close incidents of a portal in operation
version_added: 0.3.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - The one entrance for incidents. Each is a number, a title, a class, an owner, and what is said of it until it is
    closed with its cause and its cure.
  - They stand in the site's records, a chained file beside the journal to which lines are only added. Times are those
    at which a line was written.
  - While an incident is open, M(boxlift.portal.notify) tells its people within 5 minutes, and then at least every 20
    minutes (V(critical)) or every 30 minutes (V(normal)). Its end is told too.
  - This module says what is due and overdue.
  - The people who hear are settled when it is opened.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.service
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A line that is added differs from nothing.
  idempotent:
    support: full
    details: An open incident of the same title, or of the same group of alerts, is not opened again.
options:
  action:
    description:
      - What to do. V(list) writes nothing.
      - V(close) needs O(cause) and O(cure).
    type: str
    choices: [list, open, note, hand_over, close]
    default: list
  number:
    description: The incident's number. It may be left out where one is open.
    type: int
    default: 0
  title:
    description: What is wrong, in a few words.
    type: str
    default: ""
  class:
    description: V(critical) where people cannot work, V(normal) where they can.
    type: str
    choices: [critical, normal]
    default: critical
  owner:
    description:
      - Who is at it, a person or an organisation of the plan.
      - Without it, a new incident belongs to the first person of the plan with the role C(operator).
    type: str
    default: ""
  users:
    description: What people notice, in their words.
    type: str
    default: ""
  text:
    description: What is new. People hear it with the next notice.
    type: str
    default: ""
  cause:
    description: Why it happened.
    type: str
    default: ""
  cure:
    description: What was done.
    type: str
    default: ""
  told:
    description: People of the plan who have just heard by telephone. With O(action=note).
    type: list
    elements: str
    default: []
  began:
    description: When it began, if that is known. Nothing is computed from it.
    type: str
    default: ""
  audience:
    description:
      - Organisations of the plan whose people hear of it.
      - Without it C(contractor) and C(customer), and C(sales) too for a C(vip) O(customer_class).
    type: list
    elements: str
    default: []
  alerts:
    description:
      - A file with the JSON that Alertmanager posts to a webhook. A group of alerts opens an incident. What is new of
        it is noted while that one is open. A critical alert that joins makes it critical. Resolved alerts are noted,
        and close nothing.
      - O(action) is not looked at then.
    type: path
  severities:
    description: Labels C(severity) of alerts that count. Without it both.
    type: list
    elements: str
    choices: [critical, warning]
  command:
    description: Where to write the short command for people at a telephone. It runs the playbook C(incident).
    type: path
  operator:
    description: Who says so; without it as in M(boxlift.portal.step).
    type: str
seealso:
  - module: boxlift.portal.notify
  - module: boxlift.portal.service_report
"""

EXAMPLES = r"""
- name: Open an incident
  boxlift.portal.incident:
    action: open
    title: Mail does not leave
    users: Invitations and notifications do not arrive.
    owner: operator
  delegate_to: localhost
  run_once: true

- name: Close it
  boxlift.portal.incident:
    action: close
    cause: The relay's certificate had expired.
    cure: The relay has a new one, and the queue is empty.
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
records:
  description: Path of the site's records.
  returned: success
  type: str
  sample: /home/operator/site/journal/service.records
number:
  description: The incident's number.
  returned: when something was to be written
  type: int
  sample: 7
incidents:
  description: All incidents. Times are in seconds since the epoch; C(next) is until when somebody must hear next.
  returned: success
  type: list
  elements: dict
  sample:
    - number: 7
      title: Mail does not leave
      class: critical
      owner: operator
      opened: 1796044500.0
      closed:
      sent: 8
      late: 0
      next: 1796045700.0
text:
  description: Open incidents, and what is due and overdue, for people.
  returned: success
  type: list
  elements: str
  sample:
    - "Incident 7 (critical), open for 12 min, Li Wei: Mail does not leave"
    - "  Next notice by 2026-11-30 14:32 CET: Anna Schmidt, Ravi Kumar"
"""
