# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: database_failover
short_description: Say what a failover of the database to one host would be
version_added: 0.3.0
description:
  - Takes the C(hosts) of the filter P(boxlift.portal.database_primary#filter), and plans the switch. No host is
    asked anything here.
positional: to, over, accept_loss
options:
  _input:
    description: What each database host said, by its name, in the inventory's order.
    type: dict
    required: true
  to:
    description: The host that shall be the primary.
    type: str
    required: true
  over:
    description: Where two hosts have written, the one whose own writes are given up.
    type: str
    default: ""
  accept_loss:
    description: Take a replica too that had stopped following before.
    type: bool
    default: false
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Say what would be done
  ansible.builtin.debug:
    msg: "{{ database_live.hosts | boxlift.portal.database_failover('db2') }}"
"""

RETURN = r"""
_value:
  description: >-
    C(kind) is V(none), V(planned), V(unplanned) or V(resumed); C(old) hands over or is given up, C(gone) do not answer,
    and C(followers) follow the new primary. C(split) is true where both have written, and C(above) is the latest term
    that the others know. C(problem) says why it is refused, C(text) what will be done, and C(loss)
    what may be lost.
  type: dict
"""

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.replication import failover, judgement


def database_failover(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]], to: str, over: str = "", accept_loss: t.Any = False
) -> dict[str, t.Any]:
    fields = judgement.Seen._fields
    seen = [judgement.Seen(**{name: told[name] for name in fields if name in told}) for told in hosts.values()]
    found = failover.plan(seen, str(to), str(over), bool(accept_loss))._asdict()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"database_failover": database_failover}
