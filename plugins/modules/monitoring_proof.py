#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: monitoring_proof
short_description: Prove that a host is watched
version_added: 0.1.0
description:
  - Asks exporters for what they must know, and Prometheus whether each rule is loaded, each target answers, and an
    Alertmanager is there. It asks again until all is so.
  - Prometheus starts without a complaint where it may not read its rules, and an exporter answers where it may not
    look. Only what is shown counts.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.actiongroup_portal
attributes:
  check_mode:
    support: full
    details: It only asks.
  diff_mode:
    support: none
    details: Nothing changes.
  idempotent:
    support: full
options:
  pages:
    description: The exporters.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called in a message.
        type: str
        required: true
      url:
        description: Where its figures are.
        type: str
        required: true
      present:
        description: Regular expressions, for each of which a line must be there.
        type: list
        elements: str
        default: []
      absent:
        description: Regular expressions of lines that must not be there.
        type: list
        elements: str
        default: []
  prometheus:
    description: Address of Prometheus. Empty asks none.
    type: str
    default: ""
  alerts:
    description: Names of the alerts that Prometheus must have loaded, and no others.
    type: list
    elements: str
    default: []
  targets:
    description: What Prometheus must ask, each as the labels C(job) and C(host), such as V(node/portal-prod).
    type: list
    elements: str
    default: []
  timeout:
    description: How many seconds there are for the proof.
    type: int
    default: 120
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Prove that MariaDB is watched, and that the rules are loaded
  boxlift.portal.monitoring_proof:
    pages:
      - name: mysqld
        url: http://127.0.0.1:9104/metrics
        present: ["^mysql_up 1$"]
        absent: ["^mysql_exporter_last_scrape_error 1$"]
    prometheus: http://127.0.0.1:9090
    alerts: [Watchdog, DatabaseDown]
    targets: [mysqld/portal-prod]
"""

RETURN = r"""
looks:
  description: How often it had to look.
  returned: success
  type: int
  sample: 3
"""

import time
import typing as t
import urllib.request

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils import monitoring_proof
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of

PATIENCE = 15  # seconds for one page


def fetch(url: str) -> str:
    # What listens on loopback is not behind a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PATIENCE) as answer:
        return t.cast("bytes", answer.read()).decode("utf-8", "replace")


def main() -> None:
    page = {
        "name": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "present": {"type": "list", "elements": "str", "default": []},
        "absent": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "pages": {"type": "list", "elements": "dict", "default": [], "options": page},
            "prometheus": {"type": "str", "default": ""},
            "alerts": {"type": "list", "elements": "str", "default": []},
            "targets": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    given = module.params
    pages = tuple(
        monitoring_proof.Page(each["name"], each["url"], tuple(each["present"]), tuple(each["absent"]))
        for each in given["pages"]
    )
    wanted = monitoring_proof.Wanted(pages, given["prometheus"], tuple(given["alerts"]), tuple(given["targets"]))
    try:
        looks = monitoring_proof.prove(wanted, fetch, time.monotonic, time.sleep, given["timeout"])
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(changed=False, looks=looks)


if __name__ == "__main__":
    main()
