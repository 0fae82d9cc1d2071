# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: alert_rules
short_description: Merge what a site wants otherwise over the alert rules of role monitoring
version_added: 0.1.0
description:
  - Takes the text of rule files of Prometheus, and changes or leaves out alerts by their names.
positional: changes, runbooks
options:
  _input:
    description: The texts of the files, by their names.
    type: dict
    required: true
  changes:
    description: As O(boxlift.portal.monitoring#role:main:monitoring_rules) describes it.
    type: dict
    default: {}
  runbooks:
    description: Address of the page that says what to do, without the part for an alert.
    type: str
    default: docs/alerts.md
author:
  - boxlift.portal contributors (@boxlift)
"""

EXAMPLES = r"""
- name: Show the alerts
  ansible.builtin.debug:
    msg: "{{ ({'host': lookup('ansible.builtin.file', 'host.yml')} | boxlift.portal.alert_rules).alerts }}"
"""

RETURN = r"""
_value:
  description: >-
    A dictionary. C(files) has the new texts by their names, C(alerts) the names of the alerts in them. C(problem) says
    what is wrong with the changes, and what to do; it is empty where all is well.
  type: dict
"""

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.alerts import rules


def alert_rules(files: t.Any, changes: t.Any = None, runbooks: str = rules.RUNBOOKS) -> dict[str, t.Any]:
    try:
        groups = rules.changed(files, changes or {}, runbooks)
    except BoxliftError as error:
        return {"files": {}, "alerts": [], "problem": f"{error.message} {error.remedy}"}
    return {"files": rules.texts(groups), "alerts": rules.alerts(groups), "problem": ""}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"alert_rules": alert_rules}
