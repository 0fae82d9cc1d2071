#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Restore a multi-part backup into a document root and a database
version_added: 0.1.0
description:
  - Proves the backup, unpacks it into a staging tree beside the document root and loads its dump into a staging
    database, all in one reading and on all processors, while parts of it may still be on their way. Only when the
    backup is proven whole and everything is in its place, both take the place of the live ones. Until then the live
    portal is not touched, whatever is wrong.
  - Where parts are damaged, what the intact ones brought stays in the staging area; when the damaged ones are replaced,
    the next run has only those to do.
  - Can be killed at any time; the next run goes on from its last checkpoint, a few seconds old.
  - A second run with the same backup changes nothing.
  - What deserves a look, such as a name that could not be converted or a warning of the database server, is returned
    as the task's warnings.
  - A portal that people use is not replaced unless O(confirm_domain) names it. It is in use where it holds log-ins,
    records or files that came after the last restore put it there; or where no restore put it there and it holds
    records of people. This is looked at before the first byte is fetched, and again right before the switch.
    Agents, caches, sessions, statistics and the search index do not count.
  - What was live is kept as a generation with a number and a note. Its tree lies beside the document root, as
    V(.www.previous-3) for a document root V(www) and number 3; its database is named V(_previous_3) behind
    O(database.name). M(boxlift.portal.portal_rollback) makes it live again. What earlier versions kept as
    V(.www.previous) and V(_previous) is generation 0. The notes lie in O(state_dir).
  - The staging tree is V(.www.staging), and the staging database has V(_staging) behind its name.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.fetching
  - boxlift.portal.progress
  - boxlift.portal.database
attributes:
  check_mode:
    support: full
    details: Says whether this backup still has to be restored. It does not read the backup.
  diff_mode:
    support: none
    details: A whole portal is too large for a diff.
  idempotent:
    support: full
requirements:
  - For encrypted backups, the Python package cryptography on the target
    (Debian package C(python3-cryptography)).
