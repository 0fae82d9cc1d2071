# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.envelopes; the work is done by plugins/action/envelopes.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: envelopes
short_description: Make the key of a dictated move, and the codes for its sealed envelopes
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Makes the file C(supervision.key) on the supervisor's machine. It holds the key of 32 random bytes, by which
    go-codes and read-backs are made, and hashes (scrypt) of the codes in the envelopes.
  - The same file is copied to the site, beside its journal, on the bundle's medium. A site that has it is a dictated
    one.
  - An envelope is opened where the line is dead. Its code serves once, for one purpose. How many there are for what
    stands in the plan, under C(supervision).
  - The codes are shown on the terminal, or written to O(pages) for printing. They are kept nowhere else.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Nothing is made.
  diff_mode:
    support: none
    details: What is made is secret.
  idempotent:
    support: full
    details: A file that is there stays as it is, unless O(renew) is true.
options:
  dest:
    description: Where the file goes. Without it C(supervision.key) beside the journal.
    type: path
  pages:
    description:
      - A file that the codes are written to as JSON, with mode 0600, to be printed and then removed. It must not be
        there.
      - Without it they are shown on the terminal.
    type: path
  renew:
    description: Whether a new key and new envelopes take the place of those that are there. Old codes are void then.
    type: bool
    default: false
  plan:
    description: The site's plan, as its file or the plan itself.
    type: raw
  journal:
    description:
      - The journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write.
    type: path
seealso:
  - module: boxlift.portal.supervise
  - module: boxlift.portal.read_back
"""

EXAMPLES = r"""
- name: Make key and envelopes
  boxlift.portal.envelopes:
    pages: envelopes.json
    plan: "{{ migration_plan }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
dest:
  description: Path of the file with the key.
  returned: success
  type: str
  sample: /home/supervisor/site/journal/supervision.key
envelopes:
  description: What each envelope is for.
  returned: success
  type: list
  elements: str
  sample: [stop, stop, rollback, resume, resume]
plan:
  description: The plan's checksum in digits, as both sides compare it.
  returned: success
  type: str
  sample: 14209 50678 12270
"""
