#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: packed_program
short_description: Put a program of this collection on a host
version_added: 0.1.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Writes a program as one file that Python runs. It is made of the library that this module itself consists of, so
    nothing is fetched and nothing is built.
  - C(call-connector) tells the portal of the exchange's calls. C(boxlift-crm) takes the nightly snapshots of a portal's
    CRM. C(boxlift-backup) takes the copies of a portal, proves them and keeps them. C(boxlift-database) guards the
    primary of a replicated database. C(boxlift-exporter) tells Prometheus of the health checks, and C(boxlift-status)
    makes the status page. C(boxlift-upkeep) looks after the unattended updates. C(boxlift-web) is for one of several
    web hosts of a portal.
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
  name:
    description: The program.
    type: str
    choices:
      - boxlift-backup
      - boxlift-crm
      - boxlift-database
      - boxlift-exporter
      - boxlift-status
      - boxlift-upkeep
      - boxlift-web
      - call-connector
    required: true
  path:
    description: >-
      Where the program is put, mode C(0755); by default C(/usr/local/bin/) and its name. The folder must exist.
    type: path
seealso:
  - module: boxlift.portal.host_services
"""

EXAMPLES = r"""
- name: Put the program in place
  boxlift.portal.packed_program:
    name: call-connector
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
from ansible_collections.boxlift.portal.plugins.module_utils.backup import command as boxlift_backup
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web import command as boxlift_web
from ansible_collections.boxlift.portal.plugins.module_utils.crm import command as boxlift_crm
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import command as boxlift_exporter
from ansible_collections.boxlift.portal.plugins.module_utils.monitoring import status_command as boxlift_status
from ansible_collections.boxlift.portal.plugins.module_utils.packing import packed
from ansible_collections.boxlift.portal.plugins.module_utils.replication import command as boxlift_database
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import command as call_connector
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import command as boxlift_upkeep

MODE = 0o755
# The import brings the program's library to the host.
COMMANDS = {
    "boxlift-backup": boxlift_backup.__name__,
    "boxlift-crm": boxlift_crm.__name__,
    "boxlift-database": boxlift_database.__name__,
    "boxlift-exporter": boxlift_exporter.__name__,
    "boxlift-status": boxlift_status.__name__,
    "boxlift-upkeep": boxlift_upkeep.__name__,
    "boxlift-web": boxlift_web.__name__,
    "call-connector": call_connector.__name__,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "choices": sorted(COMMANDS), "required": True},
            "path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    name = module.params["name"]
    path = module.params["path"] or f"/usr/local/bin/{name}"
    try:
        program = packed(COMMANDS[name])
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
