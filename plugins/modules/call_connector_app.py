#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: call_connector_app
short_description: Put the call connector's program on a host
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Writes the program C(call-connector), which tells the portal of the exchange's calls, as one file that Python runs.
    It is made of the library that this module itself consists of, so nothing is fetched and nothing is built.
  - The same version of the collection gives the same bytes. The file is replaced in one step; a program that runs goes
    on with what it has read.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A packed program is not worth reading as a diff.
  idempotent:
    support: full
options:
  path:
    description: Where the program is put, mode C(0755). Its folder must exist.
    type: path
    default: /usr/local/bin/call-connector
seealso:
  - module: boxlift.portal.host_services
"""

EXAMPLES = r"""
- name: Put the program in place
  boxlift.portal.call_connector_app:
"""

RETURN = r"""
path:
  description: Where the program is.
  returned: success
  type: str
  sample: /usr/local/bin/call-connector
sha256:
  description: SHA-256 of the program.
  returned: success
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
"""

import hashlib
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.package import application

MODE = 0o755


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "default": "/usr/local/bin/call-connector"}}, supports_check_mode=True
    )
    path = module.params["path"]
    try:
        program = application()
        changed = not _is_there(path, program)
        if changed and not module.check_mode:
            replace_file(path, program, MODE)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(changed=changed, path=path, sha256=hashlib.sha256(program).hexdigest())


def _is_there(path: str, program: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read() == program and os.fstat(stream.fileno()).st_mode & 0o7777 == MODE
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main()
