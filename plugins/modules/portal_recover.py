#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: portal_recover
short_description: Bring a portal, tables or folders back to a moment
version_added: 0.2.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Takes the newest proven copy before a moment, and replays the binary logs behind it up to that moment. With
    O(before_gtid) it replays up to the transaction before that one, such as the C(DROP TABLE) that was an accident.
  - Everything is made beside the live portal. The database comes up in a MariaDB server of its own, without network,
    over the data of the copy. Nothing of the live server is touched meanwhile.
  - Without O(tables) and O(folders) the whole portal comes back. It is switched in as
    M(boxlift.portal.backup_restore) does it. What was live is kept as a generation, and
    M(boxlift.portal.portal_rollback) brings that back. A portal that people use is only replaced where
    O(confirm_domain) names it.
  - Files are as of the copy, since no log says what happened to files. RV(files_as_of) tells that moment, and
    RV(database_as_of) that of the database.
  - Tables are switched in by one C(RENAME TABLE), so that the portal sees either all of them as they were or none.
    What they replace is kept in another database, which RV(tables) names. A counter of new numbers never goes back.
    Rows of other tables are left alone.
  - Folders are exchanged by renaming. What they replace is kept beside the document root, as RV(folders) tells.
  - With O(dest) nothing of the portal is touched. Folders are brought there as files, tables as SQL.
  - Across a gap in the logs nothing is replayed. Files are compared by their numbers, and by the GTIDs in them. The
    error names what is missing, and which moments can be had.
  - It may be killed at any point and run again. Then it goes on, or begins anew where something was half done.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
attributes:
  check_mode:
    support: full
    description: Reads the repository, says what would come from which copy, and refuses what cannot be.
  diff_mode:
    support: none
  idempotent:
    support: partial
    description:
      - The whole portal comes to the same moment once; O(again) brings it there again. Where the database has changed
        since, a warning says so. Tables and folders come with every call, since people work with them, and so does the
        latest moment.
requirements:
  - MariaDB's server, C(mariadb-backup), C(restic) and C(socat) on the target
options:
  settings:
    description: The settings file of the copies, which names the repositories.
    type: path
    default: /etc/boxlift-backup/settings.json
  store:
    description: Name of the repository in O(settings). Without it the one that the nightly copies go to.
    type: str
  moment:
    description:
      - The moment, such as V(2026-11-30T09:41:59+03:00) with its time zone, or V(@1796020919) in seconds of the epoch.
        Transactions that were committed in this second still come.
      - V(latest) is everything that the repository holds.
    type: str
    default: latest
  before_gtid:
    description: The first transaction that shall not come, such as V(0-1-622). It goes before O(moment).
    type: str
  copy:
    description: Id of a copy, which is taken as it is, without logs. It goes before O(moment).
    type: str
  document_root:
    description: The portal's document root.
    type: path
    required: true
  owner:
    description:
      - Account that the files come to belong to. Without it they keep the number that the copy has, which may be
        another account on this host. With O(dest) they keep it always.
    type: str
  group:
    description: Group of the files, likewise.
    type: str
  tables:
    description: Tables and views that come back alone.
    type: list
    elements: str
    default: []
  folders:
    description: Folders and files below O(document_root) that come back alone, such as V(upload/iblock).
    type: list
    elements: str
    default: []
  dest:
    description:
      - Folder on the target to which everything is brought as files. The live portal stays as it is.
      - Without O(tables) and O(folders) the whole portal comes there, its database as one SQL file.
    type: path
  confirm_domain:
    description: Domain of the live portal, which may be replaced although people use it. Only for the whole portal.
    type: str
  elsewhere:
    description:
      - Folders in the root of the tree that lie in another place, as for M(boxlift.portal.backup_restore). The whole
        portal comes back with a new folder there, and folders within are exchanged there.
      - What a copy has of such folders comes into the tree where this option does not name them.
    type: dict
    default: {}
    version_added: 0.3.0
  again:
    description:
      - Bring the whole portal to O(moment), O(before_gtid) or O(copy) also where an earlier call has done that. What
        people wrote since then goes out of service, and is kept as a generation.
    type: bool
    default: false
  keep_previous:
    description: How many generations of what was live are kept.
    type: int
    default: 2
  local_logs:
    description:
      - Folder with the binary logs of this host's server. What it wrote after the last stored log is taken from there.
      - It is only used for copies of this very host. Without it the folder that O(settings) names.
    type: path
  state_dir:
    description: Where the restores of this document root keep their state, lock and register of generations.
    type: path
    default: /var/lib/boxlift/restore
  work_dir:
    description: Where the server beside gets its data. It needs room for the database; it is removed in the end.
    type: path
    default: /var/lib/boxlift-recover
  server_user:
    description: Account that the server beside runs as.
    type: str
    default: mysql
  find_table:
    description:
      - Brings nothing back. Lists what has taken rows from this table, or the table itself, as RV(found).
    type: str
  find_since:
    description: From when on O(find_table) looks, written as O(moment). Without it a day back.
    type: str
  find_rows:
    description: How many rows a transaction must have deleted or updated for O(find_table) to list it.
    type: int
    default: 10
  progress:
    description: File for the progress. The task chooses one where none is given.
    type: path
