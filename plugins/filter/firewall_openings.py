# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: firewall_openings
short_description: Say what the firewall of a host lets in
version_added: 0.1.0
description:
  - Derives it from the inventory's groups, for the hosts of C(production). SSH is for O(administrators) and the
    hosts of C(preproduction), 80 and 443 of C(web) are for everyone, and database, cache, search engine and push server
    are for the hosts that use them.
  - Where there is a C(balancer), 80 and 443 are for everyone there, and on C(web) for the balancers alone.
  - C(telephony) lets in SIP of its carriers and own networks, audio, and with a certificate SIP over TLS and phones in
    browsers.
  - The scrape endpoint of role C(monitoring) is for the hosts of C(monitoring), and for C(site_monitoring_from).
    The status page of a monitoring host without the portal is for C(site_status_networks), and for everyone where
    there are C(site_status_passwords).
  - Clients on the same host need no opening.
positional: groups, name
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  groups:
    description: The variable C(groups).
    type: dict
    required: true
  name:
    description: The host that the firewall is for.
    type: str
    required: true
  ssh_port:
    description: The port of its SSH server.
    type: int
    default: 22
  administrators:
    description: Networks that SSH is open to. Empty opens it to everyone.
    type: list
    elements: str
    default: []
  further:
    description: What else is let in, as O(boxlift.portal.hardening#role:main:hardening_open) describes it.
    type: list
    elements: dict
    default: []
  controller:
    description: >-
      The address that the host sees Ansible come from. Where O(administrators) does not let it in, that is
      a problem. Empty asks nothing.
    type: str
    default: ""
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Say what this host lets in
  ansible.builtin.debug:
    msg: "{{ hostvars | boxlift.portal.firewall_openings(groups, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: >-
    A dictionary. C(openings) has one dictionary for each opening: C(protocol), C(ports) (one, or V(first-last), or none
    for V(vrrp)), C(sources) (networks; everyone where empty) and C(reason). C(problem) says what the inventory lacks,
    or that Ansible would lock itself out, and what to do; there are no openings then. It is empty where all is well.
  type: dict
"""

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.firewall import openings

WANTED = {group for service in openings.SERVICES for group in (service.group, *service.clients)}


def firewall_openings(
    hostvars: t.Any,
    groups: t.Any,
    name: str,
    ssh_port: t.Any = 22,
    administrators: t.Any = (),
    further: t.Any = (),
    controller: str = "",
) -> dict[str, t.Any]:
    members: dict[str, set[str]] = {}
    further_groups = {openings.TELEPHONY, openings.MONITORING, openings.HEARTBEAT}
    for group in {"production", "preproduction", *further_groups, *openings.PUBLIC, *WANTED}:
        for member in groups.get(group, []):
            members.setdefault(member, set()).add(group)
    members.setdefault(name, set())
    hosts = [openings.Host(host, frozenset(of), hostvars[host]) for host, of in sorted(members.items())]
    try:
        found = openings.openings(hosts, name, int(ssh_port), administrators, further)
        if controller:
            openings.prove_access(found[0], name, controller)
    except BoxliftError as error:
        return {"openings": [], "problem": f"{error.message} {error.remedy}"}
    told = [{**each._asdict(), "sources": [str(network) for network in each.sources]} for each in found]
    return {"openings": told, "problem": ""}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"firewall_openings": firewall_openings}
