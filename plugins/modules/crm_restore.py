#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: crm_restore
short_description: Bring CRM records of a snapshot or an archive back to the portal
version_added: 0.1.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Brings records back with what belongs to them - a deal with its product rows, activities and comments, a contact
    with its activities and comments, a company with the contacts that belonged to it.
  - A record that still exists goes back to the version of the snapshot, field by field. Phones and e-mail addresses
    are compared by their values and written by their ids, so that none is doubled. What was added to it since, such as
    later comments, stays.
  - A record that is gone is imported. So no automation rule runs, and author and dates stay. It gets a new id, which is
    noted in O(store). Records that still exist, and referred to the old id, then refer to the new one.
  - The portal imports nothing that is older than its newest record of that kind. Such a record gets the date of now,
    and a comment with the real one. O(old_dates) can refuse it instead.
  - Comments cannot keep their date. The restored text begins with date and author.
  - Run it in check mode first. It then says everything that would happen, and everything that speaks against it.
  - It may be killed at any point and run again. Until a record is in the id map of O(store), it is known by the pair of
    originator and origin id that it is imported with, so nothing is made twice. The pair of another program is given
    back at the end.
options:
  webhook:
    required: true
  store:
    required: true
  archive:
    description:
      - The archive that M(boxlift.portal.crm_archive) has made. A record is taken from where its newer version is.
      - The file beside O(store) whose name ends in C(-archive.sqlite), if there is one and nothing else is given.
    type: path
  records:
    description:
      - The records to bring back.
      - Exactly one of O(records) and O(lost) is given.
    type: list
    elements: dict
    suboptions:
      kind:
        description:
          - V(company), V(contact), V(lead), V(deal), V(quote), V(invoice), V(smart:128) with the number of a smart
            process, V(activity), or V(drivefile) for a file of the drive that was archived.
        type: str
        required: true
      id:
        description: The id that the record has in the snapshot.
        type: int
        required: true
  lost:
    description:
      - Bring back everything of these kinds that the snapshot has and the portal does not. What was archived on purpose
        is left out.
      - Without O(snapshot) and O(moment) the newest snapshot is meant. Since that one knows of the deletions that were
        there before it, name the one before the loss.
    type: list
    elements: str
  snapshot:
    description:
      - Number of the snapshot in O(store). Without it and O(moment), each record is taken from the newest snapshot that
        has it.
    type: int
  moment:
    description:
      - The newest snapshot that was complete at this moment is meant, as in V(2026-11-28T23:00:00+03:00).
    type: str
  fields:
    description:
      - Only these fields of records that still exist go back, by their names in C(crm.item.fields) with original names
        of user fields; V(fm) stands for phones, e-mail addresses and the like. Their children stay as they are.
    type: list
    elements: str
    default: []
  children:
    description: Whether product rows, activities and comments come back too.
    type: bool
    default: true
  links:
    description: Whether records that referred to an old id refer to the new one afterwards.
    type: bool
    default: true
  old_dates:
    description:
      - What becomes of a record that is gone and older than the newest of its kind. V(now) gives it the date of now,
        and V(refuse) brings nothing back.
    type: str
    choices: [now, refuse]
    default: now
  fallback_user:
    description: Id of the employee who stands in for those that the portal does not know any more.
    type: int
  skip_fields:
    description: >-
      Fields of the snapshot that are left out, since the portal does not have them, or their values, any more.
    type: list
    elements: str
    default: []
  renamed:
    description:
      - The portal had another name when the snapshots were taken. Otherwise a store of another portal is refused, since
        its ids are those of other records there.
    type: bool
    default: false
  emails:
    description:
      - Add e-mails that are gone as activities again. The portal is told not to send them, but try it on a copy first
        that cannot send.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details: Makes the plan and writes nothing.
  diff_mode:
    support: full
    details: Shows the fields that go back, and what is created.
  idempotent:
    support: full
