#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_settings
short_description: Bring declared values into the portal's .settings.php and dbconn.php
version_added: 0.1.0
description:
  - Edits C(.settings.php) and C(php_interface/dbconn.php) as text. Nothing is executed; only the declared values
    change, while comments, closures, formatting, line ends and everything else stay byte for byte.
  - After an edit the file is read again and has to mean exactly what was declared; a file that cannot be understood is
    refused, with line and column, and left as it is.
  - A file in C(local/) is edited where there is one, else the one in C(bitrix/), as the portal reads them in this
    order. A section that C(.settings_extra.php) has is edited there, since it outranks that of C(.settings.php).
  - A file is replaced at once and keeps its owner and mode.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Passwords, keys and tokens are masked.
  idempotent:
    support: full
options:
  document_root:
    description: Directory that holds C(bitrix/).
    type: path
    required: true
  settings:
    description:
      - Sections of C(.settings.php) by their names. What is given is merged into the V(value) of the section, key by
        key and to any depth.
      - A null deletes the key, or the whole section. A list replaces what was there.
      - Types count as in PHP, so the string V('4') and the number V(4) are different values.
    type: dict
    default: {}
  constants:
    description: Constants that C(dbconn.php) defines. A null removes the definition.
    type: dict
    default: {}
  variables:
    description: >-
      Variables that C(dbconn.php) sets, without the dollar sign, such as V(DBLogin) in the files of older portals.
      A null removes the assignment.
    type: dict
    default: {}
seealso:
  - module: boxlift.portal.portal_option
  - module: boxlift.portal.portal_site
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Give the portal its database
  boxlift.portal.portal_settings:
    document_root: /srv/portal/www
    settings:
      connections:
        default:
          host: localhost
          database: portal
          login: portal
          password: "{{ portal_database_password }}"

- name: Keep sessions and cache in Redis
  boxlift.portal.portal_settings:
    document_root: /srv/portal/www
    settings:
      cache:
        type: {class_name: \Bitrix\Main\Data\CacheEngineRedis, extension: redis}
        redis: {host: 127.0.0.1, port: '6379'}
      session:
        mode: default
        handlers:
          general: {type: redis, host: 127.0.0.1, port: '6379'}

- name: Run the agents on cron and remove what the installer left
  boxlift.portal.portal_settings:
    document_root: /srv/portal/www
    constants:
      BX_CRONTAB_SUPPORT: true
      SHORT_INSTALL: null
"""

RETURN = r"""
files:
  description: The files that changed, or would change in check mode.
  returned: always
  type: list
  elements: str
  sample: [/srv/portal/www/bitrix/.settings.php]
diff:
  description: For every changed file the sections, constants and variables before and after, with secrets masked.
  returned: always
  type: list
  elements: dict
  contains:
    before_header:
      description: Path of the file.
      type: str
    after_header:
      description: Path of the file.
      type: str
    before:
      description: What changes, as it was.
      type: dict
    after:
      description: What changes, as it is declared.
      type: dict
  sample:
    - before_header: /srv/portal/www/bitrix/.settings.php
      after_header: /srv/portal/www/bitrix/.settings.php
      before: {connections: {value: {default: {login: "******", password: "******"}}, readonly: true}}
      after: {connections: {value: {default: {login: portal, password: (secret)}}, readonly: true}}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.portal import settings
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import secrets_in

DECLARED = ("settings", "constants", "variables")


def run(module: AnsibleModule) -> None:
    files = PortalFiles(module.params["document_root"])
    changes = settings.plan(files, *(module.params[name] or {} for name in DECLARED))
    if not module.check_mode:
        for change in changes:
            change.write()
    for path in settings.unused_files(files):
        module.warn(f"{path} is not read by the portal, because local/ has a file of the same name.")
    module.exit_json(
        changed=bool(changes),
        files=[str(change.path) for change in changes],
        diff=[change.diff() for change in changes],
    )


def main() -> None:
    module = AnsibleModule(
        # no_log keeps the options out of the target's system log, where nobody could tell secrets from other values.
        argument_spec={
            "document_root": {"type": "path", "required": True},
            **{name: {"type": "dict", "default": {}, "no_log": True} for name in DECLARED},
        },
        supports_check_mode=True,
    )
    # Of the values only secrets are masked in the result; masking every Y and 1 would make it unreadable.
    module.no_log_values = {secret for name in DECLARED for secret in secrets_in(module.params[name])}
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
