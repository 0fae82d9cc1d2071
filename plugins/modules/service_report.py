# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.service_report, which works on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_report
short_description: Say what a month of operation was like
version_added: 0.3.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Writes C(service-MONTH.html) and C(service-MONTH.json) on the controller. The first line is for a manager.
  - It tells availability, incidents and whether their notices came in time, copies and rehearsed restores, what is
    ahead (certificate, licences, room), what is owed, and visits.
  - Every figure comes from the site's records, from repositories and from measurements. One that is not known says so,
    and why. Nothing is computed from what was typed.
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
    details: The same answers give the same files.
options:
  month:
    description: A month of the plan's time zone, such as V(2026-11). Without it the last one that is over.
    type: str
    default: ""
seealso:
  - module: boxlift.portal.incident
  - module: boxlift.portal.visits
  - module: boxlift.portal.report
"""

EXAMPLES = r"""
- name: Write the report of the last month, with what Prometheus and the hosts have answered
  boxlift.portal.service_report:
    dest: boxlift-service
    plan: "{{ migration_plan }}"
    prometheus: "{{ hostvars['monitor']['service_prometheus'] }}"
    entitlements:
      portal-prod: "{{ hostvars['portal-prod']['service_entitlements'] }}"
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
html:
  description: The page.
  returned: when it was written
  type: str
  sample: /home/operator/site/boxlift-service/service-2026-11.html
json:
  description: The same as data.
  returned: when it was written
  type: str
  sample: /home/operator/site/boxlift-service/service-2026-11.json
result:
  description: The first line, and its level (V(ok), V(warn), V(unknown) or V(bad)).
  returned: when it was written
  type: dict
  sample:
    level: ok
    text: >-
      The portal could be reached 99.98 % of the time in November 2026. 1 incident, over; no notice came late. A
      proven copy of every night; the last rehearsed restore took 38 min 30 s.
unknown:
  description: What is not known, each with the reason.
  returned: when it was written
  type: list
  elements: dict
  sample:
    - what: Certificate
      why: "Prometheus did not answer: Connection refused"
"""
