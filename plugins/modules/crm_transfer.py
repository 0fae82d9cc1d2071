#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: crm_transfer
short_description: Carry what arrived in the cloud's CRM since the backup into the box, and prove it
version_added: 0.2.0
description:
  - Compares the CRM of the cloud portal with that of the box over REST, and writes into the box what it lacks or has
    otherwise. Nothing is lost and nothing is doubled, also where answers are lost or the run is killed; run the same
    task again, and it goes on.
  - O(mode=begin) comes first, after the restore and before anybody works in the box. Up to the highest id that the box
    has then, ids are the same on both sides; beyond, the file O(id_map) knows which record is which. A box without
    records gets everything.
  - O(mode=warm) runs any number of times while people still work in the cloud. O(mode=final) comes after the freeze. It
    does the same, looks whether the cloud has changed meanwhile, compares both portals and gives a grade.
  - O(mode=reverse) carries what was made or changed in the box since the final pass back into the cloud, for a
    rollback.
  - New records are imported, not added, so that they keep their dates and no robot runs. A record that is changed later
    gets the time of that change; every such record is listed. The portal has no change without robots, so they stay
    off in the target until it is opened.
  - Users are found by their ids within the backup, else by their e-mail addresses. Stages, statuses, pipelines and
    values of list fields are found by name. Telephone numbers and addresses are compared by value, and never doubled.
  - O(rate_share) is of the cloud alone, since a box has no limits of its own.
  - Comments get date and author in their first line, since the portal takes neither. Outgoing e-mails are listed, not
    written. See O(mail_activities).
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.crm
  - boxlift.portal.progress
attributes:
  check_mode:
    support: full
    details: Reads both portals into the stores, says what it would write and how long it would take, and writes nothing
      into a portal.
  diff_mode:
    support: none
    details: RV(plan) has the counts, and the result's file every record.
  idempotent:
    support: full
options:
  mode:
    description: Which pass this is.
    type: str
    required: true
    choices: [begin, warm, final, reverse]
  cloud_webhook:
    description: Address of an inbound webhook of the cloud portal, made by an administrator.
    type: str
    required: true
  box_webhook:
    description: Address of an inbound webhook of the box, made by an administrator.
    type: str
    required: true
  webhook:
    description: Not used here; see O(cloud_webhook) and O(box_webhook).
    type: str
  store:
    description: Not used here; see O(cloud_store) and O(box_store).
    type: path
  cloud_store:
    description: File of the cloud's records, as M(boxlift.portal.crm_snapshot) keeps them. It is brought up to date.
    type: path
    required: true
  box_store:
    description: File of the box's records.
    type: path
    required: true
  store_key_file:
    description: File of 32 bytes with which the records in both stores are encrypted.
    type: path
  id_map:
    description:
      - SQLite file that knows which record of the cloud is which of the box. Other programs may read its table C(pair)
        with the columns C(kind), C(cloud_id) and C(box_id), and C(baseline) with C(kind) and C(maximum).
      - One for each move. Keep it as long as anything refers to ids of the cloud.
    type: path
    required: true
  folder:
    description: Folder for the result and the list of what was left behind; of O(id_map) if not given.
    type: path
  kinds:
    description: Kinds of records to carry over; V(smart) are all smart processes.
    type: list
    elements: str
    default: [company, contact, lead, deal, smart, productrow, activity, comment]
  files:
    description: Carry the files of file fields, too. Without it they are listed.
    type: bool
    default: false
  conflicts:
    description: Whose value stands where both sides have changed a field. Every such record is in RV(conflicts).
    type: str
    choices: [source, target]
    default: source
  deletions:
    description:
      - What becomes of records that were deleted in the source. V(list) leaves them in the target and lists them.
        V(apply) deletes them there, unless people have changed them.
    type: str
    choices: [list, apply]
    default: list
  missing_statuses:
    description: Whether stages, statuses and pipelines that the target lacks are made there, or refuse the transfer.
    type: str
    choices: [refuse, create]
    default: refuse
  older_records:
    description:
      - The portal takes no record that is older than its newest one. V(refuse) stops before the first write; V(shift)
        gives such records the date of the newest one, and lists them.
    type: str
    choices: [refuse, shift]
    default: refuse
  fallback_user:
    description: Id of a user of the target, for users of the source that have no match there.
    type: int
  leave_out:
    description: Fields that are not carried over but listed, such as V(lead.UF_CRM_1699000000).
    type: list
    elements: str
    default: []
  mail_activities:
    description:
      - What becomes of outgoing e-mails. The portal may send one again when it is written, so V(write) is only for
        a target that cannot send mail.
    type: str
    choices: [list, write]
    default: list
  offline_events:
    description: With V(required), a source whose plan has no offline events is refused.
    type: str
    choices: ['no', required]
    default: 'no'
  former_exports:
    description:
      - CSV files on the target that were exported from the source in a former move and entered by hand. What is in the
        box already is not written again; RV(former) says which lines people must look at.
    type: list
    elements: path
    default: []
  frozen_at:
    description: When the source was frozen, in seconds since 1970, for the time from freeze to proof in RV(delta).
    type: float
