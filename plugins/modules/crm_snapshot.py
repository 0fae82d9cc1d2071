#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: crm_snapshot
short_description: Read a portal's CRM into a store of snapshots
version_added: 0.2.0
description:
  - Reads statuses, fields, users, companies, contacts, leads, deals, smart processes, their links and product rows,
    activities, calls and comments of a portal over REST, and keeps every version of every record in one SQLite file.
    It works on a cloud portal and on a box, while people work there.
  - The first snapshot reads everything. Later ones read what is new, by id, and what has changed, by its own time.
    Records that are gone are found by counting. What changes while it reads is read again at the end.
  - A version is stored only where a record differs from the one before. Times of the last activity and the like, which
    the portal moves by itself, are not compared.
  - It may be killed at any moment; the last finished snapshot then stands, and the next run goes on.
  - M(boxlift.portal.crm_diff) says what differs between snapshots, M(boxlift.portal.crm_restore) brings a record back.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.crm
  - boxlift.portal.progress
attributes:
  check_mode:
    support: full
    details: Asks the portal how many records it has, and says in RV(plan) what a snapshot would read. Writes nothing.
  diff_mode:
    support: none
    details: What was read is too much for a diff; M(boxlift.portal.crm_diff) tells.
  idempotent:
    support: full
    details: Where nothing has changed in the portal, the new snapshot equals the one before.
requirements:
  - For O(store_key_file), the Python package cryptography on the target (Debian package C(python3-cryptography)).
