# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forecast as lines for people, in the plan's time zone."""

from __future__ import annotations

import datetime
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.units import duration
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.forecast import (
    OVER,
    UNRECORDED,
    Forecast,
    Range,
    StepForecast,
)

_WORDS = {
    "running": "is running",
    "awaited": "has begun, and its end is awaited",
    "unknown": "was killed: look what it did, then run it again",
    "failed": "has failed",
    "ahead": "is ahead",
}


def lines(what: Forecast, timezone: str) -> list[str]:
    """What must be decided, when the portal opens, and every step that is not over."""
    zone = zoneinfo.ZoneInfo(timezone)
    ahead = [] if what.opened else [step for step in what.steps if step.state not in OVER]
    return [*headline(what, timezone), *(_step(step, zone) for step in ahead)]


def headline(what: Forecast, timezone: str) -> list[str]:
    """What must be decided, and when the portal opens."""
    zone = zoneinfo.ZoneInfo(timezone)
    out = []
    if what.decision is not None:
        out.append(f"DECISION REQUIRED before {_clock(what.decision.before, zone)}: {what.decision.text}")
    over = sum(step.state in OVER for step in what.steps if step.kind == "step")
    count = sum(step.kind == "step" for step in what.steps)
    out.append(f"Stage {what.stage}: {over} of {count} steps until the opening are over. {_drift(what)}".rstrip())
    missing = [step.id for step in what.steps if step.state == UNRECORDED]
    if missing:
        out.append(f"Nobody wrote down: {', '.join(missing)}.")
    if what.opened:
        return [*out, f"Opened at {_clock(what.opening.p50, zone)}; closed for {duration(what.closed.p50)}."]
    out.append(
        f"Opening: P50 {_clock(what.opening.p50, zone)}, P80 {_clock(what.opening.p80, zone)}; "
        f"closed for P50 {duration(what.closed.p50)}, P80 {duration(what.closed.p80)}."
    )
    return [*out, *_window(what, zone), *_leads(what)]


def _clock(moment: float, zone: datetime.tzinfo) -> str:
    return datetime.datetime.fromtimestamp(moment, tz=zone).strftime("%Y-%m-%d %H:%M %Z")


def _drift(what: Forecast) -> str:
    if not what.begun or abs(what.drift) < 60:
        return ""
    return f"They took {duration(abs(what.drift))} {'more' if what.drift > 0 else 'less'} than expected."


def _window(what: Forecast, zone: datetime.tzinfo) -> list[str]:
    if what.window is None or what.point_of_no_return is None:
        return ["The plan has no window yet: whether it fits is not known."]
    fits = "It fits the window (P80)" if what.fits else "It does NOT fit the window (P80)"
    return [
        f"{fits}, which ends at {_clock(what.window[1], zone)}.",
        f"Point of no return: {_clock(what.point_of_no_return, zone)}; a rollback takes P80 "
        f"{duration(what.rollback.p80)} ({what.rollback.basis}).",
    ]


def _leads(what: Forecast) -> list[str]:
    if what.leads is None:
        return []
    out = [f"Leads at risk while closed: {_number(what.leads.closed)}, at {what.leads.per_day:g} a day."]
    if what.leads.since_backup is not None:
        out.append(f"Leads since the backup, to be brought over: {_number(what.leads.since_backup)}.")
    return out


def _number(of: Range) -> str:
    return f"P50 {of.p50:.0f}, P80 {of.p80:.0f}"


def _step(step: StepForecast, zone: datetime.tzinfo) -> str:
    took = f", takes P50 {duration(step.seconds.p50)}, P80 {duration(step.seconds.p80)}" if step.seconds else ""
    basis = f" ({step.seconds.basis})" if step.seconds else ""
    name = f"gate {step.id}" if step.kind == "gate" else step.id
    return f"{name} {_WORDS[step.state]}; ends P50 {_clock(step.end.p50, zone)}{took}{basis}"
