#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: crm_quota
short_description: Watch how much room a portal takes, and when a threshold will be reached
version_added: 0.1.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Measures what can be measured, compares it with O(thresholds), and tells by the history of its own looks when each
    threshold will be reached.
  - No REST method tells how much space a portal has or uses. The finding C(crm_quota.portal_space) says so in every
    run, with the status C(unknown). Nothing is guessed.
  - C(crm_quota.records.KIND) is the number of records, as the portal counts them. C(crm_quota.drive_bytes) is the sum
    of the files on the drive that the webhook's account may see, without their versions and without the recycle bin.
    C(crm_quota.store_bytes) is the store of the snapshots.
  - On the host of a box, it also measures the upload folder, the free space beside it, and the database
    (C(upload_bytes), C(free_bytes), C(database_bytes)).
  - Each look is noted in O(store), at most one an hour. A trend needs looks over a day at least.
options:
  webhook:
    required: true
  store:
    required: true
  kinds:
    description: The kinds whose records are counted.
    type: list
    elements: str
    default: [company, contact, lead, deal, activity]
  drive:
    description: Whether the files on the drive are summed up. The webhook needs the scope C(disk) for it.
    type: bool
    default: true
  drive_folders:
    description: Stop after so many folders of the drive, and say so; V(0) is no bound. Each folder costs a command.
    type: int
    default: 5000
  upload_folder:
    description: The folder C(upload) of a box on this host.
    type: path
  thresholds:
    description:
      - Name of a measure and the figure that it must stay below, such as V(drive_bytes), V(records.lead) or
        V(store_bytes). For V(free_bytes) it is the figure that must be left.
      - Bytes may be written as V(24GB).
    type: dict
    default: {}
  warn_days:
    description: Warn if a threshold will be reached within so many days.
    type: float
    default: 30
  fail_on:
    description: Which findings make the task fail.
    type: str
    choices: [never, fail, unknown, warn]
    default: fail
attributes:
  check_mode:
    support: full
    details: Measures, and notes nothing.
  diff_mode:
    support: none
    details: The findings are the result.
  idempotent:
    support: full
extends_documentation_fragment:
  - boxlift.portal.crm
  - boxlift.portal.database
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
requirements:
  - For O(database), PyMySQL on the target
  - For an encrypted store, the Python package cryptography on the target
seealso:
  - module: boxlift.portal.crm_archive
    description: Makes room.
"""

EXAMPLES = r"""
- name: Watch the cloud
  boxlift.portal.crm_quota:
    webhook: "{{ site_crm_cloud_webhook }}"
    store: /var/lib/boxlift-crm/cloud.sqlite
    thresholds:
      drive_bytes: 90GB
      records.lead: 500000

- name: Watch a box on its own host
  boxlift.portal.crm_quota:
    webhook: "{{ site_crm_box_webhook }}"
    store: /var/lib/boxlift-crm/box.sqlite
    upload_folder: /var/www/portal/upload
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal
    thresholds:
      free_bytes: 20GB
"""

RETURN = r"""
findings:
  description: What was seen, as M(boxlift.portal.portal_health) returns it.
  returned: always
  type: list
  elements: dict
  sample:
    - id: crm_quota.drive_bytes
      area: crm_quota
      status: warn
      observed: files on the drive 81.2 GiB; +1.1 GiB a day; the threshold is reached in 3 days
      expected: less than 83.8 GiB
      remedy: Archive closed records and old files (crm_archive), and empty the recycle bin.
      owner: customer
      reference: ""
measures:
  description: The figures. C(value) is null where nothing could be measured, and C(reason) says why.
  returned: always
  type: list
  elements: dict
  sample:
    - name: drive_bytes
      value: 87186918604
      unit: bytes
      reason: ""
      at_least: false
      per_day: 1181116006.4
summary:
  description: How many findings have each status.
  returned: always
  type: dict
  sample:
    pass: 4
    warn: 1
    fail: 0
    unknown: 1
    skip: 3
noted:
  description: Whether this look was added to the history.
  returned: always
  type: bool
  sample: true
"""

import contextlib
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.boxlift.portal.plugins.module_utils.crm import quota
from ansible_collections.boxlift.portal.plugins.module_utils.crm.keep_options import KEEP_OPTIONS
from ansible_collections.boxlift.portal.plugins.module_utils.crm.options import connected, opened
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.finding import FAIL_ON, summarize
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login, connect

Data = dict[str, t.Any]


def thresholds_of(given: Data) -> dict[str, int]:
    """The figures. Raises BoxliftError for one that is none."""
    found = {}
    for name, value in given.items():
        try:
            found[name] = human_to_bytes(str(value))
        except ValueError:
            raise BoxliftError(f"thresholds: {name} is {value!r}.", "Give a number, or bytes such as 24GB.") from None
        if found[name] < 0:
            raise BoxliftError(f"thresholds: {name} is {value!r}.", "Give a number that is not below 0.")
    return found


def measured(rest: Rest, store: Store, params: Data) -> list[quota.Measure]:
    """Everything that the options ask for."""
    found = [quota.portal_space(), *quota.records(rest, quota.counting(params["kinds"]))]
    if params["drive"]:
        found.append(quota.drive(rest, params["drive_folders"]))
    found.append(quota.store_size(store))
    if params["upload_folder"]:
        found += quota.folder(params["upload_folder"])
    given = params["database"]
    if given:
        try:
            with contextlib.closing(connect(Login.from_params(given), given["name"])) as connection:
                found.append(quota.database(connection, given["name"]))
        except BoxliftError as error:
            found.append(quota.unseen_database(given["name"], error))
    return found


def work(params: Data, check: bool) -> Data:
    thresholds = thresholds_of(params["thresholds"])
    with connected(params) as rest, opened(params, create=not check) as store:
        measures = measured(rest, store, params)
        noted = not check and quota.remember(store, measures, time.time())
        findings = quota.findings_of(store, measures, thresholds, params["warn_days"])
        trends = {each.name: quota.trend_of(quota.points_of(store, each.name)).per_day for each in measures}
    shown = ("name", "value", "unit", "reason", "at_least")
    return {
        "changed": noted,
        "noted": noted,
        "findings": [each.as_dict() for each in findings],
        "measures": [
            {**{name: getattr(each, name) for name in shown}, "per_day": trends[each.name]} for each in measures
        ],
        "summary": summarize(findings),
    }


def argument_spec() -> Data:
    return {
        **KEEP_OPTIONS,
        **DATABASE_OPTIONS,
        "kinds": {"type": "list", "elements": "str", "default": ["company", "contact", "lead", "deal", "activity"]},
        "drive": {"type": "bool", "default": True},
        "drive_folders": {"type": "int", "default": 5000},
        "upload_folder": {"type": "path"},
        "thresholds": {"type": "dict", "default": {}},
        "warn_days": {"type": "float", "default": 30},
        "fail_on": {"type": "str", "choices": list(FAIL_ON), "default": "fail"},
    }


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the password of the database."""


def main() -> None:
    module = Module(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        found = work(module.params, module.check_mode)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    wrong = [each["id"] for each in found["findings"] if each["status"] in FAIL_ON[module.params["fail_on"]]]
    if wrong:
        count = len(found["findings"])
        module.fail_json(msg=f"{len(wrong)} of {count} checks are not in order: {', '.join(wrong)}.", **found)
    module.exit_json(**found)


if __name__ == "__main__":
    main()
