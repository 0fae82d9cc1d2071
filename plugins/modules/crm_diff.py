#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: crm_diff
short_description: Say what changed in a portal's CRM between two snapshots, or since one
version_added: 0.2.0
description:
  - Compares two snapshots that M(boxlift.portal.crm_snapshot) took, or one with the live portal, or the stores of two
    portals. It says which records were added, changed field by field, or deleted, when and by whom.
  - Values are compared, not their spelling. V(10.00) is V(10), one moment in two time zones is the same, and phones and
    e-mail addresses are compared without the numbers that the portal gives them.
  - A kind that changed or shrank more than its threshold is an alert.
  - With O(record) it tells the history of one record.
  - With O(dest) the action writes a page for people and a JSON file, on the controller.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.crm
  - boxlift.portal.progress
attributes:
  check_mode:
    support: partial
    details: With O(live) nothing is read and nothing compared; it says what would be read. O(dest) is not written.
  diff_mode:
    support: full
    details: The fields of the records that differ, before and after.
  idempotent:
    support: full
options:
  webhook:
    description:
      - Address of an inbound webhook of the portal, as for M(boxlift.portal.crm_snapshot). Needed with O(live).
  store:
    required: true
  before:
    description:
      - The snapshot to compare from. A number, V(first), V(previous) or V(newest), or a moment such as
        V(2026-11-28T22:00+03:00), for which the newest snapshot before it stands. A moment without an offset is UTC.
      - Without it V(previous), and with O(live) or O(other_store) V(newest).
    type: str
  after:
    description:
      - The snapshot to compare with, of O(other_store) if there is one. Given as O(before) is.
    type: str
    default: newest
  live:
    description:
      - Compare with what the portal has now. It is read into O(store) as another snapshot first, which takes what
        M(boxlift.portal.crm_snapshot) takes.
    type: bool
    default: false
  other_store:
    description: The store of another portal to compare with, by the numbers of records.
    type: path
  other_store_key_file:
    description: File of the key of O(other_store), where it is encrypted.
    type: path
  kinds:
    description:
      - Which kinds of records are compared; V(smart) stands for all smart processes. Without it all that a snapshot
        has.
      - With O(live), which are read, as M(boxlift.portal.crm_snapshot) does by default.
    type: list
    elements: str
  thresholds:
    description:
      - By kind, how many percent of its records may be V(changed) and V(deleted) before it is an alert, and how many
        records it takes at V(least). The kind V(other) stands for those that are not named.
      - Where nothing is given, 25 percent changed or 5 percent deleted, of at least 20 records. Fewer for statuses,
        categories, fields, users and types of smart processes. A kind that has no record any more is an alert from 5
        records on.
    type: dict
  fail_on_alert:
    description: Fail where there is an alert.
    type: bool
    default: false
  limit:
    description: How many records of each kind are told one by one. All of them are counted.
    type: int
    default: 200
  record:
    description: Tell the history of this record instead of comparing snapshots.
    type: dict
    suboptions:
      kind:
        description: Its kind, such as V(lead).
        type: str
        required: true
      id:
        description: Its number.
        type: int
        required: true
  dest:
    description:
      - Folder on the controller for the page C(crm-diff.html) and for C(crm-diff.json). It is made where it is missing.
    type: path
seealso:
  - module: boxlift.portal.crm_snapshot
  - module: boxlift.portal.crm_restore
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: What changed since the night before, as a page
  boxlift.portal.crm_diff:
    store: /var/lib/boxlift-crm/cloud.sqlite
    dest: reports/crm

- name: Stop where a kind of record shrank much since Friday evening
  boxlift.portal.crm_diff:
    store: /var/lib/boxlift-crm/cloud.sqlite
    webhook: "{{ site_crm_cloud_webhook }}"
    before: "2026-11-27T18:00+03:00"
    live: true
    fail_on_alert: true
    thresholds:
      contact: {changed: 10, deleted: 1, least: 5}

- name: Who changed this deal, when, and what
  boxlift.portal.crm_diff:
    store: /var/lib/boxlift-crm/cloud.sqlite
    record: {kind: deal, id: 4711}
  register: told
"""

RETURN = r"""
difference:
  description: What differs; null in check mode with O(live).
  returned: without O(record)
  type: dict
  contains:
    before:
      description: The first snapshot; V(began) and V(ended) in Unix time, V(clock) of the portal.
      type: dict
    after:
      description: The second one.
      type: dict
    same:
      description: Whether nothing differs.
      type: bool
    kinds:
      description: For each kind, how many records there were and are, how many were added, changed and deleted, and in
        how many records each field changed.
      type: list
      elements: dict
    records:
      description: The records that differ, at most O(limit) of each kind. C(when) and C(who) are what the record itself
        says of its last change.
      type: list
      elements: dict
    left_out:
      description: Records that O(limit) has left out.
      type: int
    alerts:
      description: Kinds that changed or shrank more than their threshold.
      type: list
      elements: dict
    trend:
      description: How many records each of the last 60 snapshots had, and what it found.
      type: list
      elements: dict
    seconds:
      description: How long comparing took.
      type: float
  sample:
    before: {portal: example.bitrix24.com, snapshot: 11, began: 1796000400.0, ended: 1796000431.2,
             clock: "2026-11-30T04:00:00+03:00"}
    after: {portal: example.bitrix24.com, snapshot: 12, began: 1796086800.0, ended: 1796086814.9,
            clock: "2026-12-01T04:00:00+03:00"}
    same: false
    kinds:
      - {kind: lead, title: Leads, before: 20015, after: 20117, added: 104, changed: 1, deleted: 2,
         fields: {Stage: 1}}
    records:
      - kind: lead
        id: 4711
        what: changed
        title: Kitchen
        fields: [{field: stageId, title: Stage, before: NEW, after: IN_PROCESS}]
        when: "2026-11-30T15:12:09+03:00"
        who: Anna Ivanova (7)
    left_out: 0
    alerts: []
    trend:
      - {snapshot: 12, began: 1796086800.0, full: false, records: 48211, added: 104, changed: 1, deleted: 2}
    seconds: 0.4
