# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind the short command: the variables of each item, and `mig` itself."""

from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import Item, items

FOLDER = "steps"
MIG = pathlib.Path(__file__).with_name("mig.sh")


def command() -> bytes:
    """The script `mig`."""
    return MIG.read_bytes()


def files(plan: Plan) -> dict[str, bytes]:
    """By name, the file of variables of each item."""
    return {f"{item.number}.json": _json(variables(plan, item)) for item in items(plan)}


def variables(plan: Plan, item: Item) -> dict[str, t.Any]:
    return {
        **item.vars,
        "supervise_number": item.number,
        "supervise_step": item.id,
        "supervise_kind": item.kind,
        "supervise_playbook": item.playbook or "",
        "supervise_plan": plan.sha256,
        "migration_stage": item.stage,
    }


def _json(data: t.Mapping[str, t.Any]) -> bytes:
    return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