seealso:
  - module: boxlift.portal.portal_rollback
  - module: boxlift.portal.backup_restore
"""

EXAMPLES = r"""
- name: See what has happened to the orders
  boxlift.portal.portal_recover:
    document_root: /srv/portal/www
    database: {name: portal, unix_socket: /run/mysqld/mysqld.sock}
    find_table: b_sale_order

- name: Bring the orders back as they were before that transaction
  boxlift.portal.portal_recover:
    document_root: /srv/portal/www
    database: {name: portal, unix_socket: /run/mysqld/mysqld.sock}
    tables: [b_sale_order]
    before_gtid: 0-1-622

- name: Bring a folder back
  boxlift.portal.portal_recover:
    document_root: /srv/portal/www
    folders: [upload/iblock]
    moment: "2026-11-29T23:00:00+03:00"

- name: Bring the whole portal back to a moment
  boxlift.portal.portal_recover:
    document_root: /srv/portal/www
    database: {name: portal, unix_socket: /run/mysqld/mysqld.sock}
    moment: "2026-11-30T09:41:59+03:00"
    confirm_domain: portal.example.com
  timeout: 172800
"""

RETURN = r"""
copy:
  description: The copy that was taken, with its moments.
  returned: when something is brought back
  type: dict
  sample: {id: 20261129T230004Z-5f1c, kind: incremental, began: "2026-11-29T23:00:04Z", ended: "2026-11-29T23:01:12Z"}
chain:
  description: Ids of the copies that its database is made of.
  returned: when something is brought back
  type: list
  elements: str
  sample: [20261124T230003Z-08aa, 20261129T230004Z-5f1c]
what:
  description: What is brought back.
  returned: when something is brought back
  type: list
  elements: str
  sample: [table b_sale_order]
files_as_of:
  description: The moment of the files, which is that of the copy. Null where none come.
  returned: when something is brought back
  type: str
  sample: "2026-11-29T23:00:04Z"
database_as_of:
  description: The moment of the database. Null where nothing of it comes.
  returned: when something is brought back
  type: str
  sample: "2026-11-30T06:41:59Z"
logs:
  description: How many binary logs are read behind the copy.
  returned: when something is brought back
  type: int
  sample: 93
possible:
  description: The moments that can be had, as ranges.
  returned: when something is brought back
  type: list
  elements: list
  sample: [["2026-11-24T23:01:10Z", "2026-11-30T06:45:00Z"]]
replayed:
  description: What was replayed behind the copy, with the last transaction that came and the first one that did not.
  returned: when a database is brought back
  type: dict
  sample:
    transactions: 1207
    last: {gtid: 0-1-621, time: "2026-11-30T06:41:58Z"}
    next: {gtid: 0-1-622, time: "2026-11-30T06:42:00Z"}
tables:
  description: Each table, with its rows and the name under which what it replaced is kept. Of a view that is its former
    definition. With O(dest) the file.
  returned: when tables are brought back
  type: list
  elements: dict
  sample:
    - name: b_sale_order
      kind: table
      rows: 8120
      replaced: portal_previous_t20261130065012.b_sale_order
      replaced_rows: 12
folders:
  description: Each folder, where it is, how many files it has, and where what it replaced is kept.
  returned: when folders are brought back
  type: list
  elements: dict
  sample:
    - name: upload/iblock
      path: /srv/portal/www/upload/iblock
      files: 5120
      replaced: /srv/portal/.www.replaced-20261130065012/upload/iblock
files:
  description: How many files the portal has.
  returned: when the whole portal is brought back
  type: int
  sample: 20114
rows:
  description: How many rows its database has. They were counted on both servers.
  returned: when the whole portal is brought back
  type: int
  sample: 1204411
previous:
  description: The tree that was live. Null where none was.
  returned: when the whole portal is brought back
  type: str
  sample: /srv/portal/.www.previous-1
generations:
  description: What is live and what is kept, as M(boxlift.portal.portal_rollback) returns it.
  returned: when the whole portal is brought back
  type: dict
  sample: {live: {number: 2}, kept: [{number: 1}]}
dest:
  description: The folder with the files.
  returned: when the whole portal is brought as files
  type: str
  sample: /srv/look
found:
  description:
    - What has taken something from the table, in the order of the logs; of more than a hundred those with the most
      rows.
    - RV(found[].before) is the last second before it, for O(moment); RV(found[].gtid) is for O(before_gtid).
  returned: with O(find_table)
  type: list
  elements: dict
  contains:
    gtid:
      description: The transaction.
      type: str
      sample: 0-1-622
    time:
      description: When it was committed.
      type: str
      sample: "2026-11-30T06:42:00Z"
    before:
      description: One second before.
      type: str
      sample: "2026-11-30T06:41:59Z"
    table:
      description: The table.
      type: str
      sample: b_sale_order
    kind:
      description: V(drop), V(truncate), V(rename), V(alter), V(replace), V(delete) or V(update).
      type: str
      sample: delete
    rows:
      description: Rows that were deleted or updated; -1 where the log does not say it.
      type: int
      sample: 8120
    statement:
      description: A statement about the table itself, without what people wrote in it. Empty for rows.
      type: str
      sample: ""
