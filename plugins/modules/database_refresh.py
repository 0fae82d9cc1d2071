#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: database_refresh
short_description: Make a database equal to another server's, fetching and loading only the tables that differ
version_added: 0.1.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Makes a database equal to that of another server, such as that of a pre-production copy to production's.
  - A command asks the other server. It is told which tables are known here, and dumps those that are others by now, in
    one consistent state. What it dumps is loaded while it comes, over several connections.
  - A table that nobody has written to, neither there nor here, is neither dumped nor loaded. Tables that the other
    server does not have are dropped.
  - It works on the database itself, so nobody may use it meanwhile. A killed run is completed by the next one.
options:
  command:
    description:
      - The program that asks the other server, and its arguments.
      - It reads C({"table":"token"}) in JSON, what is known here. It writes, packed by C(zstd), a dump of the tables
        that have another token by now and of all views, made with
        C(mariadb-dump --single-transaction --skip-add-locks --skip-disable-keys --skip-triggers --skip-no-autocommit).
        Its last line is C(-- boxlift {"tables":{"table":"token"},"moved":["table"]}).
      - There RV(ignore:tables) are all tables of the other server, a token being null where the table changed while it
        was dumped, and RV(ignore:moved) are those that changed though they were not dumped; then it is asked again.
      - The role P(boxlift.portal.preproduction#role) brings both sides of it.
    type: list
    elements: str
    required: true
  database:
    description:
      - How to reach the database server, and which database is to become equal to the other. It must exist.
    required: true
  state:
    description:
      - File on the target that says what each table was when it was loaded. Without it everything is fetched.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    details: Fetches what differs, and says which tables would be loaded and dropped. Of views it says nothing.
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
  - MariaDB 10.6 or newer
  - The program C(zstd)
seealso:
  - module: boxlift.portal.database_import
    description: Loads the dump that lies in a portal's backup.
  - module: boxlift.portal.portal_neutralize
"""

EXAMPLES = r"""
- name: Bring the copy's database to production's state
  boxlift.portal.database_refresh:
    command: [/usr/local/lib/boxlift/fetch-copy, database]
    state: /var/lib/boxlift/preproduction/tables.json
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal
"""

RETURN = r"""
loaded:
  description: The tables that were loaded, in the dump's order.
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
  description: Whether the views are others than before; they are always made again.
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
from ansible_collections.boxlift.portal.plugins.module_utils.state import read_json, write_json

VERSION = 2


def read_state(path: str) -> dict[str, refresh.Mark]:
    """The marks of the last run; none where there was no such run."""
    content = read_json(path) or {"version": VERSION, "tables": {}}
    if content.get("version") != VERSION:
        raise BoxliftError(f"{path} is no state of this module.", "Remove it; everything is loaded then.", file=path)
    return {name: refresh.Mark(token, checksum) for name, (token, checksum) in content["tables"].items()}


def write_state(path: str, marks: refresh.Known) -> None:
    write_json(path, {"version": VERSION, "tables": {name: list(mark) for name, mark in marks.items()}})


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
    known = read_state(params["state"])
    if module.check_mode:
        done = refresh.plan(login, database, params["command"], known)
    else:
        with Progress("database_refresh", params["progress"]) as progress:
            progress.tell(phase="refresh")
            done = refresh.refresh(
                login,
                database,
                params["command"],
                known,
                jobs=default_jobs(),
                before_loading=lambda still: write_state(params["state"], still),
                on_bytes=lambda count: progress.tell(done=count),
            )
        write_state(params["state"], done.known)
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
            "command": {"type": "list", "elements": "str", "required": True},
            "database": {**DATABASE_OPTIONS["database"], "required": True},
            "state": {"type": "path", "required": True},
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
