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
  - Nothing is unpacked and nothing is changed. Memory does not grow with the backup.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.progress
requirements:
  - For encrypted backups, the Python package cryptography or OpenSSL 3 on the target. The role
    P(boxlift.portal.host#role) installs the former.
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
  fail_on_damage:
    description: Whether the task fails when the backup is not intact. What was found is returned either way.
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

- name: Look at a backup without stopping at damage
  boxlift.portal.backup_verify:
    path: /var/lib/boxlift/backup
    fail_on_damage: false
  register: backup
"""

RETURN = r"""
intact:
  description: Whether no part is damaged and no finding has the status V(fail).
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
  sample:
    - name: 20260413_120000_12345678.enc.gz
      index: 0
      size: 104331776
      data_size: 104857600
      sha256: c202c1f539fec83f1725d0c41211a045602da4270b39f2e3f82abcbc34039835
      status: intact
      reason: ""
      offset: null
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
      reference: backup_archive.md, sections 1.4, 1.5 and 4
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
from ansible_collections.boxlift.portal.plugins.module_utils.archive.kinds import find_parts
from ansible_collections.boxlift.portal.plugins.module_utils.archive.report import Report
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress


def run(params: dict[str, t.Any], check_mode: bool) -> Report:
    with Progress("backup_verify", None if check_mode else params["progress"]) as progress:
        sizes = [os.path.getsize(path) for path in find_parts(params["path"]).present.values()]
        progress.tell(phase="verify", total=sum(sizes))
        done = 0

        def read(amount: int) -> None:
            nonlocal done
            done += amount
            progress.tell(done=done)

        report = verify(params["path"], params["password"], params["jobs"], read)
        damaged = sum(volume.status != "intact" for volume in report.volumes)
        parts = {"total": len(report.volumes), "done": len(report.volumes) - damaged, "damaged": damaged, "repaired": 0}
        progress.tell(parts=parts)
        if params["fail_on_damage"] and not report.intact:
            progress.close("failed", report.summary())
    return report


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "password": {"type": "str", "no_log": True},
            "jobs": {"type": "int"},
            "fail_on_damage": {"type": "bool", "default": True},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        report = run(module.params, module.check_mode)
    except BoxliftError as error:
        module.fail_json(**error.as_result())
    if report.intact or not module.params["fail_on_damage"]:
        module.exit_json(changed=False, msg=report.summary(), **report.as_dict())
    module.fail_json(msg=report.summary(), **report.as_dict())


if __name__ == "__main__":
    main()
