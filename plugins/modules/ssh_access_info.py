#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_access_info
short_description: Tell how Ansible itself gets onto a host
version_added: 0.1.0
description:
  - Says which address the host sees Ansible come from, which account it logs in as, and whether it has a password for
    that. Whoever narrows the access to a host asks this first.
  - Behind a bastion or an address translation, the address is the one that the host sees.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
options: {}
seealso:
  - module: boxlift.portal.guarded_files
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: See how Ansible gets in
  boxlift.portal.ssh_access_info:
  register: access

- name: Refuse to lock it out
  ansible.builtin.assert:
    that: not access.by_ssh or access.address is ansible.utils.in_network('192.0.2.0/24')
"""

RETURN = r"""
by_ssh:
  description: Whether Ansible came over SSH. Over another connection, all other values are empty.
  returned: success
  type: bool
  sample: true
address:
  description: The address that the host sees Ansible come from.
  returned: success
  type: str
  sample: 192.0.2.7
port:
  description: The host's port that it came to; V(0) where not over SSH.
  returned: success
  type: int
  sample: 22
account:
  description: The account that logged in, before C(become).
  returned: success
  type: str
  sample: admin
has_password:
  description: >-
    Whether Ansible was given a password for the log-in, by C(ansible_password) or C(--ask-pass). Without one it logs
    in by key only, since it then forbids SSH to try anything else.
  returned: success
  type: bool
  sample: false
"""

import os
import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.ssh_session import Process, parsed, session_of


def process(pid: int) -> Process:
    with open(f"/proc/{pid}/status", "rb") as status, open(f"/proc/{pid}/environ", "rb") as environ:
        return parsed(status.read(), environ.read(), name_of)


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def run(module: AnsibleModule) -> None:
    found = session_of(os.getpid(), process)
    module.exit_json(
        changed=False,
        by_ssh=found is not None,
        address=found.address if found else "",
        port=found.port if found else 0,
        account=found.account if found else "",
        has_password=False,
    )


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
