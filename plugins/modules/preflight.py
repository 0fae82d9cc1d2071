#!/usr/bin/python
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Say everything that stands in the way of bringing the portal to this host
version_added: 0.1.0
description:
  - Asks a host, before anything is installed on it, whether the portal can come - release, rights, disk, memory, ports,
    the portal's name, the clock, and whether the backup can be had from here.
  - What the disk must hold is taken from the backup's own size fields, of the parts in O(source_path) or of the first
    part behind O(source_url), of which only the beginning is read.
  - Does not fail for what it finds - RV(findings) tells, and the collection's playbook C(preflight) refuses with the
    reasons of all hosts at once.
extends_documentation_fragment:
  - boxlift.portal.attributes
  - boxlift.portal.attributes.info_module
  - boxlift.portal.attributes.actiongroup_portal
options:
  step:
    description:
      - The steps of the playbook C(preflight), which fill in the other options from the inventory's variables. Without
        one the host is asked with the options that are given.
      - V(inventory) judges the variables on the controller, and says whether the certificate's files can be proven.
      - V(host) asks the host. Options that are given go before what the inventory says.
      - V(verdict) puts the answers of all hosts of the play together, from the variables that the playbook registers.
      - V(inventory_verdict) puts together what V(inventory) said alone, as playbook C(provision) does.
    type: str
    choices: [inventory, host, verdict, inventory_verdict]
  source_url:
    description: Address of the backup's first part. It may hold a signature, so it is never shown.
    type: str
    default: ""
  source_path:
    description:
      - Directory that the backup's parts lie in or will be fetched to, or the path of its first part.
      - Empty for a host that the backup does not come to.
    type: str
    default: ""
  source_headers:
    description: Further request headers, such as an authorization.
    type: dict
    default: {}
  source_ca:
    description: Certificates in PEM of the authorities to trust for O(source_url) instead of the system's.
    type: str
    default: ""
  further_ca:
    description:
      - Certificates in PEM of authorities that this host will trust beside the system's once it is built. They only
        count without O(source_ca).
    type: str
    default: ""
  source_password_given:
    description: Whether there is a password for an encrypted backup. The password itself is not needed.
    type: bool
    default: false
  document_root:
    description: Where the portal's tree will lie; it is staged beside. Empty for a host without it.
    type: str
    default: ""
  database_directory:
    description: Where the database server keeps its data, or will. Empty for a host without it.
    type: str
    default: ""
  sizes:
    description: Bytes that are known better than the backup tells.
    type: dict
    default: {}
    suboptions:
      archive:
        description: All parts of the backup together.
        type: int
      tree:
        description: The unpacked files.
        type: int
      database:
        description: The imported database with its indexes.
        type: int
  memory_mb:
    description: MiB of memory that the host must have. A machine sold with 2 GiB shows a little less.
    type: int
    default: 1800
  ports:
    description: TCP ports that the portal's services will listen on.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: Number of the port.
        type: int
        required: true
      holders:
        description: Names of the programs that may listen there already.
        type: list
        elements: str
        required: true
  domain:
    description: The portal's host name, which must lead to this host. Empty does not ask.
    type: str
    default: ""
  licence_files:
    description: Licence files that must lie on this host in time, as M(boxlift.portal.entitlement_check) reads them.
    type: list
    elements: str
    default: []
  crm_cloud_webhook:
    description: Address of an incoming webhook of the cloud's portal, to be asked from this host. Empty does not ask.
    type: str
    default: ""
  crm_box_webhook:
    description: The same of the box. One that does not answer yet is a warning.
    type: str
    default: ""
  crm_ca:
    description: >-
      Certificates in PEM of the authorities to trust for both portals beside the system's. Those in O(further_ca) count
      too.
    type: str
    default: ""
  crm_proxy:
    description: Proxy through which this host reaches both portals.
    type: str
    default: ""
  expected_addresses:
    description: Further addresses that O(domain) may have, such as a reverse proxy's before this host.
    type: list
    elements: str
    default: []
  controller_time:
    description: Seconds since 1970 on the controller, to compare the clocks. Does not compare if not given.
    type: float
  timeout:
    description: Seconds to wait for the source to answer.
    type: float
    default: 20
seealso:
  - module: boxlift.portal.backup_fetch
  - module: boxlift.portal.portal_health
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Ask a virgin host
  boxlift.portal.preflight:
    source_url: "{{ source_url }}"
    source_path: /var/lib/boxlift/backup
    source_password_given: true
    document_root: /srv/portal/www
    database_directory: /var/lib/mysql
    domain: portal.example.com
    ports:
      - port: 443
        holders: [nginx]
    controller_time: "{{ now().timestamp() }}"
  register: preflight

- name: Ask about memory and platform alone
  boxlift.portal.preflight:
    memory_mb: 7500
"""

RETURN = r"""
answers:
  description: One finding for each variable of the inventory, in the form of RV(findings).
  returned: with O(step=inventory)
  type: list
  elements: dict
  sample:
    - id: inventory.site_domain
      area: inventory
      status: pass
      observed: site_domain is good or not needed
      expected: the portal's host name alone, such as portal.example.com, without https:// and slashes
      remedy: ""
      owner: contractor
      reference: ""
