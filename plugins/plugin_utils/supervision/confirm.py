# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mode supervised: what is about to happen in plain words, and two different people who agree with it."""

from __future__ import annotations

import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import Plan, Step

#: Shows a question and waits so many seconds: what was typed, None if nothing was. Raises BoxliftError for no terminal.
Ask = t.Callable[[str, float], t.Optional[str]]


def described(plan: Plan, step: Step, stage: str, hosts: t.Sequence[str], earlier: t.Sequence[Attempt]) -> list[str]:
    """What will happen, where, for how long, and how it is undone."""
    work = f"playbook {step.playbook}" if step.playbook else f"people of {plan.organisations[step.owner]}"
    undo = step.undo.reason or f"Playbook {step.undo.playbook} takes it back."
    return [
        f"{step.title} ({step.id}, {plan.stages[stage].title})",
        f"  By:       {work}",
        f"  On:       {', '.join(hosts) or 'this controller alone'}",
        f"  Takes:    {_how_long(step, earlier)}",
        f"  Undo:     {undo}",
    ]


def agree(plan: Plan, ask: Ask) -> tuple[str, ...]:
    """The watchers who agreed, after the operator did. Raises BoxliftError where one who is needed does not."""
    policy = plan.supervision
    seconds = 60.0 * policy.answer_minutes
    _answer(ask, f"Operator, to begin it type {policy.operator}; anything else leaves it:", {policy.operator}, seconds)
    agreed: list[str] = []
    while len(agreed) < policy.count:
        left = [name for name in policy.watchers if name not in agreed]
        names = " or ".join(left)
        agreed.append(_answer(ask, f"Watcher, if you agree type {names}; anything else leaves it:", set(left), seconds))
    return tuple(agreed)


def _answer(ask: Ask, question: str, allowed: t.Collection[str], seconds: float) -> str:
    typed = ask(question, seconds)
    if typed is None:
        raise BoxliftError(
            f"Nobody answered within {duration(seconds)}, so nothing was begun.", "Run it again when both are there."
        )
    name = typed.strip()
    if name not in allowed:
        raise BoxliftError(
            f"{name or 'An empty answer'} is not {' or '.join(sorted(allowed))}, so nothing was begun.",
            "Run it again when both agree. Operator and watchers are in the plan, under `supervision`.",
        )
    return name


def _how_long(step: Step, earlier: t.Sequence[Attempt]) -> str:
    took = [attempt.seconds for attempt in earlier if attempt.outcome == "ok" and attempt.seconds is not None]
    if took:
        return f"{duration(took[-1])}, as it took the last time"
    return f"about {duration(step.estimate.seconds)}, by the plan's estimate"
