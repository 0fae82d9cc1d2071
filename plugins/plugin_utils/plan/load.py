# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a `Plan` of the default plan and a site's file, or says everything that is wrong with it at once."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import functools
import hashlib
import json
import os
import pathlib
import typing as t
import zoneinfo

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan import check, schema, source
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.merge import BY_ID, Merged, merge
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.model import (
    Cutover,
    Estimate,
    Gate,
    LeadItem,
    Moment,
    Notice,
    Person,
    Phase,
    Plan,
    Signature,
    Stage,
    Step,
    Supervision,
    Undo,
    Visit,
)
from ansible_collections.boxlift.portal.plugins.plugin_utils.plan.source import Data, PlanError, Source

DEFAULT = pathlib.Path(__file__).with_name("default.yml")
# What happened, in contrast to what was agreed: it changes while the move goes on, and nobody signs it.
EVENTS = ("ordered", "arrived")


@functools.lru_cache(maxsize=1)
def default() -> Source:
    return source.from_file(str(DEFAULT))


def given(plan: t.Any) -> str | t.Mapping[str, t.Any] | None:
    """A plan as an option names it: its path, with the home folder in it, or a mapping. Raises BoxliftError."""
    if isinstance(plan, str):
        return os.path.expanduser(plan)
    if plan is not None and not isinstance(plan, t.Mapping):
        raise BoxliftError("plan is neither a path nor a mapping.", "Give the path of the site's plan.")
    return plan


def day_given(today: str | None) -> datetime.date | None:
    """The day that an option names as today. Raises BoxliftError."""
    try:
        return schema.day(today) if today else None
    except ValueError as error:
        raise BoxliftError(f"today: {today} is no day.", "Write it as YEAR-MONTH-DAY, such as 2026-11-28.") from error


def load(plan: str | t.Mapping[str, t.Any] | None = None) -> Plan:
    """The plan of a site: its file, or the mapping that was read from one; the default plan if there is neither.

    Raises PlanError with every problem, and BoxliftError where a file cannot be read.
    """
    return load_merged(plan)[0]


def load_merged(plan: str | t.Mapping[str, t.Any] | None = None) -> tuple[Plan, Merged]:
    """The same, and how it came about: what the site overrides."""
    if isinstance(plan, str) and plan:
        site = source.from_file(plan)
    else:
        site = source.from_mapping(plan if isinstance(plan, t.Mapping) else {})
    merged, problems = merge(default(), site)
    found, broken = schema.judge(merged)
    problems += found
    # What is right is looked at further, so that all is told at once; what is not has the default's place.
    whole = {path[0] for path in broken if len(path) == 1}
    usable = {key: value for key, value in merged.data.items() if key not in whole}
    usable.update({key: value for key, value in default().data.items() if key in whole})
    merged = dataclasses.replace(merged, data=usable)
    sound = copy.deepcopy(usable)
    for path in broken:
        if len(path) == 2:
            sound[str(path[0])].pop(str(path[1]), None)
    try:
        zoneinfo.ZoneInfo(sound["timezone"])
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        wrong = f"There is no time zone {sound['timezone']!r}."
        problems.append(merged.problem(("timezone",), wrong, "timedatectl list-timezones names them all."))
        sound["timezone"] = default().data["timezone"]
    typed = build(sound)
    problems += check.references(typed, merged)
    if not problems:
        problems += check.order(typed, merged)
    if problems:
        raise PlanError(problems)
    return typed, merged