seealso:
  - module: boxlift.portal.crm_snapshot
  - module: boxlift.portal.crm_report
author:
  - boxlift.portal contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Note what both sides share, after the restore
  boxlift.portal.crm_transfer:
    mode: begin
    cloud_webhook: "{{ site_crm_cloud_webhook }}"
    box_webhook: "{{ site_crm_box_webhook }}"
    cloud_store: /var/lib/boxlift-crm/move-1/cloud.sqlite
    box_store: /var/lib/boxlift-crm/move-1/box.sqlite
    id_map: /var/lib/boxlift-crm/move-1/transfer.sqlite

- name: Carry the difference over after the freeze, and prove it
  boxlift.portal.crm_transfer:
    mode: final
    cloud_webhook: "{{ site_crm_cloud_webhook }}"
    box_webhook: "{{ site_crm_box_webhook }}"
    cloud_store: /var/lib/boxlift-crm/move-1/cloud.sqlite
    box_store: /var/lib/boxlift-crm/move-1/box.sqlite
    id_map: /var/lib/boxlift-crm/move-1/transfer.sqlite
    fallback_user: 1
    leave_out: [lead.UF_CRM_1699000000]
  register: difference
"""

RETURN = r"""
mode:
  description: Which pass this was.
  returned: success
  type: str
  sample: final
baseline:
  description: For each kind, up to which id ids are the same on both sides; empty for a box that had no records.
  returned: success
  type: dict
  sample: {company: 310, contact: 4120, lead: 20017, deal: 1740}
plan:
  description: For each kind, how many records were to be created, changed and deleted, and how many were equal.
  returned: success
  type: dict
  sample:
    lead: {create: 104, update: 12, delete: 0, equal: 20001}
forecast:
  description: Requests and seconds that the writes take under the limits; V(measured) if earlier passes were timed.
  returned: success
  type: dict
  sample: {requests: 3, seconds: 31.2, seconds_by_limit: 0.0, measured: true}
written:
  description: For each kind, how many records were created, updated, deleted or refused.
  returned: success
  type: dict
  sample:
    lead: {created: 104, updated: 12}
own:
  description: For each kind, how many records the target has of its own.
  returned: success
  type: dict
  sample: {}
refusals:
  description: Why the transfer does not begin, each with V(code), V(text) and V(remedy). O(mode=begin) only tells them.
  returned: always
  type: list
  elements: dict
  sample:
    - code: user_without_match
      text: box.example.com has no user for 8 (Vera) of firm.example.com, who is named by lead 20115.
      remedy: Invite the user to box.example.com with the same e-mail address; or name one as fallback_user.
left_behind:
  description: What stays behind and why, the first 1000; all of it is in the file that RV(paths) names.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: activity
      id: 4711
      code: mail_activity
      text: "An outgoing e-mail, which might be sent again: Offer"
      fields: []
conflicts:
  description: Records that both sides have changed, the first 1000.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: lead
      id: 20015
      target_id: 20015
      fields: [title]
      kept: source
      by: [5, 7]
      only_target: []
late:
  description: Records that people changed in the source while the final pass ran, and who did.
  returned: success
  type: list
  elements: dict
  sample: []
lost_answers:
  description: Requests whose answer was lost, and whose records were looked up.
  returned: success
  type: int
  sample: 0
doubles_removed:
  description: Second records under the same key that were removed.
  returned: success
  type: int
  sample: 0
grade:
  description: V(perfect), V(good), V(investigate) or V(poor); null for passes that prove nothing.
  returned: success
  type: str
  sample: perfect
delta:
  description: What a gate reads of the proof, with the reasons of the grade.
  returned: with O(mode=final) and O(mode=reverse), not in check mode
  type: dict
  sample:
    format: 1
    grade: perfect
    text: "box.example.com has everything that firm.example.com has: 104 leads brought over, and every value agrees."
    skipped_sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
paths:
  description: Files of the whole result and of the list of what stays behind.
  returned: success
  type: dict
  sample:
    result: /var/lib/boxlift-crm/move-1/final-result.json
    list: /var/lib/boxlift-crm/move-1/final-skipped.jsonl
idmap:
  description: Path of the file that knows which record is which.
  returned: success
  type: str
  sample: /var/lib/boxlift-crm/move-1/transfer.sqlite
