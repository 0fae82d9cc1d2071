#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Bring several folders and files of a host into their state in one step
version_added: 0.1.0
description:
  - Creates folders, writes files and removes files, in the given order. One run of a module instead of two or three for
    each folder and template, so that a second run of a role takes seconds.
  - A file is written beside the present one, proven by O(files[].validate) and then put in its place by a rename.
    Where the command refuses it, the present one stays.
  - A link at the path of a file is replaced, not followed; a link to a directory is accepted as a directory.
  - It says nothing of the content to the target's system log.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Folders and accounts that are not there yet are no failure.
  diff_mode:
    support: full
    details: The content of confidential files is left out.
  idempotent:
    support: full
options:
  files:
    description: The paths, in the order in which they are settled.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path. The folder of a file must exist, or come earlier in O(files).
        type: path
        required: true
      state:
        description:
          - V(file) has O(files[].content), V(directory) is created with the folders above it, and V(absent) removes a
            file or link. A directory is never removed.
        type: str
        choices: [absent, directory, file]
        default: file
      content:
        description: >-
          The whole text of the file. The lookup C(ansible.builtin.template) makes it from a template of the role.
        type: str
      owner:
        description: Name of the account that owns it.
        type: str
        default: root
      group:
        description: Name of its group.
        type: str
        default: root
      mode:
        description: Its rights, four octal digits in quotes. V(0644) for a file and V(0755) for a directory if not set.
        type: str
      validate:
        description: Command that proves the new file; C(%s) stands for its path.
        type: str
        default: ""
      confidential:
        description: Whether the content is a secret or holds one. It is then in no diff and no result.
        type: bool
        default: false
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Configure Redis
  boxlift.portal.host_files:
    files:
      - path: /etc/redis/portal.conf
        content: "{{ lookup('ansible.builtin.template', 'portal.conf.j2') }}"
        group: redis
        mode: "0640"
        confidential: true
      - path: /etc/systemd/system/redis-server.service.d
        state: directory
      - path: /etc/systemd/system/redis-server.service.d/portal.conf
        content: "{{ lookup('ansible.builtin.template', 'service.conf.j2') }}"
"""

RETURN = r"""
paths:
  description: The paths that changed, or would change in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/redis/portal.conf]
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
    - before_header: /etc/redis/portal.conf
      after_header: /etc/redis/portal.conf
      before: {mode: "0644"}
      after: {mode: "0640"}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import host_files
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

OPTIONS = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["absent", "directory", "file"], "default": "file"},
    "content": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str"},
    "validate": {"type": "str", "default": ""},
    "confidential": {"type": "bool", "default": False},
}


def run(module: AnsibleModule) -> None:
    def command(argv: t.Sequence[str]) -> tuple[int, str]:
        code, out, err = module.run_command(list(argv))
        return code, err or out

    changes: list[host_files.Change] = []
    for given in module.params["files"]:
        changes += host_files.settle(host_files.entry_of(given), command, only_predict=module.check_mode)
    module.exit_json(**host_files.result_of_changes(changes))


def main() -> None:
    module = AnsibleModule(
        # no_log keeps the texts out of the target's system log.
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": True,
                "options": OPTIONS,
                "required_if": [("state", "file", ("content",))],
            }
        },
        supports_check_mode=True,
    )
    # Of the texts only confidential ones are masked in the result; masking the others would make it unreadable.
    module.no_log_values = {given["content"] for given in module.params["files"] if given["confidential"]} - {None, ""}
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
