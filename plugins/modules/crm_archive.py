#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: crm_archive
short_description: Take closed CRM records and old files out of a portal, proven in an archive first
version_added: 0.1.0
author:
  - boxlift.portal contributors (@boxlift)
description:
  - Works in two runs. Without O(confirm), it chooses what is old and closed, brings it into O(archive) with its
    product rows, activities, comments and the contents of its files, reads all of that back, and returns RV(plan).
    Nothing is removed.
  - With O(confirm), which repeats the sum of that plan, it removes from the portal what the plan names. Just before,
    each record is proven in the archive once more, and compared with the portal. What has changed since it was stored,
    or has a new comment, is left and named in RV(left).
  - What others need is never removed. A deal with an open activity stays, and so does a lead whose deal stays, and a
    contact or company that any record refers to that stays.
  - The portal moves what is removed into its recycle bin. Its space is free when an administrator empties the bin.
  - M(boxlift.portal.crm_restore) brings any of it back.
  - It may be killed at any point and run again. What is not proven in the archive is never removed.
options:
  webhook:
    required: true
  store:
    description: The store of the portal's snapshots. The archive lies beside it.
    required: true
  archive:
    description:
      - File of the archive, mode 0600. It is made where it is missing. Nothing prunes it, so copy it to where backups
        are.
      - The name of O(store) with C(-archive.sqlite) at its end, if not given.
    type: path
  kinds:
    description:
      - What is archived. V(deal), V(lead), V(quote), V(invoice) and V(smart:128) with the number of a smart process are
        records whose stage ends their way, won or lost, converted or junk.
      - V(activity) is completed activities of records that stay. Those of archived records always go with them.
      - V(contact) and V(company) are those that archived records refer to, and nobody else.
      - V(drivefile) is files of the drive. The portal does not tell whether a message, task or record shows such a
        file, so choose O(storages) with care. The webhook needs the scope C(disk).
    type: list
    elements: str
    default: [deal, lead, activity]
  older_than:
    description: Days for which nothing has happened to a record.
    type: float
    default: 365
  files_older_than:
    description: Days for which a file of the drive has not changed.
    type: float
    default: 365
  storages:
    description:
      - Ids of the drive's storages whose files may be archived, as C(disk.storage.getlist) gives them. All if empty.
    type: list
    elements: int
    default: []
  limit:
    description: At most so many records and files in one plan; V(0) is no bound. Memory grows with it.
    type: int
    default: 10000
  confirm:
    description:
      - The sum of the plan that is to be carried out, as RV(plan) of a run without this option returns it.
      - Only the last plan counts.
    type: str
attributes:
  check_mode:
    support: full
    details: >-
      Without O(confirm), chooses only, and makes no plan. With it, proves and compares everything, and removes nothing.
  diff_mode:
    support: none
    details: RV(records) names what would be archived or removed.
  idempotent:
    support: full
extends_documentation_fragment:
  - boxlift.portal.crm
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.progress
requirements:
  - For an encrypted archive, the Python package cryptography on the target
notes:
  - Between the last look at fifty records and their deletion, one request passes. What people change in that moment is
    in the portal's recycle bin.
  - Stage history and the feed cannot be read over REST, so they are not archived.
seealso:
  - module: boxlift.portal.crm_restore
  - module: boxlift.portal.crm_quota
"""

EXAMPLES = r"""
- name: Store what was closed two years ago, and see the plan
  boxlift.portal.crm_archive:
    webhook: "{{ site_crm_box_webhook }}"
    store: /var/lib/boxlift-crm/box.sqlite
    kinds: [deal, lead, contact, company]
    older_than: 730
  register: archived

- name: Remove it from the portal, after somebody has read the plan
  boxlift.portal.crm_archive:
    webhook: "{{ site_crm_box_webhook }}"
    store: /var/lib/boxlift-crm/box.sqlite
    confirm: 7b1c0e4e1b4b2f3c9d5a60c55f6f7d0f0a6a8f0c8e5c7f2f9e6b3d4c2a1f0e9d
"""

RETURN = r"""
plan:
  description: The sum of the plan, for O(confirm). Empty in check mode, and where nothing is to be archived.
  returned: success
  type: str
  sample: 7b1c0e4e1b4b2f3c9d5a60c55f6f7d0f0a6a8f0c8e5c7f2f9e6b3d4c2a1f0e9d
counts:
  description: How many records of each kind the plan has.
  returned: success
  type: dict
  sample:
    deal: 120
    lead: 844