former:
  description: What became of the lines of O(former_exports), and those that people must look at.
  returned: with O(former_exports)
  type: dict
  sample:
    counts: {there: 40, new: 3, ambiguous: 1, unreadable: 0}
    lines: []
phases:
  description: Seconds of each part of the work.
  returned: success
  type: dict
  sample: {read: 3.1, compare: 0.4, write: 2.2, prove: 1.0}
requests:
  description: Requests to each portal.
  returned: success
  type: dict
  sample: {firm.example.com: 21, box.example.com: 30}
progress:
  description: How long the work took. The task adds it where it watched the work.
  returned: when the work was watched
  type: dict
  sample:
    seconds: 14.2
    phases:
      - {phase: write lead, seconds: 3.1, bytes: 0, rate: null}
"""

import contextlib
import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.crm import kinds
from ansible_collections.boxlift.portal.plugins.module_utils.crm.options import CRM_OPTIONS, connected, opened
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.options import KINDS, Options
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transfer.run import MODES, NAMES, Transfer, as_result
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress

CHOSEN = ("conflicts", "deletions", "missing_statuses", "older_records", "fallback_user", "mail_activities", "files")


def options_of(params: dict[str, t.Any]) -> Options:
    """Kinds that are only read, such as users, are read in any case. Raises BoxliftError."""
    for name in params["kinds"]:
        if name != "smart":
            kinds.kind(name)
    wanted = tuple(name for name in KINDS if name in {each.partition(":")[0] for each in params["kinds"]})
    for name in params["leave_out"]:
        if "." not in name:
            raise BoxliftError(f"leave_out names no field of a kind: {name}.", "Write KIND.FIELD, as in lead.UF_CRM_1.")
    return Options(
        kinds=wanted,
        leave_out=tuple(params["leave_out"]),
        offline_events=params["offline_events"],
        **{name: params[name] for name in CHOSEN},
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    options = options_of(params)
    # Snapshots keep more kinds than a transfer writes, and both may be given the same list.
    left_out = sorted({each.partition(":")[0] for each in params["kinds"]} - {*options.kinds, *NAMES})
    if left_out:
        module.warn(f"Of these kinds nothing is carried over: {', '.join(left_out)}.")
    folder = params["folder"] or os.path.dirname(os.path.abspath(params["id_map"]))
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(Progress("crm_transfer", params["progress"])) if not module.check_mode else None
        transfer = Transfer(
            stack.enter_context(connected(params, "cloud_webhook")),
            # The company's own portal has no limits; it is loaded by one request after the other.
            stack.enter_context(connected({**params, "rate_share": 1.0}, "box_webhook")),
            stack.enter_context(opened(params, "cloud_store")),
            stack.enter_context(opened(params, "box_store")),
            params["id_map"],
            options,
            check=module.check_mode,
            folder=folder,
            frozen=params["frozen_at"],
            share=params["rate_share"],
            progress=progress,
        )
        former = None
        if params["former_exports"] and params["mode"] != "begin":
            adoption = transfer.adopt_former(params["former_exports"])
            lines = [dataclasses.asdict(line) for line in adoption.for_people]
            former = {"counts": adoption.counts, "lines": lines}
        result = as_result(transfer.run(params["mode"]))
    return {**result, "former": former} if former else result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CRM_OPTIONS,
            "mode": {"type": "str", "required": True, "choices": list(MODES)},
            "cloud_webhook": {"type": "str", "required": True, "no_log": True},
            "box_webhook": {"type": "str", "required": True, "no_log": True},
            "cloud_store": {"type": "path", "required": True},
            "box_store": {"type": "path", "required": True},
            "id_map": {"type": "path", "required": True},
            "folder": {"type": "path"},
            "kinds": {"type": "list", "elements": "str", "default": list(KINDS)},
            "files": {"type": "bool", "default": False},
            "conflicts": {"type": "str", "choices": ["source", "target"], "default": "source"},
            "deletions": {"type": "str", "choices": ["list", "apply"], "default": "list"},
            "missing_statuses": {"type": "str", "choices": ["refuse", "create"], "default": "refuse"},
            "older_records": {"type": "str", "choices": ["refuse", "shift"], "default": "refuse"},
            "fallback_user": {"type": "int"},
            "leave_out": {"type": "list", "elements": "str", "default": []},
            "mail_activities": {"type": "str", "choices": ["list", "write"], "default": "list"},
            "offline_events": {"type": "str", "choices": ["no", "required"], "default": "no"},
            "former_exports": {"type": "list", "elements": "path", "default": []},
            "frozen_at": {"type": "float"},
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
