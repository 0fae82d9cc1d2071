# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.crm_report; the work is done on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: crm_report
short_description: Make the page of a CRM transfer
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Reads the result that M(boxlift.portal.crm_transfer) wrote on its host, and makes one HTML page of it on the
    controller. The page loads nothing from anywhere, and prints well.
  - Its first line says to those who decide whether the target may be opened. What follows is for those who look into
    it, such as the counts of each kind, what differs, what was left behind and why, and how long it took.
  - The page holds data of clients. It is written with mode 0600.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Two pages differ in every number.
  idempotent:
    support: full
options:
  result:
    description: The result's path on the host of the task, as M(boxlift.portal.crm_transfer) returned it.
    type: str
    required: true
  dest:
    description: The page's path on the controller. Missing folders are made.
    type: path
    required: true
seealso:
  - module: boxlift.portal.report
"""

EXAMPLES = r"""
- name: Make the page of the final transfer
  boxlift.portal.crm_report:
    result: /var/lib/boxlift-crm/move-1/final-result.json
    dest: reports/crm-final.html
"""

RETURN = r"""
html:
  description: Path of the page on the controller.
  returned: success
  type: str
  sample: /home/operator/site/reports/crm-final.html
grade:
  description: V(perfect), V(good), V(investigate) or V(poor).
  returned: success
  type: str
  sample: good
text:
  description: The page's first line.
  returned: success
  type: str
  sample: portal.example.com has everything that example.cloud.example.com has. What differs is listed, with the reason.
"""
