#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: upkeep_info
short_description: Say what is not in order on a host, and what an update has left to be restarted
version_added: 0.1.0
description:
  - Looks at failed units, at services of the portal that start with the host and do not run, at packages that dpkg has
    not completed, at services that run replaced files, and whether the host waits for a restart.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
options:
  known:
    description: What was not in order before, RV(findings) of an earlier look.
    type: list
    elements: dict
    default: []
  patience:
    description: >-
      How many seconds are left to services that have just been restarted. It ends as soon as nothing is wrong that
      O(known) has not.
    type: int
    default: 0
seealso:
  - module: boxlift.portal.package_update
  - module: boxlift.portal.portal_health
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Look what is not in order
  boxlift.portal.upkeep_info:
  register: before

- name: See whether a restart has changed that
  boxlift.portal.upkeep_info:
    known: "{{ before.findings }}"
    patience: 60
  register: after
"""

RETURN = r"""
findings:
  description: What is not in order, each as a finding of M(boxlift.portal.portal_health).
  returned: success
  type: list
  elements: dict
  sample: [{id: "host: nginx.service has failed", area: host, status: fail, observed: nginx.service has failed}]
outdated:
  description: Services that run files which an update has replaced.
  returned: success
  type: list
  elements: str
  sample: [nginx.service]
reboot:
  description: Whether an update waits for a restart of the host.
  returned: success
  type: bool
  sample: false
"""

import os
import pathlib
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import night, services

REBOOT = "/run/reboot-required"
PROC = "/proc"


def run(module: AnsibleModule) -> None:
    def command(argv: t.Sequence[str]) -> tuple[int, str, str]:
        code, out, err = module.run_command(list(argv), environ_update={"LC_ALL": "C.UTF-8"})
        return code, out, err

    known = {str(finding.get("observed", "")) for finding in module.params["known"]}
    host = night.Host(command, night.answer, time.monotonic, time.sleep)
    night.settled(host, known, module.params["patience"])
    module.exit_json(
        changed=False,
        findings=[finding.as_dict() for finding in night.findings(host)],
        outdated=services.outdated(pathlib.Path(PROC)),
        reboot=os.path.exists(REBOOT),
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "known": {"type": "list", "elements": "dict", "default": []},
            "patience": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
