# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup boxlift.portal.leave: hosts of a play, if this run may change them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: leave
short_description: The hosts of a play, if this run may change them
version_added: 0.2.0
author: boxlift.portal contributors (!UNKNOWN)
description:
  - Returns the pattern that it is given, for C(hosts) of a play. At a dictated site it fails, unless this
    ansible-playbook has begun a step with its code (M(boxlift.portal.supervise)).
  - C(hosts) is looked at before the first task of a play, and no tag, limit or variable leaves it out.
  - A site is dictated if the key of its codes lies beside the journal. On all others every run may change the hosts.
  - In check mode, and where only a listing is asked for, the pattern is returned, because nothing is changed then.
options:
  _terms:
    description: The pattern of the hosts.
    required: true
"""

EXAMPLES = r"""
- name: Restore the backup
  hosts: "{{ lookup('boxlift.portal.leave', 'web:&production') }}"
  roles:
    - boxlift.portal.restore
"""

RETURN = r"""
_raw:
  description: The same pattern.
  type: list
  elements: str
"""

import pathlib
import typing as t

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import place, process
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import SUPERVISION, events_in

#: What `ansible-playbook` is asked for without a task being done.
ONLY_LOOKS = ("check", "syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        journal = place.configured()
        if journal and not any(context.CLIARGS.get(name) for name in ONLY_LOOKS) and is_forbidden(journal):
            raise AnsibleLookupError(
                "The site is dictated, and this run has begun no step with its code, so nothing is changed. Type the "
                "step's number and its code, as the manual prints them: mig NUMBER CODE."
            )
        return [str(term) for term in terms]


def is_forbidden(journal: str) -> bool:
    """Whether the site is dictated, and this run is at no step."""
    path = pathlib.Path(journal)
    if not path.with_name(place.KEY).exists():
        return False
    begun: dict[str, str] = {}
    for line in events_in(path.read_bytes() if path.is_file() else b"", SUPERVISION):
        if line["state"] == "accepted":
            begun[line["item"]] = line["process"]
        elif line["state"] == "ended":
            begun.pop(line["item"], None)
    ours = {process.own_process(), process.parent_process()} - {""}
    return ours.isdisjoint(begun.values())
