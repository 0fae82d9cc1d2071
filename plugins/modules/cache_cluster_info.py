#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: cache_cluster_info
short_description: Ask one host of a cache of three how Redis and Sentinel are
version_added: 0.1.0
description:
  - Asks Redis and Sentinel of the host by their unix sockets, as the account that may only ask how they are.
  - A service that does not answer is no error - it is left out, and RV(problems) names it.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Nothing is changed.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  instances:
    description: The unix socket of each instance of Redis, by the name under which Sentinel watches it.
    type: dict
    required: true
  sentinel_socket:
    description: Sentinel's unix socket. A host that only leads to the cache has none.
    type: path
    default: ""
  members:
    description: How many hosts the cache has.
    type: int
    default: 3
seealso:
  - module: boxlift.portal.cache_cluster
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Ask who is the master
  boxlift.portal.cache_cluster_info:
    instances: {sessions: /run/redis-sessions/redis-server.sock}
    sentinel_socket: /run/sentinel/redis-sentinel.sock
  register: asked
"""

RETURN = r"""
roles:
  description: What each instance that answers is on this host, C(master) or C(slave).
  returned: success
  type: dict
  sample: {sessions: master, cache: slave}
masters:
  description: The address of each name's master, as Sentinel says. Names that it does not watch are left out.
  returned: success
  type: dict
  sample: {sessions: 192.0.2.21, cache: 192.0.2.22}
problems:
  description: What keeps the cache from being whole, as this host sees it.
  returned: success
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster import state
from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster.resp import Refused, Silent, open_socket


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "dict", "required": True},
            "sentinel_socket": {"type": "path", "default": ""},
            "members": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    given: dict[str, t.Any] = module.params
    found: list[state.Instance] = []
    watches: dict[str, state.Watch] = {}
    silent = []
    for name, socket in given["instances"].items():
        try:
            with open_socket(str(socket)) as client:
                found.append(state.read_instance(name, state.log_in(client)))
        except (Refused, Silent) as problem:
            silent.append(problem.message)
    if given["sentinel_socket"]:
        try:
            with open_socket(given["sentinel_socket"]) as client:
                watches = state.read_watches(state.log_in(client))
        except (Refused, Silent) as problem:
            silent.append(problem.message)
    module.exit_json(
        changed=False,
        roles={instance.name: instance.role for instance in found},
        masters={name: watch.master for name, watch in watches.items()},
        problems=silent + (state.problems(found, watches, given["members"]) if given["sentinel_socket"] else []),
    )


if __name__ == "__main__":
    main()