certificate:
  description: >-
    V(provable) or V(unprovable) are the certificate's files on the controller. V(requested) means that there are none
    yet, V(none) that this host needs none that is given.
  returned: with O(step=inventory)
  type: str
  sample: provable
refused:
  description: Whether a finding of any host is V(fail).
  returned: with O(step=verdict) or O(step=inventory_verdict)
  type: bool
  sample: false
message:
  description: The findings that are not V(pass), for people.
  returned: with O(step=verdict) or O(step=inventory_verdict)
  type: str
  sample: |
    Nothing is in the way of the portal.
    31 checks passed, 0 failed, 0 to look at.
findings:
  description: One answer for each question.
  returned: success, without O(step) or with O(step=host)
  type: list
  elements: dict
  contains:
    id:
      description: Name of the check.
      type: str
    area:
      description: What it is about, V(host), V(backup), V(disk), V(memory), V(ports),
          V(names), V(time), V(licence) or V(crm).
      type: str
    status:
      description: V(pass), V(warn), V(fail), or V(unknown) where it could not be told.
      type: str
    observed:
      description: What was seen.
      type: str
    expected:
      description: What was expected.
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
    - id: ports.443
      area: ports
      status: fail
      observed: port 443 is held by apache2
      expected: free, or held by nginx
      remedy: Stop and disable what listens on port 443 (ss -ltnp 'sport = :443' shows it).
      owner: contractor
      reference: ""
summary:
  description: How many findings have each status.
  returned: success, without O(step) or with O(step=host)
  type: dict
  sample: {pass: 11, warn: 0, fail: 1, unknown: 0, skip: 0}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError, result_of
from ansible_collections.boxlift.portal.plugins.module_utils.files import replace_file
from ansible_collections.boxlift.portal.plugins.module_utils.finding import summarize
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.backup import trust
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.crm import BOX, CLOUD
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.host import Host
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.run import Wish, run


def _authorities(module: AnsibleModule) -> str | None:
    """A file of those that both portals may have their certificates from; it goes away with the module."""
    text = "\n".join(module.params[name] for name in ("crm_ca", "further_ca") if module.params[name])
    if not text:
        return None
    path = os.path.join(module.tmpdir, "crm-ca.pem")
    replace_file(path, f"{text}\n".encode())
    return path


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            # The action of this name takes it, and runs this module without it.
            "step": {"type": "str", "choices": ["inventory", "host", "verdict", "inventory_verdict"]},
            "source_url": {"type": "str", "default": "", "no_log": True},
            "source_path": {"type": "str", "default": ""},
            "source_headers": {"type": "dict", "default": {}, "no_log": True},
            "source_ca": {"type": "str", "default": ""},
            "further_ca": {"type": "str", "default": ""},
            "source_password_given": {"type": "bool", "default": False, "no_log": False},
            "document_root": {"type": "str", "default": ""},
            "database_directory": {"type": "str", "default": ""},
            "sizes": {
                "type": "dict",
                "default": {},
                "options": {"archive": {"type": "int"}, "tree": {"type": "int"}, "database": {"type": "int"}},
            },
            "memory_mb": {"type": "int", "default": 1800},
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "int", "required": True},
                    "holders": {"type": "list", "elements": "str", "required": True},
                },
            },
            "domain": {"type": "str", "default": ""},
            "licence_files": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "crm_cloud_webhook": {"type": "str", "default": "", "no_log": True},
            "crm_box_webhook": {"type": "str", "default": "", "no_log": True},
            "crm_ca": {"type": "str", "default": ""},
            "crm_proxy": {"type": "str", "default": ""},
            "expected_addresses": {"type": "list", "elements": "str", "default": []},
            "controller_time": {"type": "float"},
            "timeout": {"type": "float", "default": 20},
        },
        supports_check_mode=True,
    )
    params = module.params
    wish = Wish(
        domain=params["domain"],
        expected_addresses=params["expected_addresses"],
        licence_files=params["licence_files"],
        source_url=params["source_url"],
        source_path=params["source_path"],
        password_given=params["source_password_given"],
        document_root=params["document_root"],
        database_directory=params["database_directory"],
        sizes=params["sizes"],
        memory_mb=params["memory_mb"],
        ports={item["port"]: item["holders"] for item in params["ports"]},
        controller_time=params["controller_time"],
        crm_webhooks={
            which: params[f"crm_{which}_webhook"] for which in (CLOUD, BOX) if params[f"crm_{which}_webhook"]
        },
    )
    try:
        findings = run(
            wish,
            Host(),
            lambda: Client(
                params["source_headers"], params["timeout"], trust(params["source_ca"], params["further_ca"])
            ),
            lambda webhook: Rest(
                webhook, ca_file=_authorities(module), proxy=params["crm_proxy"] or None, timeout=params["timeout"]
            ),
        )
    except (BoxliftError, OSError) as error:
        module.fail_json(**result_of(error))
    module.exit_json(changed=False, findings=[finding.as_dict() for finding in findings], summary=summarize(findings))


if __name__ == "__main__":
    main()
