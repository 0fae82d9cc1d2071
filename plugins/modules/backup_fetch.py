#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_fetch
short_description: Download a multi-part backup, proving every part and repairing what arrives damaged
version_added: 0.1.0
description:
  - Downloads all parts of a backup, in ranges of 4 MiB over all connections, the lowest part first. Each part is proven
    as soon as it is here, while later ones arrive; when the last is proven, so is the backup as a whole, as
    M(boxlift.portal.backup_verify) does it. Nothing is read twice for that.
  - Of a damaged part only the ranges around the damage are fetched again and compared. A source that has the same
    damage is named as such.
  - Can be interrupted at any time, also by a reboot. The next run loses only the ranges that were on their way. A new
    address of the same backup, after a link has expired, goes on with what is here.
  - An export that the source rebuilds meanwhile is noticed and nothing of two exports is mixed.
  - A source that knows no ranges gives whole parts, one for each connection.
  - A second run on a complete backup downloads nothing and takes seconds.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.fetching
  - boxlift.portal.progress
attributes:
  check_mode:
    support: full
    details: Says whether something is still to be fetched; asks the source nothing.
  diff_mode:
    support: none
    details: What is fetched is too large for a diff; RV(volumes) and RV(repairs) tell.
  idempotent:
    support: full
requirements:
  - For encrypted backups with O(password), the Python package cryptography on the target
    (Debian package C(python3-cryptography)).
options:
  url:
    description:
      - Address of the first part, the one without a number. Later parts are asked for at the same address with V(.1),
        V(.2) and so on behind the name; what follows a question mark is kept. It may hold a signature, so it is never
        shown.
      - A user and a password in it (V(https://user:password@host/)) are sent as basic authorization. The host may be an
        IPv6 address in brackets, or a name with other than Latin letters.
      - A path, or a V(file://) address, of the first part on a disk that was brought to the host is copied with the
        same proof, resume and repair.
    type: str
    required: true
  dest:
    description: Directory for the parts. It is made with mode 0700 where it is missing.
    type: path
    required: true
  password:
    description:
      - Password of an encrypted backup. With it the contents are proven too; without it only the parts are, and
        RV(intact) is null.
    type: str
  parts:
    description:
      - How many parts the backup has, for kinds that do not state it. See O(boxlift.portal.backup_verify#module:parts).
      - Not needed where the parts come from a server, whose answer that it has no further part is noted.
    type: int
seealso:
  - module: boxlift.portal.backup_verify
  - module: boxlift.portal.backup_restore
author:
  - boxlift.portal contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Fetch the backup at no more than 2 MiB per second
  boxlift.portal.backup_fetch:
    url: "{{ source_url }}"
    dest: /var/lib/boxlift/backup
    password: "{{ source_password }}"
    bandwidth_limit: 2097152
  register: backup

- name: Fetch slowly by day and as fast as the line is by night, and from a second place if the first fails
  boxlift.portal.backup_fetch:
    url: "{{ source_url }}"
    mirrors:
      - https://mirror.example.com/backup/20260413_120000_12345678.enc.gz
    dest: /var/lib/boxlift/backup
    password: "{{ source_password }}"
    bandwidth_limit: 2097152
    bandwidth_schedule:
      - from: "20:00"
        to: "07:00"
        limit: 0

- name: Copy the backup from a courier's disk, and repair from the source what the way has damaged
  boxlift.portal.backup_fetch:
    url: /media/courier/20260413_120000_12345678.enc.gz
    mirrors:
      - "{{ source_url }}"
    dest: /var/lib/boxlift/backup
    password: "{{ source_password }}"
    expected:
      20260413_120000_12345678.enc.gz: c202c1f539fec83f1725d0c41211a045602da4270b39f2e3f82abcbc34039835
"""

RETURN = r"""
path:
  description: Path of the first part, as M(boxlift.portal.backup_restore) wants it.
  returned: success
  type: str
  sample: /var/lib/boxlift/backup/20260413_120000_12345678.enc.gz
bytes_fetched:
  description: Bytes that came from the sources in this run.
  returned: success
  type: int
  sample: 9423643
bytes_refetched:
  description: Those of RV(bytes_fetched) that were fetched because a part had arrived damaged.
  returned: success
  type: int
  sample: 393216
repairs:
  description: The damage that was found and has been repaired.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the part.
      type: str
    status:
      description: What was wrong with it, as M(boxlift.portal.backup_verify) names it.
      type: str
    reason:
      description: What was seen.
      type: str
    bytes:
      description: Bytes that were fetched again for it.
      type: int
    ranges:
      description: In how many ranges.
      type: int
  sample:
    - name: 20260413_120000_12345678.enc.gz.1
      status: corrupt
      reason: compressed data is damaged
      bytes: 393216
      ranges: 1
timeline:
  description: When each part was fetched and proven, in seconds since the run began.
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
      description: When its first range was asked for and its last one had come; null where an earlier run fetched it.
      type: list
      elements: float
    proven:
      description: Begin and end of its proof, of the last one if it was repaired.
      type: list
      elements: float
  sample:
    - name: 20260413_120000_12345678.enc.gz
      index: 0
      fetched: [0.01, 1.92]
      proven: [1.92, 2.2]
intact:
  description: Whether the backup was proven as a whole; null where there was no password to look inside.
  returned: success
  type: bool
  sample: true
volumes:
  description: The parts as M(boxlift.portal.backup_verify) returns them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: 20260413_120000_12345678.enc.gz
      index: 0
      size: 2391186
      data_size: 3145728
      sha256: c202c1f539fec83f1725d0c41211a045602da4270b39f2e3f82abcbc34039835
      status: intact
      reason: ""
      offset: null
findings:
  description: What was proven and what was not, as M(boxlift.portal.backup_verify) returns it.
  returned: success
  type: list
  elements: dict
  sample: []
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
      - phase: fetch
        seconds: 95.8
        bytes: 31205883904
        rate: 325739915.5
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.archive.manifest import write_manifest
from ansible_collections.boxlift.portal.plugins.module_utils.download.options import FETCH_OPTIONS, fetch_from
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.http.address import secrets_of
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True, "no_log": True},
            "dest": {"type": "path", "required": True},
            "password": {"type": "str", "no_log": True},
            "parts": {"type": "int"},
            **FETCH_OPTIONS,
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    for address in (params["url"], *params["mirrors"]):
        module.no_log_values.update(secrets_of(address))
    try:
        if module.check_mode:
            fetch = fetch_from(params, params["url"], params["dest"], check_mode=True, part_count=params["parts"])
            module.exit_json(changed=not fetch.complete())
        with Progress("backup_fetch", params["progress"]) as progress:
            fetch = fetch_from(params, params["url"], params["dest"], part_count=params["parts"], progress=progress)
            result = fetch.run()
            if params["manifest"] and fetch.report is not None and result["intact"]:
                progress.tell(phase="manifest")
                write_manifest(fetch.report, params["manifest"])
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
