#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: host_services
short_description: Run several services of a host, now and at boot, and prove that they answer
version_added: 0.1.0
description:
  - Enables and starts systemd's services that are not, all in one step. systemd reads units again where their files are
    newer than what it knows.
  - Then connects to each of O(ports). A service that runs and does not answer is a failure, also where nothing had to
    be started.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Units that are not there yet are no failure, and ports are not asked.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  names:
    description: Full names of the units, such as V(nginx.service).
    type: list
    elements: str
    required: true
  ports:
    description: TCP ports that have to take connections, by the names of their units.
    type: dict
    default: {}
  address:
    description: Address that O(ports) are asked at.
    type: str
    default: 127.0.0.1
  timeout:
    description: How many seconds O(ports) have.
    type: int
    default: 30
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Run the push server's processes
  boxlift.portal.host_services:
    names: [push-server@sub-8010.service, push-server@pub-9010.service]
    ports:
      push-server@sub-8010.service: 8010
      push-server@pub-9010.service: 9010
"""

RETURN = r"""
started:
  description: The services that were started, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [push-server@pub-9010.service]
enabled:
  description: The services that were enabled, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [push-server@pub-9010.service]
diff:
  description: Both, as Ansible shows differences.
  returned: success
  type: dict
  contains:
    before:
      description: The services that did not run, or not at boot.
      type: dict
    after:
      description: The same services afterwards.
      type: dict
  sample:
    before: {stopped: [push-server@pub-9010.service]}
    after: {started: [push-server@pub-9010.service]}
"""

import socket
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import host_services
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of


def connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def run(module: AnsibleModule) -> None:
    def command(argv: t.Sequence[str]) -> tuple[int, str]:
        code, out, err = module.run_command(list(argv))
        return code, err if code != 0 and err.strip() else out

    params = module.params
    ports = {}
    for name, port in params["ports"].items():
        if name not in params["names"] or not str(port).isdecimal():
            raise BoxliftError(f"ports has {name}: {port}.", "Give a number for a service that names has, too.")
        ports[name] = int(port)
    needed = host_services.settle(params["names"], command, only_predict=module.check_mode)
    if not module.check_mode:
        host_services.prove(ports, params["address"], connects, time.monotonic, time.sleep, params["timeout"])
    lists = (("stopped", "started", needed.start), ("disabled", "enabled", needed.enable))
    module.exit_json(
        changed=bool(needed.commands),
        started=needed.start,
        enabled=needed.enable,
        diff={
            "before": {before: names for before, _after, names in lists if names},
            "after": {after: names for _before, after, names in lists if names},
        },
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "ports": {"type": "dict", "default": {}},
            "address": {"type": "str", "default": "127.0.0.1"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
