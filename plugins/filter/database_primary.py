# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: database_primary
short_description: Say which database host of a site is the primary
version_added: 0.3.0
description:
  - Takes what M(boxlift.portal.database_replication) has returned for each database host, and judges it together.
positional: name
options:
  _input:
    description: >-
      The C(results) of a task that has looped over the hosts, in the inventory's order. Hosts that were not reached are
      among them.
    type: list
    elements: dict
    required: true
  name:
    description: In which variable the loop had the host's name.
    type: str
    default: __database_item
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Say who is the primary
  ansible.builtin.debug:
    msg: "{{ asked['results'] | boxlift.portal.database_primary }}"
"""

RETURN = r"""
_value:
  description: >-
    C(primary) is the host; empty where nobody can say, and C(problem) says why and what to do. C(virgin) is true where
    nothing was ever decided. C(table) shows all hosts with their positions, C(unreached) has the names of those that
    did not answer Ansible, and C(hosts) what each said.
  type: dict
"""

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.replication import judgement


def database_primary(results: t.Sequence[t.Mapping[str, t.Any]], name: str = "__database_item") -> dict[str, t.Any]:
    hosts = [judgement.seen_of(str(result[name]), result) for result in results]
    return {
        **judgement.judge(hosts)._asdict(),
        "table": judgement.table(hosts),
        "unreached": [host.name for host in hosts if not host.reached],
        "hosts": {host.name: {**host._asdict(), "sequence": judgement.sequence(host.position)} for host in hosts},
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"database_primary": database_primary}
