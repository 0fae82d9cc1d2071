#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: host_acceptance
short_description: Measure whether a host is fast enough for the portal
version_added: 0.1.0
description:
  - Measures processor, disks, database, PHP and a short load over HTTP, and judges each figure by a threshold. What
    could not be measured is V(unknown) with the reason, never V(pass).
  - Loads the host as much as it can, so it is meant for the time before the portal is in use.
  - Needs C(fio) for the disks and C(wrk) for HTTP, which the role C(acceptance) installs and removes again.
  - What it makes for the measurement, it removes - a file on each disk, the database C(boxlift_acceptance), and a page
    with a random name in O(document_root).
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: Nothing is measured; every finding is V(skip).
  diff_mode:
    support: N/A
    details: Nothing is changed.
  idempotent:
    support: full
options:
  areas:
    description: What is measured on this host. Known are V(cpu), V(disk), V(database), V(php) and V(http).
    type: list
    elements: str
    default: [cpu, disk, database, php, http]
  thresholds:
    description:
      - For each figure of O(areas), C(warn), from which on it is worth a look, and C(fail), from which on the host is
        not accepted. The role C(acceptance) has a default for each.
    type: dict
    required: true
  seconds:
    description: How long each measurement takes.
    type: float
    default: 10
  directories:
    description: Directories whose disks are measured; each file system once.
    type: list
    elements: path
    default: [/srv/portal, /var/lib/mysql]
  disk_mb:
    description: MiB that are written to each disk for the measurement; twice as much must be free.
    type: int
    default: 1024
  document_root:
    description: Where the page for the load over HTTP is put.
    type: path
    default: /srv/portal/www
  domain:
    description: The portal's host name, under which this host's web server is asked. V(http) needs it.
    type: str
    default: ""
  database_socket:
    description: Socket of the database server, which must accept root there without a password.
    type: path
    default: /run/mysqld/mysqld.sock
  fail_on:
    description:
      - Which findings make the task fail; they are returned either way.
      - V(fail) stands for failures alone, V(unknown) also for what could not be measured, V(warn) for everything that
        is not in order.
    type: str
    choices: [never, fail, unknown, warn]
    default: never
seealso:
  - module: boxlift.portal.preflight
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Measure processor and disk of a database server
  boxlift.portal.host_acceptance:
    areas: [cpu, disk]
    directories: [/var/lib/mysql]
    thresholds:
      cpu.cores: {warn: 8, fail: 4}
      cpu.speed: {warn: 25, fail: 12}
      cpu.together: {warn: 60, fail: 35}
      cpu.stolen: {warn: 5, fail: 20}
      disk.writing: {warn: 100, fail: 40}
      disk.reads: {warn: 5000, fail: 1000}
      disk.latency: {warn: 10, fail: 50}
  register: accepted
"""

RETURN = r"""
findings:
  description: One finding for each figure.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The figure, and the directory where it is a disk's.
      type: str
    area:
      description: One of O(areas).
      type: str
    status:
      description: V(pass), V(warn), V(fail), V(unknown) where it could not be measured, or V(skip) in check mode.
      type: str
    observed:
      description: What was measured.
      type: str
    expected:
      description: The threshold.
      type: str
    remedy:
      description: What to do about it, empty where nothing is.
      type: str
    owner:
      description: Who can do it, V(contractor) or V(customer).
      type: str
    reference:
      description: Always empty.
      type: str
  sample:
    - id: disk.latency./srv/portal
      area: disk
      status: fail
      observed: "durable writes of 4 KiB, 99th percentile: 81.2 ms in /srv/portal"
      expected: at most 10 ms; not accepted above 50 ms
      remedy: Give this file system a faster disk, or find what else loads it.
      owner: customer
      reference: ""
figures:
  description: The figures alone; none for what could not be measured.
  returned: always
  type: dict
  sample: {cpu.cores: 8, cpu.speed: 41.3, disk.latency./srv/portal: 81.2}
summary:
  description: How many findings have each status.
  returned: always
  type: dict
  sample: {pass: 12, warn: 0, fail: 1, unknown: 0, skip: 0}
"""

import http.client
import ssl
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.judge import (
    AREAS,
    judge,
    passed_over,
    thresholds_from,
)
from ansible_collections.boxlift.portal.plugins.module_utils.acceptance.measure import Host, Place, measure
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.finding import FAIL_ON, summarize
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, connect


def fetch_here(domain: str) -> t.Callable[[str], tuple[int, str]]:
    """Asks this host's own web server, whatever the name resolves to; its certificate is the health check's matter."""

    def fetch(path: str) -> tuple[int, str]:
        connection = http.client.HTTPSConnection("127.0.0.1", timeout=20, context=ssl._create_unverified_context())
        try:
            connection.request("GET", path, headers={"Host": domain})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except http.client.HTTPException as error:
            raise BoxliftError(
                f"The web server of this host breaks off: {error!r}.", "See nginx's error.log."
            ) from error
        finally:
            connection.close()

    return fetch


def run(module: AnsibleModule) -> None:
    params = module.params
    thresholds = thresholds_from(params["thresholds"], params["areas"])
    if "http" in params["areas"] and not params["domain"]:
        raise BoxliftError("domain is empty, and areas holds http.", "Set domain (site_domain), or leave http out.")
    if module.check_mode:
        findings, figures = passed_over(params["areas"], "check mode loads no host"), {}
    else:

        def run_command(command: t.Sequence[str]) -> tuple[int, str, str]:
            code, output, errors = module.run_command(list(command), handle_exceptions=False)
            return code, output, errors

        host = Host(
            run=run_command,
            clock=time.monotonic,
            connect=lambda: connect(Login(unix_socket=params["database_socket"])),
            fetch=fetch_here(params["domain"]),
        )
        place = Place(
            params["directories"], params["document_root"], params["domain"], params["seconds"], params["disk_mb"]
        )
        measured = measure(host, place, params["areas"])
        findings = judge(thresholds, measured)
        figures = {each.id: each.value for each in measured if each.value is not None}
    result = {
        "findings": [finding.as_dict() for finding in findings],
        "figures": figures,
        "summary": summarize(findings),
    }
    wrong = [finding for finding in findings if finding.status in FAIL_ON[params["fail_on"]]]
    if wrong:
        told = "; ".join(f"{finding.observed} ({finding.expected}; {finding.remedy})" for finding in wrong)
        module.fail_json(msg=f"This host is not accepted: {told}", **result)
    module.exit_json(changed=False, **result)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "areas": {"type": "list", "elements": "str", "default": list(AREAS)},
            "thresholds": {"type": "dict", "required": True},
            "seconds": {"type": "float", "default": 10},
            "directories": {"type": "list", "elements": "path", "default": ["/srv/portal", "/var/lib/mysql"]},
            "disk_mb": {"type": "int", "default": 1024},
            "document_root": {"type": "path", "default": "/srv/portal/www"},
            "domain": {"type": "str", "default": ""},
            "database_socket": {"type": "path", "default": "/run/mysqld/mysqld.sock"},
            "fail_on": {"type": "str", "choices": list(FAIL_ON), "default": "never"},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))


if __name__ == "__main__":
    main()
