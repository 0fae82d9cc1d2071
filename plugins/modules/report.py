# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.report; the work is done on the controller by plugins/action/report.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Make the report of a move from its journal
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Writes C(report.html), one self-contained page that loads nothing from anywhere, and C(report.json) with the same
    content, from the journals that the callback P(boxlift.portal.journal#callback) wrote. It needs no host and no
    network.
  - The page says in one sentence whether people can work, and with what limits, then the findings with their remedies,
    the most urgent first, every step and its time as a chart, the parts of the backup with their verdicts, what was
    restored, and what went wrong on the way.
  - With O(plan) it says besides which waivers are in force, what is left to do for each organisation and until when,
    how planned, rehearsal and final compare, who waited for whom, how long nobody could work, and when visits are. Its
    last part is the acceptance protocol, to be printed and signed.
  - The same journals always give the same report, byte for byte; with O(plan), on the same O(today). The report's own
    task is no part of it.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A page of HTML is not worth reading as a diff.
  idempotent:
    support: full
options:
  journal:
    description:
      - Journals, or folders in which every C(*.jsonl) is one. A folder stands for one move.
      - Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write, and where none
        is configured the folder C(boxlift-journal) in the working directory.
    type: list
    elements: path
  dest:
    description:
      - Folder on the controller for the two files. It is made where it does not exist.
      - The files are readable by their owner alone, because findings tell a stranger where a site is weak.
    type: path
    required: true
  title:
    description: Headline of the page. Without it the site's domain is named.
    type: str
  plan:
    description:
      - The site's plan of the move, as the path of its file or as a mapping. Without it the report is made from the
        journals alone.
    type: raw
  today:
    description:
      - The day from which it is judged what is late and which waivers are in force, such as V(2026-11-28). Without it
        the day of the journals' last entry. Only used with O(plan).
    type: str
seealso:
  - plugin: boxlift.portal.journal
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Make the report of this move
  boxlift.portal.report:
    dest: reports/{{ site_domain }}
  delegate_to: localhost
  run_once: true

- name: Make the report of the rehearsal, from two journals
  boxlift.portal.report:
    journal:
      - boxlift-journal/rehearse-20260418T180411Z.jsonl
      - boxlift-journal/health-20260419T065704Z.jsonl
    dest: reports/rehearsal
    title: Rehearsal of the move, 18 April
  delegate_to: localhost
  run_once: true

- name: Make the report of a move by its plan, with the acceptance protocol
  boxlift.portal.report:
    journal:
      - journal/move.jsonl
    plan: plan.yml
    today: "{{ now(fmt='%Y-%m-%d') }}"
    dest: reports/{{ site_domain }}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
html:
  description: Path of the page.
  returned: success
  type: str
  sample: /home/operator/reports/portal.example.com/report.html
json:
  description: Path of the same content as JSON.
  returned: success
  type: str
  sample: /home/operator/reports/portal.example.com/report.json
result:
  description: Whether people can work, and with what limits.
  returned: success
  type: dict
  contains:
    level:
      description: One of V(ok), V(warn), V(unknown) and V(bad).
      type: str
    text:
      description: The same in one sentence.
      type: str
  sample:
    level: bad
    text: "People can work, with limits: Messenger and live updates (push.server). 1 of 13 checks failed."
"""
