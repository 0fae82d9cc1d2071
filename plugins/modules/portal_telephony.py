#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_telephony
short_description: Bring a portal's external lines, and its default outgoing line, into their declared state
version_added: 0.2.0
description:
  - Adds the lines that the portal lacks over its REST interface, and corrects their names. Lines that are not declared
    stay.
  - Sets the default outgoing line, which decides whom a click on a number reaches.
  - The portal's address in its telephony module (C(portal_url)) is a matter of M(boxlift.portal.portal_site), the
    employees' inner numbers one of their profiles; M(boxlift.portal.telephony_check) looks at both.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  webhook:
    description: Address of an incoming webhook, as C(https://portal.example.com/rest/USER/CODE/). It is secret.
    type: str
  rest:
    description: Address of the REST interface for an application, as C(https://portal.example.com/rest/).
    type: str
  token:
    description: The application's access token.
    type: str
  lines:
    description: Our numbers.
    type: list
    elements: dict
    default: []
    suboptions:
      number:
        description: The number, as C(LINE_NUMBER) of the calls.
        type: str
        required: true
      name:
        description: What the portal calls it. Empty leaves its name as it is.
        type: str
        default: ""
      create_crm:
        description: Whether an outgoing call by this line may create a client.
        type: bool
        default: true
  outgoing_line:
    description: The default outgoing line, such as V(REST_APP:3). Empty leaves it as it is.
    type: str
    default: ""
  ca_path:
    description: File or directory of CA certificates that are accepted beside the system's own.
    type: path
  timeout:
    description: Seconds that one connection or answer may take.
    type: int
    default: 15
seealso:
  - module: boxlift.portal.telephony_check
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Let the portal know our numbers
  boxlift.portal.portal_telephony:
    webhook: "{{ site_telephony_webhook }}"
    lines:
      - {number: "+74951000001", name: Sales}
      - {number: "+74951000002", name: Support, create_crm: false}

- name: Have clicks on numbers reach our application
  boxlift.portal.portal_telephony:
    rest: https://portal.example.com/rest/
    token: "{{ application_token }}"
    outgoing_line: REST_APP:3
"""

RETURN = r"""
diff:
  description: What changed, or would.
  returned: always
  type: dict
  contains:
    before:
      description: Lines before.
      type: dict
    after:
      description: Lines after.
      type: dict
  sample:
    before: {line +74951000001: absent}
    after: {line +74951000001: Sales}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import trusting_context
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import direct
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check import portal_setup
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.rest import RestClient


def run(module: AnsibleModule) -> None:
    params = module.params
    rest = RestClient(
        params["webhook"] or params["rest"],
        direct("", "", params["timeout"]),
        trusting_context(params["ca_path"] or ""),
        params["token"] or "",
    )
    lines = [portal_setup.Line(row["number"], row["name"], row["create_crm"]) for row in params["lines"]]
    changes = portal_setup.plan(rest, lines, params["outgoing_line"])
    if not module.check_mode:
        portal_setup.apply(rest, changes)
    before = {change.what: change.before for change in changes}
    after = {change.what: change.after for change in changes}
    module.exit_json(changed=bool(changes), diff={"before": before, "after": after})


def main() -> None:
    line = {
        "number": {"type": "str", "required": True},
        "name": {"type": "str", "default": ""},
        "create_crm": {"type": "bool", "default": True},
    }
    module = AnsibleModule(
        argument_spec={
            "webhook": {"type": "str", "no_log": True},
            "rest": {"type": "str"},
            "token": {"type": "str", "no_log": True},
            "lines": {"type": "list", "elements": "dict", "options": line, "default": []},
            "outgoing_line": {"type": "str", "default": ""},
            "ca_path": {"type": "path"},
            "timeout": {"type": "int", "default": 15},
        },
        required_one_of=[["webhook", "rest"]],
        mutually_exclusive=[["webhook", "rest"]],
        required_together=[["rest", "token"]],
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