record:
  description: Whose history it is.
  returned: with O(record)
  type: dict
  sample: {kind: deal, id: 4711, portal: example.bitrix24.com}
history:
  description: What happened to the record, oldest first. C(seen) is when the snapshot began that found it.
  returned: with O(record)
  type: list
  elements: dict
  sample:
    - snapshot: 1
      seen: 1795000000.0
      what: added
      when: "2026-11-20T10:00:00+03:00"
      who: Anna Ivanova (7)
      fields: []
plan:
  description: What would be read, as M(boxlift.portal.crm_snapshot) says it.
  returned: in check mode with O(live)
  type: dict
  sample: {full: false, requests: 44, kinds: [], unread: {}}
html:
  description: The page.
  returned: with O(dest)
  type: str
  sample: /srv/site/reports/crm/crm-diff.html
json:
  description: The file with RV(difference) or RV(history).
  returned: with O(dest)
  type: str
  sample: /srv/site/reports/crm/crm-diff.json
progress:
  description: How long the work took. The task adds it where it watched the work.
  returned: when the work was watched
  type: dict
  sample:
    seconds: 14.2
    phases:
      - {phase: compare, seconds: 0.4, bytes: 0, rate: null}
"""

import contextlib
import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.crm import difference, kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.options import CRM_OPTIONS, connected, opened
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import plan, refresh
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    thresholds = difference.thresholds(params["thresholds"] or {})
    with Progress("crm_diff", params["progress"]) as progress, opened(params, create=params["live"]) as store:
        if params["record"] is not None:
            told = difference.history(store, params["record"]["kind"], params["record"]["id"])
            named = {
                "kind": params["record"]["kind"],
                "id": params["record"]["id"],
                "portal": store.snapshots()[-1].portal,
            }
            return {"changed": False, "record": named, "history": [each.as_dict() for each in told]}
        # Found before the portal is read, which makes another newest one.
        elsewhere = params["live"] or params["other_store"]
        before = difference.find_snapshot(store, params["before"] or ("newest" if elsewhere else "previous"))
        read = False
        if params["live"]:
            with connected(params) as rest:
                wanted = params["kinds"] or kinds.DEFAULT
                if module.check_mode:
                    found = plan(rest, store, wanted)
                    return {"changed": True, "difference": None, "plan": dataclasses.asdict(found)}
                read = bool(refresh(rest, store, wanted, progress=progress).number)
        progress.tell(phase="compare")
        with contextlib.ExitStack() as stack:
            other = store
            if params["other_store"]:
                other = stack.enter_context(opened(params, "other_store", "other_store_key_file", create=False))
            after = difference.find_snapshot(other, "newest" if params["live"] else params["after"])
            found_difference = difference.difference(
                store, before, other, after, names=params["kinds"], thresholds=thresholds, limit=params["limit"]
            )
            result = {**found_difference.as_dict(), "trend": difference.trend(other)}
    if found_difference.alerts and params["fail_on_alert"]:
        raise BoxliftError(
            f"{found_difference.alerts[0].text[:1].upper()}{found_difference.alerts[0].text[1:]}.",
            "See difference. If it was meant, raise the threshold; if it was not, crm_restore brings records back.",
            difference=result,
        )
    answer = {"changed": read, "difference": result}
    if module._diff:
        answer["diff"] = difference.as_diff(found_difference)
    return answer


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CRM_OPTIONS,
            "store": {"type": "path", "required": True},
            "before": {"type": "str"},
            "after": {"type": "str", "default": "newest"},
            "live": {"type": "bool", "default": False},
            "other_store": {"type": "path"},
            "other_store_key_file": {"type": "path", "no_log": False},
            "kinds": {"type": "list", "elements": "str"},
            "thresholds": {"type": "dict"},
            "fail_on_alert": {"type": "bool", "default": False},
            "limit": {"type": "int", "default": 200},
            "record": {
                "type": "dict",
                "options": {"kind": {"type": "str", "required": True}, "id": {"type": "int", "required": True}},
            },
            # The action writes there; it needs a controller.
            "dest": {"type": "path"},
            "progress": {"type": "path"},
        },
        required_if=[("live", True, ["webhook"])],
        mutually_exclusive=[("live", "other_store"), ("record", "live"), ("record", "other_store")],
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
