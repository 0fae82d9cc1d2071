#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: portal_copy
short_description: Copy a portal in service, rows and files, fetching only what differs
version_added: 0.1.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Makes a database and a folder equal to those of a portal on other hosts, such as a pre-production copy to
    production. People may go on working there.
  - The rows are those of one moment, and the files are looked at after it, so that whatever a row names is there. A
    file that came later is only not named yet.
  - The database is read in one transaction, so nobody waits for it. It is reached through a command, such as C(ssh), so
    that its port need not be open and it needs no program of ours.
  - Both servers say the sum of every eight rows of a table, and of each row where these differ. Rows that differ are
    deleted here and come from there. They are loaded while they come, over several connections. A table that is not
    there, is defined differently or differs in more than a third comes whole. Tables that the other server does not
    have are dropped.
  - Triggers are left where they are.
  - The files are brought by C(rsync). That some are removed over there while they are copied is no failure, but a
    warning.
  - It works on the database and the files themselves, so nobody may use them meanwhile. A killed run is completed by
    the next one.
options:
  source:
    description:
      - The portal that is copied.
    type: dict
    required: true
    suboptions:
      database_command:
        description:
          - A program and its arguments, whose standard input and output lead to the database server's socket.
          - The role P(boxlift.portal.preproduction#role) brings both ends of such a command, and of
            O(source.files_command).
        type: list
        elements: str
        required: true
      files_command:
        description:
          - A program and its arguments that runs C(rsync), with the further arguments that it is given, so that all
            files come to where they belong. It says itself what is left out and whether superfluous files are removed.
        type: list
        elements: str
        required: true
      name:
        description:
          - Name of the database there.
        type: str
        required: true
      login_user:
        description:
          - An account that the server trusts without a password, because of the system account that the command uses
            its socket as. It needs C(SELECT) and C(SHOW VIEW) on the database.
        type: str
        required: true
  database:
    description:
      - How to reach the database server, and which database is to become equal to the other. It must exist.
    required: true
attributes:
  check_mode:
    support: full
    details: Compares, and says which tables would be loaded and dropped, and how many files would come and go.
  diff_mode:
    support: full
    details: Shows the names of the tables that are dropped, and of those that are loaded.
  idempotent:
    support: full
extends_documentation_fragment:
  - boxlift.portal.database
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.progress
requirements:
  - MariaDB 10.8 or newer on both sides; MySQL lacks C(CRC32C), by which rows are compared
  - rsync 3.1.0 or newer here
seealso:
  - module: boxlift.portal.database_import
    description: Loads the dump that lies in a portal's backup.
  - module: boxlift.portal.portal_neutralize
"""

EXAMPLES = r"""
- name: Bring the copy to production's state
  boxlift.portal.portal_copy:
    source:
      database_command: [/usr/local/lib/boxlift/fetch-copy, database]
      files_command: [/usr/local/lib/boxlift/fetch-copy, files]
      name: portal
      login_user: portal-copy
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal
"""

RETURN = r"""
loaded:
  description: The tables of which rows were loaded, or all.
  returned: success
  type: list
  elements: str
  sample: [b_event, b_option]
kept:
  description: How many tables were equal already.
  returned: success
  type: int
  sample: 812
dropped:
  description: The tables that were dropped since the other server does not have them.
  returned: success
  type: list
  elements: str
  sample: []
views_changed:
  description: Whether the views differed. Then all of them are made anew.
  returned: success
  type: bool
  sample: false
files:
  description: What became of the files.
  returned: success
  type: dict
  contains:
    changed:
      description: How many files, directories and links were made, changed or deleted.
      type: int
    fetched:
      description: How many files came, whole or in part.
      type: int
    bytes:
      description: Their size.
      type: int
    deleted:
      description: How many files, directories and links were deleted.
      type: int
    vanished:
      description: How many files and directories were removed over there while they were copied.
      type: int
  sample:
    changed: 191
    fetched: 139
    bytes: 16680000
    deleted: 0
    vanished: 0
progress:
  description: How long the work took and how fast it was. The task adds it where it watched the work.
  returned: when the work was watched
  type: dict
  contains:
    seconds:
      description: From the start of the work to its end.
      type: float
    phases:
      description: What it spent its time on.
      type: list
      elements: dict
      contains:
        phase:
          description: Name of the phase.
          type: str
        seconds:
          description: How long it was at work.
          type: float
        bytes:
          description: What it went through.
          type: int
        rate:
          description: Bytes per second, null for a phase that went through none.
          type: float
  sample:
    seconds: 10.1
    phases:
      - phase: copy
        seconds: 9.9
        bytes: 328738839
        rate: 33205943.3
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal import copying
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login
from ansible_collections.boxlift.portal.plugins.module_utils.sql.refresh import sync


def diff(done: sync.Done) -> dict[str, str]:
    """The tables that go and those that come; of one that is loaded the former content is of no interest."""
    return {
        "before_header": "tables that the other server does not have",
        "after_header": "tables loaded",
        "before": "".join(f"{name}\n" for name in done.dropped),
        "after": "".join(f"{name}\n" for name in done.loaded),
    }


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    login, database = Login.from_params(params["database"]), params["database"]["name"]
    portal = copying.Portal(**params["source"])
    if module.check_mode:
        done, files = copying.plan(portal, login, database)
    else:
        with Progress("portal_copy", params["progress"]) as progress:
            done, files = copying.copy(portal, login, database, progress)
    if files.vanished:
        module.warn(
            f"Files and directories that were removed over there while they were copied: {files.vanished}. "
            "The copy lacks them too."
        )
    result = {
        "loaded": done.loaded,
        "kept": len(done.kept),
        "dropped": done.dropped,
        "views_changed": done.views_changed,
        "files": files._asdict(),
    }
    if module._diff:
        result["diff"] = diff(done)
    return {"changed": bool(done.loaded or done.dropped or done.views_changed or files.changed), **result}


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            "source": {
                "type": "dict",
                "required": True,
                "options": {
                    "database_command": {"type": "list", "elements": "str", "required": True},
                    "files_command": {"type": "list", "elements": "str", "required": True},
                    "name": {"type": "str", "required": True},
                    "login_user": {"type": "str", "required": True},
                },
            },
            "database": {**DATABASE_OPTIONS["database"], "required": True},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
