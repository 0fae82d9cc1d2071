#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: database_import
short_description: Load a portal's database dump and switch it in
version_added: 0.1.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Reads the dump that lies in a portal's backup (C(NAME.sql), C(NAME.sql.1), …) and loads it into a staging database.
    When every row is proven to be there, the staging database becomes the live one in one step, and the live one
    becomes the previous one.
  - Only the statements that such a dump holds are run. Every other statement is refused before it reaches the server,
    with its file, byte offset and line.
  - What the vendor's writer spoils or this server lacks is put right, counted and returned as RV(repairs), namely
    values of BIT, GEOMETRY and generated columns, collations, definers of views, and clauses of definitions such as
    storage engines, encryption, tablespaces or functional indexes. Rows whose automatic number is 0 keep it.
  - A view that cannot be made is left out and named in RV(views_left_out). It never stops an import.
  - A killed run is continued by running it again with the same dump.
options:
  dump:
    description:
      - The first file of the dump. Its further parts (C(.1), C(.2), …) and its C(_after_connect.sql) are found
        beside it.
      - Or all files, in the order in which they are to be read.
    type: list
    elements: path
    required: true
  database:
    description:
      - How to reach the database server, and which database is to hold the portal.
      - The account must be allowed to create and drop databases. Beside O(database.name) the module uses the
        databases of the same name with C(_staging), C(_previous) and C(_previous_old) behind it, and drops them as it
        needs. C(_previous_old) holds what C(_previous) held before, until the switch is certain.
    required: true
  jobs:
    description:
      - How many connections load at the same time; rows of one table go over all of them.
      - The number of this host's processors if not given, at most 4.
    type: int
  keep_previous:
    description: Keep what was live before in the database with C(_previous) behind its name, for a rollback.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    details: Reads the whole dump and refuses what it would refuse, without a connection to the server.
  diff_mode:
    support: full
    details: Shows the names of the tables before and after; in check mode this needs a connection to the server.
  idempotent:
    support: none
    details: Each run loads the dump again and replaces what is live.
extends_documentation_fragment:
  - boxlift.portal.database
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.progress
requirements:
  - MariaDB 10.6 or newer, or MySQL. Tried were MariaDB 10.11 and 11.8, and of MySQL 9.7 the import, the switch and
    its errors. MySQL 8.0 and 8.4 have the same statements by their documentation (RENAME TABLE of many tables is one
    step since 8.0), and were not tried.
  - An account of MySQL logs in by C(caching_sha2_password), for which PyMySQL needs the Python library cryptography;
    C(mysql_native_password) is off in 8.4 and gone in 9.0.
seealso:
  - module: boxlift.portal.backup_verify
  - module: boxlift.portal.backup_restore
"""

EXAMPLES = r"""
- name: Load the dump of an unpacked backup
  boxlift.portal.database_import:
    dump: /srv/portal/tmp/portal_20260413_120000_full_Ab3dEf6hIj9kLm2n.sql
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal

- name: Load a dump whose files lie apart, and keep no way back
  boxlift.portal.database_import:
    dump:
      - /media/first/portal_full.sql
      - /media/second/portal_full.sql.1
    database:
      host: db.example.com
      name: portal
      login_user: boxlift
      login_password: "{{ vault_database_password }}"
    keep_previous: false
"""

RETURN = r"""
tables:
  description: Every table of the dump, in its order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The table's name.
      type: str
      sample: b_user
    rows:
      description: The rows of the dump; after an import the same number was counted in the table.
      type: int
      sample: 600
    structure_only:
      description: Whether the backup leaves this table's rows out on purpose.
      type: bool
      sample: false
rows:
  description: The rows of all tables.
  returned: success
  type: int
  sample: 13140
views:
  description: The views of the dump that were made.
  returned: success
  type: list
  elements: str
  sample: [v_active_users]
