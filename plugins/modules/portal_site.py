#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_site
short_description: Set a portal's domain everywhere it lives
version_added: 0.1.0
description:
  - Sets the domain in every place that the portal takes it from - C(main.server_name), C(b_lang.SERVER_NAME) of every
    active site, C(b_lang_domain), the scheme of links in mail, the URLs that single modules keep of their own, and the
    list of hosts that the module security lets in. It also empties C(b_lang.DOC_ROOT) and switches the cloud's content
    network off. A place that is forgotten shows as links without a domain, or with the old one.
  - Finds what is left of the cloud's domain and names it. What these places mean only people can judge, so they are
    reported and not changed.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  domain:
    description: The portal's host name, bare and in lower case. A port belongs to it only when it is not the usual one.
    type: str
    required: true
  aliases:
    description: Further names under which the portal is reached. They get into C(b_lang_domain).
    type: list
    elements: str
    default: []
  https:
    description: Whether the portal is reached by https.
    type: bool
    default: true
  document_root:
    description:
      - Directory that holds C(bitrix/). Its caches are emptied after a change, and its configuration is searched for
        the constant C(BX24_HOST_NAME), which outranks every other place.
      - Without O(database) the credentials are taken from its C(.settings.php).
    type: path
seealso:
  - module: boxlift.portal.portal_option
  - module: boxlift.portal.portal_settings
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Tell the portal its name
  boxlift.portal.portal_site:
    document_root: /srv/portal/www
    domain: portal.example.com
    aliases: [www.portal.example.com]
  register: site

- name: Say what still names the cloud
  ansible.builtin.debug:
    var: site.leftovers
"""

RETURN = r"""
actions:
  description: The places that changed, or would change in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    where:
      description: Table and option, or table, site and column.
      type: str
    before:
      description: What was there.
      type: str
    after:
      description: What is there now.
      type: str
  sample:
    - {where: b_option main.server_name, before: acme.bitrix24.ru, after: portal.example.com}
diff:
  description: The same as before and after.
  returned: always
  type: dict
  contains:
    before:
      description: Values by places.
      type: dict
    after:
      description: Values by places.
      type: dict
  sample:
    before: {b_option main.server_name: acme.bitrix24.ru}
    after: {b_option main.server_name: portal.example.com}
leftovers:
  description: Places that still name a portal in the vendor's cloud and were not changed.
  returned: always
  type: list
  elements: dict
  contains:
    where:
      description: Table and option, table, site and column, or file.
      type: str
    value:
      description: The cloud's names found there.
      type: str
  sample:
    - {where: b_option mail.portal_address, value: acme.bitrix24.ru}
caches:
  description: The cache directories that were emptied, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/srv/portal/www/bitrix/managed_cache]
"""

import dataclasses

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal import caches, site
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import choose_login, portal_connection
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, transaction


def run(module: AnsibleModule) -> None:
    params = module.params
    address = site.Address(params["domain"], tuple(params["aliases"]), params["https"])
    files = PortalFiles(params["document_root"]) if params["document_root"] else None
    with portal_connection(*choose_login(params["database"], params["document_root"])) as conn:
        actions = site.plan(conn, address)
        if actions and not module.check_mode:
            with transaction(conn):
                site.apply(conn, actions)
        # In check mode the planned places still hold the old name; they are no leftovers.
        left = site.leftovers(conn, {action.where for action in actions})
    emptied: list[str] = []
    if files is not None:
        left += site.cloud_constants(files)
        if actions:
            emptied = caches.settle(files, module.warn, only_predict=module.check_mode)
    module.exit_json(
        changed=bool(actions),
        actions=[{"where": each.where, "before": each.before, "after": each.after} for each in actions],
        diff={
            "before": {each.where: each.before for each in actions},
            "after": {each.where: each.after for each in actions},
        },
        leftovers=[dataclasses.asdict(each) for each in left],
        caches=emptied,
    )


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            **DATABASE_OPTIONS,
            "domain": {"type": "str", "required": True},
            "aliases": {"type": "list", "elements": "str", "default": []},
            "https": {"type": "bool", "default": True},
            "document_root": {"type": "path"},
        },
        required_one_of=[["database", "document_root"]],
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
