# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.fleet_summary, which works on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_summary
short_description: Say what a run over all sites came to
version_added: 0.4.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Puts together what M(boxlift.portal.site_run) returned for each site, the bad ones first, in lines and as
    C(fleet.json).
  - A site that gave no result counts as lost, and no site at all is no success.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The file is a report.
  idempotent:
    support: full
options:
  sites:
    description: By site, what M(boxlift.portal.site_run) returned.
    type: dict
    required: true
  playbook:
    description: The playbook that was run.
    type: str
    required: true
  dest:
    description: Folder on the controller for C(fleet.json).
    type: path
    required: true
seealso:
  - module: boxlift.portal.site_run
"""

EXAMPLES = r"""
- name: Put the sites together
  boxlift.portal.fleet_summary:
    sites: >-
      {{ dict(ansible_play_hosts_all
              | zip(ansible_play_hosts_all | map('extract', hostvars) | map(attribute='fleet_ran', default={}))) }}
    playbook: boxlift.portal.health
    dest: boxlift-fleet
  run_once: true
"""

RETURN = r"""
ok:
  description: Whether there was a site, and every one was done.
  returned: success
  type: bool
  sample: false
bad:
  description: The sites that were not done, the worst first.
  returned: success
  type: list
  elements: str
  sample: [example-berlin]
counts:
  description: How many sites ended in each state.
  returned: success
  type: dict
  sample: {done: 49, failed: 1}
text:
  description: The same in lines.
  returned: success
  type: list
  elements: str
  sample: ["50 sites: 1 failed, 49 done."]
json:
  description: Path of the file.
  returned: success
  type: str
  sample: /home/operator/fleet/boxlift-fleet/fleet.json
"""