left_out:
  description: How many more there were.
  returned: with O(find_table)
  type: int
  sample: 0
searched:
  description: Which logs were read.
  returned: with O(find_table)
  type: dict
  sample: {files: 288, bytes: 58720256, from: "2026-11-29T06:50:00Z", until: "2026-11-30T06:50:00Z"}
timings:
  description: Seconds of each phase. C(files) runs beside the others.
  returned: when something is brought back
  type: dict
  sample: {unpack: 27.1, prepare: 0.9, logs: 0.4, replay: 1.2, load: 40.5, files: 39.2, switch: 0.2, all: 73.4}
resumed:
  description: Whether an earlier run's work was gone on with.
  returned: when something is brought back
  type: bool
  sample: false
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.backup import settings as backup_settings
from ansible_collections.boxlift.portal.plugins.module_utils.backup.binlog_events import gtid
from ansible_collections.boxlift.portal.plugins.module_utils.backup.find import Search, find
from ansible_collections.boxlift.portal.plugins.module_utils.backup.points import moment_of
from ansible_collections.boxlift.portal.plugins.module_utils.backup.recover import Recovery, Request
from ansible_collections.boxlift.portal.plugins.module_utils.backup.restic import Restic
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import KEEP
from ansible_collections.boxlift.portal.plugins.module_utils.restore.owner import identity
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login

DAY = 86400


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            "settings": {"type": "path", "default": backup_settings.PATH},
            "store": {"type": "str"},
            "moment": {"type": "str", "default": "latest"},
            "before_gtid": {"type": "str"},
            "copy": {"type": "str"},
            "document_root": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            **DATABASE_OPTIONS,
            "tables": {"type": "list", "elements": "str", "default": []},
            "folders": {"type": "list", "elements": "str", "default": []},
            "dest": {"type": "path"},
            "confirm_domain": {"type": "str"},
            "again": {"type": "bool", "default": False},
            "elsewhere": {"type": "dict", "default": {}},
            "keep_previous": {"type": "int", "default": KEEP},
            "local_logs": {"type": "path"},
            "state_dir": {"type": "path", "default": "/var/lib/boxlift/restore"},
            "work_dir": {"type": "path", "default": "/var/lib/boxlift-recover"},
            "server_user": {"type": "str", "default": "mysql"},
            "find_table": {"type": "str"},
            "find_since": {"type": "str"},
            "find_rows": {"type": "int", "default": 10},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


def run(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    settings = backup_settings.read_settings(params["settings"])
    store = settings.store(params["store"]) if params["store"] else settings.main
    restic = Restic(store)
    if not store.read_only:
        # Of a prune that died with its host a lock is left, and nobody else may be there to remove it.
        restic.unlock()
    progress = Progress("portal_recover", None if check_mode else params["progress"])
    if params["find_table"]:
        with progress:
            progress.tell(phase="search")
            return {"changed": False, **search(params, restic, progress, logs_of(params, settings))}
    database = params["database"]
    request = Request(
        document_root=params["document_root"],
        state_dir=params["state_dir"],
        work_dir=params["work_dir"],
        database=database["name"] if database else None,
        moment=moment_of(params["moment"]),
        before=gtid(params["before_gtid"]) if params["before_gtid"] else None,
        copy=params["copy"] or "",
        tables=tuple(params["tables"]),
        folders=tuple(params["folders"]),
        dest=params["dest"] or "",
        uid=identity("owner", params["owner"]),
        gid=identity("group", params["group"]),
        keep_previous=params["keep_previous"],
        confirm_domain=params["confirm_domain"],
        local_logs=logs_of(params, settings),
        user=params["server_user"],
        elsewhere=params["elsewhere"],
        again=params["again"],
    )
    login = Login.from_params(database) if database else None
    staged = StagedDatabase(login, database["name"]) if login else None
    recovery = Recovery(request, restic, login, staged, progress)
    if check_mode:
        return recovery.plan()
    with progress:
        return recovery.run()


def logs_of(params: dict[str, t.Any], settings: backup_settings.Settings) -> str:
    """Where this host's server writes its logs; empty where it writes none."""
    return params["local_logs"] or (settings.database.binlog_dir if settings.database else "")


def search(params: dict[str, t.Any], restic: Restic, progress: Progress, local_logs: str) -> dict[str, t.Any]:
    if not params["database"]:
        raise BoxliftError("To look for a table, the option database is needed.", "Set it as for the restore.")
    now = time.time()
    wanted = moment_of(params["find_since"] or "")
    since = now - DAY if wanted is None else wanted
    what = Search(params["database"]["name"], params["find_table"], since, params["find_rows"])
    return find(restic, what, local_logs, params["work_dir"], now, lambda count: progress.tell(done=count))


if __name__ == "__main__":
    main()