extends_documentation_fragment:
  - boxlift.portal.crm
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.progress
requirements:
  - For an encrypted store, the Python package cryptography on the target
notes:
  - Records that still exist are changed by an update. The portal's automation rules see it, and the time of change is
    that of the restore. The plan says so.
  - What the portal calculates or writes by itself does not come back. That is the history of stages, the feed, and the
    business processes that ran.
seealso:
  - module: boxlift.portal.crm_archive
  - module: boxlift.portal.crm_quota
"""

EXAMPLES = r"""
- name: See what would happen
  boxlift.portal.crm_restore:
    webhook: "{{ site_crm_box_webhook }}"
    store: /var/lib/boxlift-crm/box.sqlite
    records:
      - kind: deal
        id: 1734
  check_mode: true
  diff: true

- name: Put back the stage and the amount that a deal had on Friday evening
  boxlift.portal.crm_restore:
    webhook: "{{ site_crm_box_webhook }}"
    store: /var/lib/boxlift-crm/box.sqlite
    moment: "2026-11-27T21:00:00+03:00"
    fields: [stageId, opportunity]
    records:
      - kind: deal
        id: 1734

- name: Bring back all contacts and companies that were deleted since snapshot 41
  boxlift.portal.crm_restore:
    webhook: "{{ site_crm_box_webhook }}"
    store: /var/lib/boxlift-crm/box.sqlite
    snapshot: 41
    lost: [company, contact]
"""

RETURN = r"""
plan:
  description:
    - Each record, in the order of the work. V(create), V(update) or V(same), its id now (C(target)), the fields that go
      back, whether its date of creation is kept, and remarks. Product rows and comments are counted.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: deal
      id: 1734
      title: Office for Anna
      snapshot: 41
      store: /var/lib/boxlift-crm/box.sqlite
      action: update
      target: 1734
      changes:
        - field: stageId
          now: LOSE
          then: EXECUTING
      created_kept: null
      product_rows: null
      comments: 0
      files: 0
      owner: null
      remarks: []
links:
  description: Fields of other records that refer to new ids afterwards.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: deal
      id: 1734
      field: contactIds
counts:
  description: The plan in numbers.
  returned: success
  type: dict
  sample:
    created: 0
    updated: 1
    same: 0
    links: 0
    comments: 0
    product_rows: 0
    dates_lost: 0
created:
  description: The new ids of this run.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: contact
      id: 17
      target: 904
remarks:
  description: What people should know of the whole plan.
  returned: success
  type: list
  elements: str
  sample: []
refused:
  description: What the portal refused, in its own words. The task fails if there is anything.
  returned: when the work was done
  type: list
  elements: str
  sample: []
refusals:
  description: Everything that speaks against the plan, each with its code and remedy. Nothing is written then.
  returned: when the plan is refused
  type: list
  elements: dict
  sample:
    - code: missing_stage
      message: deal 1734 is in stage C9:NEW, which the list DEAL_STAGE_9 of the portal does not have any more.
      remedy: Make the stage again under this id, or restore without stageId (fields).
progress:
  description: How long the work took. The task adds it where it watched the work.
  returned: when the work was watched
  type: dict
  sample:
    seconds: 14.2
    phases:
      - {phase: restore, seconds: 3.1, bytes: 0, rate: null}
lost_answers:
  description: Answers that did not arrive. Each was looked up.
  returned: success
  type: int
  sample: 0
