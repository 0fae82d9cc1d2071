#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: database_refresh
short_description: Make a database equal to another server's, fetching and loading only what differs
version_added: 0.1.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Makes a database equal to that of another server, such as that of a pre-production copy to production's.
  - The other server is read in one transaction, so that what comes is of one moment and nobody waits for it. It is
    reached through a command, such as C(ssh), so that its port need not be open and it needs no program of ours.
  - Both servers say the sum of every eight rows of a table. Where the sums differ, the rows are deleted here and come
    from there. They are loaded while they come, over several connections. A table that is not there, is defined
    differently or differs in more than a third comes whole. Tables that the other server does not have are dropped.
  - Triggers are left where they are.
  - It works on the database itself, so nobody may use it meanwhile. A killed run is completed by the next one.
options:
  source:
    description:
      - The other server.
    type: dict
    required: true
    suboptions:
      command:
        description:
          - A program and its arguments, whose standard input and output lead to the server's socket.
          - The role P(boxlift.portal.preproduction#role) brings both ends of such a command.
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
    details: Compares, and says which tables would be loaded and dropped.
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
  - MariaDB 10.8 or newer on both sides
seealso:
  - module: boxlift.portal.database_import
    description: Loads the dump that lies in a portal's backup.
  - module: boxlift.portal.portal_neutralize
"""

EXAMPLES = r"""
- name: Bring the copy's database to production's state
  boxlift.portal.database_refresh:
    source:
      command: [/usr/local/lib/boxlift/fetch-copy, database]
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
    seconds: 9.2
    phases:
      - phase: refresh
        seconds: 9.1
        bytes: 312058839
        rate: 34292180.1
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.sql import refresh
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login
from ansible_collections.boxlift.portal.plugins.module_utils.sql.importer import default_jobs


def diff(done: refresh.Done) -> dict[str, str]:
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
    source = params["source"]
    other = source["command"], source["login_user"], source["name"]
    if module.check_mode:
        done = refresh.plan(login, database, *other)
    else:
        with Progress("database_refresh", params["progress"]) as progress:
            progress.tell(phase="refresh")
            done = refresh.refresh(
                login, database, *other, jobs=default_jobs(), on_bytes=lambda count: progress.tell(done=count)
            )
    result = {
        "loaded": done.loaded,
        "kept": len(done.kept),
        "dropped": done.dropped,
        "views_changed": done.views_changed,
    }
    if module._diff:
        result["diff"] = diff(done)
    return {"changed": bool(done.loaded or done.dropped or done.views_changed), **result}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {
                "type": "dict",
                "required": True,
                "options": {
                    "command": {"type": "list", "elements": "str", "required": True},
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
    except BoxliftError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
