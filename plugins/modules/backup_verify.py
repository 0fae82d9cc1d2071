#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_verify
short_description: Prove a multi-part backup whole, or name what is wrong
version_added: 0.1.0
description:
  - Reads every byte of a backup that the portal or the vendor's cloud has written, and proves all that its format lets
    one prove - the checksum and length of every gzip member, the size field of every part, the number of parts, every
    tar header, the way the parts continue each other, the names of the entries, and the last line of the database
    dump.
  - Reads the dump of an intact backup once more, statement by statement, and says in advance what an import into a
    MariaDB 10.11 will refuse, change or leave out. It needs no server for that.
  - Whatever M(boxlift.portal.backup_restore) refuses of a backup, or changes in it, is named here too - refused
    entries, names that are in the archive several times, and names that no disk holds.
  - Nothing is unpacked, and nothing is changed but O(manifest). Memory grows by eight bytes for each entry.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.progress
attributes:
  check_mode:
    support: full
    details: Reads the backup as always, and does not write O(manifest).
  diff_mode:
    support: none
    details: A manifest is a list of sums.
  idempotent:
    support: full
requirements:
  - For encrypted backups, the Python package cryptography on the target. The role
    P(boxlift.portal.host#role) installs it.
options:
  path:
    description:
      - Path of the backup's first part, the one without a number; later parts lie beside it as V(.1), V(.2) and so on.
      - Or a directory that holds one backup.
    type: path
    required: true
  password:
    description: Password of an encrypted backup.
    type: str
  jobs:
    description: How many parts are read at the same time. The number of processors if not given.
    type: int
  expected:
    description:
      - Checksums of the parts that were taken at the source, as the lines that C(sha256sum) prints there.
      - A part with another sum is damaged; a part that is listed and not there is missing; a part that is not listed is
        named in a finding. Lines about files of other backups do not count.
    type: list
    elements: str
  parts:
    description:
      - How many parts the backup has, as its source says. Kinds V(.tar) and V(.enc) and archives of old portals do not
        state it. Where the last part of such a backup is as large as the others, another may follow it; then
        RV(intact) is null, unless this number, O(expected), or a download by M(boxlift.portal.backup_fetch) shows that
        none does. The note that a download leaves beside the parts is read for that.
    type: int
  exclude:
    description:
      - Names that a restore will leave out, as in O(boxlift.portal.backup_restore#module:exclude). Nothing is said
        about them.
    type: list
    elements: str
    default: []
  manifest:
    description:
      - Path of this backup's manifest on the target. Beside the backup it is usually named like the first part, with
        V(.manifest.json) behind it.
      - Where it does not exist, the backup is proven, and if it is intact the manifest is written, with mode 0600, as a
        sum of every 4 MiB of every part. For that the parts are read once more.
      - Where it exists, the parts are only read and compared with it. That is faster, needs no O(password), covers the
        content of uncompressed archives too, and tells which bytes of a part are damaged. What the contents are is
        returned as the proof found it then. Remove the manifest for a new proof.
    type: path
  fail_on_damage:
    description: Whether the task fails when RV(intact) is not true. What was found is returned either way.
    type: bool
    default: true
seealso:
  - module: boxlift.portal.backup_fetch
  - module: boxlift.portal.backup_restore
author:
  - boxlift.portal contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Prove the backup that was fetched
  boxlift.portal.backup_verify:
    path: /var/lib/boxlift/backup/20260413_120000_12345678.enc.gz
    password: "{{ source_password }}"
  register: backup

- name: Compare it with sums from the source, and keep a manifest for the next look
  boxlift.portal.backup_verify:
    path: /var/lib/boxlift/backup/20260413_120000_12345678.enc.gz
    password: "{{ source_password }}"
    expected: "{{ lookup('ansible.builtin.file', 'SHA256SUMS').splitlines() }}"
    manifest: /var/lib/boxlift/backup/20260413_120000_12345678.enc.gz.manifest.json

- name: Look at a backup without stopping at damage
  boxlift.portal.backup_verify:
    path: /var/lib/boxlift/backup
    fail_on_damage: false
  register: backup
"""

RETURN = r"""
intact:
  description: >-
    Whether no part is damaged and no finding has the status V(fail). Null where only the backup's end is not proven.
  returned: always
  type: bool
  sample: true
format:
  description: Kind of the archive, V(tar), V(tar.gz), V(enc) or V(enc.gz).
  returned: always
  type: str
  sample: enc.gz
encrypted:
  description: Whether the backup is encrypted.
  returned: always
  type: bool
  sample: true
cipher:
  description: The cipher that the password opened, V(aes-256-ecb) or V(bf-ecb); null for a plain backup.
  returned: always
  type: str
  sample: aes-256-ecb
volumes:
  description: The parts in their order, missing ones included.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: File name of the part.
      type: str
    index:
      description: Number of the part, 0 for the first.
      type: int
    size:
      description: Bytes of the file.
      type: int
    data_size:
      description: Bytes of the uncompressed stream that the part holds.
      type: int
    sha256:
      description: Checksum of the file.
      type: str
    status:
      description: >-
        V(intact), V(missing), V(truncated), V(corrupt), V(foreign) (no part of this backup), V(out_of_order) or
        V(unclosed) (its writer did not finish it).
      type: str
    reason:
      description: What was seen, empty for an intact part.
      type: str
    offset:
      description: Byte of the file at which the damage shows, where that can be told.
      type: int
    ranges:
      description: The damaged bytes, first and last of each range, where the part was compared with a O(manifest).
      type: list
      elements: list
  sample:
    - name: 20260413_120000_12345678.enc.gz
      index: 0
      size: 104331776
      data_size: 104857600
      sha256: c202c1f539fec83f1725d0c41211a045602da4270b39f2e3f82abcbc34039835
      status: intact
      reason: ""
      offset: null
      ranges: []
entries:
  description: Number of files and directories.
  returned: always
  type: int
  sample: 4547
files:
  description: Number of files.
  returned: always
  type: int
  sample: 2955
directories:
  description: Number of directories.
  returned: always
  type: int
  sample: 1592
bytes:
  description: Bytes of all files' contents.
  returned: always
  type: int
  sample: 10662873
dumps:
  description: The volumes of the database dump; RV(dumps[].finished) is true for the last one of a complete dump.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Path in the archive.
      type: str
    size:
      description: Bytes.
      type: int
    finished:
      description: Whether it ends with the line that closes a complete dump.
      type: bool
  sample:
    - name: bitrix/backup/20260413_120000_full_Zx8wQr5tYu1iOp4a.sql
      size: 1943504
      finished: true
repairs:
  description:
    - What an import will change in the dump, as M(boxlift.portal.database_import) returns it.
    - Beyond it, a server may refuse only what does not show in the dump itself.
  returned: when the dump was read, that is for an intact backup without a O(manifest) to compare with
  type: list
  elements: dict
  sample:
    - table: b_stat_hit
      kind: clause_replaced
      detail: ARCHIVE -> InnoDB
      count: 1
views_left_out:
  description: Views that an import will not make, as M(boxlift.portal.database_import) returns them.
  returned: when the dump was read, that is for an intact backup without a O(manifest) to compare with
  type: list
  elements: dict
  sample: []
findings:
  description: What was proven, what was not and why, and what is wrong, each with its remedy.
  returned: always
  type: list
  elements: dict
  sample:
    - id: backup.volumes
      area: backup
      status: pass
      observed: 5 parts are there and none is damaged.
      expected: ""
      remedy: ""
      owner: contractor
      reference: docs/archive-format.md, sections 1, 4 and 6
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
      - phase: verify
        seconds: 95.8
        bytes: 31205883904
        rate: 325739915.5
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.archive.manifest import (
    compare,
    read_manifest,
    write_manifest,
)
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Outcome, Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.sums import check_expected, expected_sums
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.download.state import known_count
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress
from ansible_collections.boxlift.portal.plugins.module_utils.restore.foretell import Foretold, foretell

Read = t.Callable[[int], None]


def run(params: dict[str, t.Any], check_mode: bool) -> tuple[Outcome, bool, Foretold | None]:
    """`look`, then a reading of the dump if the backup is intact, with its progress told."""
    foretold: Foretold | None = None
    with Progress("backup_verify", None if check_mode else params["progress"]) as progress:
        sizes = [os.path.getsize(path) for path in find_parts(params["path"]).present.values()]
        progress.tell(phase="verify", total=sum(sizes))
        done = 0

        def read(amount: int) -> None:
            nonlocal done
            done += amount
            progress.tell(done=done)

        outcome, changed = look(params, check_mode, read)
        if isinstance(outcome, Report) and outcome.intact and outcome.dump_parts:
            # The manifest is of the parts, which are intact whatever the dump holds.
            sizes = [os.path.getsize(outcome.parts.present[index]) for index in outcome.dump_parts]
            done = 0
            progress.tell(phase="dump", total=sum(sizes), done=0)
            foretold = foretell(outcome, read)
            outcome.findings += foretold.findings
        damaged = len(outcome.damaged())
        total = len(outcome.volumes)
        progress.tell(parts={"total": total, "done": total - damaged, "damaged": damaged, "repaired": 0})
        if params["fail_on_damage"] and not outcome.intact:
            progress.close("failed", outcome.summary())
    return outcome, changed, foretold


def look(params: dict[str, t.Any], check_mode: bool, read: Read) -> tuple[Outcome, bool]:
    """What is known of the backup now, and whether a manifest was written (or would be)."""
    parts = find_parts(params["path"])
    expected = expected_sums(params["expected"], parts.base) if params["expected"] is not None else None
    manifest = read_manifest(params["manifest"]) if params["manifest"] else None
    if manifest is not None:
        comparison = compare(parts, manifest, params["jobs"], read)
        if expected is not None:
            check_expected(comparison, expected)
        return comparison, False
    known = known_count(params["parts"], parts)
    report = verify(params["path"], params["password"], params["jobs"], read, exclude=params["exclude"], known=known)
    if expected is not None:
        check_expected(report, expected)
    writes = params["manifest"] is not None and report.intact
    if writes and not check_mode:
        write_manifest(report, params["manifest"], params["jobs"])
    return report, writes


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "password": {"type": "str", "no_log": True},
            "jobs": {"type": "int"},
            "expected": {"type": "list", "elements": "str"},
            "parts": {"type": "int"},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "manifest": {"type": "path"},
            "fail_on_damage": {"type": "bool", "default": True},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        outcome, changed, foretold = run(module.params, module.check_mode)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    result = outcome.as_dict()
    if foretold is not None:
        result.update(repairs=foretold.repairs, views_left_out=foretold.views_left_out)
    if outcome.intact or not module.params["fail_on_damage"]:
        module.exit_json(changed=changed, msg=outcome.summary(), **result)
    module.fail_json(msg=outcome.summary(), **result)


if __name__ == "__main__":
    main()
