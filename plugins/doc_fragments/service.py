# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A portal in operation: the options of the modules service_report, visits and incident."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  plan:
    description: The plan's file, or the plan as a mapping. Without it the usual plan, whose people have no names.
    type: raw
  records:
    description: The site's records. Without it C(service.records) beside the journal.
    type: path
  customer_class:
    description: How important the customer is. V(vip) is visited every month, V(regular) every three months.
    type: str
    choices: [vip, regular]
    default: regular
"""

    # For pages with figures: tasks ask for these, and give the answers.
    FIGURES = r"""
options:
  dest:
    description: Folder of the files, on the controller.
    type: path
    required: true
  questions_only:
    description: Whether nothing is written, and only what has to be asked of Prometheus is returned.
    type: bool
    default: false
  prometheus:
    description: >-
      What the task registered that asked RV(queries) of Prometheus in a loop, one C(item) each. Without it the figures
      are told as not known.
    type: dict
    default: {}
  copies:
    description: By host, what C(boxlift.portal.backup_status) returned.
    type: dict
    default: {}
  entitlements:
    description: By host, what M(boxlift.portal.entitlement_check) returned.
    type: dict
    default: {}
  opened:
    description: The day on which the portal was opened. Where a journal of the move says it, that one counts.
    type: str
    default: ""
  journal:
    description:
      - The journal. Without it the file that the callback P(boxlift.portal.journal#callback) is configured to write.
      - Those beside it are read too.
    type: path
"""
