#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_rollback
short_description: Make a portal live again that a restore has replaced
version_added: 0.2.0
description:
  - Exchanges what is live and a generation that M(boxlift.portal.backup_restore) has kept, document root and database
    together. What was live stays as a generation under its own number, with everything that people wrote, and can be
    brought back in the same way.
  - The site has no document root while the databases are exchanged, so that nobody works on a tree with another tree's
    database. That is at most some seconds. Requests that are under way may end first, for 10 seconds.
  - Can be killed at any time; the next run completes what was begun. If the databases cannot be exchanged, the tree
    that was live comes back, and the error says why.
  - A number means the same generation for ever, also while it is live. So a second run with the same O(generation)
    changes nothing. Without O(generation) the last restore is taken back, and a second run changes nothing either.
  - Run C(boxlift.portal.configure) afterwards, as playbook C(boxlift.portal.rollback) does. It brings today's passwords
    and keys into the settings, and builds the index of Sphinx anew, which holds the texts of one database only.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
attributes:
  check_mode:
    support: full
    details: Refuses what can be seen without writing.
  diff_mode:
    support: none
    details: A whole portal is too large for a diff.
  idempotent:
    support: full
options:
  document_root:
    description: The portal's document root, as it was given to M(boxlift.portal.backup_restore).
    type: path
    required: true
  database:
    description:
      - The portal's database, and an account with the rights that M(boxlift.portal.backup_restore) needs.
      - Required where the generation has a database.
  generation:
    description:
      - Number of the generation that shall be live.
      - If not given, the one that the newest restore has replaced. Where people have worked with the portal since that
        restore, the number has to be given.
    type: int
  state_dir:
    description: The directory with the register, as it was given to M(boxlift.portal.backup_restore).
    type: path
    default: /var/lib/boxlift/restore
seealso:
  - module: boxlift.portal.backup_restore
author:
  - boxlift.portal contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Take the last restore back
  boxlift.portal.portal_rollback:
    document_root: /srv/portal/www
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal

- name: Make generation 2 live again
  boxlift.portal.portal_rollback:
    document_root: /srv/portal/www
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal
    generation: 2
"""

RETURN = r"""
generations:
  description: What is live now, and what is kept.
  returned: success
  type: dict
  contains:
    live:
      description: >-
        The generation that is live, with C(number), C(since), C(source) (the first part of the backup it was restored
        from), C(why) it is there, and C(replaced), the number of what it replaced. Null where nothing was restored.
      type: dict
    kept:
      description: >-
        Generations that can be made live, the one that was live last first. Beside the keys of C(live), C(until) when
        it was live, C(why_kept), C(domain), C(version), C(counts) and C(newest) as M(boxlift.portal.portal_info) has
        them, and whether it has a C(tree) and a C(database).
      type: list
      elements: dict
  sample:
    live: {number: 1, since: "2026-11-20 08:00:10 UTC", source: 20260413_120000_12345678.enc.gz, replaced: null}
    kept:
      - number: 2
        since: "2026-11-29 09:12:44 UTC"
        until: "2026-11-29 10:30:02 UTC"
        source: 20260501_120000_87654321.enc.gz
        why_kept: replaced by a rollback to generation 1
        replaced: 1
        domain: portal.example.com
        version: 24.300.0
        tree: true
        database: true
resumed:
  description: Whether this run completed what a killed one had begun.
  returned: success
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.rollback import Rollback
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            "document_root": {"type": "path", "required": True},
            **DATABASE_OPTIONS,
            "generation": {"type": "int"},
            "state_dir": {"type": "path", "default": "/var/lib/boxlift/restore"},
        },
        supports_check_mode=True,
    )
    params = module.params
    option = params["database"]
    try:
        database = StagedDatabase(Login.from_params(option), option["name"]) if option else None
        rollback = Rollback(params["document_root"], params["state_dir"], database, params["generation"])
        result = rollback.would_change() if module.check_mode else rollback.run()
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
