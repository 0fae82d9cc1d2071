#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: gluster_volume
short_description: Have three hosts keep a volume of GlusterFS, or wait until each of them has all files
version_added: 0.1.0
description:
  - For one of the hosts that keep the volume. It has them know each other, creates the volume, sets its options and
    starts it.
  - Each host has every file. With O(arbiter) the last one has names alone, which is enough to vote.
  - It moves no brick by itself. A volume that lies on other hosts is refused, unless O(lost) names the one that is
    gone.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Says what would change. It does not wait.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) brings hosts and volume into their state.
      - V(whole) changes nothing, and waits until every brick is there and no file waits to be healed.
    type: str
    choices: [present, whole]
    default: present
  name:
    description: The volume.
    type: str
    required: true
  address:
    description: The address of this host among O(hosts).
    type: str
    required: true
  hosts:
    description: Addresses of the three hosts that keep the volume, in a fixed order.
    type: list
    elements: str
    required: true
  path:
    description: The folder in which each of them keeps it.
    type: path
    required: true
  arbiter:
    description: Whether the last host keeps names and no contents.
    type: bool
    default: false
  options:
    description: Options of the volume, by GlusterFS's names. Others stay as they are.
    type: dict
    default: {}
  lost:
    description:
      - The address of a host that is gone for good. Its part of the volume goes to the host that stands in its place
        in O(hosts), and the other hosts forget it.
      - It is refused where that host answers.
      - Run it on a host that has had a part before.
    type: str
    default: ""
  whole_within:
    description: Seconds after which waiting for a whole volume is an error. V(0) does not wait with O(state=present).
    type: int
    default: 120
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Keep the portal's uploads on three hosts
  boxlift.portal.gluster_volume:
    name: portal
    address: 192.0.2.21
    hosts: [192.0.2.21, 192.0.2.22, 192.0.2.23]
    path: /srv/gluster/portal
    options:
      network.ping-timeout: "10"

- name: Give the part of 192.0.2.22, which burned, to 192.0.2.24
  boxlift.portal.gluster_volume:
    name: portal
    address: 192.0.2.21
    hosts: [192.0.2.21, 192.0.2.24, 192.0.2.23]
    path: /srv/gluster/portal
    lost: 192.0.2.22
    whole_within: 3600

- name: Wait until a host that was away has what was written meanwhile
  boxlift.portal.gluster_volume:
    state: whole
    name: portal
    address: 192.0.2.21
    hosts: [192.0.2.21, 192.0.2.22, 192.0.2.23]
    path: /srv/gluster/portal
    whole_within: 3600
"""

RETURN = r"""
joined:
  description: The hosts that this one did not know before.
  returned: success
  type: list
  elements: str
  sample: [192.0.2.22, 192.0.2.23]
done:
  description: What was changed, or would be in check mode, a sentence each.
  returned: success
  type: list
  elements: str
  sample: [created the volume portal of 3 hosts, set network.ping-timeout, started portal]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.gluster import HOSTS, Gluster, Wanted


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "whole"], "default": "present"},
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "path": {"type": "path", "required": True},
            "arbiter": {"type": "bool", "default": False},
            "options": {"type": "dict", "default": {}},
            "lost": {"type": "str", "default": ""},
            "whole_within": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    given = module.params
    wanted = Wanted(
        name=given["name"],
        hosts=tuple(given["hosts"]),
        path=given["path"],
        arbiter=given["arbiter"],
        options={key: str(value) for key, value in given["options"].items()},
    )
    joined: list[str] = []
    done: list[str] = []
    gluster = Gluster()
    try:
        if len(set(wanted.hosts)) != HOSTS or given["address"] not in wanted.hosts:
            raise BoxliftError(
                f"hosts is {', '.join(wanted.hosts)} and address {given['address']}.",
                f"Give {HOSTS} different addresses, and one of them as that of this host.",
            )
        if given["state"] == "present":
            joined = gluster.join(given["address"], wanted.hosts, dry=module.check_mode)
            done = gluster.bring(wanted, given["lost"], dry=module.check_mode)
        if not module.check_mode and (given["state"] == "whole" or given["whole_within"] > 0):
            gluster.wait_until_whole(wanted, given["whole_within"])
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(changed=bool(joined or done), joined=joined, done=done)


if __name__ == "__main__":
    main()
