#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: portal_health
short_description: Check whether a portal works, and say what to do where it does not
version_added: 0.1.0
description:
  - Looks at a portal's web server, files, settings, database and content. Every finding says what was seen, what was
    expected, who puts it right and how.
  - A check that cannot look says V(unknown) with the reason, never V(pass). A check whose precondition is not in order
    says V(skip) and names it, so that a dead database is one failure and not forty.
  - Nothing is changed; the database is opened for reading only.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
options:
  document_root:
    description: Directory that holds C(bitrix/).
    type: path
  base_url:
    description: The portal's URL, such as V(https://portal.example.com).
    type: str
  database:
    description:
      - How to reach the portal's database for the checks. Without it the portal's own credentials are used, which
        C(database.login) tries in any case.
  push:
    description: >-
      Whether this site is meant to have a push server. With V(false), one that is switched off is a warning that says
      what it costs, instead of a failure.
    type: bool
    default: true
  areas:
    description: >-
      Check only these areas, and what their checks need. Known are V(agents), V(content), V(database), V(domain),
      V(environment), V(identity), V(licence), V(mail), V(modules), V(push), V(search), V(security), V(settings) and
      V(web).
    type: list
    elements: str
    default: []
  skip:
    description: Identifiers of checks to leave out; each shows as V(skip). What needs them is checked all the same.
    type: list
    elements: str
    default: []
  vantage:
    description:
      - Where the module runs. V(host) is the portal's own host and makes every check.
      - V(outside) is any other place, such as the controller, and makes only the checks that can be made from there.
    type: str
    choices: [host, outside]
    default: host
  address:
    description: >-
      Address to connect to instead of the one that the name service gives for the host of O(base_url), for a portal
      whose name does not lead to it yet.
    type: str
  ca_path:
    description: File or directory of CA certificates that are accepted beside the system's own.
    type: path
  timeout:
    description: Seconds that one connection or answer of the web server may take.
    type: int
    default: 15
  fail_on:
    description:
      - Which findings make the task fail; they are returned either way.
      - V(fail) stands for failures alone, V(unknown) also for checks that could not look, V(warn) for everything that
        is not in order.
    type: str
    choices: [never, fail, unknown, warn]
    default: fail
seealso:
  - module: boxlift.portal.portal_info
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Check the portal on its host, and go on in any case
  boxlift.portal.portal_health:
    document_root: /srv/portal/www
    base_url: https://portal.example.com
    address: 127.0.0.1
    fail_on: never
  register: health

- name: Check from the controller what strangers can see
  boxlift.portal.portal_health:
    base_url: https://portal.example.com
    vantage: outside
    areas: [web, security]
  delegate_to: localhost

- name: Stop unless mail and agents are in perfect order
  boxlift.portal.portal_health:
    document_root: /srv/portal/www
    areas: [agents, mail]
    fail_on: warn
"""

RETURN = r"""
findings:
  description: One finding for every check, those that had to be made first included.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The check, as area and name.
      type: str
    area:
      description: The area.
      type: str
    status:
      description: V(pass), V(warn), V(fail), V(unknown) (could not look) or V(skip) (with the reason).
      type: str
    observed:
      description: What was seen, or why it could not be looked at.
      type: str
    expected:
      description: What should be seen.
      type: str
    remedy:
      description: What to do; empty when all is in order.
      type: str
    owner:
      description: Who does it, V(contractor), V(customer) or V(vendor).
      type: str
    reference:
      description: Where the expectation comes from.
      type: str
  sample:
    - id: push.enabled
      area: push
      status: fail
      observed: pull.nginx is 'N'; without it the messenger has no paper clip (files cannot be sent)
      expected: pull.nginx is Y (or the vendor's shared server is registered)
      remedy: Install the push server and set pull.nginx to Y with portal_option.
      owner: contractor
      reference: "site checker: check_pull_stream"
summary:
  description: How many findings there are of each status.
  returned: always
  type: dict
  sample: {pass: 47, warn: 1, fail: 1, unknown: 0, skip: 0}
vantage:
  description: Where was looked from.
  returned: always
  type: str
  sample: host
"""

import os
import time
import typing as t
import urllib.parse

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import summarize
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.client import HttpClient, direct
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login, connect


def build_context(module: AnsibleModule) -> Context:
    params = module.params
    base_url = (params["base_url"] or "").rstrip("/")
    parts = urllib.parse.urlsplit(base_url)
    if base_url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path):
        raise BoxliftError(f"base_url {base_url!r} is no URL of a host.", "Write it as https://portal.example.com.")
    database = params["database"]
    to_portal = direct(params["address"] or "", parts.hostname or "", params["timeout"])

    def run_command(arguments: t.Sequence[str]) -> tuple[int, str, str]:
        status, output, errors = module.run_command(list(arguments), handle_exceptions=False)
        return status, output, errors

    root, no_files = params["document_root"], "document_root was not given"
    if root and not os.path.isdir(root):
        # What is not there cannot be looked at; the module does not fail where the portal is only to be restored.
        root, no_files = None, f"document_root {root} is no directory"
    return Context(
        now=time.time,
        connect=connect,
        portal_files=PortalFiles(root) if root else None,
        no_files=no_files,
        base_url=base_url,
        http_client=HttpClient(to_portal, params["ca_path"] or "") if base_url else None,
        login=(Login.from_params(database), database["name"]) if database else None,
        run_command=run_command,
        connect_tcp=direct("", "", params["timeout"]),
        push_expected=params["push"],
    )


def run(module: AnsibleModule) -> None:
    params = module.params
    checks = runner.select(all_checks(), params["vantage"], params["areas"], params["skip"])
    context = build_context(module)
    try:
        findings = runner.run(context, checks, params["skip"])
    finally:
        context.close()
    result = {
        "findings": [finding.as_dict() for finding in findings],
        "summary": summarize(findings),
        "vantage": params["vantage"],
    }
    wrong = [finding.id for finding in findings if finding.status in runner.FAIL_ON[params["fail_on"]]]
    if wrong:
        module.fail_json(msg=f"{len(wrong)} of {len(findings)} checks are not in order: {', '.join(wrong)}.", **result)
    module.exit_json(changed=False, **result)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DATABASE_OPTIONS,
            "document_root": {"type": "path"},
            "base_url": {"type": "str"},
            "push": {"type": "bool", "default": True},
            "areas": {"type": "list", "elements": "str", "default": []},
            "skip": {"type": "list", "elements": "str", "default": []},
            "vantage": {"type": "str", "choices": ["host", "outside"], "default": "host"},
            "address": {"type": "str"},
            "ca_path": {"type": "path"},
            "timeout": {"type": "int", "default": 15},
            "fail_on": {"type": "str", "choices": list(runner.FAIL_ON), "default": "fail"},
        },
        required_one_of=[["document_root", "base_url", "database"]],
        required_if=[("vantage", "outside", ["base_url"])],
        supports_check_mode=True,
    )
    try:
        run(module)
    except BoxliftError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()
