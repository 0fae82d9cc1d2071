#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_info
short_description: Say what a portal is - version, modules, how much of everything, how new
version_added: 0.1.0
description:
  - Reads a portal's files and database and says what it is. The figures of the backup's portal are the 'before' that
    the restored one is compared with.
  - Nothing is executed and nothing is changed.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
options:
  document_root:
    description:
      - Directory that holds C(bitrix/). Without it, versions and modules are not known.
      - Without O(database) the credentials are taken from its C(.settings.php).
    type: path
  state_dir:
    description: The directory with the register of what restores have made live, for RV(generation).
    type: path
    default: /var/lib/boxlift/restore
    version_added: 0.2.0
seealso:
  - module: boxlift.portal.portal_health
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Look at the restored portal
  boxlift.portal.portal_info:
    document_root: /srv/portal/www
  register: after

- name: Look at a database alone
  boxlift.portal.portal_info:
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal_staging
  register: staging
"""

RETURN = r"""
generation:
  description:
    - Number of the portal's state that is live there, as M(boxlift.portal.portal_rollback) names it. A restore makes a
      new one, and a rollback brings a former one back.
    - Null without O(document_root), and where no restore has noted what is live.
  returned: always
  type: int
  sample: 3
portal:
  description: What the portal is.
  returned: always
  type: dict
  contains:
    version:
      description: Version of the portal's kernel (module main); null without O(document_root).
      type: str
    modules:
      description: Versions of the modules whose files are there, by their names.
      type: dict
    registered:
      description: The modules that the database calls installed.
      type: list
      elements: str
    encoding:
      description: C(utf_mode) of C(.settings.php), and the database's character set and collation.
      type: dict
    counts:
      description: How many there are of each kind; null where the module that keeps them is not installed.
      type: dict
    newest:
      description: When the newest of each kind came, in the database's time; null where there is none.
      type: dict
    fingerprint:
      description: SHA-256 of all the above. Equal fingerprints mean equal figures.
      type: str
  sample:
    version: 26.250.100
    modules: {main: 26.250.100, tasks: 26.100.0}
    registered: [main, tasks]
    encoding: {utf_mode: true, database_charset: utf8mb4, database_collation: utf8mb4_unicode_ci}
    counts: {users: 120, tasks: 5321, leads: 48211, deals: null}
    newest: {users: "2026-04-13 18:03:11", tasks: "2026-04-13 17:59:40", leads: null}
    fingerprint: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.info import gather
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import choose_login, portal_connection
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import Generations
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS


def generation(document_root: str | None, state_dir: str) -> int | None:
    live = Generations(Trees(document_root), state_dir, None).live if document_root else None
    return t.cast("int", live["number"]) if live else None


def run(module: AnsibleModule) -> None:
    root, database = module.params["document_root"], module.params["database"]
    files = PortalFiles(root) if root else None
    with portal_connection(*choose_login(database, root)) as conn:
        portal = gather(files, conn)
    module.exit_json(changed=False, portal=portal, generation=generation(root, module.params["state_dir"]))


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            **DATABASE_OPTIONS,
            "document_root": {"type": "path"},
            "state_dir": {"type": "path", "default": "/var/lib/boxlift/restore"},
        },
        required_one_of=[["database", "document_root"]],
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
