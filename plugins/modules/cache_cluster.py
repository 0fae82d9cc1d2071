#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: cache_cluster
short_description: Leave the masters of one cache host to others, restart what is outdated, or wait until all is whole
version_added: 0.1.0
description:
  - For a host of a cache of three, on which Redis and Sentinel run. It asks both by their unix sockets.
  - Before Redis is restarted where it is the master, another host becomes the master, as Sentinel decides.
  - After each restart it waits until the cache is whole again. If that fails, nothing further is restarted.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Says what would be handed over or restarted. It does not wait.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(whole) waits until the cache is whole, as this host sees it.
      - V(handed_over) leaves every mastery of this host to others.
      - V(current) restarts services that have started before a file of theirs was written.
    type: str
    choices: [current, handed_over, whole]
    default: whole
  instances:
    description: The instances of Redis.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name under which Sentinel watches it.
        type: str
        required: true
      unit:
        description: Its unit of systemd.
        type: str
        required: true
      socket:
        description: Its unix socket.
        type: path
        required: true
      files:
        description: The files that it reads when it starts.
        type: list
        elements: path
        default: []
  sentinel:
    description: The Sentinel of this host.
    type: dict
    required: true
    suboptions:
      unit:
        description: Its unit of systemd.
        type: str
        required: true
      socket:
        description: Its unix socket.
        type: path
        required: true
      files:
        description: The files that it reads when it starts.
        type: list
        elements: path
        default: []
  members:
    description: How many hosts the cache has.
    type: int
    default: 3
  password:
    description: The password of Sentinel's account C(operator), which may ask for a failover.
    type: str
    default: ""
  replicas_only:
    description: Whether V(current) leaves alone what is a master.
    type: bool
    default: false
  timeout:
    description: Seconds after which waiting is an error.
    type: int
    default: 120
seealso:
  - module: boxlift.portal.cache_cluster_info
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Leave the masters of this host to others before it is updated
  boxlift.portal.cache_cluster:
    state: handed_over
    password: "{{ operator_password }}"
    instances:
      - {name: sessions, unit: redis-server@sessions.service, socket: /run/redis-sessions/redis-server.sock}
    sentinel: {unit: redis-sentinel.service, socket: /run/sentinel/redis-sentinel.sock}
"""

RETURN = r"""
handed_over:
  description: The names whose master was this host before.
  returned: success
  type: list
  elements: str
  sample: [sessions]
restarted:
  description: The units that were restarted, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [redis-server@sessions.service]
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.cache_cluster.changes import Host, Service
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of


def main() -> None:
    service: dict[str, t.Any] = {
        "unit": {"type": "str", "required": True},
        "socket": {"type": "path", "required": True},
        "files": {"type": "list", "elements": "path", "default": []},
    }
    named = {"name": {"type": "str", "required": True}, **service}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["current", "handed_over", "whole"], "default": "whole"},
            "instances": {"type": "list", "elements": "dict", "required": True, "options": named},
            "sentinel": {"type": "dict", "required": True, "options": service},
            "members": {"type": "int", "default": 3},
            "password": {"type": "str", "default": "", "no_log": True},
            "replicas_only": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )

    def run(argv: t.Sequence[str]) -> tuple[int, str]:
        code, out, problem = module.run_command(list(argv))
        return code, out if code == 0 else problem or out

    given: dict[str, t.Any] = module.params
    host = Host(
        instances=[_service(each, each["name"]) for each in given["instances"]],
        sentinel=_service(given["sentinel"], ""),
        members=given["members"],
        run=run,
        now=time.monotonic,
        pause=time.sleep,
        password=given["password"],
    )
    try:
        handed, restarted = _settle(host, given, module.check_mode)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(changed=bool(handed or restarted), handed_over=handed, restarted=restarted)


def _service(given: t.Mapping[str, t.Any], name: str) -> Service:
    return Service(name, given["unit"], given["socket"], tuple(given["files"]))


def _settle(host: Host, given: t.Mapping[str, t.Any], only_predict: bool) -> tuple[list[str], list[str]]:
    """The names handed over, and the units restarted."""
    if given["state"] == "current":
        if only_predict:
            return [], [service.unit for service in host.outdated()]
        restarted, handed = host.renew(given["replicas_only"], given["timeout"])
        return handed, restarted
    if given["state"] == "handed_over":
        return (host.masters_here() if only_predict else host.hand_over(given["timeout"])), []
    if not only_predict:
        host.await_whole(given["timeout"])
    return [], []


if __name__ == "__main__":
    main()