records:
  description: The first hundred records of the plan. With O(confirm) they have no titles.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: deal
      id: 17
      title: Office for Anna
file_bytes:
  description: Size of the files that belong to the plan.
  returned: success
  type: int
  sample: 73400320
stored:
  description: How many records and files the archive did not have before this run.
  returned: success
  type: int
  sample: 4211
removed:
  description: How many records were removed, or in check mode would be.
  returned: success
  type: int
  sample: 0
already_gone:
  description: How many records of the plan were not in the portal any more.
  returned: success
  type: int
  sample: 0
left:
  description: The first hundred records that were not archived or not removed, and why.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: lead
      id: 31
      code: in_use
      reason: it is needed by deal 12
left_count:
  description: How many there are of them.
  returned: success
  type: int
  sample: 1
remarks:
  description: What to do next.
  returned: success
  type: list
  elements: str
  sample:
    - "Deleted records lie in the portal's recycle bin: their space is free when an administrator empties it."
progress:
  description: How long the work took. The task adds it where it watched the work.
  returned: when the work was watched
  type: dict
  sample:
    seconds: 61.0
    phases:
      - {phase: store, seconds: 60.2, bytes: 0, rate: null}
requests:
  description: Requests to the portal.
  returned: success
  type: int
  sample: 61
"""

import collections
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.crm.archiving import BIN, Archived, Archiver, Choice
from ansible_collections.boxlift.portal.plugins.module_utils.crm.keep_options import (
    ARCHIVE_OPTIONS,
    archive_of,
    standing_alone,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.options import connected, opened
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.progress import Progress

Data = dict[str, t.Any]
SHOWN = 100


def choice_of(params: Data) -> Choice:
    """What the options choose. Raises BoxliftError for what makes no sense."""
    for name in ("older_than", "files_older_than"):
        if params[name] < 1:
            raise BoxliftError(f"{name} is {params[name]}.", "Give a number of days, 1 at least.")
    if params["limit"] < 0:
        raise BoxliftError(f"limit is {params['limit']}.", "Give a number of records, or 0 for no bound.")
    return Choice(
        kinds=[standing_alone(name) for name in params["kinds"]],
        older_than=params["older_than"],
        files_older_than=params["files_older_than"],
        storages=params["storages"],
        limit=params["limit"],
    )


def remarks_of(found: Archived, confirmed: bool) -> list[str]:
    if confirmed:
        return [BIN] if found.removed else []
    if found.plan:
        return [f"Nothing was removed. To remove these {len(found.records)} records, run with confirm: {found.plan}"]
    return ["Check mode makes no plan: run without it." if found.records else "Nothing is old enough and closed."]


def result(found: Archived, confirmed: bool, check: bool, requests: int) -> Data:
    removed = len(found.removed)
    return {
        "changed": bool(removed) if confirmed else bool(found.stored or (check and found.records)),
        "plan": found.plan,
        "counts": dict(collections.Counter(record.kind for record in found.records)),
        "records": [{"kind": each.kind, "id": each.id, "title": each.title} for each in found.records[:SHOWN]],
        "file_bytes": found.file_bytes(),
        "stored": found.stored,
        "removed": removed,
        "already_gone": len(found.gone),
        "left": found.left[:SHOWN],
        "left_count": len(found.left),
        "remarks": remarks_of(found, confirmed),
        "requests": requests,
    }


def work(params: Data, check: bool) -> Data:
    choice = choice_of(params)
    archive, confirm = archive_of(params), (params["confirm"] or "").strip().lower()
    with Progress("crm_archive", None if check else params["progress"]) as progress, connected(params) as rest:
        if check and not confirm:
            found = Archiver(rest, None, None, tell=progress.tell).choose(choice)
        else:
            with opened(archive, create=not confirm) as store:
                archiver = Archiver(rest, store, lambda: opened(archive, create=False), tell=progress.tell)
                found = archiver.remove(confirm, check) if confirm else archiver.store(choice)
        return result(found, bool(confirm), check, rest.requests)


def argument_spec() -> Data:
    return {
        **ARCHIVE_OPTIONS,
        "kinds": {"type": "list", "elements": "str", "default": ["deal", "lead", "activity"]},
        "older_than": {"type": "float", "default": 365},
        "files_older_than": {"type": "float", "default": 365},
        "storages": {"type": "list", "elements": "int", "default": []},
        "limit": {"type": "int", "default": 10000},
        "confirm": {"type": "str"},
        "progress": {"type": "path"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        found = work(module.params, module.check_mode)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(**found)


if __name__ == "__main__":
    main()