views_left_out:
  description:
    - Views that cannot be made, for instance because they read a table or another database that is not in the dump.
      Each is told as a warning too; nothing else stops because of them.
    - In check mode, those of which it shows without a server.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The view's name.
      type: str
      sample: v_old_report
    text:
      description: Its statement in the dump.
      type: str
      sample: CREATE ALGORITHM=UNDEFINED VIEW `v_old_report` AS select `b_gone`.`ID` AS `ID` from `b_gone`
    reason:
      description: Why it is left out.
      type: str
      sample: "Table 'portal_staging.b_gone' doesn't exist (error 1146)"
repairs:
  description:
    - What was changed on the way, so that the database holds what the source held.
    - In check mode, what a MariaDB 10.11 needs to be changed; another server may need more or less.
  returned: success
  type: list
  elements: dict
  contains:
    table:
      description: The table, view or database.
      type: str
      sample: b_binary_types
    kind:
      description:
        - V(bit_value) and V(geometry_value) are values that the vendor writes in the wrong notation.
        - V(generated_value) are values that the server computes itself.
        - V(collation) is a collation that this server lacks. The one in its place agrees in padding, case, accents and
          characters beyond U+FFFF, or compares code points; so rows that differed still differ.
        - V(charset) is a character set that this server lacks.
        - V(view_definer) is the account that a view named.
        - V(view_database) is the name of the portal's database at its source, taken out of a view.
        - V(clause_dropped) is a clause, an index or a constraint of a table that this server cannot hold, such as
          encryption, a tablespace or an index over an expression.
        - V(clause_replaced) is one that this server has under another name or in another form, such as a storage
          engine.
      type: str
      sample: bit_value
    detail:
      description:
        - What was replaced or left out, where it is not the same for every value; with the column or index where it
          does not belong to the table as a whole.
      type: str
      sample: "column NAME: utf8mb4_0900_ai_ci -> utf8mb4_uca1400_nopad_ai_ci"
    count:
      description: How often.
      type: int
      sample: 300
server_warnings:
  description:
    - Values that did not come in as they were, as the server warned of them, by table and column. Each is told as a
      warning too.
    - Rows are loaded in a session of time zone UTC, so that a value of type TIMESTAMP is stored as it is written, also
      one in the hour that a zone's spring leaves out. A portal reads the same text where its server runs in UTC too,
      as it does on hosts of this collection whose C(site_timezone) is not set. Elsewhere it would see these times
      shifted, which V(time_zone) says.
  returned: success, outside of check mode
  type: list
  elements: dict
  contains:
    table:
      description: The table; for V(time_zone) the database.
      type: str
      sample: b_im_message
    column:
      description: The column; empty where the server does not name it.
      type: str
      sample: MESSAGE
    kind:
      description:
        - V(invalid_text) are bytes that are no text in their character set; each became a question mark.
        - V(truncated) are values that are longer or more precise than their column.
        - V(out_of_range) are numbers and times that their column cannot hold.
        - V(invalid_value) are values that are none of their column's type.
        - V(no_value) stands for NULL where the column demands a value.
        - V(time_zone) is a server that does not run in UTC, with the number of columns of type TIMESTAMP as count.
        - V(other) is every other warning.
      type: str
      sample: invalid_text
    code:
      description: The server's number of the warning.
      type: int
      sample: 1366
    text:
      description: The first warning of this number for this column.
      type: str
      sample: "Incorrect string value: '\\xF0\\x9F aft...' for column 'MESSAGE' at row 2"
    count:
      description: How many of them.
      type: int
      sample: 2
    rows:
      description: Numbers of the first ten rows, in the order of the dump, from 1.
      type: list
      elements: int
      sample: [2, 3]
    remedy:
      description: What to do about it.
      type: str
      sample: "Find them by SELECT * FROM `b_im_message` WHERE `MESSAGE` LIKE '%?%'"
