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
  - Checks are made several at a time; the findings come in the same order each time.
  - Nothing of the portal is changed; the database is opened for reading only. The one file that is written is
    O(users_csv).
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
  - boxlift.portal.database
attributes:
  check_mode:
    support: full
    details: All checks are made; O(users_csv) is not written.
  diff_mode:
    support: none
  idempotent:
    support: full
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
      Check only these areas, and what their checks need. Known are V(agents), V(backup), V(cluster), V(content),
      V(crm), V(database), V(domain), V(environment), V(identity), V(integrations), V(licence), V(mail), V(modules),
      V(push), V(search), V(security), V(settings) and V(web).
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
      - Where the module runs. V(host) is the portal's own host. It makes every check but that of open ports, which
        proves nothing there.
      - V(outside) is any other place, such as the controller, and makes only the checks that can be made from there.
        C(security.open_ports) tries some forty ports of the portal's address, all at once.
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
  baseline:
    description:
      - What M(boxlift.portal.portal_info) returned for the portal of the backup, or for this one at an earlier moment.
      - Checks that compare with it say what was there V(before); without it they say V(skip).
    type: dict
  checks_dir:
    description:
      - Directory on the target with checks of this site's own. Every Python file in it is run, and registers functions
        with the decorator C(check) of C(plugins/module_utils/health/registry.py), as the collection's own checks do.
      - The files are run as the user of this task, so nobody else may be able to write them.
    type: path
  users_csv:
    description:
      - File on the target to write the employees to who cannot log in with a password, with mode V(0600) and the
        columns C(id), C(login), C(email), C(name), C(reason) and C(what to do). With nobody to name it holds the
        columns alone.
      - It is written when the check C(identity.login) could look. The portal resets passwords, not this module.
    type: path
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

- name: Compare with what the cloud's portal had, run this site's own checks, list who needs a new password
  boxlift.portal.portal_health:
    document_root: /srv/portal/www
    base_url: https://portal.example.com
    baseline: "{{ before.portal }}"
    checks_dir: /etc/boxlift/checks
    users_csv: /root/users-without-password.csv
    fail_on: never

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
    before:
      description: What O(baseline) says of the same; only there where the check compares with it.
      type: str
    blocks:
      description:
        - Whom a failure keeps from working with the portal, V(everybody), V(some) or V(nobody). The report's first line
          is made of it. A site's own check that does not say it has none.
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
      blocks: some
summary:
  description: How many findings there are of each status.
  returned: always
  type: dict
  sample: {pass: 130, warn: 1, fail: 1, unknown: 0, skip: 0}
users:
  description: How many employees cannot log in with a password.
  returned: when O(users_csv) is given and the check C(identity.login) could look
  type: int
  sample: 17
vantage:
  description: Where was looked from.
  returned: always
  type: str
  sample: host
"""

import os
import pathlib
import time
import typing as t
import urllib.parse

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import program
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.finding import FAIL_ON, Finding, summarize
from ansible_collections.boxlift.portal.plugins.module_utils.health import runner, site_checks, users
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.http.address import secrets_of
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import HttpClient, direct
from ansible_collections.boxlift.portal.plugins.module_utils.log_masking import NestedSecretsMasked
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import DATABASE_OPTIONS, Login, connect

# So long a neighbour may take to answer; a firewall that says nothing must not hold up the rest.
NEIGHBOUR_SECONDS = 5


def build_context(module: AnsibleModule) -> Context:
    params = module.params
    base_url = (params["base_url"] or "").rstrip("/")
    parts = urllib.parse.urlsplit(base_url)
    if base_url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path):
        raise BoxliftError(f"base_url {base_url!r} is no URL of a host.", "Write it as https://portal.example.com.")
    database = params["database"]
    to_portal = direct(params["address"] or "", parts.hostname or "", params["timeout"])

    # On its own host the portal must be found by its name alone: that is what web.reaches_itself asks.
    elsewhere = params["address"] or "" if params["vantage"] == "outside" else ""
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
        run_command=program.run,
        host_root=pathlib.Path("/") if params["vantage"] == "host" else None,
        connect_tcp=direct(elsewhere, parts.hostname or "", min(params["timeout"], NEIGHBOUR_SECONDS)),
        push_expected=params["push"],
        baseline=baseline_of(params["baseline"]),
    )


def baseline_of(given: dict[str, t.Any] | None) -> dict[str, t.Any] | None:
    """The option baseline, with or without `portal` around it."""
    portal = (given or {}).get("portal", given)
    if given is not None and not (isinstance(portal, dict) and {"counts", "newest", "modules"} & portal.keys()):
        raise BoxliftError(
            "baseline has neither counts nor newest nor modules.", "Give what portal_info returned as `portal`."
        )
    return portal


def list_users(module: AnsibleModule, context: Context, findings: t.Sequence[Finding]) -> dict[str, t.Any]:
    """Writes users_csv; the values that the module returns for it."""
    looked = any(finding.id == "identity.login" and finding.status in ("pass", "fail") for finding in findings)
    if not module.params["users_csv"] or not looked or not context.query("SHOW TABLES LIKE 'b_user'"):
        return {}
    people = users.locked_out(context.query)
    content = users.as_csv(people)
    changed = not module.check_mode and users.write_csv(module.params["users_csv"], content)
    return {"changed": changed, "users": len(people)}


def run(module: AnsibleModule) -> None:
    params = module.params
    if params["checks_dir"]:
        site_checks.load(params["checks_dir"], all_checks())
    checks = runner.select(all_checks(), params["vantage"], params["areas"], params["skip"])
    context = build_context(module)
    try:
        findings = runner.run(context, checks, params["skip"])
        listed = list_users(module, context, findings)
    finally:
        context.close()
    result = {
        "changed": False,
        **listed,
        "findings": [finding.as_dict() for finding in findings],
        "summary": summarize(findings),
        "vantage": params["vantage"],
    }
    wrong = [finding.id for finding in findings if finding.status in FAIL_ON[params["fail_on"]]]
    if wrong:
        module.fail_json(msg=f"{len(wrong)} of {len(findings)} checks are not in order: {', '.join(wrong)}.", **result)
    module.exit_json(**result)


class Module(NestedSecretsMasked, AnsibleModule):
    """Knows before anything is logged that an address may hold a signature or a password."""

    def _log_invocation(self) -> None:
        whole, *secrets = secrets_of(self.params["base_url"] or "")
        if secrets:
            self.no_log_values.update((whole, *secrets))
        super()._log_invocation()


def main() -> None:
    module = Module(
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
            "baseline": {"type": "dict"},
            "checks_dir": {"type": "path"},
            "users_csv": {"type": "path"},
            "fail_on": {"type": "str", "choices": list(FAIL_ON), "default": "fail"},
        },
        required_one_of=[["document_root", "base_url", "database"]],
        required_if=[("vantage", "outside", ["base_url"])],
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
