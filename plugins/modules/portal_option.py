#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_option
short_description: Bring declared options of a portal's module into its database
version_added: 0.1.0
description:
  - Sets and removes rows of C(b_option), or of C(b_option_site) for one site. Names are compared in lower case, as the
    portal does it. All rows of a task are written in one transaction.
  - When something changed and O(document_root) is given, the portal's file caches are emptied, since it would otherwise
    show the old values for up to an hour.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Passwords, keys and tokens are masked.
  idempotent:
    support: full
options:
  module:
    description: The portal's module that the options belong to, such as V(main) or V(pull).
    type: str
    required: true
  options:
    description:
      - The options by their names. The portal stores text, so numbers become text and booleans are refused; write
        V('Y') or V('N') in quotes.
      - A null removes the row, so that the next place counts (V(.settings.php) for some options of V(pull), else the
        module's default).
    type: dict
    required: true
  site:
    description: Identifier of the one site that the options are for. Without it they are for all sites.
    type: str
  document_root:
    description:
      - Directory that holds C(bitrix/). Its caches are emptied after a change.
      - Without O(database) the credentials are taken from its C(.settings.php).
    type: path
seealso:
  - module: boxlift.portal.portal_settings
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Switch the push server on
  boxlift.portal.portal_option:
    document_root: /srv/portal/www
    module: pull
    options:
      nginx: 'Y'
      nginx_version: '4'
      signature_key: "{{ push_server_key }}"

- name: Let .settings.php decide about the push server again
  boxlift.portal.portal_option:
    document_root: /srv/portal/www
    module: pull
    options: {path_to_publish: null, path_to_websocket_secure: null}

- name: Give the extranet its own sender
  boxlift.portal.portal_option:
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal
    module: main
    site: ex
    options:
      email_from: extranet@example.com
"""

RETURN = r"""
diff:
  description: The options that change, before and after, with secrets masked. An option without a row is not listed.
  returned: always
  type: dict
  contains:
    before:
      description: The values before.
      type: dict
    after:
      description: The values after.
      type: dict
  sample:
    before: {nginx: N}
    after: {nginx: Y, signature_key: (secret)}
caches:
  description: The cache directories that were emptied, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/srv/portal/www/bitrix/managed_cache]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal import caches, options
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import choose_login, portal_connection
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import redact_pair, secrets_in
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, transaction


def run(module: AnsibleModule) -> None:
    params = module.params
    site = params["site"] or ""
    files = PortalFiles(params["document_root"]) if params["document_root"] else None
    with portal_connection(*choose_login(params["database"], params["document_root"])) as conn:
        changes = options.plan(conn, params["module"], params["options"], site)
        if changes and not module.check_mode:
            with transaction(conn):
                options.apply(conn, changes)
    before, after = redact_pair(
        {change.name: change.before for change in changes if change.stored_names},
        {change.name: change.after for change in changes if change.after is not None},
    )
    emptied: list[str] = []
    if changes and files is not None:
        emptied = caches.settle(files, module.warn, only_predict=module.check_mode)
    module.exit_json(changed=bool(changes), diff={"before": before, "after": after}, caches=emptied)


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            **DATABASE_OPTIONS,
            "module": {"type": "str", "required": True},
            # no_log keeps the values out of the target's system log, where nobody could tell secrets from others.
            "options": {"type": "dict", "required": True, "no_log": True},
            "site": {"type": "str"},
            "document_root": {"type": "path"},
        },
        required_one_of=[["database", "document_root"]],
        supports_check_mode=True,
    )
    # Of the values only secrets are masked in the result; masking every Y and 1 would make it unreadable.
    password = (module.params["database"] or {}).get("login_password")
    module.no_log_values = secrets_in(module.params["options"]) | ({password} if password else set())
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
