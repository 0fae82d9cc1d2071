# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.site_run, which works on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_run
short_description: Run a playbook for one site of many, in the site's own folder
version_added: 0.4.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Starts an C(ansible-playbook) of its own on the controller, in the site's folder.
  - The folder's C(ansible.cfg) names the layers of the inventory, the vault and the journal. Nothing of one site
    reaches another one.
  - It does not fail where the site fails, so that the other sites of a play go on. RV(state) tells, and
    M(boxlift.portal.fleet_summary) puts all sites together.
  - The output goes into a log beside the site's journal. What the site reached, and what failed there, comes from the
    journal.
  - Two runs at the same time for one site are refused.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: The site's playbook then runs in check mode.
  diff_mode:
    support: none
    details: It changes nothing itself.
  idempotent:
    support: partial
    details: As idempotent as the playbook.
options:
  folder:
    description: The site's folder on the controller. It has an C(ansible.cfg).
    type: path
    required: true
  playbook:
    description: The playbook, by the name of its collection such as C(boxlift.portal.health), or by its path.
    type: str
    required: true
  extra_vars:
    description: Variables as of C(--extra-vars). They are given in a file that nobody else can read.
    type: dict
    default: {}
  timeout_minutes:
    description:
      - After so many minutes the site's run is ended, so that one that hangs does not hold up the others.
      - Playbooks of this collection go on where they were.
      - Without it there is no limit.
    type: float
seealso:
  - module: boxlift.portal.fleet_summary
"""

EXAMPLES = r"""
- name: Look at the health of every site, eight at a time with -f 8
  boxlift.portal.site_run:
    folder: "{{ inventory_dir }}/sites/{{ inventory_hostname }}"
    playbook: boxlift.portal.health
    timeout_minutes: 30
  register: fleet_ran

- name: Update the packages of every site
  boxlift.portal.site_run:
    folder: "{{ inventory_dir }}/sites/{{ inventory_hostname }}"
    playbook: boxlift.portal.update
    extra_vars:
      update_security_only: true
  register: fleet_ran
"""

RETURN = r"""
state:
  description:
    - How it ended. V(done) is the only good one.
    - V(refused) is a site that was not begun, such as one without a folder.
  returned: success
  type: str
  sample: failed
status:
  description: Exit status of the site's C(ansible-playbook). Null if it was not begun.
  returned: success
  type: int
  sample: 2
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 41.7
tasks:
  description: How many tasks were run, counted once for each host.
  returned: success
  type: int
  sample: 96
reached:
  description: The last task that was run.
  returned: success
  type: str
  sample: Check the portal's health
failures:
  description: What failed. Where no task did, what C(ansible-playbook) itself said.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host.
      type: str
    task:
      description: The task.
      type: str
    message:
      description: What it said.
      type: str
  sample:
    - host: portal-prod
      task: Check the portal's health
      message: 2 findings failed.
journal:
  description: The site's journal.
  returned: success
  type: str
  sample: /home/operator/fleet/sites/example-berlin/journal/move.jsonl
log:
  description: The output of the run.
  returned: success
  type: str
  sample: /home/operator/fleet/sites/example-berlin/journal/health.log
"""
