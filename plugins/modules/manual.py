# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.manual; the work is done on the controller by plugins/action/manual.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: manual
short_description: Make the printed manual of a move that is dictated by telephone
version_added: 0.3.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Makes pages that print to A4 from the same plan that the playbooks run by. At a site where the contractor may not
    touch the keyboard, the site's operator works by them.
  - C(manual.html) has exactly one page for each item of the plan, with its number, purpose, owner and duration, the one
    short command, what the screen shows, what may be done then, the way back, and boxes to write into. Before them come
    the people, the rules, and a page for the security officer. One page names the SHA-256 of the playbooks behind it.
  - C(codes.html) is the supervisor's sheet, a line for each item.
  - C(envelopes.html) has a page for each sealed envelope. It is only made from O(envelopes), and it is removed without
    that option, so that no codes of an earlier plan are sealed.
  - C(mig) is the short command, and C(steps/NUMBER.json) holds the variables of each item. Numbers that the plan does
    not have any more are removed.
  - All pages are in the language of the plan, and load nothing from anywhere. Texts of the usual plan are translated;
    what the site has written itself stands as it is.
  - The footer of every page has the plan's checksum and a short id of this manual. Page 3 says how to prove the id.
  - The same plan always gives the same files, byte for byte. It needs no host and no network.
  - Where there is a journal, it says which manual is valid, with its SHA-256 (event C(manual)).
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
requirements:
  - jsonschema on the controller
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Of C(envelopes.html) only that it differs.
  idempotent:
    support: full
options:
  plan:
    description:
      - Path of the site's plan on the controller, or the plan itself as a mapping, as for M(boxlift.portal.plan).
      - Without it the manual is of the usual plan.
    type: raw
  dest:
    description:
      - Folder on the controller for the files. It is made where it does not exist. The playbooks of a site run in the
        folder above it that has C(ansible.cfg).
      - The files are readable by their owner alone.
    type: path
    required: true
  envelopes:
    description:
      - File with the codes for the sealed envelopes, as the playbook C(boxlift.portal.envelopes) writes it.
      - It must be readable by its owner alone, and made for this plan.
    type: path
  history:
    description:
      - Journals of rehearsals, or folders with them. Durations that they measured take the place of estimates.
      - Without them the same plan gives the same manual before and after its rehearsal.
    type: list
    elements: path
    default: []
  journal:
    description:
      - Journal in which the manual is noted. Without it, the one that the callback P(boxlift.portal.journal#callback)
        writes. If there is none, nothing is noted.
    type: path
seealso:
  - module: boxlift.portal.plan
"""

EXAMPLES = r"""
- name: Make the manual of a site
  boxlift.portal.manual:
    plan: "{{ inventory_dir }}/migration_plan.yml"
    dest: boxlift-manual
  delegate_to: localhost
  run_once: true

- name: Make it again with the durations that the rehearsal measured, and the pages to be sealed
  boxlift.portal.manual:
    plan: migration_plan.yml
    dest: boxlift-manual
    history: [journal/rehearsal.jsonl]
    envelopes: envelopes.yml
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
manual:
  description: Path of the operator's manual.
  returned: success
  type: str
  sample: /home/operator/site/boxlift-manual/manual.html
sheet:
  description: Path of the supervisor's sheet.
  returned: success
  type: str
  sample: /home/operator/site/boxlift-manual/codes.html
envelopes:
  description: Path of the pages to be sealed. Empty without O(envelopes).
  returned: success
  type: str
  sample: /home/operator/site/boxlift-manual/envelopes.html
command:
  description: Path of the short command.
  returned: success
  type: str
  sample: /home/operator/site/boxlift-manual/mig
sha256:
  description: SHA-256 of the operator's manual, as the journal has it.
  returned: success
  type: str
  sample: 9f2c1e0a7b5d4c3e8f6a1b2c3d4e5f60718293a4b5c6d7e8f901234567890abc
id:
  description: The short id in the footers.
  returned: success
  type: str
  sample: 306155351e25
plan_sha256:
  description: Checksum of the plan.
  returned: success
  type: str
  sample: ed157b5fc1006d1c3a5f6c0e6b1e6e7a1d1e64f6ce1ea3f5ce1c4c2b9d0f5a37
language:
  description: Language of the pages.
  returned: success
  type: str
  sample: en
pages:
  description: Number of pages of the operator's manual.
  returned: success
  type: int
  sample: 48
item_count:
  description: Number of items, each of which has one of the pages.
  returned: success
  type: int
  sample: 43
journal:
  description: The journal in which the manual is noted. Empty if there is none.
  returned: success
  type: str
  sample: /home/operator/site/journal/move.jsonl
"""
