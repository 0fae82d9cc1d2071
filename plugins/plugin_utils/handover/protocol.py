# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The acceptance protocol: what was proven and by what, and places for the signatures of those whom the plan names."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.handover.evidence import Evidence
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import verify
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Gate

Data = dict[str, t.Any]


def protocol(of: Evidence) -> Data:
    return {
        "plan": of.plan.id,
        "sha256": of.plan.sha256,
        "issued": of.plan.issued.isoformat() if of.plan.issued else "",
        "parties": [
            {
                "name": name,
                "people": [
                    {"name": one.name, "roles": [role.replace("_", " ") for role in one.roles]}
                    for one in of.plan.people.values()
                    if one.org == org
                ],
            }
            for org, name in of.plan.organisations.items()
        ],
        "gates": [gate_of(of, gate) for gate in of.plan.gates.values()],
        "evidence": [
            {
                "step": of.plan.steps[one.step].title if one.step in of.plan.steps else one.step,
                "stage": of.plan.stages[one.stage].title if one.stage in of.plan.stages else one.stage,
                "name": os.path.basename(proof["path"]),
                "sha256": proof["sha256"],
                "bytes": proof["bytes"],
            }
            for one in of.attempts
            for proof in one.evidence
        ],
        "journals": [
            {
                "name": os.path.basename(head.path),
                "line": head.line,
                "hash": head.hash,
                "digits": verify.short(head.hash) if head.hash else "",
                "fault": head.fault,
            }
            for head in of.heads
        ],
        "signers": signers(of),
    }


def gate_of(of: Evidence, gate: Gate) -> Data:
    decision = of.decisions[gate.id]
    return {
        "title": gate.title,
        "state": decision.state.replace("_", " "),
        "opened": decision.opened.timestamp() if decision.opened else None,
        "signers": [
            {
                "name": of.plan.people[line["person"]].name,
                "org": of.plan.organisations[of.plan.people[line["person"]].org],
                "at": line["at"],
                "method": line["method"],
            }
            for line in of.signatures(gate.id)
        ],
    }


def signers(of: Evidence) -> list[Data]:
    """Whom the plan's last gate, the acceptance, wants to sign: each place with the people who may fill it."""
    if not of.plan.gates:
        return []
    last = list(of.plan.gates.values())[-1]
    return [
        {
            "org": of.plan.organisations[need.org],
            "role": need.role.replace("_", " "),
            "people": [one.name for one in of.plan.people.values() if one.org == need.org and need.role in one.roles],
        }
        for need in last.needs
        for _place in range(need.count)
    ]
