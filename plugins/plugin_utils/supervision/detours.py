# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""At a dictated site a step is begun as the manual prints it: no option of ansible-playbook changes what it does."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.numbers import Item

#: What `ansible-playbook` may not be given, by its name among the arguments and on the command line.
OPTIONS = {
    "tags": "--tags",
    "skip_tags": "--skip-tags",
    "subset": "--limit",
    "start_at_task": "--start-at-task",
    "step": "--step",
}
_OURS, _STOP = "supervise_", "stop_kind"


def refuse_options(arguments: t.Mapping[str, t.Any]) -> None:
    """Raises BoxliftError for an option that leaves something of the step out."""
    for name, option in OPTIONS.items():
        value = arguments.get(name)
        if value and list(value if isinstance(value, (list, tuple)) else [value]) != ["all"]:
            raise BoxliftError(f"A dictated step is begun without {option}.", "Type it as the manual prints it.")


def refuse_variables(given: t.Iterable[str], item: Item | None) -> None:
    """Raises BoxliftError for a variable on the command line that the step's own file does not have."""
    ours = {"migration_stage", *(item.vars if item else (_STOP,))}
    for name in sorted(given):
        if not name.startswith(_OURS) and name not in ours:
            raise BoxliftError(
                f"A dictated step is begun without -e {name}=….",
                "Type it as the manual prints it. What the site sets differently belongs into its inventory.",
            )


def refuse_another_step(plan: Plan, item: Item, found: t.Mapping[str, t.Any]) -> None:
    """Raises BoxliftError where the step's file says something else than the plan, such as an older version of it."""
    expected = {
        "supervise_plan": plan.sha256,
        "supervise_step": item.id,
        "migration_stage": item.stage,
        "supervise_kind": item.kind,
        "supervise_playbook": item.playbook,
        **item.vars,
    }
    for name, value in expected.items():
        if found.get(name) != value and not (value is None and not found.get(name)):
            raise BoxliftError(
                f"The file of step {item.number} does not belong to this plan: {name} is {found.get(name)!r} there, "
                f"and {value!r} by the plan.",
                "Make manual and steps anew with playbook manual, or bring back the plan that they are of.",
            )
