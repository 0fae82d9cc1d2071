#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_neutralize
short_description: Make a copy of a portal harmless before it runs
version_added: 0.1.0
description:
  - A copy of a portal has everything that production speaks with - letters that wait, mailboxes, telephones to push to,
    webhooks, SIP lines, tokens of calendars. This module silences all of it in the copy's files and tables, and
    gives the copy keys and numbers of its own.
  - It runs only where it is sure to change a copy. The host must carry the mark that the role
    P(boxlift.portal.preproduction#role) writes, O(confirm_domain) must be the domain in it, and the database must
    be on this host and name this portal.
  - Columns that are encrypted with the portal's C(crypto_key) are left as they are, and so is the key.
  - The copy's domain is the business of M(boxlift.portal.portal_site), and what leaves the host that of the firewall,
    which also covers what no table names.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Keys and secrets are masked.
  idempotent:
    support: full
options:
  document_root:
    description:
      - Directory that holds C(bitrix/). Its caches are emptied after a change.
      - Without O(database) the credentials are taken from its C(.settings.php).
    type: path
    required: true
  confirm_domain:
    description: >-
      The copy's domain, as a confirmation. It must be the one that the host's mark names, and differ from production's.
    type: str
    required: true
  mail_to:
    description: The one mailbox that still gets mail. What the portal sends to others is dropped.
    type: str
    required: true
  push_key:
    description:
      - Key of the copy's own push server. Production's must not be used.
      - Without it the copy has no push server, and another key is set all the same.
    type: str
    default: ""
  cloud_files:
    description:
      - V(detached) takes the buckets away from the copy. V(read_only) lets it read them, so that the files that lie
        there can be seen.
    type: str
    choices: [detached, read_only]
    default: detached
  mark:
    description: The file that makes this host a pre-production host.
    type: path
    default: /etc/boxlift/preproduction.json
seealso:
  - module: boxlift.portal.portal_site
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Make the copy harmless
  boxlift.portal.portal_neutralize:
    document_root: /srv/portal/www
    database:
      unix_socket: /run/mysqld/mysqld.sock
      name: portal
    confirm_domain: portal-test.example.com
    mail_to: testers@example.com
  register: silence

- name: Say what this portal does not have
  ansible.builtin.debug:
    msg: "{{ silence.actions | selectattr('missing') | map(attribute='missing') }}"
"""

RETURN = r"""
actions:
  description: Everything that was looked at.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Name of the action; it never changes.
      type: str
    area:
      description: V(development), V(mail), V(agents), V(push), V(robots), V(rest), V(telephony), V(connectors),
        V(calendar), V(storage) or V(identity).
      type: str
    what:
      description: What holds afterwards.
      type: str
    before:
      description: Options and constants by their names as they were, or how many rows could speak.
      type: dict
    after:
      description: The same, as it is now.
      type: dict
    changed:
      description: Whether anything had to change.
      type: bool
    missing:
      description: >-
        The table that this portal does not have, since the module is not installed; or the column, where the portal is
        of another version than this collection knows. Empty otherwise.
      type: str
  sample:
    - id: mail_queue
      area: mail
      what: letters that wait are never sent
      before: {rows: 2}
      after: {rows: 0}
      changed: true
      missing: ""
diff:
  description: What changed, before and after, by the names of the actions. Secrets are masked.
  returned: always
  type: dict
  contains:
    before:
      description: Before.
      type: dict
    after:
      description: After.
      type: dict
  sample:
    before: {mail_queue: {rows: 2}}
    after: {mail_queue: {rows: 0}}
files:
  description: The files that changed, or would change in check mode.
  returned: always
  type: list
  elements: str
  sample: [/srv/portal/www/bitrix/php_interface/dbconn.php]
caches:
  description: The cache directories that were emptied, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/srv/portal/www/bitrix/managed_cache]
"""

import socket

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal import caches, neutralize
from ansible_collections.boxlift.portal.plugins.module_utils.portal.copymark import MARK, CopyMark
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.login import choose_login, portal_connection
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS


def run(module: AnsibleModule) -> None:
    params = module.params
    mark = CopyMark.read(params["mark"])
    mark.confirm(params["confirm_domain"])
    detach = params["cloud_files"] == "detached"
    wanted = neutralize.Wanted(mark.domain, params["mail_to"], params["push_key"], detach)
    files = PortalFiles(params["document_root"])
    with portal_connection(*choose_login(params["database"], params["document_root"])) as conn:
        mark.confirm_database(conn, socket.gethostname())
        planned = neutralize.plan(conn, files, wanted)
        if planned.changed and not module.check_mode:
            neutralize.apply(conn, planned)
    emptied: list[str] = []
    if planned.changed:
        emptied = caches.settle(files, module.warn, only_predict=module.check_mode)
    actions = [action.shown() for action in planned.actions]
    for action in actions:
        if "." in action["missing"]:
            module.warn(
                f"This portal has no column {action['missing']}, so it is not known whether {action['what']}. "
                "The firewall of the role preproduction is what keeps the copy silent there."
            )
    module.exit_json(
        changed=planned.changed,
        actions=actions,
        files=[str(change.path) for change in planned.files],
        diff={side: {each["id"]: each[side] for each in actions if each["changed"]} for side in ("before", "after")},
        caches=emptied,
    )


class Module(NestedSecretsMasked, AnsibleModule):
    """Its call is logged without the secrets within its options."""


def main() -> None:
    module = Module(
        argument_spec={
            **DATABASE_OPTIONS,
            "document_root": {"type": "path", "required": True},
            "confirm_domain": {"type": "str", "required": True},
            "mail_to": {"type": "str", "required": True},
            "push_key": {"type": "str", "default": "", "no_log": True},
            "cloud_files": {"type": "str", "choices": ["detached", "read_only"], "default": "detached"},
            "mark": {"type": "path", "default": MARK},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
