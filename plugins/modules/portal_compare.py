#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_compare
short_description: Show where the settings of two portals differ
version_added: 0.1.0
description:
  - Reads how the portal on this host is set up - options, sites, C(.settings.php), constants of C(dbconn.php), modules,
    PHP and MariaDB - and compares it with the snapshot that the same module has taken on another host.
  - Secrets stay on their host. The snapshot holds a seal of each, made with O(salt), so that equal ones are
    recognised and nothing else can be learned.
  - Nothing is executed but C(php), and nothing is changed.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
options:
  document_root:
    description:
      - Directory that holds C(bitrix/).
      - Without O(database) the credentials are taken from its C(.settings.php).
    type: path
    required: true
  salt:
    description: Random text of at least 16 characters, the same for both portals and made anew for every comparison.
    type: str
    required: true
  other:
    description: The RV(snapshot) of the other portal. Without it nothing is compared.
    type: dict
  name:
    description: What this portal is called in the result.
    type: str
    default: this portal
  other_name:
    description: What the other portal is called.
    type: str
    default: the other portal
  ignore:
    description:
      - Regular expressions of differences that are meant to be, such as V(^option main[.]server_name$). They are
        searched in area and name with a space between.
    type: list
    elements: str
    default: []
  php:
    description: The PHP to ask, by name or path. Its settings for the command line are compared.
    type: str
    default: php
seealso:
  - module: boxlift.portal.portal_info
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Look at pre-production
  boxlift.portal.portal_compare:
    document_root: /srv/portal/www
    salt: "{{ salt }}"
  register: preproduction

- name: Compare production with it
  boxlift.portal.portal_compare:
    document_root: /srv/portal/www
    salt: "{{ salt }}"
    other: "{{ hostvars['portal-preprod'].preproduction.snapshot }}"
    name: production
    other_name: pre-production
    ignore: ['^mariadb innodb_buffer_pool_size$']
"""

RETURN = r"""
snapshot:
  description: How this portal is set up, by area and name, with secrets sealed.
  returned: always
  type: dict
  sample:
    option: {main.server_name: portal.example.com, pull.signature_key: "(secret) #9f86d081884c"}
    php: {PHP_VERSION: 8.2.29, memory_limit: 512M}
differences:
  description: The settings that differ; null where one side does not have it.
  returned: when O(other) is given
  type: list
  elements: dict
  contains:
    area:
      description: V(option), V(site option), V(site), V(settings), V(constant), V(module), V(installed module), V(php)
        or V(mariadb).
      type: str
    name:
      description: The setting.
      type: str
    left:
      description: Its value here.
      type: str
    right:
      description: Its value on the other portal.
      type: str
  sample:
    - {area: php, name: memory_limit, left: 512M, right: 256M}
counts:
  description: How many settings each area has, and how many of them differ.
  returned: when O(other) is given
  type: dict
  sample:
    php: {settings: 182, different: 1}
markdown:
  description: The same as a page.
  returned: when O(other) is given
  type: str
  sample: "# production and pre-production: differences in settings"
"""

import dataclasses

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal import compare
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import choose_login, portal_connection
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS


def run(module: AnsibleModule) -> None:
    params = module.params
    php = module.get_bin_path(params["php"])
    if php is None:
        raise BoxliftError(f"There is no {params['php']} on this host.", "Install PHP, or correct the option php.")
    code, output, errors = module.run_command([php, "-r", compare.PHP_PROGRAM])
    if code != 0:
        raise BoxliftError(f"{php} failed with {code}: {errors.strip()[:500]}", "Correct PHP's configuration.")
    files = PortalFiles(params["document_root"])
    with portal_connection(*choose_login(params["database"], params["document_root"])) as conn:
        snapshot = compare.snapshot(files, conn, output, params["salt"])
    result: dict[str, object] = {"snapshot": snapshot}
    if params["other"] is not None:
        differences = compare.compare(snapshot, params["other"], params["ignore"])
        counts = compare.counts(snapshot, params["other"], differences)
        result["differences"] = [dataclasses.asdict(each) for each in differences]
        result["counts"] = counts
        result["markdown"] = compare.markdown((params["name"], params["other_name"]), differences, counts)
    module.exit_json(changed=False, **result)


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            **DATABASE_OPTIONS,
            "document_root": {"type": "path", "required": True},
            "salt": {"type": "str", "required": True, "no_log": True},
            # no_log keeps the long text out of the target's system log.
            "other": {"type": "dict", "no_log": True},
            "name": {"type": "str", "default": "this portal"},
            "other_name": {"type": "str", "default": "the other portal"},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "php": {"type": "str", "default": "php"},
        },
        supports_check_mode=True,
    )
    # The snapshot has no secrets; masking every Y and 1 of it would make the result unreadable.
    password = (module.params["database"] or {}).get("login_password")
    module.no_log_values = {module.params["salt"], *([password] if password else [])}
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