def canonical(data: Data) -> bytes:
    """What the plan's checksum is of: all that was agreed, in one way of writing, without what happened since."""
    agreed = {key: value for key, value in data.items() if key != "done"}
    agreed["lead_items"] = {
        name: {key: value for key, value in item.items() if key not in EVENTS}
        for name, item in data.get("lead_items", {}).items()
    }
    return json.dumps(agreed, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def build(data: Data) -> Plan:
    """Data that fits the schema, as a Plan. What it refers to need not be there."""
    zone = zoneinfo.ZoneInfo(data["timezone"])
    data = {**{kind: {} for kind in BY_ID}, **data}
    steps = {name: _step(name, step, data) for name, step in data["steps"].items()}

    def moment(text: str) -> Moment:
        return _moment(text, steps)

    gates = {name: _gate(name, gate) for name, gate in data["gates"].items()}
    return Plan(
        id=data["id"],
        title=data["title"],
        site=data.get("site", ""),
        issued=_day(data.get("issued")),
        timezone=data["timezone"],
        holidays=frozenset(map(schema.day, data.get("holidays", []))),
        organisations=dict(data["organisations"]),
        people={name: _person(name, one, data.get("language", "en")) for name, one in data["people"].items()},
        phases={name: Phase(name, one["title"], one["urgency"]) for name, one in data["phases"].items()},
        stages={
            name: Stage(
                name, one["title"], one["phase"], one.get("gate"), _time(one.get("start"), zone), one.get("end_days", 0)
            )
            for name, one in data["stages"].items()
        },
        steps=steps,
        gates=gates,
        lead_items={name: _lead_item(name, one, moment) for name, one in data["lead_items"].items()},
        visits={name: Visit(name, one["title"], one["owner"], one["days"]) for name, one in data["visits"].items()},
        cutover=_cutover(data["cutover"], gates, zone),
        done={moment(name): schema.day(when) for name, when in data["done"].items()},
        sha256=hashlib.sha256(canonical(data)).hexdigest(),
        states={
            state: mark.removeprefix("gate ") if mark.startswith("gate ") else moment(mark)
            for state, mark in data.get("states", {}).items()
        },
        supervision=_supervision(data.get("supervision", {})),
        language=data.get("language", "en"),
    )


def _day(text: str | None) -> datetime.date | None:
    return schema.day(text) if text is not None else None


def _time(text: str | None, zone: zoneinfo.ZoneInfo) -> datetime.datetime | None:
    return schema.minute(text).replace(tzinfo=zone) if text is not None else None


def _moment(text: str, steps: t.Mapping[str, Step]) -> Moment:
    """Without a stage in the text, the only one of the step; an empty one where that is not known."""
    step, _at, stage = text.partition("@")
    if not stage and step in steps and len(steps[step].stages) == 1:
        stage = steps[step].stages[0]
    return Moment(step, stage)


def _person(name: str, one: Data, language: str) -> Person:
    return Person(
        id=name,
        name=one["name"],
        org=one["org"],
        roles=tuple(one["roles"]),
        key=one.get("key", ""),
        email=one.get("email", ""),
        webhook=one.get("webhook", ""),
        language=one.get("language", language),
        codes=tuple(one.get("codes", [])),
    )


def _step(name: str, one: Data, data: Data) -> Step:
    ours = tuple(stage for stage, other in data["stages"].items() if other["phase"] == one["phase"])
    named = one.get("stages", ours)
    notice = one.get("notice", {})
    return Step(
        id=name,
        title=one["title"],
        phase=one["phase"],
        # In the plan's order; `check` names those that are not of the phase.
        stages=(*(stage for stage in ours if stage in named), *(stage for stage in named if stage not in ours)),
        owner=one["owner"],
        urgency=one.get("urgency") or data["phases"].get(one["phase"], {}).get("urgency", ""),
        depends=tuple(one.get("depends", [])),
        gates=tuple(one.get("gates", [])),
        playbook=one.get("playbook"),
        estimate=Estimate(**one["estimate"]),
        scale=one.get("scale"),
        notice=Notice(
            audience=tuple(notice.get("audience", [one["owner"]])),
            first_minutes=notice.get("first_minutes", 5),
            every_minutes=notice.get("every_minutes", 30),
        ),
        evidence=tuple(one.get("evidence", [])),
        undo=Undo(one["undo"].get("playbook"), one["undo"].get("reason", "")),
        not_yet=one.get("not_yet", ""),
        vars=dict(one.get("vars", {})),
        purpose=one.get("purpose", ""),
    )


def _gate(name: str, one: Data) -> Gate:
    return Gate(
        id=name,
        title=one["title"],
        stage=one["stage"],
        after=tuple(one["after"]),
        needs=tuple(Signature(need["role"], need["org"], need.get("count", 1)) for need in one["needs"]),
        inputs=tuple(one.get("inputs", [])),
        timeout_minutes=one["timeout_minutes"],
    )


def _lead_item(name: str, one: Data, moment: t.Callable[[str], Moment]) -> LeadItem:
    return LeadItem(
        id=name,
        title=one["title"],
        owner=one["owner"],
        provide=one["provide"],
        lead_days=one["lead_days"],
        working_days=one.get("working_days", False),
        buffer_days=one.get("buffer_days", 0),
        need_by=moment(one["need_by"]),
        after=moment(one["after"]) if "after" in one else None,
        ordered=_day(one.get("ordered")),
        arrived=_day(one.get("arrived")),
    )


def _cutover(one: Data, gates: t.Mapping[str, Gate], zone: zoneinfo.ZoneInfo) -> Cutover:
    rollback = Estimate(**one["rollback"])
    end = _time(one.get("window_end"), zone)
    latest = _time(one.get("point_of_no_return"), zone)
    if latest is None and end is not None:
        # In UTC, since the clocks may be set back in that very night.
        moment = end.astimezone(datetime.timezone.utc) - datetime.timedelta(seconds=rollback.seconds)
        latest = moment.astimezone(zone)
    return Cutover(
        first=one["first"],
        last=one["last"],
        window_start=_time(one.get("window_start"), zone),
        window_end=end,
        point_of_no_return=latest,
        rollback=rollback,
        commit=one["commit"],
        commit_minutes=gates[one["commit"]].timeout_minutes if one["commit"] in gates else 0,
        policy=one["policy"],
    )


def _supervision(one: Data) -> Supervision:
    usual = Supervision()
    return Supervision(
        mode=one.get("mode", usual.mode),
        operator=one.get("operator", usual.operator),
        watchers=tuple(one.get("watchers", usual.watchers)),
        count=one.get("count", usual.count),
        answer_minutes=one.get("answer_minutes", usual.answer_minutes),
        envelopes=dict(one.get("envelopes", {})),
    )