options:
  webhook:
    required: true
  store:
    required: true
  kinds:
    description:
      - What is read. V(smart) stands for every smart process that the portal has; V(smart:128) is one of them.
      - Links between records are part of the records.
      - Product rows and comments cost one command for each item that is new or was touched, so they take most of the
        time of a first snapshot. Calls need the scope C(telephony). What may not be read is named in RV(unread).
      - V(quote) and V(invoice) are read only if they are named.
    type: list
    elements: str
    default:
      - type
      - status
      - category
      - field
      - user
      - company
      - contact
      - lead
      - deal
      - smart
      - productrow
      - activity
      - call
      - comment
  full:
    description:
      - Read everything again. This also finds what no time of the portal tells, such as a comment that was edited.
      - The first snapshot of a store is always full.
    type: bool
    default: false
  files:
    description:
      - Keep the contents of the files that records name too, in the folder O(store)C(.files), each content once.
    type: bool
    default: false
  keep:
    description:
      - Remove older snapshots afterwards. The newest one of each of the last so many days, weeks and months stays, and
        so does the newest of all. Without it nothing is removed.
    type: dict
    suboptions:
      daily:
        description: For so many days.
        type: int
        default: 14
      weekly:
        description: For so many weeks.
        type: int
        default: 8
      monthly:
        description: For so many months.
        type: int
        default: 12
  application_file:
    description:
      - Ask as an application instead of a webhook. A JSON file on the target, mode 0600, with C(client_id),
        C(client_secret) and C(refresh_token); O(webhook) is V(https://PORTAL/rest/) then.
    type: path
  offline_events:
    description:
      - Read the portal's own queue of what happened, too. It tells of deletions, and of comments that were edited.
      - Needs O(application_file) of an application whose user is an administrator, and a plan that has offline events.
        Where they are missing, RV(notes) say so, and deletions are found by counting.
      - The events are taken away only when they are in a finished snapshot.
    type: bool
    default: false
  verify:
    description: Read the whole store afterwards and prove every record and file in it by its sum.
    type: bool
    default: false
seealso:
  - module: boxlift.portal.crm_diff
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Keep the cloud's CRM every night
  boxlift.portal.crm_snapshot:
    webhook: "{{ site_crm_cloud_webhook }}"
    store: /var/lib/boxlift-crm/cloud.sqlite
    rate_share: 0.5
    keep:
      daily: 30

- name: Read the box's deals and what belongs to them, with their files, encrypted
  boxlift.portal.crm_snapshot:
    webhook: "{{ site_crm_box_webhook }}"
    store: /var/lib/boxlift-crm/box.sqlite
    store_key_file: /etc/boxlift/crm.key
    kinds: [category, field, deal, productrow, activity, comment]
    files: true
"""

RETURN = r"""
snapshot:
  description: The new snapshot.
  returned: success, not in check mode
  type: dict
  contains:
    number:
      description: Its number in the store.
      type: int
    portal:
      description: Host of the portal.
      type: str
    full:
      description: Whether everything was read.
      type: bool
    resumed:
      description: Whether it went on with what a run that ended early had read.
      type: bool
    kinds:
      description: For each kind, how many records the portal has, and how many were added, changed and deleted since
        the snapshot before; V(bytes) is what was stored for that.
      type: dict
    requests:
      description: Requests that it took.
      type: int
    waited:
      description: Seconds of waiting for the portal's limits.
      type: float
    seconds:
      description: From its beginning to its end.
      type: float
    files:
      description: Files that were fetched.
      type: int
    file_bytes:
      description: Their size.
      type: int
  sample:
    number: 12
    portal: example.bitrix24.com
    full: false
    resumed: false
    kinds:
      lead: {records: 20117, added: 104, changed: 311, deleted: 2, bytes: 190112}
    requests: 31
    waited: 0.0
    seconds: 14.2
    files: 0
    file_bytes: 0
unread:
  description: Kinds that the portal does not let us read, with its reason. The store keeps what it had of them.
  returned: success
  type: dict
  sample:
    call: "voximplant.statistic.get: The request requires higher privileges than provided by the webhook token."
notes:
  description: What people should know of this reading, such as files that could not be fetched.
  returned: success, not in check mode
  type: list
  elements: str
  sample: ["File 9 of lead 4 could not be fetched: There is no such file."]
alerts:
  description:
    - Kinds that changed or shrank more since the snapshot before than is usual (see M(boxlift.portal.crm_diff)).
  returned: success, not in check mode
  type: list
  elements: str
  sample: ["412 of 5120 contact records were deleted (8.0 %, more than 5 %)"]
size:
  description: Bytes that store and files take, and what they will; null where it is too early to say.
  returned: success, not in check mode
  type: dict
  sample:
    bytes: 182000000
    per_day: 410000
    in_30_days: 194300000
    in_365_days: 331650000
    measured_days: 12.0
    snapshots: 13
pruned:
  description: Snapshots that O(keep) has removed, how many versions went with them, and the bytes that this freed.
  returned: with O(keep), not in check mode
  type: dict
  sample:
    snapshots: [1, 2]
    versions: 310
    bytes: 102400
damage:
  description: What O(verify) found wrong; a task with damage fails.
  returned: with O(verify), not in check mode
  type: list
  elements: str
  sample: []
plan:
  description: What a snapshot would read now; V(changed) is null where only reading it would say.
  returned: in check mode
  type: dict
  sample:
    full: false
    requests: 44
    kinds:
      - {kind: lead, whole: false, portal: 20117, store: 20015, new: 104, changed: 311}
progress:
  description: How long the work took. The task adds it where it watched the work.
  returned: when the work was watched
  type: dict
  sample:
    seconds: 14.2
    phases:
      - {phase: lead, seconds: 3.1, bytes: 0, rate: null}
"""

import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.difference import alerts_of_pass
from ansible_collections.boxlift.portal.plugins.module_utils.crm.options import CRM_OPTIONS, connected, opened
from ansible_collections.boxlift.portal.plugins.module_utils.crm.retention import Retention, forecast, prune
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import plan, refresh
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress


def planned(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """What check mode returns."""
    with connected(params) as rest:
        # An empty file, as the role makes it, would become a store by being opened.
        if os.path.exists(params["store"]) and os.path.getsize(params["store"]):
            with opened(params) as store:
                found = plan(rest, store, params["kinds"], full=params["full"])
        else:
            found = plan(rest, None, params["kinds"], full=True)
    changed = any(each.new or each.changed or each.portal != each.store for each in found.kinds)
    return {"changed": changed or found.full, "plan": dataclasses.asdict(found), "unread": found.unread}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    if module.check_mode:
        return planned(params)
    with Progress("crm_snapshot", params["progress"]) as progress, connected(params) as rest, opened(params) as store:
        done = refresh(
            rest,
            store,
            params["kinds"],
            full=params["full"],
            files=params["files"],
            events=params["offline_events"],
            progress=progress,
        )
        for warning in done.warnings[:20]:
            module.warn(warning)
        snapshot = dataclasses.asdict(done)
        unread, warnings = snapshot.pop("unread"), snapshot.pop("warnings")
        result: dict[str, t.Any] = {
            "changed": any(each.added or each.changed or each.deleted for each in done.kinds.values()),
            "snapshot": snapshot,
            "unread": unread,
            "notes": warnings,
            "alerts": [alert.text for alert in alerts_of_pass(done.kinds)] if done.number > 1 else [],
        }
        if params["keep"] is not None:
            progress.tell(phase="prune")
            result["pruned"] = dataclasses.asdict(prune(store, Retention(**params["keep"])))
        if params["verify"]:
            progress.tell(phase="verify")
            result["damage"] = store.check()
            if result["damage"]:
                raise BoxliftError(
                    f"The store {store.path} is damaged: {result['damage'][0]}.",
                    "Put back a copy of it, or move it away and take a full snapshot.",
                    **result,
                )
        result["size"] = dataclasses.asdict(forecast(store))
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CRM_OPTIONS,
            "webhook": {"type": "str", "required": True, "no_log": True},
            "store": {"type": "path", "required": True},
            "kinds": {"type": "list", "elements": "str", "default": list(kinds.DEFAULT)},
            "full": {"type": "bool", "default": False},
            "files": {"type": "bool", "default": False},
            "keep": {
                "type": "dict",
                "options": {
                    "daily": {"type": "int", "default": 14},
                    "weekly": {"type": "int", "default": 8},
                    "monthly": {"type": "int", "default": 12},
                },
            },
            "application_file": {"type": "path"},
            "offline_events": {"type": "bool", "default": False},
            "verify": {"type": "bool", "default": False},
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
