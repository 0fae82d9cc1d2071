# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs checks in parallel, each after those that it needs, and turns every verdict into a finding."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    Check,
    DoesNotApply,
    Verdict,
    failed,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import Registry
from ansible_collections.boxlift.portal.plugins.module_utils.health.tables import (
    NO_SUCH_TABLE,
    judge_missing,
    missing_table,
)
from ansible_collections.boxlift.portal.plugins.module_utils.sql.failure import DatabaseFailed

#: Checks that run at once, hence also the most database connections.
WORKERS = 6
NO_ANSWER = "no answer within"


def select(registry: Registry, vantage: str, areas: t.Sequence[str] = (), skip: t.Sequence[str] = ()) -> list[Check]:
    """The checks of the areas, each after those that it needs, as far as they can be made from this vantage."""
    _refuse_unknown("areas", areas, registry.areas)
    _refuse_unknown("skip", skip, list(registry.checks))
    wanted = [name for name, each in registry.checks.items() if not areas or each.area in areas]
    ordered = {each.id: each for name in wanted for each in registry.with_needs(name)}
    selected = [each for each in ordered.values() if each.vantage in (ANYWHERE, vantage)]
    if not selected:
        raise BoxliftError(
            f"No check of the areas {', '.join(areas)} can be made from {vantage}.", "An empty set proves nothing."
        )
    return selected


def run(
    context: Context, checks: t.Sequence[Check], skip: t.Sequence[str] = (), patience: float | None = None
) -> list[Finding]:
    """Run the checks, several at once. The findings have the order of `checks`, whichever ends first.

    What has no answer after `patience` seconds is `unknown`. Its threads may still hang: the caller ends the process.
    """
    verdicts: dict[str, Verdict] = {}
    blocking: dict[str, str] = {}  # failed or unknown checks, and those skipped because of them
    waiting = {check.id: check for check in checks}
    running: dict[concurrent.futures.Future[Verdict], Check] = {}
    deadline = None if patience is None else time.monotonic() + patience
    workers = concurrent.futures.ThreadPoolExecutor(WORKERS)
    try:
        while waiting or running:
            open_ids = {*waiting, *(check.id for check in running.values())}
            for check in [each for each in waiting.values() if open_ids.isdisjoint(each.needs)]:
                del waiting[check.id]
                running[workers.submit(_verdict, check, context, skip, dict(blocking))] = check
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            done, _pending = concurrent.futures.wait(running, left, concurrent.futures.FIRST_COMPLETED)
            if not done:
                late = Verdict("unknown", f"could not look: {NO_ANSWER} {patience:g} s")
                verdicts.update(dict.fromkeys([*waiting, *(check.id for check in running.values())], late))
                break
            for future in done:
                check = running.pop(future)
                verdict = verdicts[check.id] = future.result()
                if verdict.status in ("fail", "unknown") or not blocking.keys().isdisjoint(check.needs):
                    blocking[check.id] = verdict.status
    finally:
        workers.shutdown(wait=not waiting and not running, cancel_futures=True)
    return [_finding(check, verdicts[check.id]) for check in checks]


def _verdict(check: Check, context: Context, skip: t.Sequence[str], blocking: t.Mapping[str, str]) -> Verdict:
    blocked_by = next((need for need in check.needs if need in blocking), None)
    if check.id in skip:
        return Verdict("skip", "left out by request")
    if blocked_by is not None:
        observed = f"{blocked_by} is not in order: {blocking[blocked_by]}"
        return Verdict("skip", observed, f"Settle {blocked_by} first.")
    try:
        return _answer(check, context)
    finally:
        context.release()


def _answer(check: Check, context: Context) -> Verdict:
    try:
        return check.run(context)
    except DoesNotApply as reason:
        return Verdict("skip", str(reason))
    except CannotLook as reason:
        return Verdict("unknown", f"could not look: {reason}")
    except DatabaseFailed as problem:
        return _answer_of_the_database(context, problem)
    except BoxliftError as error:
        return Verdict("unknown", f"could not look: {error.message}", error.remedy)
    except Exception as problem:  # an error in a check proves nothing about the portal
        return Verdict("unknown", f"could not look: {type(problem).__name__}: {problem}")


def _answer_of_the_database(context: Context, problem: DatabaseFailed) -> Verdict:
    """What a statement that the server refused says of the portal."""
    table = missing_table(problem)
    try:
        if table:
            return judge_missing(context, table)
    except DatabaseFailed as other:
        if missing_table(other) == "b_module":
            return failed(f"the tables {table} and b_module are missing: this is no portal's database")
        problem = other
    told = f"could not look: the database says: {problem.text} (error {problem.code})"
    other_schema = "Update the portal's modules, or this collection, until both know the same tables."
    return Verdict("unknown", told, other_schema if problem.code in (1054, NO_SUCH_TABLE) else problem.remedy)


def _finding(check: Check, verdict: Verdict) -> Finding:
    in_order = verdict.status == "pass" or (verdict.status == "skip" and not verdict.remedy)
    return Finding(
        id=check.id,
        area=check.area,
        status=verdict.status,
        observed=verdict.observed,
        expected=check.expected,
        remedy="" if in_order else verdict.remedy or check.remedy,
        owner=check.owner,
        reference=check.reference,
        before=verdict.before,
        blocks=check.blocks,
    )


def _refuse_unknown(option: str, given: t.Sequence[str], known: t.Sequence[str]) -> None:
    unknown = [each for each in given if each not in known]
    if unknown:
        raise BoxliftError(f"{option}: {', '.join(unknown)} is not known.", f"Known are: {', '.join(known)}.")
