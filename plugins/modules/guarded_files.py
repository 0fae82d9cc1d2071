#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: guarded_files
short_description: Change what may lock Ansible out, with a way back that the host takes by itself
version_added: 0.1.0
description:
  - Writes files and puts them into service. Before that it keeps what was there, and sets a timer of systemd that puts
    it back after O(seconds).
  - Then the action of this name ends its connection, opens a new one, and ends the timer over it. Where no new
    connection succeeds in time, the host puts back what was before, and the task fails.
  - The timer also runs after a reboot, and where this run is killed. The next run takes back what was never confirmed.
  - Over a connection that is none of the network, such as C(community.docker.docker), the new connection proves only
    that the host answers.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Nothing is put into service, and no timer is set.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: >-
      What is changed. It names the timer, C(boxlift-guard-NAME.timer), so that two changes do not share a way back.
    type: str
    required: true
  files:
    description: The files, all of them or none. Their folders must exist. They belong to root.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The whole text of the file.
        type: str
        required: true
      mode:
        description: Its rights, four octal digits in quotes.
        type: str
        default: "0644"
      validate:
        description: Command that proves the new file; C(%s) stands for its path.
        type: str
        default: ""
  apply:
    description: Commands that put the files into service; also those of before, on the way back.
    type: list
    elements: str
    required: true
  remove:
    description: Commands for the way back where one of the files was not there before.
    type: list
    elements: str
    required: true
  in_service:
    description: >-
      Command that succeeds where the files are in service. Where it fails they are put into service again, though no
      file differs. Empty asks nothing.
    type: str
    default: ""
  seconds:
    description: How many seconds a new connection has to confirm.
    type: int
    default: 60
  state_directory:
    description: Folder on the host that keeps what was before.
    type: path
    default: /var/lib/boxlift/guard
  step:
    description: What the action asks the module for; leave it alone.
    type: str
    choices: [change, confirm]
    default: change
seealso:
  - module: boxlift.portal.host_files
  - module: boxlift.portal.ssh_access_info
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Let SSH take keys only
  boxlift.portal.guarded_files:
    name: sshd
    files:
      - path: /etc/ssh/sshd_config.d/00-keys.conf
        content: "PasswordAuthentication no\n"
        mode: "0600"
    apply: [/usr/sbin/sshd -t, systemctl reload ssh.service]
    remove: [systemctl reload ssh.service]
"""

RETURN = r"""
paths:
  description: The paths that changed, or would change in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config.d/00-keys.conf]
confirmed:
  description: Whether a new connection has confirmed the change.
  returned: changed, not in check mode
  type: bool
  sample: true
diff:
  description: What differed at each path, before and after.
  returned: success
  type: list
  elements: dict
  contains:
    before_header:
      description: The path.
      type: str
    after_header:
      description: The path.
      type: str
    before:
      description: The text before, or owner, group and mode where these differ.
      type: raw
    after:
      description: The same afterwards.
      type: raw
  sample:
    - before_header: /etc/ssh/sshd_config.d/00-keys.conf
      after_header: /etc/ssh/sshd_config.d/00-keys.conf
      before: ""
      after: "PasswordAuthentication no\n"
"""

import re
import shlex
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import guarded_files, host_files
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

UNITS = "/etc/systemd/system"


def run(module: AnsibleModule) -> None:
    def command(argv: t.Sequence[str]) -> tuple[int, str]:
        code, out, err = module.run_command(list(argv))
        return code, err if code != 0 and err.strip() else out

    params = module.params
    if not re.fullmatch("[a-z0-9-]+", params["name"]):
        raise BoxliftError(f"name is '{params['name']}'.", "Use lower-case letters, digits and hyphens.")
    guard = guarded_files.Guard(params["name"], params["state_directory"], UNITS, command)
    if params["step"] == "confirm":
        module.exit_json(changed=False, confirmed=guard.confirm())
    plan = guarded_files.Plan(
        params["name"],
        [host_files.entry_of(given) for given in params["files"]],
        [shlex.split(each) for each in params["apply"]],
        [shlex.split(each) for each in params["remove"]],
        shlex.split(params["in_service"]),
        params["seconds"],
    )
    changes = guarded_files.change(plan, guard, command, only_predict=module.check_mode)
    module.exit_json(**host_files.result_of_changes(changes))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                    "validate": {"type": "str", "default": ""},
                },
            },
            "apply": {"type": "list", "elements": "str", "required": True},
            "remove": {"type": "list", "elements": "str", "required": True},
            "in_service": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 60},
            "state_directory": {"type": "path", "default": "/var/lib/boxlift/guard"},
            "step": {"type": "str", "choices": ["change", "confirm"], "default": "change"},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
