# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an item on the operator's side: what came of it, by the run and the journal, and its read-back."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.boxlift.portal.plugins.plugin_utils.journal import writer
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.lines import STEP
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.reader import Attempt
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.course import ROLLBACK
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.proceedings import Proceedings
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, numbers
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.site import Site
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.state import Ended, Open


def close(site: Site, failed: bool, worked: bool) -> Ended | None:
    """The end of what this run has begun, written down; None if that is nothing, or people are at it.

    `failed` says whether a host failed or was not reached, and `worked` whether any task was done on one.
    """
    begun = site.state.open
    if begun is None or begun.process != site.own or _is_of_people(site, begun):
        return None
    outcome, message = _outcome(site, begun, failed, worked)
    return site.end(outcome, time.time() - begun.at, message)


def close_broken(site: Site) -> Ended | None:
    """The end of what a run has left open that was killed; None if nothing is open, or somebody is at it."""
    begun = site.state.open
    if begun is None or site.running(begun.process) or _is_of_people(site, begun):
        return None
    attempt = _attempt(site, begun)
    if attempt is not None and attempt.end is not None:
        return site.end(_of(attempt), attempt.end - begun.at, attempt.message)
    return site.end(codes.UNKNOWN, 0.0, "The run ended without saying what came of it.")


def tell(site: Site, outcome: str, message: str = "") -> Ended:
    """People have done, or could not do, what was begun for them. Raises BoxliftError if nothing was."""
    begun = site.state.open
    if begun is not None:
        _end_step(site, begun, outcome, message)
    return site.end(outcome, time.time() - begun.at if begun else 0.0, message)


def _is_of_people(site: Site, begun: Open) -> bool:
    item = site.items.get(begun.item)
    return item is not None and item.kind == numbers.PEOPLE


def _outcome(site: Site, begun: Open, failed: bool, worked: bool) -> tuple[str, str]:
    item = site.items.get(begun.item)
    if item is not None and item.kind == numbers.GATE:
        decision = Proceedings(site.plan, site.journal).decision(site.plan.gates[item.id])
        awaited = ", ".join(f"{need.count} {need.role} of {need.org}" for need in decision.missing)
        if decision.is_open:
            return codes.OK, ""
        return (codes.WAITING, f"Still to sign: {awaited}.") if decision.state == "requested" else (codes.FAILED, "")
    attempt = _attempt(site, begun)
    if attempt is None:
        return codes.FAILED, "Its work was not begun."
    if attempt.end is not None:
        return _of(attempt), attempt.message
    if failed or not worked:
        message = attempt.failures[-1].message if attempt.failures else "" if failed else "No host did anything."
        _end_step(site, begun, codes.FAILED, message)
        return codes.FAILED, message
    _end_step(site, begun, codes.OK, "")
    return codes.OK, ""


def _attempt(site: Site, begun: Open) -> Attempt | None:
    """The attempt at the step that the item's code has begun."""
    step, stage = _step_of(site, begun)
    attempts = Proceedings(site.plan, site.journal).told.steps.get(step, [])
    mine = [each for each in attempts if each.line > begun.line and (not stage or each.stage == stage)]
    return mine[-1] if mine else None


def _step_of(site: Site, begun: Open) -> tuple[str, str]:
    step, stage = site.step_of(begun.item)
    return step or ROLLBACK, stage


def _of(attempt: Attempt) -> str:
    return codes.OK if attempt.outcome in ("ok", "skipped") else codes.FAILED


def _end_step(site: Site, begun: Open, outcome: str, message: str) -> None:
    attempt = _attempt(site, begun)
    if attempt is None or attempt.end is not None:
        return
    fields: dict[str, t.Any] = {"step": attempt.step, "state": "end", "outcome": outcome, "stage": attempt.stage}
    writer.append(site.journal, STEP, {**fields, **({"message": message} if message else {})})