timeline:
  description: When each table was loaded that this run has loaded, in seconds since the import began.
  returned: success, outside of check mode
  type: list
  elements: dict
  contains:
    table:
      description: The table.
      type: str
    begin:
      description: When its first statement was sent.
      type: float
    end:
      description: When its last row was in.
      type: float
    rows:
      description: Its rows.
      type: int
  sample:
    - table: b_user
      begin: 0.412
      end: 1.203
      rows: 600
previous_tables:
  description: How many tables of the former live database lie in the previous one now.
  returned: success, outside of check mode
  type: int
  sample: 24
resumed:
  description: Whether the run went on where a killed one had stopped.
  returned: success, outside of check mode
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
    seconds: 96.2
    phases:
      - phase: import
        seconds: 95.8
        bytes: 31205883904
        rate: 325739915.5
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.sql import schema
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login, connect
from ansible_collections.boxlift.portal.plugins.module_utils.sql.dump.files import (
    Survey,
    check_whole,
    dump_files,
    feed_files,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.changes import told
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.finish import told_views
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.from_files import import_files
from ansible_collections.boxlift.portal.plugins.module_utils.sql.load.importer import RowsSoFar


def live_tables(login: Login, database: str) -> list[str]:
    conn = connect(login)
    try:
        return schema.tables(conn, database)
    finally:
        conn.close()


def diff(before: list[str], after: t.Iterable[str]) -> dict[str, str]:
    return {
        "before_header": "tables before",
        "after_header": "tables after",
        "before": "".join(f"{name}\n" for name in sorted(before)),
        "after": "".join(f"{name}\n" for name in sorted(after)),
    }


def survey(files: list[str]) -> dict[str, t.Any]:
    check_whole(files)
    found = Survey()
    feed_files(found, files)
    found.finish()
    result = {name: getattr(found, name) for name in ("tables", "views", "views_left_out", "repairs")}
    return {**result, "rows": sum(table["rows"] for table in found.tables)}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    if params["jobs"] is not None and params["jobs"] < 1:
        raise BoxliftError(
            f"jobs is {params['jobs']}, and nothing can be loaded over less than one connection.",
            "Set jobs to 1 or more, or leave it out.",
        )
    login, live = Login.from_params(params["database"]), params["database"]["name"]
    files = dump_files(params["dump"])
    before = live_tables(login, live) if module._diff else []
    if module.check_mode:
        result = survey(files)
    else:
        with Progress("database_import", params["progress"]) as progress:
            progress.tell(phase="import", total=sum(os.path.getsize(file) for file in files))
            rows = RowsSoFar(lambda count: progress.tell(rows=count))

            def tell(table: str, table_rows: int, done: int) -> None:
                rows.add(table, table_rows, done)
                progress.tell(done=done)

            load = import_files(
                login,
                live,
                files,
                keep_previous=params["keep_previous"],
                jobs=params["jobs"],
                on_progress=tell,
            )
        imported = load.imported
        for view, reason in load.switch.views_lost.items():
            module.warn(f"View {view} of the previous state cannot be kept: {reason}")
        result = {name: imported[name] for name in ("tables", "rows", "views", "views_left_out", "repairs")}
        result["server_warnings"] = imported["warnings"]
        result["previous_tables"] = load.switch.previous_tables if params["keep_previous"] else 0
        result["resumed"] = load.resumed
        result["timeline"] = imported["timeline"]
    for warning in [*told(result.get("server_warnings", [])), *told_views(result["views_left_out"])]:
        module.warn(warning)
    if module._diff:
        result["diff"] = diff(before, [table["name"] for table in result["tables"]])
    return {"changed": True, **result}


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    database = {**DATABASE_OPTIONS["database"], "required": True}
    module = Module(
        argument_spec={
            "dump": {"type": "list", "elements": "path", "required": True},
            "database": database,
            "jobs": {"type": "int"},
            "keep_previous": {"type": "bool", "default": True},
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
