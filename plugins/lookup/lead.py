# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup boxlift.portal.lead: the web host that leads the others."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lead
short_description: The web host that leads the others
version_added: 0.3.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Of a portal's web hosts one is the lead. Restores are made there, and the portal's code goes from there to the
    others.
  - It is the host of the group C(web_lead), else the first of production in the group C(web). Where there is one web
    host, it is that one.
  - For C(hosts) of a play. Without a web host in production it returns the pattern C(web:&production), which no host
    matches.
"""

EXAMPLES = r"""
- name: Restore the backup
  hosts: "{{ lookup('boxlift.portal.lead') }}"
  roles:
    - boxlift.portal.restore
"""

RETURN = r"""
_raw:
  description: The host's name in the inventory, or a pattern.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

PATTERN = "web:&production"
GROUP = "web_lead"


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        # Of all that an inventory says, its groups alone are known before the first play has hosts.
        groups = (variables or {}).get("groups", {})
        production = set(groups.get("production", ()))
        hosts = [host for host in groups.get("web", ()) if host in production]
        named = list(groups.get(GROUP, ()))
        if len(named) > 1 or not set(named) <= set(hosts):
            raise AnsibleLookupError(
                f"The group {GROUP} has {', '.join(named)}. Leave one of production's web hosts in it "
                f"({', '.join(hosts) or 'there is none'}), or remove it: the first one leads then."
            )
        # Without a balancer they are no hosts of one portal: each is a site of its own, as in a lab.
        if len(hosts) > 1 and production & set(groups.get("balancer", ())):
            return [*named, *hosts][:1]
        return hosts or [PATTERN]