requests:
  description: Requests to the portal.
  returned: success
  type: int
  sample: 14
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.crm.keep_options import (
    ARCHIVE_OPTIONS,
    keys_of,
    standing_alone,
    stores_of,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.options import connected
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restore_plan import Options, Plan, shortened
from ansible_collections.boxlift.portal.plugins.module_utils.crm.restoring import Outcome, restore
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress

Data = dict[str, t.Any]


def moment_of(text: str | None) -> float | None:
    """Unix time of the option. Raises BoxliftError."""
    if not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BoxliftError(f"The moment {text} cannot be read.", "Write it as 2026-11-28T23:00:00+03:00.")
    return moment.timestamp()


def lines(plan: Plan) -> tuple[str, str]:
    """Before and after, for people."""
    before, after = [], []
    for step in plan.steps:
        name = f"{step.kind} {step.id}"
        if step.action == "create":
            after.append(f"{name}: imported anew, {step.as_dict()['title']!r}")
        for change in step.changes:
            before.append(f"{name}: {change.field}: {shortened(change.now)}")
            after.append(f"{name}: {change.field}: {shortened(change.then)}")
        if step.rows is not None:
            after.append(f"{name}: {len(step.rows)} product rows")
        after += [f"{name}: comment: {shortened(text, 80)}" for text in (each.text for each in step.comments)]
    after += [f"{link.key[0]} {link.target}: {link.field} refers to the restored record" for link in plan.links]
    return "".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in after)


def result(outcome: Outcome, requests: int, diff: bool) -> Data:
    plan = outcome.plan
    found: Data = {
        "changed": plan.changed(),
        "plan": [step.as_dict() for step in plan.steps],
        "links": [{"kind": link.key[0], "id": link.target, "field": link.field} for link in plan.links],
        "counts": plan.counts(),
        "created": [{"kind": kind, "id": old, "target": new} for (kind, old), new in outcome.created.items()],
        "remarks": plan.remarks,
        "refused": outcome.refused,
        "lost_answers": outcome.lost_answers,
        "requests": requests,
    }
    if diff:
        before, after = lines(plan)
        found["diff"] = {"before": before, "after": after}
    return found


def work(params: Data, check: bool, diff: bool) -> Data:
    options = Options(
        fields=params["fields"],
        children=params["children"],
        links=params["links"],
        old_dates=params["old_dates"],
        fallback_user=params["fallback_user"] or 0,
        skip_fields=params["skip_fields"],
        emails=params["emails"],
    )
    wanted = None if params["records"] is None else keys_of(params["records"])
    names = [standing_alone(name) for name in params["lost"] or []]
    moment = moment_of(params["moment"])
    progress_file = None if check else params["progress"]
    with Progress("crm_restore", progress_file) as progress, connected(params) as rest, stores_of(params) as stores:
        outcome = restore(
            rest,
            stores,
            wanted,
            options,
            snapshot=params["snapshot"],
            moment=moment,
            names=names,
            renamed=params["renamed"],
            check=check,
            tell=progress.tell,
        )
        return result(outcome, rest.requests, diff)


def argument_spec() -> Data:
    texts: Data = {"type": "list", "elements": "str"}
    record = {"kind": {"type": "str", "required": True}, "id": {"type": "int", "required": True}}
    return {
        **ARCHIVE_OPTIONS,
        "records": {"type": "list", "elements": "dict", "options": record},
        "lost": texts,
        "snapshot": {"type": "int"},
        "moment": {"type": "str"},
        "fields": {**texts, "default": []},
        "children": {"type": "bool", "default": True},
        "links": {"type": "bool", "default": True},
        "old_dates": {"type": "str", "choices": ["now", "refuse"], "default": "now"},
        "fallback_user": {"type": "int"},
        "skip_fields": {**texts, "default": []},
        "renamed": {"type": "bool", "default": False},
        "emails": {"type": "bool", "default": False},
        "progress": {"type": "path"},
    }


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the webhook."""


def main() -> None:
    module = Module(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_one_of=[("records", "lost")],
        mutually_exclusive=[("records", "lost"), ("snapshot", "moment")],
    )
    try:
        found = work(module.params, module.check_mode, module._diff)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    if found["refused"]:
        module.fail_json(
            msg=f"The portal refused {len(found['refused'])} writes, the first one: {found['refused'][0]}"
            " Correct what it says and run again: what is done stays done.",
            **found,
        )
    module.exit_json(**found)


if __name__ == "__main__":
    main()
