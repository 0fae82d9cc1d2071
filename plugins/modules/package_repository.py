#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: package_repository
short_description: Bring a folder of Debian packages to a host, and prove every file of it
version_added: 0.1.0
description:
  - Makes O(dest) on the host equal to the repository O(src) of the controller. It is a folder with packages and their
    index C(Packages), such as C(debian/12) of a bundle.
  - Only what is missing is sent, a few files at a time. A file takes its place when its SHA-256 is the one of the
    index. A run that was killed goes on with what is still missing.
  - The index is replaced after the packages, and what it does not name is removed last. So apt can install at any time.
  - It needs neither a network nor rsync, only Ansible's own connection.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  src:
    description: Folder of the repository, on the controller, or on the host with O(remote_src).
    type: path
    required: true
  dest:
    description: Folder on the host. Nothing else may lie in it. With O(remote_src) it is not used.
    type: path
  remote_src:
    description: Whether O(src) lies on the host already. It is then only proven.
    type: bool
    default: false
  step:
    description: What the action asks the module for; leave it alone.
    type: str
    choices: [look, take]
    default: look
  files:
    description: What belongs into the folder; the action fills it in.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the file.
        type: str
        required: true
      size:
        description: Its size in bytes.
        type: int
        required: true
      sha256:
        description: Its sum.
        type: str
        required: true
  archive:
    description: What the action has sent.
    type: path
author:
  - boxlift.portal contributors (@boxlift)
seealso:
  - module: boxlift.portal.bundle
"""

EXAMPLES = r"""
- name: Bring the packages of the bundle
  boxlift.portal.package_repository:
    src: /opt/boxlift/current/bundle/debian/12
    dest: /var/cache/boxlift/packages

- name: Prove those on a disk that is mounted on the host
  boxlift.portal.package_repository:
    src: /mnt/bundle/debian/12
    remote_src: true
"""

RETURN = r"""
path:
  description: Folder on the host that apt can install from.
  returned: success
  type: str
  sample: /var/cache/boxlift/packages
copied:
  description: Names of the files that were sent, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [nginx_1.22.1-9+deb12u9_amd64.deb, Packages, Release]
removed:
  description: Names of the files that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import package_repository as repository
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

FILE = {
    "name": {"type": "str", "required": True},
    "size": {"type": "int", "required": True},
    "sha256": {"type": "str", "required": True},
}


def run(module: AnsibleModule) -> None:
    given = module.params
    if given["remote_src"]:
        files = repository.listed(given["src"])
        if wrong := repository.missing(given["src"], files):
            raise BoxliftError(
                f"{given['src']} on the host lacks {len(wrong)} files, or holds others than its index names: "
                f"{', '.join(wrong[:5])}.",
                "Bring the bundle to the host again.",
            )
        module.exit_json(changed=False, path=given["src"], copied=[], removed=[])
    files = [repository.File(**file) for file in given["files"]]
    if given["step"] == "take":
        placed = repository.unpack(given["archive"], given["dest"], files)
        # It lies in memory, where the next one must find room.
        os.unlink(given["archive"])
        module.exit_json(changed=True, path=given["dest"], copied=placed, removed=[])
    lacking = repository.missing(given["dest"], files)
    removed = repository.surplus(given["dest"], files)
    if removed and not lacking and not module.check_mode:
        repository.remove(given["dest"], removed)
    module.exit_json(changed=bool(lacking or removed), path=given["dest"], copied=lacking, removed=removed)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "dest": {"type": "path"},
            "remote_src": {"type": "bool", "default": False},
            "step": {"type": "str", "choices": ["look", "take"], "default": "look"},
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            "archive": {"type": "path"},
        },
        required_if=[("remote_src", False, ("dest",)), ("step", "take", ("archive",))],
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
