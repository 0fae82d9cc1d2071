#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_status
short_description: What the portal's copies can bring back, to which moment, and what is wrong with them
version_added: 0.2.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Reads the repositories that the role backup has set up on this host, and nothing else. What a log or a note says of
    a copy counts nothing.
  - A copy is listed if it is proven. What was cut off in the middle is only counted, as RV(stores[].unproven).
  - A repository that cannot be read is a finding, and never an empty list without a word.
options:
  settings:
    description: The settings file of C(boxlift-backup) on this host.
    type: path
    default: /etc/boxlift-backup/settings.json
  store:
    description: Only this repository of the settings; without it all of them.
    type: str
  fail_on:
    description:
      - Which findings make the task fail. V(fail) stands for those by which copies or moments are lost, V(warn) for
        all.
    type: str
    choices: [never, fail, warn]
    default: never
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
requirements:
  - restic on the target
seealso:
  - module: boxlift.portal.portal_health
"""

EXAMPLES = r"""
- name: Look at the copies
  boxlift.portal.backup_status:
  register: copies

- name: Refuse an update without a copy of the last two hours
  ansible.builtin.assert:
    that: copies.age_seconds is not none and copies.age_seconds < 7200
    fail_msg: "{{ copies.text | join(' ') }}"

- name: Fail where a copy or a moment is lost
  boxlift.portal.backup_status:
    fail_on: fail
"""

RETURN = r"""
stores:
  description: Each repository. Moments are seconds since the epoch.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name in the settings.
      type: str
    repository:
      description: Where it is, as restic names it.
      type: str
    offsite:
      description: Whether copies are brought there after the night.
      type: bool
    reachable:
      description: Whether it could be read. If not, nothing is known of its copies.
      type: bool
    problem:
      description: Why it could not be read.
      type: str
    same_host:
      description: Whether it ends with the host that it is to outlive.
      type: bool
    last_good:
      description: The newest proven copy, as in RV(stores[].copies). Null if there is none.
      type: dict
    copies:
      description: The proven copies, the oldest first. C(ended) is the moment of the database.
      type: list
      elements: dict
    unproven:
      description: How many copies were begun and never proven.
      type: int
    restorable_until:
      description: The last moment that the database can be recovered to.
      type: float
    binlogs_until:
      description: The moment until which the logs of the database are stored.
      type: float
    verified:
      description: Which slices of the repository were read again, and which part of it within seven days.
      type: dict
    drills:
      description: What the drills have found, the oldest first.
      type: list
      elements: dict
    pruned:
      description: When old copies were last removed.
      type: float
    findings:
      description: What is wrong, each with C(code), C(severity) (V(fail) or V(warn)), C(text) and C(remedy).
      type: list
      elements: dict
  sample:
    - name: keeper
      repository: "rclone:"
      offsite: false
      reachable: true
      problem: ""
      same_host: false
      last_good: &copy
        id: 20261130T013012Z-801d
        began: 1796002212.8
        ended: 1796002371.4
        kind: incremental
        base: 20261127T013340Z-11c2
        host: portal-prod
        domain: portal.example.com
        bytes: {configuration: 1710627, database: 135062323, files: 9119244}
        stored: 4756304
        files: 614
        warnings: []
        damaged: false
      copies: [*copy]
      unproven: 0
      restorable_until: 1796019600.4
      binlogs_until: 1796019600.4
      verified: {slices: {"3": {ended: 1796012100.0, faults: 0}}, of: 7, ratio_7_days: 0.857}
      drills: []
      pruned: 1795928400.0
      findings: []
promise:
  description: >-
    What the last drills allow to promise, with C(rto_seconds), C(rpo_seconds), C(of_drills) and C(text), which
    says where it comes from. While no drill has passed, it is C(computed) from the size of the last good copy. Null
    where there is none either.
  returned: always
  type: dict
  sample:
    rto_seconds: 1440
    rpo_seconds: 420
    of_drills: 3
    computed: false
    text: "From the last 3 drills that passed: what four of five of them kept, and 25 % more."
age_seconds:
  description: How old the newest proven copy is, of all repositories. Null if there is none that can be read.
  returned: always
  type: float
  sample: 17243.2
text:
  description: The same for people.
  returned: always
  type: list
  elements: str
  sample:
    - "keeper: proven copies: 8; the newest one is of 2026-11-30 01:32:51 UTC (4 h 47 min ago)."
    - "keeper: the database can be recovered to any moment until 2026-11-30 06:20:00 UTC."
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.backup import words
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import PATH, Settings, read_settings
from ansible_collections.boxlift.portal.plugins.module_utils.backup.status import status
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

FAIL_ON = {"never": (), "fail": ("fail",), "warn": ("fail", "warn")}


def seen(settings: Settings, store: str | None, now: float) -> dict[str, t.Any]:
    """The status of all repositories or of one, with the age of the newest copy."""
    found = status(settings, now)
    if store:
        found = {**found, "stores": [each for each in found["stores"] if each["name"] == settings.store(store).name]}
    ended = [each["last_good"]["ended"] for each in found["stores"] if each["last_good"] is not None]
    return {**found, "age_seconds": round(now - max(ended), 1) if ended else None, "text": words.lines(found, now)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "path", "default": PATH},
            "store": {"type": "str"},
            "fail_on": {"type": "str", "choices": list(FAIL_ON), "default": "never"},
        },
        supports_check_mode=True,
    )
    try:
        found = seen(read_settings(module.params["settings"]), module.params["store"], time.time())
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    wrong = [
        f"{store['name']}: {finding['text']} {finding['remedy']}"
        for store in found["stores"]
        for finding in store["findings"]
        if finding["severity"] in FAIL_ON[module.params["fail_on"]]
    ]
    if wrong:
        module.fail_json(msg=" ".join(wrong), **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
