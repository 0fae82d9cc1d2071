# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.size; the work is done on the controller by plugins/action/size.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: size
short_description: Say which hosts a portal needs, and how long its move takes
version_added: 0.4.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Answers before anything of a site exists. It knows how many people work with the portal, how big its backup is, and
    how fast the line is.
  - Times come from the forecast of the plan, as M(boxlift.portal.move_info) makes it. Measurements that the collection
    ships take the place of a rehearsal. Each time says what it is made of.
  - Steps of people take what the plan estimates.
  - Hosts come from assumptions, which are listed beside the answer and can be replaced.
  - As soon as there is a journal of a rehearsal, M(boxlift.portal.move_info) knows better.
  - It needs no host and no network.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The file is a page for people.
  idempotent:
    support: full
options:
  people:
    description: How many people use the portal.
    type: raw
    required: true
  gigabytes:
    description: Size of the backup in units of 10⁹ bytes.
    type: raw
    required: true
  link_mbit:
    description: What the line gives over which the backup comes, in Mbit/s. The source may give less.
    type: raw
    required: true
  database_gigabytes:
    description: Size of the database with its indexes. Without it, half of the backup is assumed, as preflight does.
    type: raw
  measured:
    description:
      - Measurements of this site that replace those that are shipped, each with C(gigabytes) and C(seconds).
      - The names are those of docs/scale.md.
    type: dict
    default: {}
  assumed:
    description: Assumptions with other values, by their names in docs/scale.md.
    type: dict
    default: {}
  plan:
    description: Path of the site's plan, or the plan itself. Without it the usual plan counts.
    type: raw
  dest:
    description: Folder on the controller for the page C(size.html). Without it no page is written.
    type: path
seealso:
  - module: boxlift.portal.plan
  - module: boxlift.portal.move_info
"""

EXAMPLES = r"""
- name: Say what a portal of 800 people needs
  boxlift.portal.size:
    people: 800
    gigabytes: 400
    link_mbit: 200
    dest: boxlift-size
  register: sized
  delegate_to: localhost

- name: Say it with what the rehearsal measured, for people who all work at the same time
  boxlift.portal.size:
    people: 800
    gigabytes: 400
    link_mbit: 200
    database_gigabytes: 60
    measured:
      restore_files: {gigabytes: 380, seconds: 3300}
      restore_database: {gigabytes: 60, seconds: 6000}
    assumed:
      online: 1
  delegate_to: localhost
"""

RETURN = r"""
html:
  description: Path of the page. Empty without O(dest).
  returned: success
  type: str
  sample: /home/operator/boxlift-size/size.html
text:
  description: The answer in lines.
  returned: success
  type: list
  elements: str
  sample: ["One host carries it.", "The night, in which nobody works: P50 1 h 8 min, P80 1 h 57 min"]
size:
  description: The same as data.
  returned: success
  type: dict
  contains:
    several:
      description: Whether the site needs several hosts.
      type: bool
    reason:
      description: What one host lacks.
      type: str
    hosts:
      description: The hosts, with their groups, their number, cores, memory in GiB, disk in bytes, and why.
      type: list
      elements: dict
    phases:
      description: The times until the night, of the night, and of both. P50 and P80 are in seconds.
      type: list
      elements: dict
    steps:
      description: The same of each step of the plan.
      type: list
      elements: dict
    beside:
      description: The same of what is done beside the plan, such as a full copy for pre-production.
      type: list
      elements: dict
    measured:
      description: The measurements, with amount in bytes, seconds and source.
      type: list
      elements: dict
    assumed:
      description: The assumptions, with value and reason.
      type: list
      elements: dict
  sample:
    several: false
    reason: ""
    hosts:
      - groups: web, database, cache, push
        count: 1
        cores: 10
        memory_gib: 48
        disk: 1333333333334
        why: 20 processes of PHP
"""
