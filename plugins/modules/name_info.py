# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action boxlift.portal.name_info; the work is done by plugins/action/name_info.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: name_info
short_description: Ask name servers how long a name is kept, and where it leads
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Asks each resolver, and the servers that hold the name's zone, one by one from the controller. Users sit behind
    several resolvers, and each keeps the old answer for its own time.
  - The finding C(name.ttl) says whether the name can be led elsewhere quickly. What a resolver tells is only what is
    left of the time in its memory, so that a server which holds the zone must say what is set; otherwise it is
    C(unknown).
  - The finding C(name.address), with O(expected), says whether every server leads the name there, and which one does
    not yet and for how long.
  - Findings fail nothing by themselves.
requirements:
  - dnspython on the controller
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It only asks.
  idempotent:
    support: full
options:
  name:
    description: The portal's name.
    type: str
    required: true
  resolvers:
    description:
      - Addresses of the resolvers that users ask, each as V(192.0.2.53) or V(192.0.2.53#5353).
      - Without any, those of the controller.
    type: list
    elements: str
    default: []
  most_ttl:
    description: The longest time in seconds that the name may be kept, so that a switch is quick.
    type: int
    default: 300
  expected:
    description: Where the name must lead, all addresses of the new portal. Without any this is not judged.
    type: list
    elements: str
    default: []
  wait_minutes:
    description: How long to go on asking until every server leads the name to O(expected).
    type: float
    default: 0
seealso:
  - module: boxlift.portal.step
"""

EXAMPLES = r"""
- name: See whether every resolver leads users to the new portal
  boxlift.portal.name_info:
    name: portal.example.com
    resolvers: [192.0.2.53, 198.51.100.53]
    expected: [203.0.113.10]
    wait_minutes: 10
  register: name

- name: Demand that it does
  ansible.builtin.assert:
    that: name.findings | rejectattr('status', 'equalto', 'pass') | list == []
    fail_msg: "{{ name.msg }}"
"""

RETURN = r"""
findings:
  description: C(name.ttl), and C(name.address) if O(expected) was given, as in M(boxlift.portal.portal_health).
  returned: success
  type: list
  elements: dict
  sample:
    - id: name.ttl
      area: name
      status: pass
      observed: 192.0.2.1 has set 300 s
      expected: 300 s at most
      remedy: ""
      owner: contractor
      reference: ""
answers:
  description: What each server said.
  returned: success
  type: list
  elements: dict
  contains:
    server:
      description: Its address.
      type: str
    addresses:
      description: Where it leads the name.
      type: list
      elements: str
    ttl:
      description: Seconds, the shortest of the chain to the addresses.
      type: int
    authoritative:
      description: Whether it holds the zone, so that C(ttl) is what is set and not what is left.
      type: bool
    problem:
      description: Why there are no addresses.
      type: str
  sample:
    - server: 192.0.2.1
      addresses: [203.0.113.10]
      ttl: 300
      authoritative: true
      problem: ""
msg:
  description: The findings in one line.
  returned: success
  type: str
  sample: "name.ttl: pass (192.0.2.1 has set 300 s)."
"""
