#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: package_update
short_description: Update a host's packages with a note of every version, or take such an update back
version_added: 0.1.0
description:
  - Updates Debian's packages from what apt's lists offer, and removes none. Configuration files of the site stay.
  - A note under O(notes) has the version of each package before and after. It is written before anything changes, so
    that also a killed update has one.
  - With O(back) the versions of a note are installed again, and held. apt offers them still, or has kept their files.
    Where neither is so, nothing is changed, and the error names them.
  - Packages restart their own services. Nothing else is restarted; M(boxlift.portal.upkeep_info) says what needs it.
  - What a killed dpkg has left half done is completed first.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Says what would change, and where each package would come from.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  only:
    description: >-
      V(security) takes the updates that close holes, and what they need. Packages of a bundle do not say which these
      are; that is an error then.
    type: str
    choices: [all, security]
    default: all
  refresh:
    description: Whether apt's lists are read anew first, also in check mode.
    type: bool
    default: true
  back:
    description: Name of the note, or its path, whose update is taken back.
    type: str
    default: ""
  unhold:
    description: Whether packages that an earlier way back has held may be updated again.
    type: bool
    default: false
  without_copy:
    description: >-
      Why the update is made without a fresh copy of the portal. It is only returned, so that the journal keeps it.
    type: str
    default: ""
  notes:
    description: Folder of the notes and of the history.
    type: path
    default: /var/lib/boxlift/updates
seealso:
  - module: boxlift.portal.upkeep_info
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Close the holes that are known
  boxlift.portal.package_update:
    only: security
  register: updated

- name: Take it back
  boxlift.portal.package_update:
    back: "{{ updated.note }}"
"""

RETURN = r"""
packages:
  description: What was changed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the package.
      type: str
    before:
      description: Its version before. Empty if it was not installed.
      type: str
    after:
      description: Its version afterwards.
      type: str
    origin:
      description: Where apt takes it from.
      type: str
    security:
      description: Whether it closes a hole.
      type: bool
  sample:
    - name: nginx
      before: 1.22.1-9+deb12u10
      after: 1.22.1-9+deb12u11
      origin: Debian-Security:12/oldstable-security
      security: true
note:
  description: Name of the note; empty where nothing was changed.
  returned: success
  type: str
  sample: 20261130T031500Z-playbook
held:
  description: Packages that are held, and so not updated.
  returned: success
  type: list
  elements: str
  sample: [mariadb-server]
held_by_way_back:
  description: Those of RV(held) that an earlier way back has held.
  returned: success
  type: list
  elements: str
  sample: []
kept_back:
  description: Packages that could be newer only if others were removed.
  returned: success
  type: list
  elements: str
  sample: []
without_copy:
  description: O(without_copy).
  returned: success
  type: str
  sample: ""
diff:
  description: The versions, as Ansible shows differences.
  returned: success
  type: dict
  contains:
    before:
      description: Before.
      type: str
    after:
      description: Afterwards.
      type: str
  sample:
    before: "nginx 1.22.1-9+deb12u10\n"
    after: "nginx 1.22.1-9+deb12u11\n"
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.upkeep import packages, update

#: apt's messages are read, nothing asks, and needrestart restarts nothing.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}


def run(module: AnsibleModule) -> None:
    def command(argv: t.Sequence[str]) -> tuple[int, str, str]:
        code, out, err = module.run_command(list(argv), environ_update=ENVIRONMENT)
        return code, out, err

    params, note = module.params, ""
    if params["refresh"]:
        packages.said(
            command, ["apt-get", "update", "-q", "-o", "DPkg::Lock::Timeout=300"], "Look at the host's sources."
        )
    ours = update.held_by_us(command, params["notes"])
    if params["back"]:
        back = update.plan_back(command, params["back"], params["notes"])
        changes, held, kept = back.changes, packages.holds(command), []
        if changes and not module.check_mode:
            ended = update.go_back(command, back, params["notes"], time.time)
            changes, note = ended.changes, ended.name
            ours = update.held_by_us(command, params["notes"])
    else:
        released: list[str] = []
        if params["unhold"] and ours:
            # The playbook asks first what would change: nothing but these may be newer.
            if module.check_mode:
                released = ours
            else:
                packages.said(command, ["apt-mark", "unhold", *ours])
            ours = []
        planned = update.plan(command, params["only"] == "security", released)
        changes, held, kept = planned.changes, planned.held, planned.kept_back
        if changes and not module.check_mode:
            ended = update.apply(command, planned, params["notes"], time.time)
            changes, note = ended.changes, ended.name
    module.exit_json(
        changed=bool(changes),
        packages=[change._asdict() for change in changes],
        note=note,
        held=held,
        held_by_way_back=ours,
        kept_back=kept,
        without_copy=params["without_copy"],
        diff={
            "before": "".join(f"{change.name} {change.before or '-'}\n" for change in changes),
            "after": "".join(f"{change.name} {change.after or '-'}\n" for change in changes),
        },
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "only": {"type": "str", "choices": ["all", "security"], "default": "all"},
            "refresh": {"type": "bool", "default": True},
            "back": {"type": "str", "default": ""},
            "unhold": {"type": "bool", "default": False},
            "without_copy": {"type": "str", "default": ""},
            "notes": {"type": "path", "default": "/var/lib/boxlift/updates"},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