options:
  source:
    description:
      - Path on the target of the backup's first part, or of a directory that holds one backup.
      - Or the address of its first part, beginning with V(https://). It is then fetched as
        M(boxlift.portal.backup_fetch) does, and what has come is proven, placed and loaded while the rest still comes.
    type: str
    required: true
  parts:
    description:
      - Directory for the parts, where O(source) is an address. It is made with mode 0700 where it is missing.
      - V(parts) in O(state_dir) if not given.
    type: path
  part_count:
    description:
      - How many parts the backup has, as its source says. See O(boxlift.portal.backup_verify#module:parts).
    type: int
  document_root:
    description:
      - The portal's document root. It is replaced as a whole, by renaming, so it must not be a mount point.
      - Its parent directory needs room for the whole tree beside the live one.
    type: path
    required: true
  owner:
    description: User who shall own the files. The user that runs the task if not given.
    type: str
  group:
    description: Group of the files. The group of the user that runs the task if not given.
    type: str
  umask:
    description:
      - Rights that no file and no folder of the tree gets, as an octal number in quotation marks. V("0027") leaves
        nothing to others, V("0000") what the archive says.
    type: str
    default: "0000"
  password:
    description: Password of an encrypted backup.
    type: str
  database:
    description:
      - Where the dump is loaded. Without it only files are restored, and the dump's files are placed like any other.
      - The account needs every right on O(database.name), and on the databases with V(_staging) and V(_previous_)
        and a number behind this name, which are made and dropped. It is tried before anything is fetched.
  jobs:
    description:
      - How many parts are proven and placed at the same time, and over how many connections the dump is loaded.
      - The number of processors if not given; for the connections at most four.
    type: int
  state_dir:
    description: Directory for checkpoints and locks. It is made with mode 0700 where it is missing.
    type: path
    default: /var/lib/boxlift/restore
  exclude:
    description:
      - Paths in the archive that are left out, with what lies below them. V(*) stands for any characters. Whatever is
        wrong with the name of such an entry is no reason to refuse the backup.
    type: list
    elements: str
    default: []
  elsewhere:
    description:
      - Folders in the root of the tree that lie in another place, such as V(upload) on a storage that several web hosts
        share. The keys are their names, the values folders that are there.
      - Each tree gets a new folder there, and a link that leads to it. They go together. So a rollback brings back what
        lies there too, and what is removed with a generation is removed there.
    type: dict
    default: {}
    version_added: 0.3.0
  keep_previous:
    description:
      - How many generations of what was live are kept for a rollback. Older ones are removed after the switch.
      - The booleans of earlier versions are taken too, V(true) for the default and V(false) for 0.
    type: raw
    default: 2
  confirm_domain:
    description:
      - Domain of the live portal, which this restore may replace although people use it.
      - It is the C(server_name) of the portal's main module; where it states none, the name of this host.
    type: str
    version_added: 0.2.0
  judge_settings:
    description:
      - Whether a portal is refused, before anything is switched, if M(boxlift.portal.portal_settings) could not edit
        its settings files the way role C(portal) does. The error names file and line.
      - What is staged is kept. Correct the file there, and run again.
    type: bool
    default: false
  names:
    description:
      - Whether names of files that are not UTF-8 are converted from cp1251, each by itself, or keep their bytes.
      - A name that the file system cannot hold (more than 255 bytes, or characters that it does not take), or that it
        takes for another one, gets a derived name. A warning lists it.
      - Of entries that have the same name, the last one stays, as in the vendor's reader. Where their bytes differ,
        a warning names them with their sums.
    type: str
    choices: [utf8, raw]
    default: utf8
seealso:
  - module: boxlift.portal.backup_fetch
  - module: boxlift.portal.backup_verify
  - module: boxlift.portal.portal_rollback
  - module: boxlift.portal.database_import
author:
  - boxlift.portal contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Restore the portal
  boxlift.portal.backup_restore:
    source: /var/lib/boxlift/backup/20260413_120000_12345678.enc.gz
    password: "{{ source_password }}"
    document_root: /srv/portal/www
    owner: portal
    group: portal
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal

- name: Fetch and restore the portal in one go
  boxlift.portal.backup_restore:
    source: "{{ source_url }}"
    parts: /var/lib/boxlift/backup
    password: "{{ source_password }}"
    document_root: /srv/portal/www
    owner: portal
    group: portal
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal

- name: Restore files only, without the old logs
  boxlift.portal.backup_restore:
    source: /var/lib/boxlift/backup
    document_root: /srv/copy/www
    exclude:
      - bitrix/modules/*.log
"""

RETURN = r"""
document_root:
  description: The tree that is live now.
  returned: success
  type: str
  sample: /srv/portal/www
previous:
  description: The tree that was live before, null where there was none or it is not kept.
  returned: success
  type: str
  sample: /srv/portal/.www.previous-1
generations:
  description: What is live and what is kept, as M(boxlift.portal.portal_rollback) returns it.
  returned: success
  type: dict
  sample:
    live: {number: 2, since: "2026-11-29 09:12:44 UTC", source: 20260413_120000_12345678.enc.gz, replaced: 1}
    kept:
      - {number: 1, domain: portal.example.com, until: "2026-11-29 09:12:44 UTC", tree: true, database: true}
files:
  description: Number of files placed.
  returned: success
  type: int
  sample: 2951
directories:
  description: Number of directories placed.
  returned: success
  type: int
  sample: 1592
bytes:
  description: Bytes of the files placed.
  returned: success
  type: int
  sample: 8719292
excluded:
  description: Number of files left out by O(exclude).
  returned: success
  type: int
  sample: 0
tables:
  description: The tables loaded; each was counted after the import.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the table.
      type: str
    rows:
      description: Its rows.
      type: int
    structure_only:
      description: Whether the dump holds only its structure.
      type: bool
  sample:
    - name: b_user
      rows: 600
      structure_only: false
rows:
  description: Rows of all tables.
  returned: success
  type: int
  sample: 12426
repairs:
  description: >-
    What had to be repaired in the dump so that nothing is lost, as M(boxlift.portal.database_import) returns it.
  returned: success
  type: list
  elements: dict
  sample:
    - table: b_binary_types
      kind: bit
      detail: BT
      count: 300
views_left_out:
  description: >-
    Views of the dump that cannot be made here, as M(boxlift.portal.database_import) returns them. Each is told as a
    warning too.
  returned: success
  type: list
  elements: dict
  sample: []
server_warnings:
  description:
    - Values that did not come in as they were, as the server warned of them, by table and column. Each is told as a
      warning too.
    - Rows are loaded in a session of time zone UTC, so that a value of type TIMESTAMP is stored as it is written, also
      one in the hour that a zone's spring leaves out. A portal reads the same text where its server runs in UTC too,
      as it does on hosts of this collection whose C(site_timezone) is not set. Elsewhere it would see these times
      shifted, which V(time_zone) says.
  returned: success
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
findings:
  description: What was proven of the backup and what was not, as M(boxlift.portal.backup_verify) returns it.
  returned: success
  type: list
  elements: dict
  sample: []
left_out:
  description: Installers in the backup (C(restore.php), C(bitrixsetup.php)), which are never placed.
  returned: success
  type: list
  elements: str
  sample: [restore.php]
specials:
  description: What the backup brought that restoring it does not put to use. Each is told as a warning with its remedy.
  returned: success
  type: dict
  contains:
    leftovers:
      description: Files that an earlier restore left on the source.
      type: list
      elements: str
    buckets:
      description: Folders with files of cloud storage, with number and size of the files.
      type: list
      elements: dict
    sites:
      description: Folders of further sites.
      type: list
      elements: dict
    cloud_files:
      description: The list of files that lie in the vendor's storage, and how many are not in the backup; null without.
      type: dict
  sample:
    leftovers: []
    buckets: []
    sites: []
    cloud_files: null
import_timeline:
  description: When each table was loaded, as beginning and end in seconds since the restore began.
  returned: success
  type: list
  elements: dict
  sample:
    - table: b_user
      begin: 0.4
      end: 1.2
      rows: 600
fetch:
  description: What came over the network in this run; null where nothing had to.
  returned: success
  type: dict
  contains:
    bytes_fetched:
      description: Bytes in all.
      type: int
    bytes_refetched:
      description: Those of them that were fetched because a part had arrived damaged.
      type: int
    repairs:
      description: The damage that was repaired, as M(boxlift.portal.backup_fetch) returns it.
      type: list
      elements: dict
  sample:
    bytes_fetched: 9423643
    bytes_refetched: 0
    repairs: []
timeline:
  description: When each part was worked on, as beginning and end in seconds since the restore began.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the part.
      type: str
    index:
      description: Its number.
      type: int
    fetched:
      description: When it came; null where it lay here already.
      type: list
      elements: float
    proven:
      description: When it was read and proven.
      type: list
      elements: float
    placed:
      description: When its files were placed, most of them while it was proven.
      type: list
      elements: float
  sample:
    - name: 20260413_120000_12345678.enc.gz
      index: 0
      fetched: [0.1, 4.2]
      proven: [4.2, 4.9]
      placed: [4.2, 4.9]
timings:
  description: Seconds that each step of the run took that restored the backup.
  returned: success
  type: dict
  sample:
    stage: 61.2
    switch: 0.1
resumed:
  description: Whether this run went on with an earlier one's work.
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
    seconds: 96.2
    phases:
      - phase: restore
        seconds: 95.8
        bytes: 31205883904
        rate: 325739915.5
"""

import functools
import os
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.boxlift.portal.plugins.module_utils.archive.manifest import write_manifest
from ansible_collections.boxlift.portal.plugins.module_utils.download.fetch import Fetch
from ansible_collections.boxlift.portal.plugins.module_utils.download.options import FETCH_OPTIONS, fetch_from
from ansible_collections.boxlift.portal.plugins.module_utils.download.proof import Prove
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.http.address import secrets_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.database import StagedDatabase
from ansible_collections.boxlift.portal.plugins.module_utils.restore.generations import KEEP
from ansible_collections.boxlift.portal.plugins.module_utils.restore.owner import identity
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest
from ansible_collections.boxlift.portal.plugins.module_utils.restore.room import check_stated
from ansible_collections.boxlift.portal.plugins.module_utils.restore.source import FetchedParts
from ansible_collections.boxlift.portal.plugins.module_utils.restore.switch import Trees
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login


def generations_to_keep(value: t.Any) -> int:
    """A number, also as text; the booleans of earlier versions stand for the default and for none."""
    if isinstance(value, str) and not value.strip().isdigit():
        try:
            value = boolean(value)
        except TypeError:
            value = -1
    if isinstance(value, bool):
        return KEEP if value else 0
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise BoxliftError("keep_previous is no number of generations.", f"Give 0 or more, such as {KEEP}.")
    return number


def umask(text: str) -> int:
    """The number that these digits say. Raises BoxliftError where they are none, or would shut the owner out."""
    if not re.fullmatch("0?0[0-7]{2}", text):
        raise BoxliftError(
            f"umask is {text!r}, which is no octal number of the rights that group and others are not given.",
            'Write it in quotation marks, such as "0027".',
        )
    return int(text, 8)


class Module(NestedSecretsMasked, AnsibleModule):
    """Knows before anything is logged that an address may hold a signature or a password."""

    def _log_invocation(self) -> None:
        for address in (self.params["source"], *self.params["mirrors"]):
            # Whatever its scheme: what is refused later is logged all the same.
            if "://" in address:
                self.no_log_values.update(secrets_of(address))
        super()._log_invocation()


def main() -> None:
    module = Module(
        argument_spec={
            "source": {"type": "str", "required": True, "no_log": False},
            "document_root": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "umask": {"type": "str", "default": "0000"},
            "password": {"type": "str", "no_log": True},
            **DATABASE_OPTIONS,
            "jobs": {"type": "int"},
            "state_dir": {"type": "path", "default": "/var/lib/boxlift/restore"},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "elsewhere": {"type": "dict", "default": {}},
            "keep_previous": {"type": "raw", "default": KEEP},
            "confirm_domain": {"type": "str"},
            "judge_settings": {"type": "bool", "default": False},
            "names": {"type": "str", "default": "utf8", "choices": ["utf8", "raw"]},
            "parts": {"type": "path"},
            "part_count": {"type": "int"},
            **FETCH_OPTIONS,
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
    if check_mode and not os.path.isdir(params["state_dir"]):
        # Nothing was ever restored here; on a host that is not built yet even the owner may be missing.
        return {"changed": True}
    source = params["source"]
    parts = params["parts"] or os.path.join(params["state_dir"], "parts")
    progress = Progress("backup_restore", None if check_mode else params["progress"])
    fetched: FetchedParts | None = None
    if is_address(source):

        def fetch(prove: Prove | None) -> Fetch:
            count = params.get("part_count")
            return fetch_from(
                params,
                params["source"],
                parts,
                check_mode=check_mode,
                part_count=count,
                prove=prove,
                progress=progress,
                on_stated=functools.partial(
                    check_stated, Trees.of(params["document_root"]), list(params["elsewhere"].values())
                ),
            )

        fetched = FetchedParts(fetch)
        source = fetched.first
    database = params["database"]
    request = RestoreRequest(
        source=source,
        document_root=params["document_root"],
        state_dir=params["state_dir"],
        password=params["password"],
        database_name=database["name"] if database else None,
        uid=identity("owner", params["owner"]),
        gid=identity("group", params["group"]),
        umask=umask(params["umask"]),
        jobs=params["jobs"],
        exclude=tuple(params["exclude"]),
        keep_previous=generations_to_keep(params["keep_previous"]),
        confirm_domain=params["confirm_domain"],
        judge_settings=params["judge_settings"],
        raw_names=params["names"] == "raw",
        expected=tuple(params["expected"]) if params["expected"] is not None else None,
        part_count=params.get("part_count"),
        elsewhere=params["elsewhere"],
    )
    staged = None
    if database:
        login, name = Login.from_params(database), database["name"]
        staged = StagedDatabase(login, name, jobs=params["jobs"], on_rows=lambda rows: progress.tell(rows=rows))
    restore = Restore(request, staged, fetched, progress)
    if check_mode:
        return {"changed": restore.would_change()}
    with progress:
        result = restore.run()
        if params["manifest"] and restore.report is not None:
            progress.tell(phase="manifest")
            write_manifest(restore.report, params["manifest"], params["jobs"])
    came = fetched.result if fetched is not None else {}
    result["fetch"] = {name: came[name] for name in ("bytes_fetched", "bytes_refetched", "repairs")} if came else None
    result["warnings"] = [*came.get("warnings", []), *result["warnings"]]
    return result


def is_address(source: str) -> bool:
    return source.startswith(("https://", "http://", "file://"))


if __name__ == "__main__":
    main()
